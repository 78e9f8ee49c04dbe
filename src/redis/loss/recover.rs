//! Writes epochs: the first, the next after a loss, and one that is filled before it is opened.

use std::time::{Duration, Instant};

use redis::{Value, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use crate::{
    clock::Timestamp,
    metrics,
    redis::{
        error::{DialError, Loss},
        loss::{
            detect::{self, LastKnown, Observed},
            process::Process,
            timing::{self, CLAIM, LOOK, PAGE_DEADLINE},
        },
        policy::OnLoss,
        schema::{
            epoch::{Closed, Epoch, LogState},
            key_names::KeyNames,
            millis, scripts,
        },
    },
};

const ATTEMPTS: usize = 10;
/// The time after which a caller is told that a restoration is under way.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether this process has written an epoch, or another one was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Race {
    Won,
    Lost,
}

/// Writes an epoch in place of the expected one. Returns the text of the epoch that is there
/// afterwards.
async fn replace(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    text: &str,
    claim: Duration,
) -> Result<Vec<u8>, DialError> {
    let mut call = scripts::BEGIN.key(keys.epoch());
    call.key(keys.log()).key(keys.longest()).key(keys.claim()).key(keys.acks());
    call.arg(expected).arg(text).arg(millis(claim));
    within(call.invoke_async(connection)).await
}

async fn race(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    text: &str,
    claim: Duration,
) -> Result<Race, DialError> {
    let present = replace(connection, keys, expected, text, claim).await?;
    Ok(if present == text.as_bytes() { Race::Won } else { Race::Lost })
}

/// Closes the epoch in place of the expected one. With a position, this process is the restorer.
///
/// # Errors
///
/// If Redis does not answer or rejects the write.
pub(crate) async fn close(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    closed: Closed,
) -> Result<Race, DialError> {
    let claim = closed.position.map_or(Duration::ZERO, |_| CLAIM);
    race(connection, keys, expected, &closed.to_text(), claim).await
}

/// Opens a closed epoch.
///
/// # Errors
///
/// If Redis does not answer or rejects the write.
pub(crate) async fn open(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    closed: Closed,
) -> Result<Race, DialError> {
    race(connection, keys, closed.to_text().as_bytes(), &closed.epoch.to_text(), Duration::ZERO).await
}

/// Begins a new epoch in place of any other. Never lowers a floor.
pub(crate) async fn initialize(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    epoch: Epoch,
) -> Result<(), DialError> {
    let mut present = Vec::new();
    for _ in 0..ATTEMPTS {
        let epoch = epoch.with_floor(Epoch::floor_of(&present).max(epoch.floor));
        present = replace(connection, keys, &present, &epoch.to_text(), Duration::ZERO).await?;
        if epoch.is_written(&present) {
            return Ok(());
        }
    }
    Err(DialError::Other)
}

/// What a process without a mirror needs to recover from a loss.
pub(crate) struct Recovery<'a, N> {
    pub(crate) keys: &'a KeyNames,
    pub(crate) process: &'a Process,
    pub(crate) on_loss: OnLoss,
    pub(crate) now: N,
}

