//! Writing epochs: the first, the next after a loss, and one that is filled before it is opened. See `Epoch`.

use std::time::Duration;

use redis::{Script, Value, aio::MultiplexedConnection};

use crate::{
    clock::Timestamp,
    metrics,
    redis::{
        connection::dial::DialError,
        schema::{
            epoch::{self, Epoch, KnownMirrors, STRANGERS_MAY_TAKE, Seen},
            key_names::KeyNames,
        },
        settings::OnLoss,
    },
};

const ATTEMPTS: usize = 10;
/// For how long the word of one who puts the revocations back counts.
const CLAIM: Duration = Duration::from_secs(3);

/// Begins an epoch, if the one that is there is still the one expected (`''`: none), and claims it for so many milliseconds, unless
/// that is zero. Answers with the one that is there then.
const BEGIN: &str = r"
local epoch = redis.call('GET', KEYS[1]) or ''
if epoch ~= ARGV[1] then return epoch end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
redis.call('SET', KEYS[3], '0', 'NX')
if ARGV[3] ~= '0' then redis.call('SET', KEYS[4], '', 'PX', ARGV[3]) end
return ARGV[2]
";

/// Writes an epoch in place of the one that is expected. Answers with the one that is there then: another process can have been
/// faster.
async fn replace(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    text: &str,
    claim: Duration,
) -> Result<Vec<u8>, DialError> {
    let script = Script::new(BEGIN);
    let mut call = script.key(keys.epoch());
    call.key(keys.log()).key(keys.longest()).key(keys.claim());
    call.arg(expected).arg(text).arg(crate::redis::millis(claim));
    call.invoke_async(connection).await.map_err(|error| DialError::of(&error))
}

/// Begins an epoch in place of the one that is expected, and keeps it closed. Whether it was begun.
pub(crate) async fn begin_closed(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    expected: &[u8],
    epoch: Epoch,
) -> Result<bool, DialError> {
    let text = epoch.to_closed_text();
    Ok(replace(connection, keys, expected, &text, CLAIM).await? == text.as_bytes())
}

/// Says that the revocations are still being put back.
pub(crate) fn renew_claim(pipeline: &mut redis::Pipeline, keys: &KeyNames) {
    pipeline.cmd("SET").arg(keys.claim()).arg("").arg("PX").arg(crate::redis::millis(CLAIM)).ignore();
}

/// Opens an epoch that was kept closed. Whether it was still there.
pub(crate) async fn open(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    epoch: Epoch,
) -> Result<bool, DialError> {
    let (closed, text) = (epoch.to_closed_text(), epoch.to_text());
    Ok(replace(connection, keys, closed.as_bytes(), &text, Duration::ZERO).await? == text.as_bytes())
}

/// Begins a new epoch, whatever is there. A floor that is there already is not lowered.
pub(crate) async fn begin(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    epoch: Epoch,
) -> Result<(), DialError> {
    let mut there = Vec::new();
    for _ in 0..ATTEMPTS {
        let epoch = epoch.with_floor(Epoch::floor_of(&there).max(epoch.floor));
        there = replace(connection, keys, &there, &epoch.to_text(), Duration::ZERO).await?;
        if epoch.is_written(&there) {
            return Ok(());
        }
    }
    Err(DialError::Other)
}

/// Finds out whether the store is whole, and mends what a loss has left, as far as the policy lets it.
pub(crate) async fn reconcile(
    connection: &mut MultiplexedConnection,
    keys: &KeyNames,
    seen: &mut Seen,
    on_loss: OnLoss,
    holders: &KnownMirrors,
    now: impl Fn() -> Timestamp,
) -> Result<Epoch, DialError> {
    // Twice when there is a loss; more often only while others mend it at the same time.
    for _ in 0..ATTEMPTS {
        let mut pipeline = redis::pipe();
        epoch::ask(&mut pipeline, keys, seen);
        let started = now();
        let replies: Vec<Value> = pipeline.query_async(connection).await.map_err(|error| DialError::of(&error))?;
        let found = epoch::read(seen, &replies).ok_or(DialError::Other)?;
        let loss = match seen.judge(&found) {
            Ok(epoch) => {
                found.tell(holders);
                seen.update(epoch, found, started);
                return Ok(epoch);
            }
            Err(loss) => loss,
        };
        if found.closed_epoch().is_some() && found.is_claimed {
            return Err(DialError::Restoring);
        }
        match on_loss {
            OnLoss::Deny => return Err(DialError::Lost(loss)),
            OnLoss::Floor => {
                let wait = holders.may_take(seen).saturating_sub(seen.notice_loss().elapsed());
                if wait > STRANGERS_MAY_TAKE {
                    return Err(DialError::Restoring);
                }
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                let now = now();
                let (expected, begun) = (found.epoch.as_deref().unwrap_or_default(), Epoch::begin(now, now)?);
                replace(connection, keys, expected, &begun.to_text(), Duration::ZERO).await?;
                metrics::lost();
                tracing::warn!(
                    reason = loss.as_str(),
                    "Redis does not hold the revocations: tokens issued until now are refused"
                );
                // Only the epoch counts from here on: what the log had is covered by the floor.
                seen.last_id = None;
            }
        }
    }
    Err(DialError::Other)
}
