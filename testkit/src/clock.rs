//! Time that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that only [`advance`](Self::advance) and [`set`](Self::set) move, in whole milliseconds.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct ManualClock {
    unix_ms: Arc<AtomicU64>,
}

impl ManualClock {
    /// Creates a clock that shows `now`.
    pub fn new(now: SystemTime) -> Self {
        Self { unix_ms: Arc::new(AtomicU64::new(unix_ms(now))) }
    }

    /// Creates a clock that shows this second since 1970.
    pub fn at_unix_seconds(seconds: u64) -> Self {
        Self::new(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// The time that the clock shows.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.unix_ms.load(Ordering::SeqCst))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.unix_ms.fetch_add(milliseconds(by), Ordering::SeqCst);
    }

    /// Sets the clock to `now`, which may be earlier: clocks of real machines are set back too.
    pub fn set(&self, now: SystemTime) {
        self.unix_ms.store(unix_ms(now), Ordering::SeqCst);
    }

    /// The clock as a function, for settings that take one.
    pub fn as_fn(&self) -> impl Fn() -> SystemTime + Clone + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

/// This time in milliseconds since 1970.
pub fn at_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

fn unix_ms(time: SystemTime) -> u64 {
    milliseconds(time.duration_since(UNIX_EPOCH).expect("a time since 1970"))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a time within half a billion years")
}
