//! One live connection, or none: dialled, watched and replaced in the background.
//!
//! redis-rs has a `ConnectionManager`. It is not used: it keeps a connection on which every command times out, makes callers
//! wait for seconds while it reconnects, and stays with a master that was demoted, where a check silently reads old data.

use std::{
    future::{self, Future},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    blocklist::Outage,
    metrics,
    redis::{
        connection::dial::{Connected, DialError, Dialler},
        schema::epoch::Seen,
    },
};

/// How often an idle connection is asked for its role.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// So many checks in a row without an answer in time, and the connection is replaced.
const TIMEOUTS_TOLERATED: u32 = 3;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The connection that is used until it is withdrawn.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connected: Connected,
    generation: u64,
    timeouts: Arc<AtomicU32>,
}

impl Live {
    fn new(connected: Connected, generation: u64) -> Self {
        Self { connected, generation, timeouts: Arc::default() }
    }

    /// Whether it is the same connection of the same supervisor.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.generation == other.generation
    }
}

/// The live connection, or why there is none.
type State = Result<Live, MissingToken>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingToken {
    /// It is being made.
    Dialling,
    /// The same, and it is known that revocations were lost.
    DiallingAfterLoss,
    /// The store has lost revocations, and a person has to act.
    Lost,
}

impl From<MissingToken> for Outage {
    fn from(absence: MissingToken) -> Self {
        match absence {
            MissingToken::Dialling => Self::NotConnected,
            MissingToken::DiallingAfterLoss | MissingToken::Lost => Self::Lost,
        }
    }
}

/// Keeps the [`State`] up to date as long as it exists.
pub(crate) struct Supervisor {
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Begins to dial. `first` is a connection made already. Must be called within a tokio runtime.
    pub(crate) fn start(dialler: Dialler, seen: Seen, address: String, first: Option<Connected>) -> Self {
        let first = first.map(|connected| Live::new(connected, 0)).ok_or(MissingToken::Dialling);
        let (state, _) = watch::channel(first);
        let task = tokio::spawn(supervise(dialler, seen, address, state.clone()));
        Self { state, task }
    }

    /// The live connection, if there is one now.
    pub(crate) fn live(&self) -> Result<Live, Outage> {
        self.state.borrow().clone().map_err(Outage::from)
    }

    /// Why there is no connection now.
    pub(crate) fn outage(&self) -> Option<Outage> {
        self.state.borrow().as_ref().err().copied().map(Outage::from)
    }

    /// The live connection, as soon as there is one, or that there will be none before somebody acts. Without end: put a
    /// deadline around it.
    pub(crate) async fn wait_for_live(&self) -> Result<Live, Outage> {
        let mut changes = self.state.subscribe();
        let settled = changes.wait_for(|state| matches!(state, Ok(_) | Err(MissingToken::Lost))).await;
        settled.map_or(Err(Outage::NotConnected), |state| state.clone().map_err(Outage::from))
    }

    /// To be told that the store behind the connection has lost revocations.
    pub(crate) fn lost(&self, live: &Live) {
        withdraw(&self.state, live.generation, MissingToken::DiallingAfterLoss);
    }

    /// To be told of each command that got no answer in time on this connection.
    pub(crate) fn timed_out(&self, live: &Live) {
        if live.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_TOLERATED {
            withdraw(&self.state, live.generation, MissingToken::Dialling);
        }
    }

    /// To be told of each command's outcome: decides whether the connection is still good.
    pub(crate) fn observe<T>(&self, live: &Live, outcome: &Result<T, RedisError>) {
        match outcome {
            Err(error) if makes_unusable(error) => withdraw(&self.state, live.generation, MissingToken::Dialling),
            _ if live.timeouts.load(Ordering::Relaxed) > 0 => live.timeouts.store(0, Ordering::Relaxed),
            _ => {}
        }
    }
}

/// The background task ends with its owner.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes this connection away from everybody, unless it was replaced already; the task then dials again.
fn withdraw(state: &watch::Sender<State>, generation: u64, absence: MissingToken) {
    state.send_if_modified(|state| {
        let is_current = state.as_ref().is_ok_and(|live| live.generation == generation);
        if is_current {
            *state = Err(absence);
        }
        is_current
    });
}

async fn supervise(dialler: Dialler, mut seen: Seen, address: String, state: watch::Sender<State>) {
    let mut pause = SHORTEST_PAUSE;
    let mut last_failure = None;
    for generation in 1.. {
        let started = Instant::now();
        if state.borrow().is_err() {
            match dialler.dial(&mut seen).await {
                Ok(connected) => {
                    (pause, last_failure) = (SHORTEST_PAUSE, None);
                    metrics::redialled();
                    state.send_modify(|state| *state = Ok(Live::new(connected, generation)));
                }
                Err(error) => {
                    let is_lost = matches!(error, DialError::Lost(_));
                    if last_failure.replace(error) != Some(error) {
                        if is_lost {
                            metrics::lost();
                        }
                        tracing::warn!(
                            address,
                            reason = error.as_str(),
                            "no connection to Redis: trying again and again"
                        );
                    }
                    // That something was lost is known until a store is whole.
                    state.send_modify(|state| match state {
                        _ if is_lost => *state = Err(MissingToken::Lost),
                        Err(absence @ MissingToken::Lost) => *absence = MissingToken::DiallingAfterLoss,
                        _ => {}
                    });
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        let current = state.borrow().clone();
        if let Ok(current) = current {
            tracing::info!(address, "connected to Redis");
            keep(&dialler, current, &mut seen, &state).await;
            tracing::warn!(address, "the connection to Redis is lost: requests are refused until there is a new one");
        }
        // A connection that lived for a while is replaced at once; one that fails at once is not dialled in a hot loop.
        sleep(pause.saturating_sub(started.elapsed())).await;
    }
}

/// Watches a connection until it is withdrawn.
async fn keep(dialler: &Dialler, mut current: Live, seen: &mut Seen, state: &watch::Sender<State>) {
    let mut changes = state.subscribe();
    let mut withdrawn = pin!(changes.wait_for(Result::is_err));
    while timeout(HEARTBEAT, &mut withdrawn).await.is_err() {
        // Whoever withdraws the connection while it is being asked does not have to wait for the answer.
        let generation = current.generation;
        let mut beat = pin!(dialler.heartbeat(&mut current.connected, seen));
        let lost = future::poll_fn(|context| match withdrawn.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => beat.as_mut().poll(context).map(|beat| beat.is_err()),
        });
        if lost.await {
            return withdraw(state, generation, MissingToken::Dialling);
        }
    }
}

/// Errors after which the connection is of no use, or leads to a server that is of none.
fn makes_unusable(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        // What a script ran into is an `ERR` with the reason in its text, before Redis 7.
        || error.detail().is_some_and(|text| text.contains("-READONLY "))
        || matches!(
            error.kind(),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                    | ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::Moved
                    | ServerErrorKind::ClusterDown
            )
        )
}