impl<N: Fn() -> Timestamp> Recovery<'_, N> {
    /// Finds out whether the store is complete. After a loss it waits while mirrors restore the
    /// revocations. If none does, it begins an epoch with a floor, if `on_loss` allows that.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, has lost revocations, or is still being restored.
    pub(crate) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        last_known: &mut LastKnown,
    ) -> Result<Epoch, DialError> {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let asked_at = (self.now)();
            let observed = self.observe(connection, last_known).await?;
            let loss = match last_known.judge(&observed) {
                Ok(epoch) => {
                    if last_known.epoch.is_some_and(|known| known.id != epoch.id) {
                        self.process.rejoin().await;
                    }
                    last_known.update(epoch, &observed, asked_at);
                    self.process.keep_up(connection, self.keys, observed.joined).await?;
                    return Ok(epoch);
                }
                Err(loss) => loss,
            };
            match self.next_step(connection, last_known, &observed, loss).await {
                // Others have changed the epoch meanwhile, so look again.
                Ok(()) | Err(DialError::Overtaken) => {}
                Err(error) => return Err(error),
            }
        }
        Err(DialError::Restoring)
    }

    async fn next_step(
        &self,
        connection: &mut MultiplexedConnection,
        last_known: &mut LastKnown,
        observed: &Observed,
        loss: Loss,
    ) -> Result<(), DialError> {
        let closed = observed.closed();
        if let Some(closed) = closed {
            self.process.answer(connection, self.keys, closed, (self.now)()).await?;
            if observed.is_claimed {
                last_known.notice_restoration();
                sleep(LOOK).await;
                return Ok(());
            }
        }
        // A mirror that has just started may be in no roster yet.
        let wait = self.process.roster.patience_of_mirrors().unwrap_or_default().max(timing::WAIT_FOR_UNKNOWN_MIRRORS);
        if last_known.notice_loss().elapsed() >= wait {
            return match self.on_loss {
                OnLoss::Deny => Err(DialError::Lost(loss)),
                OnLoss::Floor => {
                    begin_with_floor(connection, self.keys, observed, loss, (self.now)()).await?;
                    // The floor covers everything that the old log held.
                    last_known.last = None;
                    Ok(())
                }
            };
        }
        if let (Some(known), None) = (last_known.epoch, closed) {
            self.close(connection, known, observed, loss).await?;
        }
        sleep(LOOK).await;
        Ok(())
    }

    /// Closes the epoch without a position. Perhaps only this process has seen what is missing, so
    /// it tells the mirrors and stops all others.
    async fn close(
        &self,
        connection: &mut MultiplexedConnection,
        known: Epoch,
        observed: &Observed,
        loss: Loss,
    ) -> Result<(), DialError> {
        let epoch = Epoch::begin((self.now)(), known.floor.max(observed.floor()))?;
        let closed = Closed { epoch, log: log_state(loss), position: None };
        match close(connection, self.keys, observed.epoch.as_deref().unwrap_or_default(), closed).await {
            Ok(Race::Won) => {
                tracing::warn!(reason = loss.as_str(), "Redis has lost revocations: mirrors have to restore them");
                Ok(())
            }
            // A service that may only read leaves this to others.
            Ok(Race::Lost) | Err(DialError::NotPermitted) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn observe(
        &self,
        connection: &mut MultiplexedConnection,
        last_known: &LastKnown,
    ) -> Result<Observed, DialError> {
        let mut pipeline = redis::pipe();
        detect::query_epoch(&mut pipeline, self.keys, last_known);
        let replies: Vec<Value> = within(pipeline.query_async(connection)).await?;
        detect::parse_observed(last_known, &replies).ok_or(DialError::Other)
    }
}

/// What a loss leaves of the log.
pub(crate) fn log_state(loss: Loss) -> LogState {
    if loss == Loss::LogGone { LogState::Lost } else { LogState::Kept }
}

/// Begins an epoch that rejects every token issued until now.
async fn begin_with_floor(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    observed: &Observed,
    loss: Loss,
    now: Timestamp,
) -> Result<(), DialError> {
    let (expected, begun) = (observed.epoch.as_deref().unwrap_or_default(), Epoch::begin(now, now)?);
    // After a lost race, another process has handled the loss, perhaps without a floor.
    if race(connection, keys, expected, &begun.to_text(), Duration::ZERO).await? == Race::Won {
        metrics::lost();
        tracing::warn!(
            reason = loss.as_str(),
            "Redis does not hold the revocations: all tokens issued until now are rejected"
        );
    }
    Ok(())
}

async fn within<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, DialError> {
    timeout(PAGE_DEADLINE, answer).await.map_err(|_| DialError::TimedOut)?.map_err(|error| DialError::of(&error))
}
