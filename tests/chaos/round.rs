//! One round: a fleet, a fault, and the verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    faults,
    fleet::{Fleet, Node},
    history::{Asked, History},
    judge::Verdict,
    plan::Plan,
    random::Random,
    support::wait::eventually,
};

pub(crate) async fn run(plan: &Plan, mut random: Random) -> Verdict {
    let mut fleet = Fleet::start(plan, &mut random).await;
    all_are_ready("all processes are ready", &fleet).await;
    let history = Arc::clone(&fleet.history);
    let goal = history.confirmed.lock().unwrap().len() + 30;
    eventually("some revocations are confirmed", async || history.confirmed.lock().unwrap().len() >= goal).await;

    let fault = faults::inject(plan, &mut fleet, &mut random).await;

    let all_notice = plan.kind.noticing_time() + Duration::from_millis(500);
    eventually("the time to notice the loss has passed", async || fault.ended.elapsed() > all_notice).await;
    all_are_ready("all processes answer again after the loss", &fleet).await;
    fleet.silence_all().await;
    // With a link that is still throttled, the last checks would take long.
    for link in fleet.links() {
        link.heal();
    }
    last_word(&fleet).await;
    Verdict::of(&history, plan.kind, fault, &fleet.bounds)
}

async fn all_are_ready(what: &str, fleet: &Fleet) {
    let nodes = fleet.alive();
    let mut waiting = WaitingFor(String::new());
    eventually(what, async || {
        for (number, node) in &nodes {
            if !node.is_ready().await {
                waiting.0 = format!("node {number}: {}", node.describe().await);
                return false;
            }
        }
        true
    })
    .await;
}

/// Says what a round was waiting for when it was given up.
struct WaitingFor(String);

impl Drop for WaitingFor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("it waited for {}", self.0);
        }
    }
}

/// Asks everyone about every confirmed revocation, after a proof that is younger than all of them.
async fn last_word(fleet: &Fleet) {
    let called = Instant::now();
    for (number, node) in fleet.alive().into_iter().filter(|(_, node)| node.has_mirror()) {
        eventually("the mirrors catch up", async || {
            // Read first: a pause before the age is read can then only hide a proof, not feign one.
            let elapsed = called.elapsed();
            node.age().is_some_and(|age| age <= elapsed)
        })
        .await;
        ask_all(&fleet.history, number, &node, Asked::Mirror).await;
    }
    ask_all(&fleet.history, fleet.len(), &fleet.witness().await, Asked::Redis).await;
}

async fn ask_all(history: &History, number: usize, node: &Node, asked: Asked) {
    let sessions: Vec<u32> = history.confirmed.lock().unwrap().keys().copied().collect();
    for session in sessions.into_iter().map(Some).chain([None]) {
        eventually("the last checks are answered", async || {
            let began = Instant::now();
            let answer = node.ask(asked, session).await.ok();
            if answer.is_some() {
                history.record(number, asked, session, began, answer);
            }
            answer.is_some()
        })
        .await;
    }
}
