//! The time by which entries expire. A wall clock that is wrong must not make a mirror drop them.

use std::time::{Duration, Instant};

use crate::clock::Timestamp;

/// Steps back of up to this length are ignored: entries are kept for longer than they have to be by
/// more than that.
pub(crate) const SMALL_STEP: Duration = Duration::from_secs(5);

/// Follows the wall clock at no more than twice its pace. If the clock is set forward by a day,
/// no entry of that day expires before another day has passed. By then the mistake can be noticed
/// and corrected.
pub(crate) struct Calendar {
    at: Instant,
    now: Timestamp,
}

/// The change of the wall clock since it was last read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClockChange {
    /// Nothing of importance here.
    Normal,
    /// It was set back: entries that were dropped as expired may be alive again.
    SetBack,
}

impl Calendar {
    pub(crate) fn new(at: Instant, time: Timestamp) -> Self {
        Self { at, now: time }
    }

    pub(crate) fn advance(&mut self, at: Instant, time: Timestamp) -> ClockChange {
        let latest = self.now + at.saturating_duration_since(self.at) * 2;
        let change = if time + SMALL_STEP < self.now { ClockChange::SetBack } else { ClockChange::Normal };
        *self = Self { at, now: time.min(latest) };
        change
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn r68_a_clock_that_jumps_forgets_nothing() {
        let (start, noon) = (Instant::now(), Timestamp::from_millis(1_800_000_000_000));
        let mut calendar = Calendar::new(start, noon);
        let second = Duration::from_secs(1);
        let rows = [
            ("a second later", 1, noon + second, noon + second, ClockChange::Normal),
            ("set forward by a day", 2, noon + DAY, noon + 3 * second, ClockChange::Normal),
            ("still a day ahead", 5, noon + DAY + 3 * second, noon + 9 * second, ClockChange::Normal),
            ("set right", 6, noon + 6 * second, noon + 6 * second, ClockChange::Normal),
            ("set back by a day", 7, Timestamp::from_millis(noon.as_millis() - 86_400_000), noon, ClockChange::SetBack),
        ];
        for (name, seconds, time, now, clock) in rows {
            assert_eq!(calendar.advance(start + seconds * second, time), clock, "{name}");
            assert_eq!(calendar.now(), now.min(time), "{name}");
        }
    }

    #[test]
    fn a_clock_that_was_right_to_jump_is_caught_up_with() {
        let (start, then) = (Instant::now(), Timestamp::from_millis(0));
        let mut calendar = Calendar::new(start, then);
        calendar.advance(start + DAY, then + 2 * DAY);
        assert_eq!(calendar.now(), then + 2 * DAY);
        calendar.advance(start + 3 * DAY, then + 9 * DAY);
        assert_eq!(calendar.now(), then + 6 * DAY);
    }
}
