//! A process as a member: over all its connections, what it has revoked, and whom it knows.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use redis::aio::MultiplexedConnection;

use crate::{
    clock::Timestamp,
    redis::{
        error::DialError,
        loss::{
            detect::ConfirmedWrites,
            own_writes::{OwnWrites, Verified},
            reconcile::{Selection, reconcile},
            roster::{Membership, Roster},
        },
        schema::{
            epoch::{Closed, Epoch, LogState},
            key_names::KeyNames,
            scripts::{Log, Restoration},
        },
    },
};

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) confirmed_writes: ConfirmedWrites,
    pub(crate) own_writes: OwnWrites,
    pub(crate) roster: Roster,
    membership: tokio::sync::Mutex<Membership>,
    is_member: AtomicBool,
    /// The closed epoch that this process has answered last.
    answered: Mutex<Option<Closed>>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            confirmed_writes: ConfirmedWrites::default(),
            own_writes: OwnWrites::default(),
            roster: Roster::default(),
            membership: tokio::sync::Mutex::new(Membership::of_process()),
            is_member: AtomicBool::new(false),
            answered: Mutex::default(),
        }
    }
}

impl Process {
    /// Whether others wait for this process after a loss.
    pub(crate) fn is_member(&self) -> bool {
        self.is_member.load(Ordering::Relaxed)
    }

    /// Writes this process into the roster, before its first revocation.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub(crate) async fn join(&self, connection: &mut MultiplexedConnection, keys: &KeyNames) -> Result<(), DialError> {
        let mut membership = self.membership.lock().await;
        if membership.is_due() {
            membership.announce(connection, keys, &self.roster).await?;
        }
        self.is_member.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Announces this process if it has revoked lately, and reads the roster if that is due.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub(crate) async fn keep_up(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &KeyNames,
        joined: u64,
    ) -> Result<(), DialError> {
        if self.own_writes.has_recent() {
            self.join(connection, keys).await?;
        } else {
            self.is_member.store(false, Ordering::Relaxed);
        }
        read_roster(&self.roster, connection, keys, joined).await
    }

    /// Announces this process again, because another epoch has begun.
    pub(crate) async fn rejoin(&self) {
        self.membership.lock().await.forget_announcement();
    }

    /// Answers a closed epoch once: restores the revocations of this process, and acknowledges.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or the epoch is another one by now.
    pub(crate) async fn answer(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &KeyNames,
        closed: Closed,
        now: Timestamp,
    ) -> Result<(), DialError> {
        let has_answered = || *self.answered.lock().unwrap_or_else(PoisonError::into_inner) == Some(closed);
        if closed.position.is_none() || has_answered() {
            return Ok(());
        }
        // Counted even if there is nothing to restore: a revocation may be under way.
        let own = self.own_writes.begin_restore();
        let id = self.membership.lock().await.id;
        let (selection, log) = restored(closed.log);
        let restoration = Restoration { epoch: &closed.to_text(), now, log, claim: None };
        match reconcile(connection, keys, &restoration, &own, selection, id).await {
            // A process that may only read has revoked nothing.
            Ok(_) | Err(DialError::NotPermitted) => {}
            Err(error) => return Err(error),
        }
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(closed);
        Ok(())
    }

    /// Restores the revocations of this process that Redis does not have. A demoted master may have
    /// confirmed them after everything else was restored.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or the epoch is another one by now.
    pub(crate) async fn verify_own(
        &self,
        connection: &mut MultiplexedConnection,
        verified: &mut Verified,
        keys: &KeyNames,
        epoch: Epoch,
        until: Instant,
        now: Timestamp,
    ) -> Result<(), DialError> {
        let unverified = self.own_writes.unverified(*verified, until);
        let restoration = Restoration { epoch: &epoch.to_text(), now, log: Log::Missing, claim: None };
        let missing = match unverified.as_slice() {
            [] => 0,
            own => reconcile(connection, keys, &restoration, own, Selection::Compare, None).await?,
        };
        if missing > 0 {
            tracing::warn!(missing, "revocations of this process were missing in Redis, and are restored");
        }
        *verified = Verified::until(until);
        Ok(())
    }
}

/// Reads the roster if that is due. Without the permission, it stays empty.
pub(crate) async fn read_roster(
    roster: &Roster,
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    joined: u64,
) -> Result<(), DialError> {
    if !roster.is_due(joined) {
        return Ok(());
    }
    match roster.read(connection, keys, joined).await {
        Err(DialError::NotPermitted | DialError::Rejected) => Ok(()),
        outcome => outcome,
    }
}

/// Which revocations a member sends to the script, and which of them the script appends to a log in
/// this state.
pub(crate) fn restored(log: LogState) -> (Selection, Log) {
    match log {
        LogState::Kept => (Selection::Compare, Log::Missing),
        LogState::Lost => (Selection::All, Log::All),
    }
}
