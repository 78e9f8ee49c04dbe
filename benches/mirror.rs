//! The mirror by its size, under writes, and the delay until it knows a revocation.
//!
//! `cargo bench --bench mirror` fills its own Redis with ten million revocations, for which it
//! needs some 3 GB of memory and a few minutes. Compare rows of one run only.

#[path = "common/mod.rs"]
mod common;

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use common::{
    median,
    mirror::{connect, fill, mirror, session},
    now, quantile,
};
use testkit::RedisServer;
use tokio::{runtime::Runtime, time};
use tower_jwt_blocklist::{
    MirrorBlocklist, RedisBlocklist,
    blocklist::{Blocklist, Revoke, Status, TokenIds},
};

const SIZES: [usize; 4] = [1_000, 100_000, 1_000_000, 10_000_000];
/// Different tokens, looked up in turn: as many as a layer's token cache keeps by default. For
/// others the signature must be verified first, which takes far longer than a lookup.
const TOKENS: usize = 4_500;
/// So many that at the largest size hardly any of them is in a processor cache.
const MANY_TOKENS: usize = 100_000;
/// The row with a million revocations.
const MILLION: &str = "1000000";
const ROUNDS: usize = 15;
const WRITES_A_SECOND: u32 = 10_000;
const LOGOUTS: usize = 2_000;

/// Tokens of sessions that are not revoked, as nearly all are.
fn tokens() -> Vec<TokenIds> {
    let token = |number: usize| {
        let session = format!("alive-{number}");
        let ids = TokenIds::new(Some("https://login.example.org"), &format!("token-{number}"), Some(&session));
        ids.with_subject(&format!("user-{number}")).with_issued_at(SystemTime::now())
    };
    (0..MANY_TOKENS).map(token).collect()
}

fn look_up(mirror: &MirrorBlocklist, ids: &TokenIds) {
    // A pending future would mean that Redis is queried. So the mirror answers here.
    assert_eq!(black_box(now(mirror.check(ids, SystemTime::now()))), Ok(Status::NotRevoked));
}

/// Nanoseconds a lookup.
fn lookup(mirror: &MirrorBlocklist, tokens: &[TokenIds]) -> f64 {
    let started = Instant::now();
    tokens.iter().for_each(|ids| look_up(mirror, ids));
    started.elapsed().as_nanos() as f64 / tokens.len() as f64
}

/// A mirror that starts now.
struct Sized {
    mirror: MirrorBlocklist,
    seconds_to_read: f64,
    bytes_an_entry: f64,
    lookups: Vec<f64>,
    lookups_of_many: Vec<f64>,
}

impl Sized {
    fn start(server: &RedisServer, entries: usize) -> Self {
        // On one thread, so that all its allocations are counted. It stands still then, and stays
        // trusted for a minute.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let redis = runtime.block_on(connect(&server.url(), &entries.to_string()));
        let started = Instant::now();
        let mut read = None;
        let allocated = allocation_counter::measure(|| read = Some(runtime.block_on(mirror(redis))));
        let mirror = read.expect("it was started");
        let seconds_to_read = started.elapsed().as_secs_f64();
        assert_eq!(mirror.state().entries(), entries, "the mirror holds something else");
        Self {
            mirror,
            seconds_to_read,
            bytes_an_entry: allocated.bytes_current as f64 / entries as f64,
            lookups: vec![],
            lookups_of_many: vec![],
        }
    }
}

fn by_size(server: &RedisServer, runtime: &Runtime) {
    for size in SIZES {
        runtime.block_on(async { fill(&connect(&server.url(), &size.to_string()).await, 0..size).await });
    }
    let mut mirrors = SIZES.map(|size| Sized::start(server, size));
    let tokens = tokens();
    for _ in 0..ROUNDS {
        for sized in &mut mirrors {
            sized.lookups_of_many.push(lookup(&sized.mirror, &tokens));
            // The first round loads them into the processor caches, as earlier requests do.
            let few = &tokens[..TOKENS];
            lookup(&sized.mirror, few);
            let times = (0..MANY_TOKENS / TOKENS).map(|_| lookup(&sized.mirror, few));
            sized.lookups.push(median(times));
        }
    }
    println!(
        "| revocations | lookup | ratio | of {MANY_TOKENS} tokens in turn | ratio | bytes an entry | read at the start |"
    );
    println!("|---|---|---|---|---|---|---|");
    let [first, first_of_many] =
        [&mirrors[0].lookups, &mirrors[0].lookups_of_many].map(|times| median(times.iter().copied()));
    for (size, sized) in SIZES.iter().zip(mirrors) {
        let [few, many] = [sized.lookups, sized.lookups_of_many].map(median);
        let (bytes, seconds) = (sized.bytes_an_entry, sized.seconds_to_read);
        println!(
            "| {size} | {few:.0} ns | {:.2} | {many:.0} ns | {:.2} | {bytes:.1} | {seconds:.2} s |",
            few / first,
            many / first_of_many
        );
    }
}

