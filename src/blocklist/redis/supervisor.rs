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

use redis::{ErrorKind, RedisError, ServerErrorKind, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::dial::{Dialler, check_role};
use crate::meter;

/// How often an idle connection is asked for its role.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// So many checks in a row without an answer in time, and the connection is replaced.
const TIMEOUTS_TOLERATED: u32 = 3;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that said it leads to a master.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    generation: u64,
    timeouts: Arc<AtomicU32>,
}

impl Live {
    fn new(connection: MultiplexedConnection, generation: u64) -> Self {
        Self { connection, generation, timeouts: Arc::default() }
    }
}

/// Keeps [`Live`] up to date as long as it exists.
pub(super) struct Supervisor {
    live: watch::Sender<Option<Live>>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Begins to dial. `first` is a connection made already. Must be called within a tokio runtime.
    pub(super) fn start(dialler: Dialler, address: String, first: Option<MultiplexedConnection>) -> Self {
        let (live, _) = watch::channel(first.map(|connection| Live::new(connection, 0)));
        let task = tokio::spawn(supervise(dialler, address, live.clone()));
        Self { live, task }
    }

    /// The live connection, if there is one now.
    pub(super) fn live(&self) -> Option<Live> {
        self.live.borrow().clone()
    }

    /// The live connection, as soon as there is one. Without end: put a deadline around it.
    pub(super) async fn wait_for_live(&self) -> Option<Live> {
        let mut changes = self.live.subscribe();
        changes.wait_for(Option::is_some).await.ok().and_then(|live| live.clone())
    }

    /// To be told of each command that got no answer in time on this connection.
    pub(super) fn timed_out(&self, live: &Live) {
        if live.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_TOLERATED {
            withdraw(&self.live, live.generation);
        }
    }

    /// To be told of each command's outcome: decides whether the connection is still good.
    pub(super) fn observe<T>(&self, live: &Live, outcome: &Result<T, RedisError>) {
        match outcome {
            Err(error) if makes_unusable(error) => withdraw(&self.live, live.generation),
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
fn withdraw(live: &watch::Sender<Option<Live>>, generation: u64) {
    live.send_if_modified(|live| {
        let is_current = live.as_ref().is_some_and(|live| live.generation == generation);
        if is_current {
            *live = None;
        }
        is_current
    });
}

async fn supervise(dialler: Dialler, address: String, live: watch::Sender<Option<Live>>) {
    let mut pause = SHORTEST_PAUSE;
    let mut last_failure = None;
    for generation in 1.. {
        let started = Instant::now();
        if live.borrow().is_none() {
            match dialler.dial().await {
                Ok(connection) => {
                    (pause, last_failure) = (SHORTEST_PAUSE, None);
                    meter::redialled();
                    live.send_replace(Some(Live::new(connection, generation)));
                }
                Err(error) => {
                    if last_failure.replace(error) != Some(error) {
                        tracing::warn!(
                            address,
                            reason = error.as_str(),
                            "no connection to Redis: trying again and again"
                        );
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        let current = live.borrow().clone();
        if let Some(current) = current {
            tracing::info!(address, "connected to Redis");
            keep(current, &live).await;
            tracing::warn!(address, "the connection to Redis is lost: requests are refused until there is a new one");
        }
        // A connection that lived for a while is replaced at once; one that fails at once is not dialled in a hot loop.
        sleep(pause.saturating_sub(started.elapsed())).await;
    }
}

/// Watches a connection until it is withdrawn.
async fn keep(mut current: Live, live: &watch::Sender<Option<Live>>) {
    let mut changes = live.subscribe();
    let mut withdrawn = pin!(changes.wait_for(Option::is_none));
    while timeout(HEARTBEAT, &mut withdrawn).await.is_err() {
        // Whoever withdraws the connection while its role is being asked for does not have to wait for the answer.
        let mut role = pin!(check_role(&mut current.connection));
        let lost = future::poll_fn(|context| match withdrawn.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => role.as_mut().poll(context).map(|role| role.is_err()),
        });
        if lost.await {
            return withdraw(live, current.generation);
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
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown)
        )
}
