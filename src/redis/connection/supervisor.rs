//! Dials, watches and replaces one connection in the background.
//!
//! redis-rs has a `ConnectionManager`. It is not used, for three reasons: it keeps a connection on
//! which every command times out, it makes callers wait for seconds while it reconnects, and it
//! stays with a demoted master, where a check silently reads old data.

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
        connection::dial::{Connected, Dialer},
        error::DialError,
        loss::{detect::LastKnown, timing::HEARTBEAT},
    },
};

/// The connection is replaced after this many timeouts in a row.
const TIMEOUTS_TOLERATED: u32 = 3;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection in use, until it is withdrawn.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connected: Connected,
    /// Counts the connections of its supervisor.
    number: u64,
    timeouts: Arc<AtomicU32>,
}

impl Live {
    fn new(connected: Connected, number: u64) -> Self {
        Self { connected, number, timeouts: Arc::default() }
    }

    /// Whether both are the same connection. Both must come from the same supervisor.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// The live connection, or the reason that there is none.
type State = Result<Live, NoConnection>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoConnection {
    /// The supervisor is dialing.
    Dialing,
    /// The supervisor is dialing, and the last store had lost revocations.
    DialingAfterLoss,
    /// The store has lost revocations, and an operator has to act.
    Lost,
}

impl From<NoConnection> for Outage {
    fn from(reason: NoConnection) -> Self {
        match reason {
            NoConnection::Dialing => Self::NotConnected,
            NoConnection::DialingAfterLoss | NoConnection::Lost => Self::Lost,
        }
    }
}

/// Keeps a connection alive in a background task, which ends when the supervisor is dropped.
pub(crate) struct Supervisor {
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Begins with the connection `first`, or by dialing. Call within a tokio runtime.
    pub(crate) fn start(dialer: Dialer, last_known: LastKnown, address: String, first: Option<Connected>) -> Self {
        let first = first.map(|connected| Live::new(connected, 0)).ok_or(NoConnection::Dialing);
        let (state, _) = watch::channel(first);
        let task = tokio::spawn(supervise(dialer, last_known, address, state.clone()));
        Self { state, task }
    }

    /// The live connection, if there is one now.
    pub(crate) fn live(&self) -> Result<Live, Outage> {
        self.state.borrow().clone().map_err(Outage::from)
    }

    /// The reason that there is no connection now; `None` if there is one.
    pub(crate) fn outage(&self) -> Option<Outage> {
        self.state.borrow().as_ref().err().copied().map(Outage::from)
    }

    /// Waits for a live connection, or for the news that an operator has to act. May wait forever:
    /// put a deadline around it.
    pub(crate) async fn wait_for_live(&self) -> Result<Live, Outage> {
        let mut changes = self.state.subscribe();
        let settled = changes.wait_for(|state| matches!(state, Ok(_) | Err(NoConnection::Lost))).await;
        settled.map_or(Err(Outage::NotConnected), |state| state.clone().map_err(Outage::from))
    }

    /// Withdraws a connection whose store has lost revocations.
    pub(crate) fn lost(&self, live: &Live) {
        withdraw(&self.state, live.number, NoConnection::DialingAfterLoss);
    }

    /// Call after each command without an answer in time.
    pub(crate) fn timed_out(&self, live: &Live) {
        if live.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_TOLERATED {
            withdraw(&self.state, live.number, NoConnection::Dialing);
        }
    }

    /// Call after each answered command. Withdraws the connection if the error shows that it is of
    /// no use.
    pub(crate) fn observe<T>(&self, live: &Live, outcome: &Result<T, RedisError>) {
        match outcome {
            Err(error) if makes_unusable(error) => withdraw(&self.state, live.number, NoConnection::Dialing),
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

/// Withdraws this connection, unless it was replaced already. The background task then dials again.
fn withdraw(state: &watch::Sender<State>, number: u64, reason: NoConnection) {
    state.send_if_modified(|state| {
        let is_current = state.as_ref().is_ok_and(|live| live.number == number);
        if is_current {
            *state = Err(reason);
        }
        is_current
    });
}

async fn supervise(dialer: Dialer, mut last_known: LastKnown, address: String, state: watch::Sender<State>) {
    let mut pause = SHORTEST_PAUSE;
    let mut last_failure = None;
    for number in 1.. {
        let started = Instant::now();
        if state.borrow().is_err() {
            match dialer.dial(&mut last_known).await {
                Ok(connected) => {
                    (pause, last_failure) = (SHORTEST_PAUSE, None);
                    metrics::redialed();
                    state.send_modify(|state| *state = Ok(Live::new(connected, number)));
                }
                Err(error) => {
                    let is_lost = matches!(error, DialError::Lost(_));
                    if last_failure.replace(error) != Some(error) {
                        if is_lost {
                            metrics::lost();
                        }
                        tracing::warn!(address, reason = error.as_str(), "cannot connect to Redis: retrying");
                    }
                    // A loss stays known until a store turns out to be complete.
                    state.send_modify(|state| match state {
                        _ if is_lost => *state = Err(NoConnection::Lost),
                        Err(reason @ NoConnection::Lost) => *reason = NoConnection::DialingAfterLoss,
                        _ => {}
                    });
                    // A restoration is over soon, so do not miss its end.
                    let waits = matches!(error, DialError::Restoring | DialError::Overtaken);
                    pause = if waits { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                }
            }
        }
        let current = state.borrow().clone();
        if let Ok(current) = current {
            tracing::info!(address, "connected to Redis");
            keep(&dialer, current, &mut last_known, &state).await;
            tracing::warn!(address, "the connection to Redis is lost: reconnecting");
        }
        // Replace a connection that lived for a while at once, but do not dial in a hot loop.
        sleep(pause.saturating_sub(started.elapsed())).await;
    }
}

/// Watches a connection until it is withdrawn.
async fn keep(dialer: &Dialer, mut current: Live, last_known: &mut LastKnown, state: &watch::Sender<State>) {
    let mut changes = state.subscribe();
    let mut withdrawn = pin!(changes.wait_for(Result::is_err));
    while timeout(HEARTBEAT, &mut withdrawn).await.is_err() {
        // If the connection is withdrawn meanwhile, do not wait for the reply.
        let number = current.number;
        let mut beat = pin!(dialer.heartbeat(&mut current.connected, last_known));
        let lost = future::poll_fn(|context| match withdrawn.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => beat.as_mut().poll(context).map(|beat| beat.is_err()),
        });
        if lost.await {
            return withdraw(state, number, NoConnection::Dialing);
        }
    }
}

/// Whether the connection, or the server that it leads to, is of no use after this error.
fn makes_unusable(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        // Before Redis 7, an error within a script is `ERR` with the cause in its text.
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