/// Nanoseconds of single lookups, on all processors in parallel.
fn readers(mirror: &MirrorBlocklist, tokens: &Arc<Vec<TokenIds>>) -> Vec<f64> {
    let reader = || {
        let (mirror, tokens) = (mirror.clone(), Arc::clone(tokens));
        thread::spawn(move || {
            let timed = |ids| {
                let started = Instant::now();
                look_up(&mirror, ids);
                started.elapsed().as_nanos() as f64
            };
            (0..10).flat_map(|_| tokens.iter()).map(timed).collect::<Vec<_>>()
        })
    };
    let processors = thread::available_parallelism().map_or(1, |number| number.get());
    let running: Vec<_> = (0..processors).map(|_| reader()).collect();
    running.into_iter().flat_map(|reader| reader.join().expect("no panic")).collect()
}

/// Revokes at an even pace until stopped. Returns the rate per second.
async fn write(redis: RedisBlocklist, stop: Arc<AtomicBool>) -> f64 {
    const TOGETHER: u32 = 100;
    let mut tick = time::interval(Duration::from_secs(1) * TOGETHER / WRITES_A_SECOND);
    let (started, mut written) = (Instant::now(), 0_usize);
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        fill(&redis, SIZES[3] + written..SIZES[3] + written + TOGETHER as usize).await;
        written += TOGETHER as usize;
    }
    written as f64 / started.elapsed().as_secs_f64()
}

fn under_writes(runtime: &Runtime, redis: &RedisBlocklist, mirror: &MirrorBlocklist) {
    let tokens = Arc::new(tokens());
    let (mut quiet, mut busy, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(readers(mirror, &tokens));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = runtime.spawn(write(redis.clone(), Arc::clone(&stop)));
        busy.push(readers(mirror, &tokens));
        stop.store(true, Ordering::Relaxed);
        rates.push(runtime.block_on(writer).expect("no panic"));
    }
    println!("\n| lookups of a million, on all processors | p50 | p99 | p99.9 |\n|---|---|---|---|");
    let row = |name: &str, rounds: Vec<Vec<f64>>| {
        let of = |part| median(rounds.iter().map(|round| quantile(round.iter().copied(), part)));
        let row = [of(0.5), of(0.99), of(0.999)];
        println!("| {name} | {:.0} ns | {:.0} ns | {:.0} ns |", row[0], row[1], row[2]);
        row
    };
    let quiet = row("nobody writes", quiet);
    let name = format!("a task writes {:.0} a second", median(rates));
    let busy = row(&name, busy);
    println!("| ratio | {:.2} | {:.2} | {:.2} |", busy[0] / quiet[0], busy[1] / quiet[1], busy[2] / quiet[2]);
}

/// Measures the time from the call of `revoke` at A to the first rejection at B. The two share only
/// Redis.
fn propagation(runtime: &Runtime, a: &RedisBlocklist, b: &MirrorBlocklist) {
    let logout = |number: usize| {
        let name = format!("logout-{number}");
        let (a, b) = (a.clone(), b.clone());
        let ids = TokenIds::new(None, &name, Some(&name)).with_issued_at(SystemTime::now());
        runtime.block_on(async move {
            let started = Instant::now();
            let revoking = tokio::spawn(async move { a.revoke(&session(&name)).await.expect("Redis runs") });
            while b.check(&ids, SystemTime::now()).await == Ok(Status::NotRevoked) {
                tokio::task::yield_now().await;
            }
            let arrived = started.elapsed().as_secs_f64() * 1000.0;
            revoking.await.expect("no panic");
            arrived
        })
    };
    let times: Vec<f64> = (0..LOGOUTS).map(logout).collect();
    println!("\n| from the logout at one server to the refusal at another | p50 | p99 | most |\n|---|---|---|---|");
    let of = |part| quantile(times.iter().copied(), part);
    println!("| {LOGOUTS} logouts | {:.2} ms | {:.2} ms | {:.2} ms |", of(0.5), of(0.99), of(1.0));
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(RedisServer::start());
    by_size(&server, &runtime);
    // Two nodes that share only Redis.
    let (a, b) = runtime.block_on(async {
        let [a, b] = [connect(&server.url(), MILLION).await, connect(&server.url(), MILLION).await];
        (a, mirror(b).await)
    });
    propagation(&runtime, &a, &b);
    under_writes(&runtime, &a, &b);
}
