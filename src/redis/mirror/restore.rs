//! Restores the revocations that Redis has lost.
//!
//! 1. A mirror that was complete when Redis was lost begins a new epoch with the old floor. The
//!    epoch is closed: no check and no revocation uses it yet.
//! 2. Every mirror writes its entries into the closed epoch. Each begins with the revocations that
//!    its own process stored last, because no other process may have them.
//! 3. When no mirror is writing any more, the one that began the epoch opens it.
//!
//! So no process trusts an epoch before everything is in it. Afterwards each mirror compares its
//! entries with Redis once more, a page at a time, because the restoring mirrors may have missed
//! some.

use std::{
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use crate::{
    blocklist::Revocation,
    clock::Timestamp,
    metrics,
    redis::{
        error::{DialError, Loss},
        loss::{
            detect::Observed,
            reconcile::{Log, PAGE_DEADLINE, Target, Which, reconcile},
            recover,
        },
        mirror::{
            compact_set::Cursor,
            replica::{Forgotten, Replica},
        },
        schema::{epoch::Epoch, millis},
        shared::Shared,
    },
};

/// The number of entries compared or written at a time.
const PAGE: usize = 500;
/// The time that other mirrors have to notice the loss before the epoch may be opened. One cycle of
/// a feed takes less.
const TIME_TO_NOTICE: Duration = Duration::from_millis(500);
/// The time for which a mirror counts as writing after it said so.
const HELP_EXPIRY: Duration = Duration::from_millis(300);
/// The pause before Redis is looked at again.
const PAUSE: Duration = Duration::from_millis(50);
/// A mirror whose last proof of completeness is older than this may have missed revocations.
const MAX_AGE_AT_LOSS: Duration = Duration::from_secs(60);

pub(crate) struct Restorer {
    replica: Arc<Replica>,
    shared: Arc<Shared>,
    /// The position of the comparison of the replica with Redis, if one is under way.
    comparing: Option<Cursor>,
    /// The epoch into which this mirror has written all of its entries while it was closed.
    restored_into: Option<Epoch>,
}

/// A loss as a feed sees it.
pub(crate) struct Incident<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) loss: Loss,
    pub(crate) noticed: Instant,
    /// The epoch that the replica belongs to.
    pub(crate) epoch: Option<Epoch>,
    /// The time that entries expire by. It follows the wall clock with caution, because an entry
    /// that has expired by a clock that is ahead may still be needed.
    pub(crate) now: Timestamp,
}

/// The epoch that entries are restored into.
enum Destination {
    /// A closed epoch that another mirror will open.
    Others(Epoch),
    /// A closed epoch that this mirror will open.
    Own(Epoch),
}

impl Restorer {
    pub(crate) fn new(replica: Arc<Replica>, shared: Arc<Shared>) -> Self {
        Self { replica, shared, comparing: None, restored_into: None }
    }

    /// Does the next step of a restoration. The feed then looks at Redis again.
    pub(crate) async fn restore(
        &mut self,
        connection: &mut MultiplexedConnection,
        incident: &Incident<'_>,
    ) -> Result<(), DialError> {
        self.replica.set_lost();
        match incident.observed.closed_epoch().filter(|_| incident.observed.is_claimed) {
            Some(closed) if self.restored_into == Some(closed) => {}
            Some(closed) => {
                self.write_all(connection, &Destination::Others(closed), Which::Missing, incident.now).await?;
                self.restored_into = Some(closed);
            }
            None if self.may_begin(incident.noticed) => self.begin(connection, incident).await?,
            None => {}
        }
        sleep(PAUSE).await;
        Ok(())
    }

    /// Whether this mirror had everything when Redis was lost, so that it may begin an epoch. One
    /// that was proven complete just before the loss goes first.
    fn may_begin(&self, noticed: Instant) -> bool {
        let age = self.replica.age(self.replica.time()).filter(|_| !self.replica.has_overflowed());
        let Some(age) = age else { return false };
        let since = noticed.elapsed();
        let at_loss = age.saturating_sub(since);
        at_loss <= self.replica.max_staleness() || at_loss <= MAX_AGE_AT_LOSS && since > TIME_TO_NOTICE
    }

    /// Begins an epoch, restores everything into it, and opens it.
    async fn begin(
        &mut self,
        connection: &mut MultiplexedConnection,
        incident: &Incident<'_>,
    ) -> Result<(), DialError> {
        let Some(known) = incident.epoch else { return Ok(()) };
        let (observed, loss) = (incident.observed, incident.loss);
        let begun = Epoch::begin(self.replica.time(), known.floor.max(observed.floor()))?;
        let replaced = observed.epoch.as_deref().unwrap_or_default();
        if !recover::begin_closed(connection, &self.shared.keys, replaced, begun).await? {
            return Ok(());
        }
        metrics::lost();
        tracing::warn!(reason = loss.as_str(), "Redis has lost revocations: the mirrors are restoring them");
        let began = Instant::now();
        // After an interrupted restoration, the log may have half of the entries that Redis has.
        let which = if matches!(loss, Loss::LogGone | Loss::Restoring) { Which::All } else { Which::Missing };
        let written = self.write_all(connection, &Destination::Own(begun), which, incident.now).await?;
        while began.elapsed() < TIME_TO_NOTICE || self.others_are_writing(connection).await? {
            sleep(PAUSE).await;
        }
        if recover::open(connection, &self.shared.keys, begun).await? {
            tracing::warn!(entries = self.replica.set.len(), written, "all revocations are restored in Redis");
            self.restored_into = Some(begun);
        }
        Ok(())
    }

