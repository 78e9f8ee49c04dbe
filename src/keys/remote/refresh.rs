//! The task that keeps published keys fresh.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime::Handle, sync::Notify, task::AbortHandle, time};

use crate::{
    config_error::ConfigError,
    keys::{
        remote::{fetch::FetchError, source::Source},
        set::{KeySet, Refresher, Shared},
    },
    metrics,
};

const SHORTEST_COOLDOWN: Duration = Duration::from_millis(100);

/// Owns the task, which ends when this is dropped.
struct Task {
    key_missed: Arc<Notify>,
    handle: AbortHandle,
}

impl Refresher for Task {
    fn key_missed(&self) {
        self.key_missed.notify_one();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// The time of the next fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    AtOnce,
    Within(Duration),
}

pub(crate) struct Refreshing {
    source: Source,
    /// Weak, because the task must not keep the set alive.
    keys: Weak<Shared>,
    runtime: Handle,
    /// The document that the present keys come from.
    document: Option<Bytes>,
    is_failing: bool,
}

impl Refreshing {
    pub(crate) fn new(source: Source, keys: &KeySet) -> Result<Self, ConfigError> {
        if source.cooldown < SHORTEST_COOLDOWN {
            return Err(ConfigError::out_of_range(
                "the cooldown between two fetches of keys is below 100 milliseconds",
            ));
        }
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::unsupported("keys are fetched on a tokio runtime: call this from an async function")
        })?;
        Ok(Self { source, keys: Arc::downgrade(keys.shared()), runtime, document: None, is_failing: false })
    }

    pub(crate) fn host(&self) -> &str {
        self.source.host()
    }

    /// Starts the task, and returns its owner.
    pub(crate) fn start(self, next: Next) -> impl Refresher + use<> {
        let key_missed = Arc::new(Notify::new());
        let runtime = self.runtime.clone();
        let handle = runtime.spawn(self.run(next, Arc::clone(&key_missed))).abort_handle();
        Task { key_missed, handle }
    }

    async fn run(mut self, mut next: Next, key_missed: Arc<Notify>) {
        loop {
            if let Next::Within(period) = next {
                // A request for a fetch during the cooldown is served when it has passed.
                time::sleep(self.source.cooldown).await;
                let _ = time::timeout(period.saturating_sub(self.source.cooldown), key_missed.notified()).await;
            }
            let fetched = self.fetch().await;
            self.log(fetched.err());
            next = fetched.unwrap_or(Next::Within(self.source.cooldown));
        }
    }

    /// Replaces the keys by those that are published now, and returns the time of the next fetch.
    pub(crate) async fn fetch(&mut self) -> Result<Next, FetchError> {
        let fetched = self.try_fetch().await;
        metrics::keys_fetched(match &fetched {
            Ok((_, true)) => "changed",
            Ok((_, false)) => "unchanged",
            Err(error) => error.as_str(),
        });
        fetched.map(|(next, _)| next)
    }

    /// The time of the next fetch, and whether the keys have changed.
    async fn try_fetch(&mut self) -> Result<(Next, bool), FetchError> {
        let fetched = time::timeout(self.source.deadline, self.source.document()).await;
        let fetched = fetched.map_err(|_| FetchError::TimedOut)??;
        let period = fetched.max_age.unwrap_or(Duration::MAX).min(self.source.refresh_every);
        let next = Next::Within(period.max(self.source.cooldown));
        // Replacing the keys by the same ones would invalidate all cached tokens.
        if self.document.as_ref() == Some(&fetched.body) {
            return Ok((next, false));
        }
        let jwks = self.source.parse(&fetched.body)?;
        for rejected in jwks.rejected() {
            tracing::warn!(host = self.host(), %rejected, "a published key is not used");
        }
        // Without an owner there is no set to update.
        if let Some(shared) = self.keys.upgrade() {
            KeySet::from_shared(shared).put(jwks.keys().to_vec()).map_err(|_| FetchError::NoKey)?;
        }
        self.document = Some(fetched.body);
        Ok((next, true))
    }

    /// Logs the first failure, and the first success after failures.
    fn log(&mut self, error: Option<FetchError>) {
        match error {
            Some(error) if !self.is_failing => {
                tracing::warn!(
                    host = self.host(),
                    reason = error.as_str(),
                    "published keys cannot be fetched: the old ones stay"
                );
            }
            None if self.is_failing => tracing::info!(host = self.host(), "published keys are fetched again"),
            _ => {}
        }
        self.is_failing = error.is_some();
    }
}
