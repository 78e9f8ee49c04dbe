//! One command and its answer, within a deadline; and what is worth trying again.

use std::time::Duration;

use redis::{
    Cmd, ErrorKind, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, Value, aio::MultiplexedConnection,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    blocklist::Outage,
    redis::{
        connection::supervisor::{Live, Supervisor},
        schema::entry,
    },
};

pub(crate) enum Request<'a> {
    Command(&'a Cmd),
    Script(ScriptInvocation<'a>),
}

impl Request<'_> {
    async fn send_on(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(call) => call.invoke_async(connection).await,
        }
    }
}

/// Why a command was not answered as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The store has lost revocations. A new connection sees to that.
    Lost,
    /// The connection broke under it, or leads to the wrong node of a cluster.
    Dropped,
    /// The slot of a cluster that all keys are in is being moved to another node.
    Moving,
    Outage(Outage),
}

impl From<Outage> for Failure {
    fn from(outage: Outage) -> Self {
        Self::Outage(outage)
    }
}

impl From<Failure> for Outage {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost => Self::Lost,
            Failure::Dropped | Failure::Moving => Self::Failed,
            Failure::Outage(outage) => outage,
        }
    }
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Self {
        if error.code() == Some(entry::LOST) {
            return Self::Lost;
        }
        match error.kind() {
            _ if error.is_connection_dropped() => return Self::Dropped,
            ErrorKind::Server(ServerErrorKind::Moved) => return Self::Dropped,
            ErrorKind::Server(ServerErrorKind::Ask | ServerErrorKind::TryAgain) => return Self::Moving,
            _ => {}
        }
        // The server's word for the case (`OOM`, `NOPERM`); the rest of its text is not repeated.
        if let Some(code) = error.code() {
            tracing::debug!(code, "Redis refused a command");
        }
        Self::Outage(Outage::Failed)
    }
}

impl Supervisor {
    /// The live connection, as soon as there is one.
    pub(crate) async fn live_by(&self, deadline: Instant) -> Result<Live, Outage> {
        timeout_at(deadline, self.wait_for_live()).await.unwrap_or(Err(Outage::NotConnected))
    }

    /// Sends a request, and learns from what becomes of it whether the connection is still good.
    pub(crate) async fn send(
        &self,
        live: &mut Live,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let Ok(outcome) = timeout_at(deadline, request.send_on(&mut live.connected.connection)).await else {
            self.timed_out(live);
            return Err(Outage::TimedOut.into());
        };
        self.observe(live, &outcome);
        outcome.map_err(|error| self.heed(live, Failure::of(&error)))
    }

    /// A connection to a store that has lost something is given up: whoever dials again sees to the loss.
    pub(crate) fn heed(&self, live: &Live, failure: Failure) -> Failure {
        if failure == Failure::Lost {
            self.lost(live);
        }
        failure
    }

    /// Sends what can wait for a connection, and sends it again as long as that is worth while: it may then have been done twice. Answers
    /// also with the connection that it was done on.
    pub(crate) async fn insist<'a, T>(
        &self,
        deadline: Instant,
        request: impl Fn(&Live) -> Request<'a>,
        read: impl Fn(&Live, &Value) -> Result<T, Failure>,
    ) -> Result<(T, Live), Outage> {
        let mut patience = RetryBudget::new(deadline);
        loop {
            let mut live = self.live_by(deadline).await?;
            let request = request(&live);
            let outcome = match self.send(&mut live, request, deadline).await {
                Ok(answer) => read(&live, &answer).map_err(|failure| self.heed(&live, failure)),
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(read) => return Ok((read, live)),
                Err(failure) => patience.outlast(failure, self).await?,
            }
        }
    }
}

/// How often and how long something is tried again within its deadline.
pub(crate) struct RetryBudget {
    deadline: Instant,
    may_dial: bool,
}

impl RetryBudget {
    /// Between two looks whether a slot has been moved.
    const PAUSE: Duration = Duration::from_millis(10);

    pub(crate) fn new(deadline: Instant) -> Self {
        Self { deadline, may_dial: true }
    }

    /// Returns when it is worth while to try again: once for each connection that was of no use, and while a slot is being moved.
    pub(crate) async fn outlast(&mut self, failure: Failure, connection: &Supervisor) -> Result<(), Outage> {
        match failure {
            Failure::Lost | Failure::Dropped if self.may_dial => {
                self.may_dial = false;
                connection.live_by(self.deadline).await.map(drop)
            }
            Failure::Moving if Instant::now() + Self::PAUSE < self.deadline => {
                sleep(Self::PAUSE).await;
                self.may_dial = true;
                Ok(())
            }
            failure => Err(failure.into()),
        }
    }
}
