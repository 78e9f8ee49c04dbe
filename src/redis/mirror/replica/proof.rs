//! The proof of completeness: until when the replica is known to have every revocation.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{clock::Timestamp, redis::mirror::replica::calendar::SMALL_STEP};

/// A point in time by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) time: Timestamp,
}

impl Moment {
    /// Returns the earlier reading of each clock.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), time: self.time.min(other.time) }
    }
}

/// The moment until which every revocation is in the replica, or that there is no such moment.
///
/// It is kept by two clocks, because either alone can stop or go back: the monotonic clock stops
/// while the machine is suspended, and the wall clock can be set. A proof's age is the larger of
/// two: by the monotonic clock and by the wall clock.
pub(crate) struct Proof {
    started: Instant,
    /// Nanoseconds from `started` to the proven moment, or [`NEVER`].
    at: AtomicU64,
    /// The proven moment by the wall clock.
    time: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Proof {
    pub(crate) fn none(started: Instant) -> Self {
        Self { started, at: AtomicU64::new(NEVER), time: AtomicU64::new(0) }
    }

    pub(crate) fn set(&self, moment: Moment) {
        let since_start = moment.at.saturating_duration_since(self.started).as_nanos();
        self.time.store(moment.time.as_millis(), Ordering::Release);
        self.at.store(u64::try_from(since_start).unwrap_or(NEVER), Ordering::Release);
    }

    pub(crate) fn invalidate(&self) {
        self.at.store(NEVER, Ordering::Release);
    }

    /// Returns how old the proof is at this time, if there is one that counts then.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        let proven_at = self.at.load(Ordering::Acquire);
        if proven_at == NEVER {
            return None;
        }
        let proven_time = Timestamp::from_millis(self.time.load(Ordering::Acquire));
        // The wall clock was set back. Entries that were dropped as expired may be alive again.
        if proven_time > now + SMALL_STEP {
            return None;
        }
        let since_start = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(NEVER);
        Some(Duration::from_nanos(since_start.saturating_sub(proven_at)).max(now.since(proven_time)))
    }
}
