//! Checks: concurrent ones share a round trip, within one deadline each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use redis::Value;
use tokio::time::Instant;

use crate::{
    blocklist::{Outage, RevocationId, Status, TokenIds},
    metrics,
    redis::{
        commands::{
            batch::{Batch, Batcher},
            question::{CutOffQuestion, Question},
        },
        connection::{
            send::{Request, RetryBudget},
            supervisor::Live,
        },
        error::Failure,
        shared::Shared,
    },
};

/// Answers checks.
pub(crate) struct Checker {
    shared: Arc<Shared>,
    batcher: Batcher<Checks>,
    /// The checks in flight.
    in_flight: AtomicUsize,
}

impl Checker {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let batcher = Batcher::new(Checks(Arc::clone(&shared)), shared.runtime.clone());
        Self { shared, batcher, in_flight: AtomicUsize::new(0) }
    }

    pub(crate) async fn check(self: Arc<Self>, token: TokenIds) -> Result<Status, Outage> {
        let Some(_ticket) = Ticket::take(&self) else { return Err(Outage::Overloaded) };
        let deadline = Instant::now() + self.shared.settings.check_deadline;
        let mut budget = RetryBudget::new(deadline);
        loop {
            match self.batcher.ask(token, deadline).await.unwrap_or(Err(Outage::TimedOut.into())) {
                Ok(status) => return Ok(status),
                Err(failure) => budget.retry_after(failure, &self.shared.reader).await?,
            }
        }
    }

    /// The latest time up to which tokens of this subject, or of the whole issuer, are rejected.
    pub(crate) async fn latest_cut_off(
        &self,
        issuer: RevocationId,
        subject: Option<RevocationId>,
    ) -> Result<Option<SystemTime>, Outage> {
        let question = CutOffQuestion { issuer, subject };
        let command = question.command(&self.shared.keys);
        let read = |live: &Live, reply: &Value| question.parse(reply, live.connected.epoch);
        let deadline = Instant::now() + self.shared.settings.revoke_deadline;
        let (cut_off, _) = self.shared.reader.send_with_retry(deadline, |_| Request::Command(&command), read).await?;
        Ok(cut_off.map(SystemTime::from))
    }
}

/// The checks of one round trip.
struct Checks(Arc<Shared>);

impl Batch for Checks {
    type Question = TokenIds;
    type Answer = Result<Status, Failure>;

    /// One is answered while the other is written.
    const LANES: usize = 2;
    const LARGEST: usize = 128;

    async fn send(&self, tokens: Vec<TokenIds>) -> Vec<Self::Answer> {
        match query_statuses(&self.0, &tokens).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map_err(Failure::from)).collect(),
            Err(failure) => vec![Err(failure); tokens.len()],
        }
    }
}

/// Asks about all tokens in one round trip, over the live connection.
async fn query_statuses(shared: &Shared, tokens: &[TokenIds]) -> Result<Vec<Result<Status, Outage>>, Failure> {
    let deadline = Instant::now() + shared.settings.check_deadline;
    let mut live = shared.reader.live()?;
    metrics::batched(tokens.len());
    let question = Question::new(&shared.keys, tokens);
    let reply = shared.reader.send(&mut live, Request::Command(&question.command()), deadline).await?;
    let reply = question.parse(&reply, live.connected.epoch);
    Ok(question.statuses(&reply.map_err(|failure| shared.reader.note_failure(&live, failure))?))
}

/// The right to one of the checks that may be in flight at a time.
struct Ticket(Arc<Checker>);

impl Ticket {
    fn take(checker: &Arc<Checker>) -> Option<Self> {
        if checker.in_flight.fetch_add(1, Ordering::Relaxed) < checker.shared.settings.max_checks {
            Some(Self(Arc::clone(checker)))
        } else {
            checker.in_flight.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
