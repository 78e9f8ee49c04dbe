//! Revocations: one script, acknowledgements of replicas, and the mirrors of this process.

use std::sync::Arc;

use redis::Value;
use tokio::time::Instant;

use crate::{
    blocklist::{Outage, Revocation, RevokeError},
    redis::{
        commands::{acks::Acks, batch::Batcher},
        connection::{send::Request, supervisor::Live},
        local_mirrors::AfterRestore,
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
            let restorations = self.shared.mirrors.restorations();
            self.store_acknowledged(revocation).await?;
            if self.shared.mirrors.notify(revocation, restorations) == AfterRestore::Stored {
                return Ok(());
            }
        }
        Err(Outage::Lost.into())
    }

    async fn store_acknowledged(&self, revocation: &Revocation) -> Result<(), RevokeError> {
        let deadline = Instant::now() + self.shared.settings.revoke_deadline;
        let Some(live) = self.store(revocation, deadline).await? else { return Ok(()) };
        if self.shared.settings.replicas.is_none() {
            return Ok(());
        }
        self.acks.ask(live, deadline).await.unwrap_or(Err(RevokeError::NotReplicated))
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
        shared.dialer.confirmed_writes.add(live.connected.epoch, &id);
        Ok(Some(live))
    }
}
