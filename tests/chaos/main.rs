//! Random faults of real servers, and a judgement of everything that was answered meanwhile
//! (guarantees G1, G2 and G5).
//!
//! `cargo xtask chaos --minutes 60` runs it for an hour, and `--seed` repeats the faults of a run. A
//! round has two to five processes with their links, some with mirrors. They revoke and check
//! sessions all the time, while one fault happens. Then every admission is compared with the
//! confirmed revocations.
#![cfg(feature = "redis")]

mod faults;
mod fleet;
mod history;
mod judge;
mod plan;
mod random;
mod report;
mod round;
#[path = "../support/mod.rs"]
mod support;

use std::{
    env,
    hash::{BuildHasher as _, RandomState},
    panic,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use plan::{Kind, Plan};
use random::Random;
use report::Report;

/// Rounds at a time. A round mostly waits, but one more would make the others late on two cores.
const LANES: usize = 2;

/// The number of failed rounds after which no more begin.
const ENOUGH: usize = 50;

struct Settings {
    seed: u64,
    end: Instant,
    kinds: Vec<Kind>,
}

impl Settings {
    /// From `CHAOS_SECONDS`, `CHAOS_SEED` and `CHAOS_KIND`.
    fn read() -> Self {
        let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
        let kind = env::var("CHAOS_KIND").ok();
        let kinds = Kind::ALL.into_iter().filter(|one| kind.as_ref().is_none_or(|kind| *kind == one.to_string()));
        Self {
            // The keys of a hasher are random.
            seed: number("CHAOS_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000),
            end: Instant::now() + Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(100)),
            kinds: kinds.collect(),
        }
    }
}

#[test]
fn g1_g2_g5_no_fault_admits_a_revoked_session_or_logs_out_another() {
    if env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    }
    let settings = Settings::read();
    assert!(!settings.kinds.is_empty(), "`CHAOS_KIND` is the first column of the report");
    println!("seed {}", settings.seed);
    let (next, report) = (AtomicU64::new(0), Mutex::new(Report::default()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while Instant::now() < settings.end && report.lock().unwrap().failed() < ENOUGH {
                    one_round(&settings, next.fetch_add(1, Ordering::Relaxed), &report);
                }
            });
        }
    });
    let report = report.into_inner().unwrap();
    println!("{report}");
    assert_eq!(report.failed(), 0, "rounds failed; seed {}", settings.seed);
}

fn one_round(settings: &Settings, number: u64, report: &Mutex<Report>) {
    let mut random = Random::of_round(settings.seed, number);
    let kind = settings.kinds[usize::try_from(number).expect("a small number") % settings.kinds.len()];
    let plan = Plan::of(kind, &mut random);
    // A round that panics is one that failed, and the runtime ends with it and all of its processes.
    let verdict = panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(round::run(&plan, random))
    });
    report.lock().unwrap().add(kind, verdict.as_ref().ok());
    match verdict {
        Ok(verdict) if !verdict.is_wrong() => {}
        Ok(verdict) => {
            let (late, false_logouts) = (&verdict.late, &verdict.false_logouts);
            println!("round {number}, {kind}: {} late, {} false logouts", late.len(), false_logouts.len());
            for wrong in late.iter().take(3).chain(false_logouts.iter().take(3)) {
                println!("  {wrong}");
            }
            println!("  {plan:?}");
        }
        Err(_) => println!("round {number}, {kind}: it did not come to its end\n  {plan:?}"),
    }
}
