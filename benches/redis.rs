//! Many concurrent tasks with one Redis: a check of all four scopes against one plain `EXISTS`,
//! both over one multiplexed connection.
//!
//! `cargo bench --bench redis` prints one table. The two take turns in short rounds, so that other
//! load on the machine affects both. The figures are medians of the rounds. Compare rows of one run
//! only.

#[path = "common/mod.rs"]
mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use common::{
    median,
    mirror::{connect, fill, session},
};
use redis::aio::MultiplexedConnection;
use testkit::RedisServer;
use tokio::task::JoinSet;
use tower_jwt_blocklist::{
    RedisBlocklist,
    blocklist::{Blocklist, Revoke, Status, TokenIds},
};

const TASKS: [usize; 5] = [1, 16, 128, 256, 1024];
const ROUNDS: usize = 21;
const ROUND: Duration = Duration::from_millis(200);

#[derive(Clone)]
struct Bench {
    plain: MultiplexedConnection,
    blocklist: RedisBlocklist,
}

fn token(number: usize) -> TokenIds {
    let session = format!("session-{number}");
    let ids = TokenIds::new(Some("https://login.example.org"), &format!("token-{number}"), Some(&session));
    ids.with_subject(&format!("user-{number}")).with_issued_at(SystemTime::now())
}

/// The usual check: one key, one query.
async fn exists(mut connection: MultiplexedConnection, key: String) {
    let found: bool = redis::cmd("EXISTS").arg(key).query_async(&mut connection).await.expect("Redis answers");
    assert!(!found);
}

/// Round trips per second, over so many tasks for one round.
async fn rate<F, T>(tasks: usize, ask: F) -> f64
where
    F: Fn(usize) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send,
{
    let (started, mut running) = (Instant::now(), JoinSet::new());
    for task in 0..tasks {
        let ask = ask.clone();
        running.spawn(async move {
            let mut count = 0_u32;
            while started.elapsed() < ROUND {
                ask(task).await;
                count += 1;
            }
            count
        });
    }
    let total: u32 = running.join_all().await.into_iter().sum();
    f64::from(total) / started.elapsed().as_secs_f64()
}

impl Bench {
    async fn compare(&self, tasks: usize) {
        let keys: Arc<Vec<String>> = Arc::new((0..tasks).map(|task| format!("token-{task}")).collect());
        let ids: Arc<Vec<TokenIds>> = Arc::new((0..tasks).map(token).collect());
        let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (connection, keys) = (self.plain.clone(), Arc::clone(&keys));
            plain.push(rate(tasks, move |task| exists(connection.clone(), keys[task].clone())).await);
            let (blocklist, ids) = (self.blocklist.clone(), Arc::clone(&ids));
            let check = move |task: usize| {
                let lookup = blocklist.check(&ids[task], SystemTime::now());
                async move { assert_eq!(lookup.await, Ok(Status::NotRevoked)) }
            };
            ours.push(rate(tasks, check).await);
            ratios.push(ours[ours.len() - 1] / plain[plain.len() - 1]);
        }
        let (plain, ours, ratio) = (median(plain), median(ours), median(ratios));
        println!("| {tasks} | {plain:.0} | {ours:.0} | {ratio:.2} | {:.2} |", 1.0 / ratio);
    }

    async fn revocations(&self, tasks: usize) -> f64 {
        let counter = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let blocklist = self.blocklist.clone();
        let revoke = move |_| {
            let number = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (blocklist, revocation) = (blocklist.clone(), session(&format!("{tasks}-{number}")));
            async move { blocklist.revoke(&revocation).await.expect("it is stored") }
        };
        rate(tasks, revoke).await
    }
}

/// The bytes that Redis has allocated. `used_memory_dataset` leaves out the hash tables, which are
/// more than a third of it.
async fn used(server: &RedisServer) -> f64 {
    server.info("memory", "used_memory").await.and_then(|bytes| bytes.parse().ok()).expect("a number")
}

/// Prints the bytes that a revocation takes in a Redis with so many. The hash tables grow in powers
/// of two, so the figure depends on the number.
async fn print_bytes(entries: usize) {
    let server = RedisServer::start().await;
    let blocklist = connect(&server.url(), "jwt").await;
    let before = used(&server).await;
    fill(&blocklist, 0..entries).await;
    let log: f64 = server.cli(&["MEMORY", "USAGE", "{jwt}:log"]).await.parse().expect("a number");
    let bytes = (used(&server).await - before) / entries as f64;
    println!("| {entries} | {bytes:.0} | {:.0} |", log / entries as f64);
}

#[tokio::main]
async fn main() {
    let server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).expect("a good URL");
    let plain = client.get_multiplexed_async_connection().await.expect("Redis runs");
    let bench = Bench { plain, blocklist: connect(&server.url(), "jwt").await };

    println!("| tasks | EXISTS/s | checks/s | throughput, ratio | latency, ratio |");
    println!("|---|---|---|---|---|");
    for tasks in TASKS {
        bench.compare(tasks).await;
    }
    for tasks in [1, 128] {
        println!("revocations a second, {tasks} tasks: {:.0}", bench.revocations(tasks).await);
    }

    println!();
    println!("| revocations in Redis | bytes each | of which the log has |");
    println!("|---|---|---|");
    for entries in [100_000, 1_000_000] {
        print_bytes(entries).await;
    }
}
