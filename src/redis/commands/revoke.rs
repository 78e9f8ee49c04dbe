//! Revocations: one script, acknowledgements of replicas, and the mirrors of this process.

use std::sync::Arc;

use redis::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    blocklist::{Outage, Revocation, RevokeError},
    redis::{
        commands::{acks::Acks, batch::Batcher},
        connection::{send::Request, supervisor::Live},
        loss::own_writes::AfterRestore,
        schema::{
            log_entry,
            scripts::{self, Write},
        },
        shared::Shared,
    },
};

/// The attempts to store a revocation if restores keep beginning meanwhile.
const ATTEMPTS: usize = 3;

/// Stores revocations.
pub(crate) struct Revoker {
    shared: Arc<Shared>,
    acks: Batcher<Acks>,
}

impl Revoker {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let acks = Batcher::new(Acks(Arc::clone(&shared)), shared.runtime.clone());
        Self { shared, acks }
    }

    /// Stores a revocation, and passes it to the mirrors of this process at once.
    pub(crate) async fn revoke(&self, revocation: &Revocation) -> Result<(), RevokeError> {
        for _ in 0..ATTEMPTS {
            let restorations = self.shared.restorations();
            self.store_acknowledged(revocation).await?;
            if self.shared.note_own(revocation, restorations) == AfterRestore::Stored {
                return Ok(());
            }
        }
        Err(Outage::Lost.into())
    }

    async fn store_acknowledged(&self, revocation: &Revocation) -> Result<(), RevokeError> {
        let deadline = Instant::now() + self.shared.settings.revoke_deadline;
        self.join(deadline).await;
        let Some(live) = self.store(revocation, deadline).await? else { return Ok(()) };
        if self.shared.settings.replicas.is_none() {
            return Ok(());
        }
        self.acks.ask(live, deadline).await.unwrap_or(Err(RevokeError::NotReplicated))
    }

    /// Makes this process known to the others before its first revocation: they wait for it after a
    /// loss. A failure is ignored, because the next heartbeat repeats it.
    async fn join(&self, deadline: Instant) {
        let (shared, process) = (&*self.shared, &*self.shared.dialer.process);
        if process.is_member() {
            return;
        }
        if let Ok(mut live) = shared.writer().live_by(deadline).await {
            let _ = timeout_at(deadline, process.join(&mut live.connected.connection, &shared.keys)).await;
        }
    }

    /// Stores an entry, and returns the connection that it was stored on; `None` if the revocation
    /// has expired.
    async fn store(&self, revocation: &Revocation, deadline: Instant) -> Result<Option<Live>, Outage> {
        let (shared, now) = (&*self.shared, self.shared.now());
        if revocation.expiry() <= now {
            return Ok(None);
        }
        let packed = log_entry::pack(revocation);
        // `WAIT` counts only the writes of its connection. An entry that another connection has
        // written is therefore written again.
        let always = shared.settings.replicas.is_some();
        let call = |live: &Live| {
            let write = Write { now, packed: &packed, always };
            Request::Script(scripts::revoke_call(&shared.keys, &live.connected.epoch.to_text(), revocation, write))
        };
        let read = |_: &Live, answer: &Value| match answer {
            Value::BulkString(id) => Ok(id.clone()),
            _ => Err(Outage::UnexpectedReply.into()),
        };
        let (id, live) = shared.writer().send_with_retry(deadline, call, read).await?;
        shared.dialer.process.confirmed_writes.add(live.connected.epoch, &id, &packed);
        Ok(Some(live))
    }
}
