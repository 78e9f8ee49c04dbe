//! The faults.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use testkit::FaultProxy;

use crate::{
    fleet::{Fleet, Servers},
    plan::{Kind, Loss, NodePlan, Plan},
    random::Random,
    support::wait::eventually,
};

/// When the revocations were lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// The number of revocations that only the slower mirror reads.
const MISSED: usize = 50;

pub(crate) async fn inject(plan: &Plan, fleet: &mut Fleet, random: &mut Random) -> Fault {
    match plan.kind {
        Kind::DarkLink => dark_link(plan, fleet).await,
        Kind::SlowHelper | Kind::ClockAhead => lose(plan.loss, fleet).await,
        Kind::ThrottledRedis => {
            for link in fleet.links() {
                link.throttle(NonZeroU32::new(plan.rate));
            }
            lose(plan.loss, fleet).await
        }
        Kind::LateStart => {
            let fault = lose(plan.loss, fleet).await;
            tokio::time::sleep(plan.pause).await;
            let late = NodePlan {
                latency: random.millis(0..=100),
                max_staleness: random.one_in(2).then_some(Duration::from_secs(2)),
                writers: random.within(0..=1),
                clock_ahead: Duration::ZERO,
            };
            fleet.add(&late, random).await;
            fault
        }
        Kind::Failover | Kind::FailoverWithAcks => failover(fleet).await,
        Kind::SplitBrain => split_brain(plan, fleet).await,
        Kind::KilledBefore => {
            let last = u64::try_from(fleet.len() - 1).expect("a small number");
            fleet.kill(usize::try_from(random.within(0..=last)).expect("a small number")).await;
            fleet.history.note_holders(&fleet.alive());
            lose(plan.loss, fleet).await
        }
        Kind::KilledRestorer => {
            fleet.silence(0).await;
            fleet.history.note_holders(&fleet.alive()[1..]);
            let fault = lose(plan.loss, fleet).await;
            tokio::time::sleep(plan.pause).await;
            fleet.kill(0).await;
            fault
        }
    }
}

async fn lose(loss: Loss, fleet: &mut Fleet) -> Fault {
    let Servers::One(server) = &mut fleet.servers else { unreachable!("only one server loses everything at once") };
    let began = Instant::now();
    match loss {
        Loss::Flushed => drop(server.cli(&["FLUSHALL"]).await),
        Loss::RestartedEmpty => server.restart().await,
        Loss::LogDeleted => drop(server.cli(&["DEL", "{jwt}:log"]).await),
    }
    Fault { began, ended: Instant::now() }
}

async fn dark_link(plan: &Plan, fleet: &mut Fleet) -> Fault {
    let history = Arc::clone(&fleet.history);
    let count = || history.confirmed.lock().unwrap().len();
    let (fast, slow, writer) = (0, 1, 2);
    fleet.link(fast).black_hole(true);
    let (dark_since, before) = (Instant::now(), count());
    eventually("revocations are confirmed that the fast mirror misses", async || {
        count() >= before + MISSED && dark_since.elapsed() >= plan.dark
    })
    .await;
    history.stop_writers(true);
    let all = fleet.alive();
    eventually("the slow mirror has read them", async || {
        let confirmed = history.confirmed.lock().unwrap();
        confirmed.keys().all(|session| all[slow].1.holds(*session))
    })
    .await;
    if plan.writer_ends {
        fleet.kill(writer).await;
    }
    history.note_holders(&fleet.alive());
    let fault = lose(plan.loss, fleet).await;
    fleet.link(fast).black_hole(false);
    fleet.link(fast).cut();
    history.stop_writers(false);
    fault
}

/// The old master goes on confirming until the sentinels have named the new one.
async fn failover(fleet: &Fleet) -> Fault {
    let Servers::Group(group) = &fleet.servers else { unreachable!("a failover needs sentinels") };
    let (began, old) = (Instant::now(), group.master().await);
    let new = group.failover().await;
    assert_ne!(old, new, "there was a failover");
    Fault { began, ended: Instant::now() }
}

/// Makes the server another master, which has issued the last id of the log for another entry.
async fn split_brain(plan: &Plan, fleet: &mut Fleet) -> Fault {
    const OTHER_MASTER: &str = include_str!("other_master.lua");
    let history = Arc::clone(&fleet.history);
    loop {
        // The mirrors must have read the last entry, so that it is their position.
        history.stop_writers(true);
        let all = fleet.alive();
        eventually("all mirrors have read everything", async || {
            let confirmed = history.confirmed.lock().unwrap();
            all.iter().filter(|(_, node)| node.has_mirror()).all(|(_, node)| confirmed.keys().all(|s| node.holds(*s)))
        })
        .await;
        let last = fleet.len() - 1;
        // The first two have the mirrors that live on.
        if plan.writer_ends && last >= 2 {
            fleet.kill(last).await;
        }
        let Servers::One(server) = &fleet.servers else { unreachable!("one server plays both") };
        let began = Instant::now();
        let done = server.cli(&["EVAL", OTHER_MASTER, "1", "{jwt}:log"]).await;
        if done == "1" {
            // The connections to a master do not outlive a failover.
            fleet.links().for_each(FaultProxy::cut);
            history.stop_writers(false);
            return Fault { began, ended: Instant::now() };
        }
        history.stop_writers(false);
        // The last entry was no revocation: some more are needed.
        let before = history.confirmed.lock().unwrap().len();
        eventually("another revocation is confirmed", async || history.confirmed.lock().unwrap().len() > before).await;
    }
}
