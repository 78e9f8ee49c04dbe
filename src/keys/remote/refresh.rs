//! The task that keeps keys fresh.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{runtime::Handle, sync::Notify, task::AbortHandle, time};

use crate::{
    config_error::ConfigError,
    keys::{
        remote::{FetchError, RemoteKeys},
        set::{KeySet, WeakKeySet},
    },
    metrics,
};

const SHORTEST_COOLDOWN: Duration = Duration::from_millis(100);

/// The owner's end of the task: it ends with this.
#[derive(Debug)]
pub(crate) struct Refresher {
    wanted: Arc<Notify>,
    task: AbortHandle,
}

impl Refresher {
    /// A key was asked for that is not there. Any number of calls before the next fetch are one.
    pub(crate) fn missed(&self) {
        self.wanted.notify_one();
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When keys are fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    AtOnce,
    Within(Duration),
}

pub(crate) struct Refreshing {
    remote: RemoteKeys,
    runtime: Handle,
    /// What the keys are made of.
    document: Option<Bytes>,
    failing: bool,
}

impl Refreshing {
    pub(crate) fn new(remote: RemoteKeys) -> Result<Self, ConfigError> {
        if remote.cooldown < SHORTEST_COOLDOWN {
            return Err(ConfigError::setting("the cooldown between two fetches of keys is under 100 milliseconds"));
        }
        let runtime = Handle::try_current()
            .map_err(|_| ConfigError::setting("keys are fetched on a tokio runtime: call it there"))?;
        Ok(Self { remote, runtime, document: None, failing: false })
    }

    pub(crate) fn host(&self) -> &str {
        self.remote.host()
    }

    pub(crate) fn start(self, keys: WeakKeySet, next: Next) -> Refresher {
        let wanted = Arc::new(Notify::new());
        let runtime = self.runtime.clone();
        let task = runtime.spawn(self.run(keys, next, Arc::clone(&wanted))).abort_handle();
        Refresher { wanted, task }
    }

    async fn run(mut self, keys: WeakKeySet, mut next: Next, wanted: Arc<Notify>) {
        loop {
            if let Next::Within(period) = next {
                // Whoever asks in the meantime has asked when it is over.
                time::sleep(self.remote.cooldown).await;
                let _ = time::timeout(period.saturating_sub(self.remote.cooldown), wanted.notified()).await;
            }
            let fetched = self.fetch_into(&keys).await;
            self.log(fetched.err());
            next = fetched.unwrap_or(Next::Within(self.remote.cooldown));
        }
    }

    /// Puts what is published now into the set; when to ask again.
    pub(crate) async fn fetch_into(&mut self, keys: &WeakKeySet) -> Result<Next, FetchError> {
        let fetched = self.try_fetch(keys).await;
        metrics::keys_fetched(match &fetched {
            Ok((_, true)) => "changed",
            Ok((_, false)) => "unchanged",
            Err(error) => error.as_str(),
        });
        fetched.map(|(next, _)| next)
    }

    async fn try_fetch(&mut self, keys: &WeakKeySet) -> Result<(Next, bool), FetchError> {
        let fetched = time::timeout(self.remote.deadline, self.remote.document()).await;
        let fetched = fetched.map_err(|_| FetchError::TimedOut)??;
        let period = fetched.max_age.unwrap_or(Duration::MAX).min(self.remote.refresh_every);
        let next = Next::Within(period.max(self.remote.cooldown));
        // The same keys are not put in anew: whatever was found with them would be thrown away.
        if self.document.as_ref() == Some(&fetched.body) {
            return Ok((next, false));
        }
        let jwks = self.remote.parse(&fetched.body)?;
        for rejected in jwks.rejected() {
            tracing::warn!(host = self.host(), %rejected, "a published key is not used");
        }
        let loaded = jwks.keys().to_vec();
        // Without an owner there is nobody to tell.
        if let Some(keys) = keys.upgrade() {
            keys.put(loaded).map_err(|_| FetchError::NoKey)?;
        }
        self.document = Some(fetched.body);
        Ok((next, true))
    }

    /// Once when it begins to fail, and once when it is over.
    fn log(&mut self, error: Option<FetchError>) {
        match error {
            Some(error) if !self.failing => {
                tracing::warn!(
                    host = self.host(),
                    reason = error.as_str(),
                    "published keys cannot be fetched: the old ones stay"
                );
            }
            None if self.failing => tracing::info!(host = self.host(), "published keys are fetched again"),
            _ => {}
        }
        self.failing = error.is_some();
    }
}

impl WeakKeySet {
    fn upgrade(&self) -> Option<KeySet> {
        self.0.upgrade().map(KeySet)
    }
}
