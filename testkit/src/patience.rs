//! Polling with a time limit.

use std::time::{Duration, Instant};

/// The time after which a wait fails the test. No test measures it.
const END: Duration = Duration::from_secs(60);

/// Waits between two checks of a condition that will become true.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    what: String,
    deadline: Instant,
}

impl RetryBudget {
    /// Starts waiting for `what`, a sentence: `the sentinels know each other`.
    pub(crate) fn until(what: impl Into<String>) -> Self {
        Self { what: what.into(), deadline: Instant::now() + END }
    }

    /// Waits a short time. Panics at the deadline, with `state` in the message.
    pub(crate) async fn wait(&self, state: &str) {
        assert!(Instant::now() < self.deadline, "not true after a minute: {}:\n{state}", self.what);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
