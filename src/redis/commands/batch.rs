//! Concurrent questions share round trips.
//!
//! While all lanes are busy, questions are collected, and the next free lane takes them along. So
//! no question waits for a timer, and a busier process shares more. A round trip is a task of its
//! own: it continues if the callers are cancelled, and frees its lane.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// Sends several questions in one round trip.
pub(crate) trait Batch: Send + Sync + 'static {
    type Question: Send + 'static;
    type Answer: Send + 'static;

    /// Round trips at a time.
    const LANES: usize;
    /// Questions per round trip: enough to make its cost small, few enough to answer soon.
    const LARGEST: usize;

    /// Returns one answer per question, in the same order.
    fn send(&self, questions: Vec<Self::Question>) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// Collects the questions that wait for a lane.
pub(crate) struct Batcher<B: Batch>(Arc<Queue<B>>);

struct Queue<B: Batch> {
    batch: B,
    runtime: Handle,
    state: Mutex<State<B>>,
}

struct State<B: Batch> {
    busy: usize,
    waiting: Vec<Waiting<B>>,
}

type Waiting<B> = (<B as Batch>::Question, oneshot::Sender<<B as Batch>::Answer>);

impl<B: Batch> Batcher<B> {
    pub(crate) fn new(batch: B, runtime: Handle) -> Self {
        let state = Mutex::new(State { busy: 0, waiting: Vec::new() });
        Self(Arc::new(Queue { batch, runtime, state }))
    }

    /// Asks together with others; `None` if there is no answer by the deadline.
    pub(crate) async fn ask(&self, question: B::Question, deadline: Instant) -> Option<B::Answer> {
        let (sender, answer) = oneshot::channel();
        let is_lane_free = self.0.with(|state| {
            state.waiting.push((question, sender));
            let is_free = state.busy < B::LANES;
            state.busy += usize::from(is_free);
            is_free
        });
        if is_lane_free {
            let lane = Lane { queue: Arc::clone(&self.0), is_taken: true };
            self.0.runtime.spawn(lane.run());
        }
        timeout_at(deadline, answer).await.ok()?.ok()
    }
}

impl<B: Batch> Queue<B> {
    fn with<T>(&self, work: impl FnOnce(&mut State<B>) -> T) -> T {
        // `work` does not panic half-way, so a poisoned lock holds a valid state.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The right to one of the lanes.
struct Lane<B: Batch> {
    queue: Arc<Queue<B>>,
    is_taken: bool,
}

impl<B: Batch> Lane<B> {
    /// Makes round trips until no question is waiting.
    async fn run(mut self) {
        while let Some(batch) = self.next() {
            let (questions, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            for (sender, answer) in senders.into_iter().zip(self.queue.batch.send(questions).await) {
                // An error means that the caller was cancelled.
                let _ = sender.send(answer);
            }
        }
    }

    /// Takes the next questions. If there are none, frees the lane under the same lock, so that no
    /// question is overlooked.
    fn next(&mut self) -> Option<Vec<Waiting<B>>> {
        let batch = self.queue.with(|state| {
            // Cancelled callers need no answer.
            state.waiting.retain(|(_, sender)| !sender.is_closed());
            let rest = state.waiting.split_off(state.waiting.len().min(B::LARGEST));
            let batch = std::mem::replace(&mut state.waiting, rest);
            state.busy -= usize::from(batch.is_empty());
            batch
        });
        self.is_taken = !batch.is_empty();
        self.is_taken.then_some(batch)
    }
}

/// A task that is dropped half-way frees its lane too.
impl<B: Batch> Drop for Lane<B> {
    fn drop(&mut self) {
        if self.is_taken {
            self.queue.with(|state| state.busy -= 1);
        }
    }
}
