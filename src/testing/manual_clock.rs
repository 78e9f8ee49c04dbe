//! Time that stands still until a test moves it.
//!
//! The file uses the standard library only, because the test kit of this repository includes it
//! too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A clock that only [`advance`](Self::advance) and [`set`](Self::set) move, in whole milliseconds.
///
/// All clones show the same time. A time before 1970 counts as the beginning of 1970.
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
        Self { unix_ms: Arc::new(AtomicU64::new(seconds.saturating_mul(1000))) }
    }

    /// Returns the time that the clock shows.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.unix_ms.load(Ordering::SeqCst))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let later = |now: u64| Some(now.saturating_add(milliseconds(by)));
        // The function never returns `None`, so this is never an error.
        let _ = self.unix_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// Sets the clock to `now`, which may be earlier: clocks of real machines are set back too.
    pub fn set(&self, now: SystemTime) {
        self.unix_ms.store(unix_ms(now), Ordering::SeqCst);
    }

    /// Returns the clock as a function, for settings that take one.
    pub fn as_fn(&self) -> impl Fn() -> SystemTime + Clone + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
