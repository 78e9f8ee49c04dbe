//! Many checks in one round trip.
//!
//! A check that finds a lane free goes out at once, by itself. While all lanes are busy checks are collected, and whoever comes
//! back takes them along in one `MGET`. So nobody ever waits for a timer, and the busier it is the more they share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::oneshot, time::Instant};

use super::{Failure, Shared};
use crate::blocklist::{Outage, Status, TokenIds};

/// Round trips at a time. With two, one is being answered while the other is written.
const LANES: usize = 2;
/// Tokens in one `MGET`: enough to make its cost small, few enough to answer the first of them soon.
const LARGEST: usize = 128;

type Answer = Result<Status, Failure>;

/// The checks that wait for a lane.
#[derive(Default)]
pub(super) struct Batcher(Mutex<State>);

#[derive(Default)]
struct State {
    busy: usize,
    waiting: Vec<Waiting>,
}

struct Waiting {
    token: TokenIds,
    answer: oneshot::Sender<Answer>,
}

/// The right to one of the lanes. Whoever gives it back, also by being dropped half-way, sends the next batch.
struct Lane(Arc<Shared>);

enum Turn {
    Now(Lane),
    Collected(oneshot::Receiver<Answer>),
}

impl Batcher {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // Nothing in here panics half-way, so a poisoned lock is as good as a whole one.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks for one token, alone or together with others.
pub(super) async fn ask(shared: &Arc<Shared>, token: TokenIds, deadline: Instant) -> Answer {
    let turn = shared.batcher.with(|state| {
        if state.busy < LANES {
            state.busy += 1;
            return Turn::Now(Lane(Arc::clone(shared)));
        }
        let (answer, receiver) = oneshot::channel();
        state.waiting.push(Waiting { token, answer });
        Turn::Collected(receiver)
    });
    match turn {
        Turn::Now(_lane) => {
            let mut answer = shared.ask(&[token], deadline).await?;
            answer.pop().ok_or(Outage::UnexpectedReply)?.map_err(Failure::from)
        }
        Turn::Collected(answer) => match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Outage::NotConnected.into()),
            Err(_) => Err(Outage::TimedOut.into()),
        },
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let batch = self.0.batcher.with(|state| {
            // Who has given up is not asked for.
            state.waiting.retain(|waiting| !waiting.answer.is_closed());
            if state.waiting.is_empty() {
                state.busy -= 1;
                return None;
            }
            let rest = state.waiting.split_off(state.waiting.len().min(LARGEST));
            Some(std::mem::replace(&mut state.waiting, rest))
        });
        if let Some(batch) = batch {
            let lane = Lane(Arc::clone(&self.0));
            self.0.runtime.spawn(send(lane, batch));
        }
    }
}

async fn send(lane: Lane, batch: Vec<Waiting>) {
    let shared = &lane.0;
    let tokens: Vec<_> = batch.iter().map(|waiting| waiting.token).collect();
    let answers = shared.ask(&tokens, Instant::now() + shared.settings.check_deadline).await;
    let mut answers = answers.map(Vec::into_iter);
    for waiting in batch {
        let answer = match &mut answers {
            Ok(answers) => answers.next().unwrap_or(Err(Outage::UnexpectedReply)).map_err(Failure::from),
            Err(failure) => Err(*failure),
        };
        // Whoever does not wait any more does not need it.
        let _ = waiting.answer.send(answer);
    }
}
