//! Records revocations and admissions at nodes that fail in different ways, and checks the history
//! afterwards (guarantee G2).

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Instant,
};

use tokio::task::JoinSet;

use super::*;

/// The history, by one monotonic clock.
#[derive(Default)]
struct History {
    /// When each revocation was confirmed.
    confirmed: Mutex<HashMap<u32, Instant>>,
    /// Each admission: the session, the node, and when the check began.
    admitted: Mutex<Vec<(u32, usize, Instant)>>,
    refused: AtomicU32,
    unanswered: AtomicU32,
    /// The session that is logged out next.
    next: AtomicU32,
    has_ended: AtomicBool,
}

impl History {
    /// Logs out one session after the other, and records when each logout was confirmed.
    async fn write(&self, node: RedisBlocklist) {
        while !self.has_ended.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if node.revoke(&logout(&number.to_string())).await.is_ok() {
                self.confirmed.lock().unwrap().insert(number, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Checks sessions that are about to be logged out, and sessions that were logged out lately.
    async fn read(&self, number: usize, node: Node) {
        let mut round = 0_u32;
        while !self.has_ended.load(Ordering::Relaxed) {
            round = round.wrapping_add(1);
            let session = (self.next.load(Ordering::Relaxed) + 2).saturating_sub(round.wrapping_mul(round) % 1500);
            let began = Instant::now();
            match node.mirror.check(&token(&session.to_string()), SystemTime::now()).await {
                Ok(Status::NotRevoked) => self.admitted.lock().unwrap().push((session, number, began)),
                Ok(_) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
                Err(_) => drop(self.unanswered.fetch_add(1, Ordering::Relaxed)),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Asserts that no check that began later than the node's bound after a confirmed logout was
    /// admitted. Returns the latest admission of each node.
    fn judge(&self, bounds: &[Duration]) -> Vec<Duration> {
        let confirmed = self.confirmed.lock().unwrap();
        let mut oldest = vec![Duration::ZERO; bounds.len()];
        for (session, node, began) in self.admitted.lock().unwrap().iter() {
            if let Some(late) = confirmed.get(session).map(|at| began.saturating_duration_since(*at)) {
                assert!(late <= bounds[*node], "node {node}: session {session} was admitted {late:?} after its logout");
                oldest[*node] = late.max(oldest[*node]);
            }
        }
        oldest
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_r61_r68_g2_no_node_admits_what_was_logged_out_longer_ago_than_its_bound() {
    let server = redis().await;
    let (flaky, cut_off) = (FaultProxy::start(server.addr()).await, FaultProxy::start(server.addr()).await);
    let bounds = [Duration::from_secs(2), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(2)];
    let places = [to(&server), to(&server), through(&flaky), through(&cut_off)];
    let mut nodes = Vec::new();
    for (place, bound) in places.into_iter().zip(bounds) {
        nodes.push(Node::start(place, MirrorSettings::new().max_staleness(bound)).await);
    }
    let history = Arc::new(History::default());
    let mut tasks = JoinSet::new();
    let (shared, writer) = (Arc::clone(&history), RedisBlocklist::connect(to(&server)).await.unwrap());
    tasks.spawn(async move { shared.write(writer).await });
    for (number, node) in nodes.iter().cloned().enumerate() {
        let shared = Arc::clone(&history);
        tasks.spawn(async move { shared.read(number, node).await });
    }

    let confirms = async |more: usize| {
        let goal = history.confirmed.lock().unwrap().len() + more;
        eventually("logouts are confirmed", async || history.confirmed.lock().unwrap().len() >= goal).await;
    };
    confirms(50).await;
    cut_off.black_hole(true);
    for _ in 0..2 {
        flaky.black_hole(true);
        nodes[2].comes_to_be(MirrorPhase::Stale).await;
        flaky.heal();
        nodes[2].comes_to_be(MirrorPhase::Fresh).await;
        flaky.delay(Duration::from_millis(150));
        confirms(100).await;
        flaky.heal();
        flaky.cut();
        confirms(50).await;
    }
    nodes[3].comes_to_be(MirrorPhase::Stale).await;
    server.pause();
    nodes[0].comes_to_be(MirrorPhase::Stale).await;
    server.resume();
    nodes[0].comes_to_be(MirrorPhase::Fresh).await;
    confirms(100).await;
    history.has_ended.store(true, Ordering::Relaxed);
    soon(tasks.join_all()).await;

    assert!(flaky.bytes_swallowed() > 0 && cut_off.bytes_swallowed() > 0, "there were faults");
    let oldest = history.judge(&bounds);
    let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
    println!(
        "at the latest {oldest:?}; {} refused, {} unanswered",
        count(&history.refused),
        count(&history.unanswered)
    );
    assert!(
        count(&history.refused) > 0 && count(&history.unanswered) > 0 && !history.admitted.lock().unwrap().is_empty()
    );
    assert!(
        oldest[3] > Duration::ZERO,
        "the node that was cut off admitted none within its bound, so this run proves nothing"
    );
}

/// `judge` can find a late admission. Otherwise the test above would prove nothing.
#[test]
#[should_panic(expected = "was admitted")]
fn a_late_admission_is_found() {
    let history = History::default();
    let now = Instant::now();
    history.confirmed.lock().unwrap().insert(7, now);
    history.admitted.lock().unwrap().extend([
        (6, 0, now + MINUTE),
        (7, 0, now),
        (7, 0, now + Duration::from_millis(201)),
    ]);
    history.judge(&[Duration::from_millis(200)]);
}
