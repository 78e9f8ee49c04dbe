//! Asking again and again, with an end.

use std::time::{Duration, Instant};

/// So long until something that never comes true fails the test. Nothing is measured by it.
const END: Duration = Duration::from_secs(60);

/// The wait between two looks at something that will come true.
#[derive(Debug)]
pub(crate) struct Patience {
    what: String,
    deadline: Instant,
}

impl Patience {
    /// For `what` should come true: `the sentinels know each other`.
    pub(crate) fn until(what: impl Into<String>) -> Self {
        Self { what: what.into(), deadline: Instant::now() + END }
    }

    /// A short wait. Panics when there have been enough of them; `state` goes into its message.
    pub(crate) async fn wait(&self, state: &str) {
        assert!(Instant::now() < self.deadline, "not true after a minute: {}:\n{state}", self.what);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
