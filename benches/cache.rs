//! Caches that could keep verified tokens: the cost of a hit, alone and with another thread, and
//! the effect of a flood of new tokens on those in constant use. Also the cost of hashing a token.
//!
//! `cargo bench --bench cache` prints criterion's figures and then one table. Compare rows of one
//! run only.

#[path = "common/criterion.rs"]
mod estimates;

use std::{
    hash::BuildHasher,
    hint::black_box,
    sync::{Arc, Barrier, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use criterion::Criterion;
use estimates::{estimates, median};
use foldhash::quality::RandomState;
use quick_cache::sync::DefaultLifecycle;
use schnellru::{ByLength, LruMap};
use sha2::{Digest, Sha256};

/// As many tokens of this length as a layer keeps by default.
const CAPACITY: u32 = 6000;
const TOKEN_BYTES: usize = 430;
/// Tokens in constant use.
const HOT: usize = 1000;
/// New tokens between two requests with a hot one. By its next use, more have come than the cache
/// can hold.
const FLOOD: usize = 10;

type Value = (u64, Arc<u64>);

trait Candidate: Sync {
    fn get(&self, token: &str) -> Option<Value>;
    fn insert(&self, token: &str, value: Value);
}

type Quick = quick_cache::sync::Cache<Box<str>, Value, ByBytes, RandomState, DefaultLifecycle<Box<str>, Value>>;

/// All tokens have one weight here. Computing it is part of the measurement.
#[derive(Clone)]
struct ByBytes;

impl quick_cache::Weighter<Box<str>, Value> for ByBytes {
    fn weight(&self, token: &Box<str>, _: &Value) -> u64 {
        token.len() as u64
    }
}

impl Candidate for Quick {
    fn get(&self, token: &str) -> Option<Value> {
        self.get(token)
    }
    fn insert(&self, token: &str, value: Value) {
        self.insert(token.into(), value);
    }
}

type Moka = moka::sync::Cache<Box<str>, Value, RandomState>;

impl Candidate for Moka {
    fn get(&self, token: &str) -> Option<Value> {
        self.get(token)
    }
    fn insert(&self, token: &str, value: Value) {
        self.insert(token.into(), value);
    }
}

type Lru = Mutex<LruMap<String, Value, ByLength, RandomState>>;

impl Candidate for Lru {
    fn get(&self, token: &str) -> Option<Value> {
        self.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
    fn insert(&self, token: &str, value: Value) {
        self.lock().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned(), value);
    }
}

/// An empty cache of each kind.
fn candidates() -> Vec<(&'static str, Box<dyn Candidate>)> {
    let bytes = u64::from(CAPACITY) * TOKEN_BYTES as u64;
    let quick: Quick =
        Quick::with(CAPACITY as usize, bytes, ByBytes, RandomState::default(), DefaultLifecycle::default());
    let moka: Moka = moka::sync::Cache::builder()
        .max_capacity(bytes)
        .weigher(
            #[expect(clippy::borrowed_box, reason = "the key is a box")]
            |token: &Box<str>, _: &Value| u32::try_from(token.len()).expect("tokens are short"),
        )
        .build_with_hasher(RandomState::default());
    let lru: Lru = Mutex::new(LruMap::with_hasher(ByLength::new(CAPACITY), RandomState::default()));
    vec![("quick_cache", Box::new(quick)), ("moka::sync", Box::new(moka)), ("schnellru in a Mutex", Box::new(lru))]
}

/// A number as a realistic token: all but the end is the same.
fn token(number: usize) -> String {
    format!("{}{number:016x}", "e".repeat(TOKEN_BYTES - 16))
}

/// The hit rate of hot tokens, in percent, once the flood has gone on for a while.
fn hot_hit_rate(cache: &dyn Candidate) -> f64 {
    let hot: Vec<_> = (0..HOT).map(token).collect();
    let (mut new, mut asked, mut found) = (HOT, 0, 0);
    let request = |token: &str| {
        let is_there = cache.get(token).is_some();
        if !is_there {
            cache.insert(token, (0, Arc::new(0)));
        }
        is_there
    };
    // Used for a while before the flood begins.
    for token in hot.iter().chain(&hot) {
        request(token);
    }
    for _ in 0..10 {
        for token in &hot {
            asked += 1;
            found += usize::from(request(token));
            for _ in 0..FLOOD {
                request(&self::token(new));
                new += 1;
            }
        }
    }
    100.0 * f64::from(found as u32) / f64::from(asked)
}

/// The time that `threads` take for so many lookups of hot tokens each.
fn ask(cache: &dyn Candidate, hot: &[String], threads: usize, times: u64) -> Duration {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let began = Instant::now();
                    for token in hot.iter().cycle().take(usize::try_from(times).expect("a small number")) {
                        black_box(cache.get(black_box(token)));
                    }
                    began.elapsed()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("it does not panic")).max().expect("there is a thread")
    })
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().measurement_time(Duration::from_secs(3));
    let hot: Vec<_> = (0..HOT).map(token).collect();
    let mut rows = Vec::new();
    for (name, cache) in candidates() {
        for token in hot.iter().chain(&hot) {
            cache.insert(token, (0, Arc::new(0)));
        }
        for threads in [1, 2] {
            criterion.bench_function(&format!("{name} hit {threads} threads"), |bencher| {
                bencher.iter_custom(|times| ask(&*cache, &hot, threads, times));
            });
        }
        rows.push(name);
    }

    let one = token(1);
    let (fold, sip) = (RandomState::default(), std::hash::RandomState::new());
    criterion.bench_function("name SHA-256", |bencher| bencher.iter(|| Sha256::digest(black_box(&one))));
    criterion.bench_function("name SipHash", |bencher| bencher.iter(|| sip.hash_one(black_box(&one))));
    criterion.bench_function("name foldhash", |bencher| bencher.iter(|| fold.hash_one(black_box(&one))));

    if !estimates("name foldhash").exists() {
        return println!("no table: not every row was measured");
    }
    println!(
        "\n| cache | hit, 1 thread | ratio | hit, 2 threads | ratio | hot tokens found in a flood |\n|---|---|---|---|---|---|"
    );
    let base = |threads| median(&format!("{} hit {threads} threads", rows[0]));
    for (name, cache) in candidates() {
        let [one, two] = [1, 2].map(|threads| {
            let median = median(&format!("{name} hit {threads} threads"));
            format!("{median:.0} ns | {:.2}", median / base(threads))
        });
        println!("| {name} | {one} | {two} | {:.0} % |", hot_hit_rate(&*cache));
    }
    println!("\n| name of a token of {TOKEN_BYTES} bytes | median |\n|---|---|");
    for name in ["SHA-256", "SipHash", "foldhash"] {
        println!("| {name} | {:.0} ns |", median(&format!("name {name}")));
    }
}
