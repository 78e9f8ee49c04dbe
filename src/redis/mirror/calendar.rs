//! The time of day by which entries are forgotten. A clock that is set wrong must not make a mirror forget.

use std::time::{Duration, Instant};

use crate::clock::Timestamp;

/// Steps back that are not worth noticing: entries live longer than they have to by more than that.
pub(crate) const SMALL: Duration = Duration::from_secs(5);

/// Follows the time of day, at most at twice its pace: when the clock is set forward by a day, nothing of that day is
/// forgotten before another day has passed, or the mistake was noticed and the clock set back.
pub(crate) struct Calendar {
    at: Instant,
    now: Timestamp,
}

/// What has become of the clock since it was last looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Runs,
    /// What was forgotten may be alive again.
    WasSetBack,
}

impl Calendar {
    pub(crate) fn new(at: Instant, time: Timestamp) -> Self {
        Self { at, now: time }
    }

    pub(crate) fn advance(&mut self, at: Instant, time: Timestamp) -> Clock {
        let most = self.now + at.saturating_duration_since(self.at) * 2;
        let clock = if time + SMALL < self.now { Clock::WasSetBack } else { Clock::Runs };
        *self = Self { at, now: time.min(most) };
        clock
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
            ("a second later", 1, noon + second, noon + second, Clock::Runs),
            ("set forward by a day", 2, noon + DAY, noon + 3 * second, Clock::Runs),
            ("still", 5, noon + DAY + 3 * second, noon + 9 * second, Clock::Runs),
            ("set right", 6, noon + 6 * second, noon + 6 * second, Clock::Runs),
            ("set back by a day", 7, Timestamp::from_millis(noon.as_millis() - 86_400_000), noon, Clock::WasSetBack),
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
