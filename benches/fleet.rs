//! How long Redis stays closed after `FLUSHALL`, while a fleet of mirrors restores it. Not timed by
//! criterion: one loss is one measurement.
//!
//! `cargo bench --bench fleet -- 20 100000` runs 20 mirrors over 100,000 revocations. Without
//! arguments it runs five fleets. Each mirror has connections of its own, as in a process of its
//! own, but all share the processors of this machine.

use std::{
    env,
    time::{Duration, Instant, SystemTime},
};

use testkit::{RedisServer, at_millis};
use tokio::{task::JoinSet, time::sleep};
use tower_jwt_blocklist::{
    MirrorBlocklist, RedisBlocklist,
    blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds},
    redis::{MirrorPhase, MirrorSettings, RedisSettings},
};

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// The number of tasks that revoke at a time.
const WRITERS: usize = 200;

fn id(number: usize) -> RevocationId {
    RevocationId::new(None, RevocationScope::Session, &number.to_string())
}

async fn is_revoked(list: &impl Blocklist, number: usize) -> Option<bool> {
    let ids = TokenIds::new(None, "token", Some(&number.to_string())).with_issued_at(at_millis(1000));
    match list.check(&ids, SystemTime::now()).await {
        Ok(status) => Some(matches!(status, Status::Revoked(_))),
        Err(_) => None,
    }
}

async fn fill(writer: &RedisBlocklist, revocations: usize) {
    let until = SystemTime::now() + Duration::from_secs(3600);
    let mut tasks = JoinSet::new();
    for first in 0..WRITERS {
        let writer = writer.clone();
        tasks.spawn(async move {
            for number in (first..revocations).step_by(WRITERS) {
                let revocation = Revocation::new(RevocationScope::Session, id(number), until);
                while writer.revoke(&revocation).await.is_err() {
                    sleep(LOOK).await;
                }
            }
        });
    }
    tasks.join_all().await;
}

async fn all_fresh(mirrors: &[MirrorBlocklist], revocations: usize) -> Duration {
    let began = Instant::now();
    let is_complete = |mirror: &MirrorBlocklist| {
        let state = mirror.state();
        state.phase() == MirrorPhase::Fresh
            && state.entries() >= revocations
            && state.age().is_some_and(|age| age < began.elapsed())
    };
    while !mirrors.iter().all(is_complete) {
        sleep(LOOK).await;
    }
    began.elapsed()
}

async fn used_memory(server: &RedisServer) -> usize {
    let facts = server.cli(&["INFO", "memory"]).await;
    let used = facts.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.and_then(|used| used.trim().parse().ok()).expect("Redis says how much memory it uses")
}

async fn measure(mirrors: usize, revocations: usize) {
    let server = RedisServer::start().await;
    let settings = || RedisSettings::new("127.0.0.1", server.port()).revoke_deadline(Duration::from_secs(30));
    RedisBlocklist::initialize(settings(), SystemTime::UNIX_EPOCH).await.expect("Redis is there");
    let direct = RedisBlocklist::connect(settings()).await.expect("Redis is there");
    let before = used_memory(&server).await;
    fill(&direct, revocations).await;
    let stored = used_memory(&server).await - before;
    let mut fleet = Vec::new();
    for _ in 0..mirrors {
        let redis = RedisBlocklist::connect(settings()).await.expect("Redis is there");
        fleet.push(MirrorBlocklist::start(redis, MirrorSettings::new()).expect("the settings are valid"));
    }
    let ready = all_fresh(&fleet, revocations).await;
    let calls = server.calls("evalsha").await;

    let lost = Instant::now();
    server.cli(&["FLUSHALL"]).await;
    let closed = loop {
        if let Some(answer) = is_revoked(&direct, 0).await {
            // An answer from an epoch that opened too early must not count as the end of the loss.
            assert!(answer, "the first answer admits a revoked session");
            break lost.elapsed();
        }
        sleep(LOOK).await;
    };
    let calls = server.calls("evalsha").await - calls;
    for number in (0..revocations).step_by(revocations.div_ceil(1000)) {
        // While many mirrors read the log again, a check may exceed its deadline.
        let answer = loop {
            match is_revoked(&direct, number).await {
                Some(answer) => break answer,
                None => sleep(LOOK).await,
            }
        };
        assert!(answer, "session {number} is lost");
    }
    all_fresh(&fleet, revocations).await;
    println!(
        "| {mirrors} | {revocations} | {:.1} s | {:.1} s | {:.1} s | {calls} | {} B |",
        ready.as_secs_f64(),
        closed.as_secs_f64(),
        lost.elapsed().as_secs_f64(),
        stored / revocations,
    );
}

fn main() {
    // Cargo adds `--bench`.
    let numbers: Vec<usize> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let cases = match numbers.as_slice() {
        [mirrors, revocations] => vec![(*mirrors, *revocations)],
        _ => vec![(3, 30_000), (20, 100_000), (100, 10_000), (100, 100_000), (3, 1_000_000)],
    };
    println!("| mirrors | revocations | all ready | closed | all fresh again | script calls | bytes each |");
    println!("|---|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the runtime starts");
    for (mirrors, revocations) in cases {
        runtime.block_on(measure(mirrors, revocations));
    }
}
