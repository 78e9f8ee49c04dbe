//! The clock, and the unit of time that this crate computes in.
//!
//! Public functions take and return [`SystemTime`]. This crate keeps whole milliseconds since the
//! Unix epoch, and rounds finer times down.

use std::{
    ops::Add,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A source of the time of day.
///
/// It is implemented for closures, so a test can set its own time:
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
/// use tower_jwt_blocklist::clock::{Clock, SystemClock};
///
/// let stopped = || UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// assert_eq!(stopped.now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
/// assert!(SystemClock.now() > stopped.now());
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time of day.
    fn now(&self) -> SystemTime;
}

impl<F> Clock for F
where
    F: Fn() -> SystemTime + Send + Sync + 'static,
{
    fn now(&self) -> SystemTime {
        self()
    }
}

/// The operating system's clock: the default everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A point in time in whole milliseconds since the Unix epoch.
///
/// Arithmetic saturates: no token and no setting can make it overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Timestamp(u64);

impl Timestamp {
    /// The last second a token may name: 9999-12-31T23:59:59Z. Every sum with it stays within `u64`
    /// and [`SystemTime`].
    pub(crate) const MAX_SECONDS: u64 = 253_402_300_799;

    /// Creates a time from milliseconds since the Unix epoch.
    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: an RFC 7519 `NumericDate`.
    pub(crate) const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Rounds down to whole seconds.
    pub(crate) const fn whole_seconds(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// Rounds up to a full hour.
    pub(crate) const fn next_hour(self) -> Self {
        const HOUR: u64 = 3_600_000;
        Self(self.0.saturating_add((HOUR - self.0 % HOUR) % HOUR))
    }

    /// The duration from `earlier` until this time; zero if `earlier` is later.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before the epoch becomes the epoch.
    fn from(time: SystemTime) -> Self {
        Self(0) + time.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl From<Timestamp> for SystemTime {
    /// A time that the platform cannot represent becomes the end of the year 9999, so that a
    /// revocation is kept for longer, and never dropped at once. No token names a later time.
    fn from(timestamp: Timestamp) -> Self {
        let at = |duration| UNIX_EPOCH.checked_add(duration);
        let last = || at(Duration::from_secs(Timestamp::MAX_SECONDS));
        at(Duration::from_millis(timestamp.0)).or_else(last).unwrap_or(UNIX_EPOCH)
    }
}
