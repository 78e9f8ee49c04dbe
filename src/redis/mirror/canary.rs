//! Test entries: they measure how long a revocation takes to arrive at other processes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    blocklist::RevocationId,
    redis::{connection::send::Request, shared::Shared},
};

/// The interval between test entries.
const INTERVAL: Duration = Duration::from_secs(60);
/// The time limit for sending one.
const DEADLINE: Duration = Duration::from_secs(1);

/// Sends test entries over the connection that revocations use, and recognizes them in the log.
#[derive(Default)]
pub(crate) struct Canary {
    sent: Option<Instant>,
    /// The entry that has not arrived yet.
    expected: Option<RevocationId>,
    /// Aborted when the canary is dropped.
    sending: JoinSet<()>,
}

impl Canary {
    /// The field of a test entry in the log. It is no revocation, and only the mirror that sent it
    /// reads it.
    pub(crate) const FIELD: &[u8] = b"c";

    /// Sends a test entry if one is due. Call it only while the feed waits for news, since the time
    /// would include what else the feed does.
    pub(crate) fn send_if_due(&mut self, shared: &Arc<Shared>) {
        if self.sent.is_some_and(|sent| sent.elapsed() < INTERVAL) {
            return;
        }
        let (Ok(mut live), Ok(id)) = (shared.reader.live(), RevocationId::random()) else { return };
        (self.sent, self.expected) = (Some(Instant::now()), Some(id));
        let shared = Arc::clone(shared);
        self.sending = JoinSet::new();
        self.sending.spawn(async move {
            let mut command = redis::cmd("XADD");
            command.arg(shared.keys.log()).arg("NOMKSTREAM").arg("*").arg(Self::FIELD).arg(id.as_bytes());
            let deadline = tokio::time::Instant::now() + DEADLINE;
            // A failure is ignored: the next test entry follows in a minute.
            let _ = shared.reader.send(&mut live, Request::Command(&command), deadline).await;
        });
    }

    /// Returns how long the entry took, if it is the one that was sent last.
    pub(crate) fn arrived(&mut self, value: &[u8]) -> Option<Duration> {
        self.expected.take_if(|id| id.as_bytes() == value)?;
        self.sent.map(|sent| sent.elapsed())
    }
}
