//! Time: where it comes from, and the one unit it is kept in.

use std::{
    ops::Add,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where the time of day comes from.
///
/// Implemented for closures, so that a test can hand in a clock of its own:
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
/// use tower_jwt_blocklist::{Clock, SystemClock};
///
/// let stopped = || UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// assert_eq!(stopped.now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
/// assert!(SystemClock.now() > stopped.now());
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time of day, now.
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

/// The clock of the operating system: the default everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The largest leeway of any verifier. Revocations are kept that much longer than a token's `exp`, no matter
/// which verifier has made them.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// How long a token's revocation is kept after its `exp`: the largest leeway, one second for the rounding of
/// `exp`, and one minute by which the clocks of two machines may differ.
pub(crate) const KEPT_AFTER_EXPIRY: Duration = MAX_LEEWAY.saturating_add(Duration::from_secs(1 + 60));

/// A point in time in whole milliseconds since the Unix epoch.
///
/// Arithmetic saturates: no token and no setting can make it overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last second a token may name: 9999-12-31T23:59:59Z. It keeps every later sum far from the bounds of `u64` and
    /// of [`SystemTime`].
    pub(crate) const MAX_SECONDS: u64 = 253_402_300_799;

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: an RFC 7519 `NumericDate`.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The same without the fraction of a second.
    pub(crate) const fn whole_seconds(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// The same, up to the next full hour.
    pub(crate) const fn next_hour(self) -> Self {
        const HOUR: u64 = 3_600_000;
        Self(self.0.saturating_add((HOUR - self.0 % HOUR) % HOUR))
    }

    /// How long it is from `earlier` to here; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
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
    /// A time that the platform cannot represent becomes the epoch: to a reader of an expiry that is the safe side.
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH.checked_add(Duration::from_millis(timestamp.0)).unwrap_or(UNIX_EPOCH)
    }
}
