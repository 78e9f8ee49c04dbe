//! Many who ask, few round trips.
//!
//! While all lanes are busy those who ask are collected, and whoever comes back takes them along. So nobody ever waits for a timer,
//! and the busier it is the more they share. A round trip is a task of its own: it goes on whatever becomes of those who asked, and
//! gives its lane back.

use std::{
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::redis::Shared;

/// What is asked in one round trip, by several at once.
pub(crate) trait Batch: Send + Sized + 'static {
    type Question: Send + 'static;
    type Answer: Send + 'static;

    /// Round trips at a time.
    const LANES: usize;
    /// Questions in one: enough to make its cost small, few enough to answer the first of them soon.
    const LARGEST: usize;

    fn batcher(shared: &Shared) -> &Batcher<Self>;
    /// One answer for each question, in their order.
    fn send(shared: &Shared, questions: Vec<Self::Question>) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// Those who wait for a lane.
pub(crate) struct Batcher<B: Batch>(Mutex<State<B>>);

struct State<B: Batch> {
    busy: usize,
    waiting: Vec<Waiting<B>>,
}

type Waiting<B> = (<B as Batch>::Question, oneshot::Sender<<B as Batch>::Answer>);

impl<B: Batch> Default for Batcher<B> {
    fn default() -> Self {
        Self(Mutex::new(State { busy: 0, waiting: Vec::new() }))
    }
}

impl<B: Batch> Batcher<B> {
    fn with<T>(&self, work: impl FnOnce(&mut State<B>) -> T) -> T {
        // Nothing in here panics half-way, so a poisoned lock is as good as a whole one.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks together with others; `None` when there is no answer by the deadline.
pub(crate) async fn ask<B: Batch>(shared: &Arc<Shared>, question: B::Question, deadline: Instant) -> Option<B::Answer> {
    let (sender, answer) = oneshot::channel();
    let is_lane_free = B::batcher(shared).with(|state| {
        state.waiting.push((question, sender));
        let is_free = state.busy < B::LANES;
        state.busy += usize::from(is_free);
        is_free
    });
    if is_lane_free {
        let lane = Lane::<B> { shared: Arc::clone(shared), is_taken: true, batch: PhantomData };
        shared.runtime.spawn(lane.run());
    }
    timeout_at(deadline, answer).await.ok()?.ok()
}

/// The right to one of the lanes.
struct Lane<B: Batch> {
    shared: Arc<Shared>,
    is_taken: bool,
    batch: PhantomData<fn() -> B>,
}

impl<B: Batch> Lane<B> {
    /// Round trips until nobody waits any more.
    async fn run(mut self) {
        while let Some(batch) = self.next() {
            let (questions, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            for (sender, answer) in senders.into_iter().zip(B::send(&self.shared, questions).await) {
                // Whoever does not wait any more does not need it.
                let _ = sender.send(answer);
            }
        }
    }

    /// The next to ask for; if there are none, the lane is free in the same moment, so that nobody is overlooked.
    fn next(&mut self) -> Option<Vec<Waiting<B>>> {
        let batch = B::batcher(&self.shared).with(|state| {
            // Who has given up is not asked for.
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

/// A task that is dropped half-way gives its lane back too.
impl<B: Batch> Drop for Lane<B> {
    fn drop(&mut self) {
        if self.is_taken {
            B::batcher(&self.shared).with(|state| state.busy -= 1);
        }
    }
}
