//! The background task that audits the entries.

use std::sync::{Arc, Weak};

use tokio::{task::JoinHandle, time::sleep};

use crate::{
    blocklist::Outage,
    redis::{connection::send::Supervised, error::Failure, loss, shared::Shared},
};

/// Audits at the interval of the settings, until it is dropped.
pub(crate) struct Auditor(JoinHandle<()>);

impl Auditor {
    pub(crate) fn start(shared: &Arc<Shared>) -> Self {
        Self(shared.runtime.spawn(run(Arc::downgrade(shared))))
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(shared: Weak<Shared>) {
    loop {
        let Some(interval) = shared.upgrade().map(|shared| shared.settings.audit_every) else { return };
        sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        match audit(&shared).await {
            Ok(0) => {}
            Ok(missing) => tracing::warn!(
                missing,
                "revocations were missing in Redis and are restored: does it evict, or did a client delete them?"
            ),
            Err(failure) => tracing::debug!(reason = Outage::from(failure).as_str(), "could not audit Redis"),
        }
    }
}

async fn audit(shared: &Shared) -> Result<usize, Failure> {
    let mut connection = Supervised::now(&shared.reader)?;
    let epoch = connection.epoch_text();
    let (keys, interval) = (&shared.keys, shared.settings.audit_every);
    loss::audit::audit(&mut connection, keys, &epoch, interval, || shared.now()).await
}
