//! Sends one command within a deadline, and retries where that helps.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, ScriptInvocation, Value, aio::MultiplexedConnection};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    blocklist::Outage,
    redis::{
        connection::supervisor::{Live, Supervisor},
        error::{Failure, first_of_pipeline},
        loss::{reconcile::Channel, timing::PAGE_DEADLINE},
    },
};

pub(crate) enum Request<'a> {
    Command(&'a Cmd),
    Script(ScriptInvocation<'a>),
    /// Its reply is an array of the replies.
    Pipeline(&'a Pipeline),
}

impl Request<'_> {
    async fn send_on(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(call) => call.invoke_async(connection).await,
            Self::Pipeline(pipeline) => {
                let replies = pipeline.query_async(connection).await;
                replies.map(Value::Array).map_err(first_of_pipeline)
            }
        }
    }
}

impl Supervisor {
    /// Waits for a live connection until the deadline.
    pub(crate) async fn live_by(&self, deadline: Instant) -> Result<Live, Outage> {
        timeout_at(deadline, self.wait_for_live()).await.unwrap_or(Err(Outage::NotConnected))
    }

    /// Sends a request, and withdraws the connection if the outcome shows that it is of no use.
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
        outcome.map_err(|error| self.note_failure(live, Failure::of(&error)))
    }

    /// Withdraws the connection if its store has lost revocations. Dialing again handles the loss.
    pub(crate) fn note_failure(&self, live: &Live, failure: Failure) -> Failure {
        if failure == Failure::Lost {
            self.lost(live);
        }
        failure
    }

    /// Waits for a connection, sends a request, and retries where that helps. The server may then
    /// execute it twice. Returns the result, and the connection that it came from.
    pub(crate) async fn send_with_retry<'a, T>(
        &self,
        deadline: Instant,
        request: impl Fn(&Live) -> Request<'a>,
        read: impl Fn(&Live, &Value) -> Result<T, Failure>,
    ) -> Result<(T, Live), Outage> {
        let mut budget = RetryBudget::new(deadline);
        loop {
            let mut live = self.live_by(deadline).await?;
            let request = request(&live);
            let outcome = match self.send(&mut live, request, deadline).await {
                Ok(answer) => read(&live, &answer).map_err(|failure| self.note_failure(&live, failure)),
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(read) => return Ok((read, live)),
                Err(failure) => budget.retry_after(failure, self).await?,
            }
        }
    }
}

/// A connection of a supervisor, to restore revocations over.
pub(crate) struct Supervised<'a> {
    supervisor: &'a Supervisor,
    live: Live,
}

impl<'a> Supervised<'a> {
    pub(crate) fn now(supervisor: &'a Supervisor) -> Result<Self, Outage> {
        Ok(Self { supervisor, live: supervisor.live()? })
    }

    pub(crate) fn epoch_text(&self) -> String {
        self.live.connected.epoch.to_text()
    }
}

impl Channel for Supervised<'_> {
    type Error = Failure;

    async fn query(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        let deadline = Instant::now() + PAGE_DEADLINE;
        match self.supervisor.send(&mut self.live, Request::Pipeline(pipeline), deadline).await? {
            Value::Array(replies) => Ok(replies),
            _ => Err(Self::unexpected_reply()),
        }
    }

    fn unexpected_reply() -> Failure {
        Outage::UnexpectedReply.into()
    }
}

/// The retries that a request has left within its deadline.
pub(crate) struct RetryBudget {
    deadline: Instant,
    may_dial: bool,
}

impl RetryBudget {
    /// The pause before asking again while a slot is being moved.
    const PAUSE: Duration = Duration::from_millis(10);

    pub(crate) fn new(deadline: Instant) -> Self {
        Self { deadline, may_dial: true }
    }

    /// Returns `Ok` when it is time to retry: once after a useless connection, and again and again
    /// while a slot is being moved.
    pub(crate) async fn retry_after(&mut self, failure: Failure, supervisor: &Supervisor) -> Result<(), Outage> {
        match failure {
            Failure::Lost | Failure::Dropped if self.may_dial => {
                self.may_dial = false;
                supervisor.live_by(self.deadline).await.map(drop)
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
