//! The settings of a mirror.

use std::time::Duration;

use crate::{config_error::ConfigError, redis::loss::timing::WAIT_FOR_NEWS};

/// The settings of a [`MirrorBlocklist`](crate::MirrorBlocklist). The defaults suit most services.
///
/// | setting | default | allowed |
/// |---|---|---|
/// | [`max_staleness`](Self::max_staleness) | 2 seconds | 200 milliseconds to a minute |
/// | [`capacity`](Self::capacity) | 10,000,000 revocations | 1 or more |
///
/// [`MirrorBlocklist::start`](crate::MirrorBlocklist::start) rejects other values:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// use std::time::Duration;
/// use tower_jwt_blocklist::{
///     MirrorBlocklist, RedisBlocklist, redis::{MirrorSettings, RedisSettings},
/// };
///
/// let redis = RedisBlocklist::connect_lazy(RedisSettings::from_url("redis://127.0.0.1:6379")?)?;
/// let good = MirrorSettings::new().max_staleness(Duration::from_secs(5)).capacity(1_000_000);
/// assert!(MirrorBlocklist::start(redis.clone(), good).is_ok());
/// let too_long = MirrorSettings::new().max_staleness(Duration::from_secs(61));
/// assert!(MirrorBlocklist::start(redis, too_long).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    pub(crate) max_staleness: Duration,
    pub(crate) capacity: usize,
}

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(60);
/// With a shorter bound, the mirror polls: an idle Redis looks at blocked clients every 100 ms
/// only, so waiting for news would take up too much of the bound.
const SHORTEST_WITH_WAITING: Duration = Duration::from_secs(1);

impl MirrorSettings {
    /// Creates the default settings: 2 seconds, and ten million revocations.
    pub fn new() -> Self {
        Self { max_staleness: Duration::from_secs(2), capacity: 10_000_000 }
    }

    /// Sets how old a proof of completeness may be for checks to be answered from memory. The
    /// default is 2 seconds; 200 milliseconds to a minute are allowed.
    ///
    /// In the worst case, a token that was revoked in another process is admitted here for so long.
    /// Usually it is a millisecond, because Redis delivers news at once.
    ///
    /// With a longer bound, the service survives longer failures of Redis. With a bound below a
    /// second, the mirror polls Redis up to 40 times a second, instead of waiting for news.
    #[must_use]
    pub fn max_staleness(mut self, bound: Duration) -> Self {
        self.max_staleness = bound;
        self
    }

    /// Sets how many revocations the mirror may store. The default is ten million, at about 30
    /// bytes each; memory is used only for those that exist.
    ///
    /// If there are more, the mirror drops none, and checks of tokens that are not in memory go to
    /// Redis until there is room again.
    #[must_use]
    pub fn capacity(mut self, entries: usize) -> Self {
        self.capacity = entries;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !(SHORTEST..=LONGEST).contains(&self.max_staleness) {
            return Err(ConfigError::out_of_range(
                "`max_staleness` must be between 200 milliseconds and a minute: leave it out for 2 seconds",
            ));
        }
        if self.capacity == 0 {
            return Err(ConfigError::out_of_range(
                "a mirror with `capacity(0)` cannot store anything: leave it out for the default",
            ));
        }
        Ok(())
    }

    pub(crate) fn pace(&self) -> Pace {
        if self.max_staleness >= SHORTEST_WITH_WAITING {
            Pace::Wait(WAIT_FOR_NEWS)
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

/// The way in which the mirror gets news.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Redis delays its answer until there is news, for at most this time. The moment that is
    /// proven is the one before the wait.
    Wait(Duration),
    /// The mirror asks again after each pause.
    Poll(Duration),
}
