//! Test entries: they measure how long a revocation takes to arrive at other processes.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use redis::Pipeline;
use tokio::task::JoinSet;

use crate::{
    blocklist::RevocationId,
    redis::{
        connection::send::Request,
        mirror::progress::Page,
        schema::{key_names::KeyNames, millis, position::StreamId},
        shared::Shared,
    },
};

/// The interval between test entries.
const INTERVAL: Duration = Duration::from_secs(60);
/// The time limit for sending one.
const DEADLINE: Duration = Duration::from_secs(1);
/// The life of the stream after its last test entry. Redis then deletes what a mirror that has
/// ended left behind.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// Sends test entries over the connection that revocations use, and recognizes them when the feed
/// reads them.
///
/// Each mirror has a stream of its own, with one entry. In the log, they would wake every mirror,
/// and stay as long as revocations do.
#[derive(Default)]
pub(crate) struct Canary {
    /// The name of the stream; `None` if the operating system had no random numbers.
    key: Option<String>,
    /// Everything up to this entry of the stream was read.
    cursor: StreamId,
    last_attempt: Option<Instant>,
    expected: Option<Expected>,
    /// Aborted when the canary is dropped.
    sending: JoinSet<()>,
}

/// A test entry that has not arrived yet.
struct Expected {
    id: RevocationId,
    sent: Arc<OnceLock<Instant>>,
}

impl Canary {
    pub(crate) fn new(keys: &KeyNames) -> Self {
        Self { key: RevocationId::random().ok().map(|id| keys.canary(id)), ..Self::default() }
    }

    /// The stream, and the entry after which the feed has to read it.
    pub(crate) fn stream(&self) -> Option<(&str, StreamId)> {
        Some((self.key.as_deref()?, self.cursor))
    }

    /// Reads the stream from its beginning again. The ids of another store may be smaller.
    pub(crate) fn resync(&mut self) {
        self.cursor = StreamId::default();
    }

    /// Sends a test entry if one is due. Call it only while the feed waits for news, since the time
    /// would include what else the feed does.
    pub(crate) fn send_if_due(&mut self, shared: &Arc<Shared>) {
        if self.last_attempt.is_some_and(|attempt| attempt.elapsed() < INTERVAL) {
            return;
        }
        let Some(key) = self.key.clone() else { return };
        let (Ok(mut live), Ok(id)) = (shared.reader.live(), RevocationId::random()) else { return };
        let sent = Arc::new(OnceLock::new());
        self.last_attempt = Some(Instant::now());
        self.expected = Some(Expected { id, sent: Arc::clone(&sent) });
        let shared = Arc::clone(shared);
        self.sending = JoinSet::new();
        self.sending.spawn(async move {
            let deadline = tokio::time::Instant::now() + DEADLINE;
            // A user without `+pexpire` must not leave streams behind that never expire.
            let may_expire = expire(&key);
            if shared.reader.send(&mut live, Request::Pipeline(&may_expire), deadline).await.is_err() {
                return;
            }
            // Only this task sets it, once.
            let _ = sent.set(Instant::now());
            // A failure is ignored: the next test entry follows in a minute.
            let _ = shared.reader.send(&mut live, Request::Pipeline(&append(&key, id)), deadline).await;
        });
    }

    /// Reads the news of the stream. Returns how long the entry took that was sent last, if it is
    /// among them.
    pub(crate) fn read(&mut self, page: &Page<'_>) -> Option<Duration> {
        self.cursor = page.entries.iter().map(|entry| entry.id).fold(self.cursor, StreamId::max);
        let has_arrived =
            |expected: &mut Expected| page.entries.iter().any(|entry| entry.value == expected.id.as_bytes());
        let arrived = self.expected.take_if(has_arrived)?;
        arrived.sent.get().map(Instant::elapsed)
    }
}

fn expire(key: &str) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("PEXPIRE").arg(key).arg(millis(LIFE));
    pipeline
}

/// Replaces the stream's entry, and sets its expiry in the same round trip.
fn append(key: &str, id: RevocationId) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("XADD").arg(key).arg("MAXLEN").arg(1).arg("*").arg("c").arg(id.as_bytes());
    pipeline.cmd("PEXPIRE").arg(key).arg(millis(LIFE));
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_test_entry_replaces_the_one_before() {
        let server = testkit::RedisServer::start().await;
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        for _ in 0..3 {
            append("canary", RevocationId::random().unwrap()).query_async::<()>(&mut connection).await.unwrap();
        }
        assert_eq!(server.cli(&["XLEN", "canary"]).await, "1");
        assert!(server.cli(&["PTTL", "canary"]).await.parse::<u64>().unwrap() <= millis(LIFE));
    }
}
