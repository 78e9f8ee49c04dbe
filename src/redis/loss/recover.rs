//! Writes epochs: the first, the next after a loss, and one that is filled before it is opened.

use std::time::Duration;

use redis::{Pipeline, Script, Value, aio::MultiplexedConnection};

use crate::{
    clock::Timestamp,
    metrics,
    redis::{
        error::{DialError, Loss},
        loss::detect::{self, KnownMirrors, LastKnown, Observed, WAIT_FOR_UNKNOWN_MIRRORS},
        policy::OnLoss,
        schema::{epoch::Epoch, key_names::KeyNames, millis},
    },
};

const ATTEMPTS: usize = 10;
/// The validity of a claim to restore the revocations that is not renewed.
const CLAIM: Duration = Duration::from_secs(3);

/// Writes an epoch in place of the expected one. Returns the text of the epoch that is there
/// afterwards: another process may have been faster.
async fn replace(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    text: &str,
    claim: Duration,
) -> Result<Vec<u8>, DialError> {
    let script = Script::new(include_str!("begin.lua"));
    let mut call = script.key(keys.epoch());
    call.key(keys.log()).key(keys.longest()).key(keys.claim());
    call.arg(expected).arg(text).arg(millis(claim));
    call.invoke_async(connection).await.map_err(|error| DialError::of(&error))
}

/// Begins a closed epoch in place of the expected one. Returns whether this process has begun it.
pub(crate) async fn begin_closed(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    epoch: Epoch,
) -> Result<bool, DialError> {
    let text = epoch.to_closed_text();
    Ok(replace(connection, keys, expected, &text, CLAIM).await? == text.as_bytes())
}

/// Renews the claim: the revocations are still being restored.
pub(crate) fn renew_claim(pipeline: &mut Pipeline, keys: &KeyNames) {
    pipeline.cmd("SET").arg(keys.claim()).arg("").arg("PX").arg(millis(CLAIM)).ignore();
}

/// Opens a closed epoch. Returns whether it was still there.
pub(crate) async fn open(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    epoch: Epoch,
) -> Result<bool, DialError> {
    let (closed, text) = (epoch.to_closed_text(), epoch.to_text());
    Ok(replace(connection, keys, closed.as_bytes(), &text, Duration::ZERO).await? == text.as_bytes())
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

/// Finds out whether the store is complete. After a loss it begins a new epoch, if `on_loss` allows
/// that and no mirror restores the revocations first.
pub(crate) async fn recover(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    last_known: &mut LastKnown,
    on_loss: OnLoss,
    known_mirrors: &KnownMirrors,
    now: impl Fn() -> Timestamp,
) -> Result<Epoch, DialError> {
    // A loss takes two rounds; it takes more only while other processes recover at the same time.
    for _ in 0..ATTEMPTS {
        let asked_at = now();
        let observed = observe(connection, keys, last_known).await?;
        let loss = match last_known.judge(&observed) {
            Ok(epoch) => {
                observed.note_mirrors(known_mirrors);
                last_known.update(epoch, &observed, asked_at);
                return Ok(epoch);
            }
            Err(loss) => loss,
        };
        if observed.closed_epoch().is_some() && observed.is_claimed {
            return Err(DialError::Restoring);
        }
        match on_loss {
            OnLoss::Deny => return Err(DialError::Lost(loss)),
            OnLoss::Floor => {
                let wait = known_mirrors.wait(last_known).saturating_sub(last_known.notice_loss().elapsed());
                if wait > WAIT_FOR_UNKNOWN_MIRRORS {
                    return Err(DialError::Restoring);
                }
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                begin_with_floor(connection, keys, &observed, loss, now()).await?;
                // The floor covers everything that the old log held.
                last_known.last_id = None;
            }
        }
    }
    Err(DialError::Other)
}

async fn observe(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    last_known: &LastKnown,
) -> Result<Observed, DialError> {
    let mut pipeline = redis::pipe();
    detect::query_epoch(&mut pipeline, keys, last_known);
    let replies: Vec<Value> = pipeline.query_async(connection).await.map_err(|error| DialError::of(&error))?;
    detect::parse_observed(last_known, &replies).ok_or(DialError::Other)
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
    replace(connection, keys, expected, &begun.to_text(), Duration::ZERO).await?;
    metrics::lost();
    tracing::warn!(
        reason = loss.as_str(),
        "Redis does not hold the revocations: all tokens issued until now are rejected"
    );
    Ok(())
}
