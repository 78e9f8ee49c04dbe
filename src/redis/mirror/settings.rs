//! How old and how large a mirror may be.

use std::time::Duration;

use crate::config_error::ConfigError;

/// How a [`MirrorBlocklist`](crate::MirrorBlocklist) works. The defaults are for most.
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    pub(crate) max_staleness: Duration,
    pub(crate) capacity: usize,
}

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(60);
/// Below this, waiting for news would take up too much of the bound: an idle server looks at its waiters every 100 ms.
const POLLED: Duration = Duration::from_secs(1);

impl MirrorSettings {
    /// 2 seconds, and ten million entries.
    pub fn new() -> Self {
        Self { max_staleness: Duration::from_secs(2), capacity: 10_000_000 }
    }

    /// For how long a check may trust what was last proven; 2 seconds by default, 200 milliseconds to a minute. So long can a token
    /// that was logged out at another process pass here, at the very worst. Usually it is a millisecond: Redis tells at once, and the bound is
    /// for when it does not.
    ///
    /// Longer bounds carry a service over longer failures of Redis. Below a second Redis is asked again and again, up to 40 times a second,
    /// instead of waited for.
    #[must_use]
    pub fn max_staleness(mut self, bound: Duration) -> Self {
        self.max_staleness = bound;
        self
    }

    /// How many revocations may be held; ten million by default, at some 30 bytes each. When there are more, checks go to Redis itself,
    /// as without a mirror: none is dropped, and none is taken for not revoked.
    #[must_use]
    pub fn capacity(mut self, entries: usize) -> Self {
        self.capacity = entries;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(SHORTEST..=LONGEST).contains(&self.max_staleness) {
            return Err(ConfigError::out_of_range(
                "`max_staleness` is 200 milliseconds to a minute: leave it out for 2 seconds",
            ));
        }
        if self.capacity == 0 {
            return Err(ConfigError::out_of_range(
                "a mirror with `capacity(0)` holds nothing: leave it out for the default",
            ));
        }
        Ok(())
    }

    pub(crate) fn pace(&self) -> Pace {
        if self.max_staleness >= POLLED {
            Pace::Wait(Duration::from_millis(250))
        } else {
            Pace::Poll(self.max_staleness / 8)
        }
    }
}

impl Default for MirrorSettings {
    fn default() -> Self {
        Self::new()
    }
}

/// How news are got.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// The server holds the answer back until there are some, or for so long. What is proven then dates from before.
    Wait(Duration),
    /// Asked for again after each pause.
    Poll(Duration),
}