    /// Writes all entries of the replica into a closed epoch, the latest own ones first. Returns
    /// how many were written.
    async fn write_all(
        &self,
        connection: &mut MultiplexedConnection,
        destination: &Destination,
        which: Which,
        now: Timestamp,
    ) -> Result<usize, DialError> {
        self.shared.mirrors.note_restore();
        let (Destination::Own(epoch) | Destination::Others(epoch)) = destination;
        let text = epoch.to_closed_text();
        let pages = self.replica.set.pages(Cursor::default(), PAGE).map(|(page, _)| page);
        let mut written = 0;
        for page in iter::once(self.replica.own_writes.recent()).chain(pages) {
            for chunk in page.chunks(PAGE) {
                self.say_writing(connection, destination).await?;
                written += self.restore_page(connection, chunk, &text, which, now).await?;
            }
        }
        Ok(written)
    }

    /// Announces to the other mirrors that this one is writing.
    async fn say_writing(
        &self,
        connection: &mut MultiplexedConnection,
        destination: &Destination,
    ) -> Result<(), DialError> {
        let keys = &self.shared.keys;
        let mut pipeline = redis::pipe();
        match destination {
            Destination::Own(_) => recover::renew_claim(&mut pipeline, keys),
            Destination::Others(_) => {
                let expiry = millis(HELP_EXPIRY);
                pipeline.cmd("SET").arg(keys.helpers()).arg("").arg("PX").arg(expiry).ignore();
            }
        }
        within(PAGE_DEADLINE, pipeline.query_async::<()>(connection)).await
    }

    /// Whether another mirror is writing into the epoch that this one keeps closed.
    async fn others_are_writing(&self, connection: &mut MultiplexedConnection) -> Result<bool, DialError> {
        let keys = &self.shared.keys;
        let mut pipeline = redis::pipe();
        recover::renew_claim(&mut pipeline, keys);
        pipeline.cmd("GET").arg(keys.helpers());
        let (helpers,): (Value,) = within(PAGE_DEADLINE, pipeline.query_async(connection)).await?;
        Ok(helpers != Value::Nil)
    }

    /// Restores the revocations of this process that Redis does not have. A demoted master may have
    /// confirmed them after everything else was restored.
    pub(crate) async fn verify_own(
        &mut self,
        connection: &mut MultiplexedConnection,
        epoch: Epoch,
        until: Instant,
        now: Timestamp,
    ) -> Result<(), DialError> {
        match self.replica.own_writes.unverified(until) {
            Ok(own) => {
                let text = epoch.to_text();
                for chunk in own.chunks(PAGE) {
                    self.restore_page(connection, chunk, &text, Which::Missing, now).await?;
                }
                self.replica.own_writes.set_verified(until);
            }
            // Too many were stored meanwhile: all entries have to be compared.
            Err(Forgotten) => (self.comparing, self.restored_into) = (Some(Cursor::default()), None),
        }
        Ok(())
    }

    pub(crate) fn is_comparing(&self) -> bool {
        self.comparing.is_some()
    }

    /// Begins to compare the replica with Redis, unless that is under way. Call it when the epoch
    /// has changed: the process that began it may not have had every revocation.
    pub(crate) fn compare(&mut self) {
        self.comparing.get_or_insert_default();
    }

    /// Compares the next page of the replica with Redis, and restores what is missing there.
    pub(crate) async fn compare_page(
        &mut self,
        connection: &mut MultiplexedConnection,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), DialError> {
        let Some(cursor) = self.comparing else { return Ok(()) };
        if self.restored_into == Some(epoch) {
            self.comparing = None;
            return Ok(());
        }
        let page = self.replica.set.pages(cursor, PAGE).next();
        let (page, next) = page.unwrap_or_default();
        let text = epoch.to_text();
        let mut written = 0;
        for chunk in page.chunks(PAGE) {
            match self.restore_page(connection, chunk, &text, Which::Missing, now).await {
                // A read-only service leaves this to others.
                Err(DialError::NotPermitted) => {
                    self.comparing = None;
                    return Ok(());
                }
                outcome => written += outcome?,
            }
        }
        if written > 0 {
            tracing::warn!(written, "revocations that Redis had lost are restored");
        }
        self.comparing = next;
        Ok(())
    }

    /// Writes revocations through [`reconcile`], and counts them.
    async fn restore_page(
        &self,
        connection: &mut MultiplexedConnection,
        revocations: &[Revocation],
        epoch: &str,
        which: Which,
        now: Timestamp,
    ) -> Result<usize, DialError> {
        let target = Target { keys: &self.shared.keys, epoch, now, log: Log::Append };
        let written = reconcile(connection, &target, revocations, which).await?;
        if written > 0 {
            metrics::put_back(written);
        }
        Ok(written)
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, DialError> {
    timeout(limit, answer).await.map_err(|_| DialError::TimedOut)?.map_err(|error| DialError::of(&error))
}
