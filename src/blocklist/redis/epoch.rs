//! How it is noticed that a Redis has lost revocations, and what is done then (guarantee G5).
//!
//! Beside the entries stands an *epoch*: a random id that is written once. Every check reads it in the same `MGET`. If it is gone
//! or another, this is not the Redis that was written to: it was flushed, came back empty, or is another database. If it is the
//! same but the latest entry of the log that was seen is missing, a replica was promoted that had not got everything.
//!
//! An epoch has a floor: tokens issued up to it are refused, for nobody knows any more which of them were revoked.

use redis::{Script, Value, aio::MultiplexedConnection};

use super::{dial::DialError, keys::Keys, policy::OnLoss};
use crate::{
    blocklist::{CutOff, RevocationId, TokenIds},
    clock::Timestamp,
    meter,
};

/// How far two clocks may be apart: that of the process that begins an epoch, and ours.
const CLOCKS_DIFFER_BY: std::time::Duration = std::time::Duration::from_secs(60);

const ATTEMPTS: usize = 10;

/// `<id> <began at> <floor>`: 32 hexadecimal digits, and milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    id: RevocationId,
    began_at: Timestamp,
    /// Tokens issued up to here are refused; zero refuses none.
    pub(super) floor: Timestamp,
}

impl Epoch {
    /// A new one, if there are random numbers.
    pub(super) fn begin(now: Timestamp, floor: Timestamp) -> Result<Self, DialError> {
        let id = RevocationId::random().map_err(|_| DialError::NoRandom)?;
        Ok(Self { id, began_at: now, floor })
    }

    pub(super) fn to_text(self) -> String {
        format!("{} {} {}", self.id, self.began_at.as_millis(), self.floor.as_millis())
    }

    /// Whether this is how the epoch is written.
    pub(super) fn is_written(&self, text: &[u8]) -> bool {
        Self::parse(text) == Some(*self)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split(' ');
        let id = RevocationId::from_hex(parts.next()?)?;
        let mut time = || Some(Timestamp::from_millis(parts.next()?.parse().ok()?));
        let (began_at, floor) = (time()?, time()?);
        if parts.next().is_some() { None } else { Some(Self { id, began_at, floor }) }
    }

    /// Whether the token is from before the loss.
    pub(super) fn refuses(&self, ids: &TokenIds) -> bool {
        self.floor > Timestamp::from_millis(0) && CutOff::up_to(self.floor).refuses(ids)
    }
}

/// What one process has seen of the store, over all its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) epoch: Option<Epoch>,
    /// When the epoch was last seen.
    at: Timestamp,
    /// The id of the last entry of the log.
    pub(super) last_id: Option<String>,
}

/// What the store holds when a connection begins, and at each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// As it is written.
    epoch: Option<Vec<u8>>,
    /// In milliseconds.
    longest: Option<u64>,
    last_id: Option<String>,
    /// Whether the last entry of the log that was seen before is still there.
    seen_is_there: bool,
}

/// Why a store is not whole: words for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing of ours is there, and this process knows of nothing: perhaps the first start.
    Empty,
    Gone,
    AnotherEpoch,
    LogGone,
    TailGone,
}

impl Loss {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "it holds nothing of this namespace: is this the first start, or was it emptied?",
            Self::Gone => "it was emptied, or came back empty",
            Self::AnotherEpoch => "it holds another set of revocations: another database, or an old copy?",
            Self::LogGone => "its log of revocations was deleted",
            Self::TailGone => "its latest revocations are missing: an old copy, or a replica that was behind",
        }
    }
}

impl Seen {
    /// Whether the store still holds all that it held when it was last seen.
    pub(super) fn judge(&self, found: &Found) -> Result<Epoch, Loss> {
        let Some(epoch) = found.epoch.as_deref().and_then(Epoch::parse) else {
            let is_empty = self.epoch.is_none() && found.epoch.is_none() && found.last_id.is_none();
            return Err(if is_empty { Loss::Empty } else { Loss::Gone });
        };
        let (Some(last_id), Some(longest)) = (&found.last_id, found.longest) else { return Err(Loss::LogGone) };
        match self.epoch {
            // Whoever noticed the loss began a new epoch since; one that is older than what we last saw is of another store.
            Some(known) if known.id != epoch.id && epoch.began_at + CLOCKS_DIFFER_BY < self.at => {
                Err(Loss::AnotherEpoch)
            }
            // What had its time may have been trimmed.
            Some(known)
                if known.id == epoch.id
                    && !found.seen_is_there
                    && self.last_id.as_deref().map(millis_of).unwrap_or_default().saturating_add(longest)
                        >= millis_of(last_id) =>
            {
                Err(Loss::TailGone)
            }
            _ => Ok(epoch),
        }
    }

    /// The store is whole, and of the epoch that the connection was made for.
    pub(super) fn confirm(&mut self, expected: Epoch, found: Found, asked_at: Timestamp) -> Result<(), Loss> {
        let epoch = self.judge(&found)?;
        if epoch != expected {
            return Err(Loss::AnotherEpoch);
        }
        self.update(epoch, found, asked_at);
        Ok(())
    }

    fn update(&mut self, epoch: Epoch, found: Found, asked_at: Timestamp) {
        *self = Self { epoch: Some(epoch), at: asked_at, last_id: found.last_id };
    }
}

/// When an entry of the log was made, by the server's clock: the first part of its id.
fn millis_of(id: &str) -> u64 {
    id.split('-').next().and_then(|millis| millis.parse().ok()).unwrap_or_default()
}

/// Asks for what [`Found`] holds.
pub(super) fn ask(pipeline: &mut redis::Pipeline, keys: &Keys, seen: &Seen) {
    // An id that no entry has, for who has seen none.
    let last_seen = seen.last_id.as_deref().unwrap_or("0-1");
    pipeline.cmd("GET").arg(keys.epoch());
    pipeline.cmd("GET").arg(keys.longest());
    pipeline.cmd("XREVRANGE").arg(keys.log()).arg("+").arg("-").arg("COUNT").arg(1);
    pipeline.cmd("XRANGE").arg(keys.log()).arg(last_seen).arg(last_seen);
}

/// Reads the replies to [`ask`].
pub(super) fn read(seen: &Seen, replies: &[Value]) -> Option<Found> {
    let [epoch, longest, Value::Array(last), Value::Array(seen_entry)] = replies else { return None };
    let epoch = match epoch {
        Value::BulkString(text) => Some(text.clone()),
        _ => None,
    };
    let last_id = match last.first() {
        None => None,
        Some(Value::Array(entry)) => match entry.first() {
            Some(Value::BulkString(id)) => Some(String::from_utf8(id.clone()).ok()?),
            _ => return None,
        },
        Some(_) => return None,
    };
    Some(Found {
        epoch,
        longest: redis::from_redis_value_ref(longest).ok()?,
        last_id,
        seen_is_there: seen.last_id.is_none() || !seen_entry.is_empty(),
    })
}

/// Begins an epoch, if the one that is there is still the one expected (`''`: none). Answers with the one that is there then.
const BEGIN: &str = r"
local epoch = redis.call('GET', KEYS[1]) or ''
if epoch ~= ARGV[1] then return epoch end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
redis.call('SET', KEYS[3], '0', 'NX')
return ARGV[2]
";

/// Begins a new epoch in place of the one that is expected. Answers with the one that is there then: another process can have
/// been faster.
async fn replace(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    expected: &[u8],
    epoch: Epoch,
) -> Result<Vec<u8>, DialError> {
    let script = Script::new(BEGIN);
    let mut call = script.key(keys.epoch());
    call.key(keys.log()).key(keys.longest()).arg(expected).arg(epoch.to_text());
    call.invoke_async(connection).await.map_err(|error| DialError::of(&error))
}

/// Begins a new epoch, whatever is there.
pub(super) async fn begin(connection: &mut MultiplexedConnection, keys: &Keys, epoch: Epoch) -> Result<(), DialError> {
    let mut there = Vec::new();
    for _ in 0..ATTEMPTS {
        there = replace(connection, keys, &there, epoch).await?;
        if epoch.is_written(&there) {
            return Ok(());
        }
    }
    Err(DialError::Other)
}

/// Finds out whether the store is whole, and mends what a loss has left, as far as the policy lets it.
pub(super) async fn reconcile(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    seen: &mut Seen,
    on_loss: OnLoss,
    now: impl Fn() -> Timestamp,
) -> Result<Epoch, DialError> {
    // Twice when there is a loss; more often only while others mend it at the same time.
    for _ in 0..ATTEMPTS {
        let mut pipeline = redis::pipe();
        ask(&mut pipeline, keys, seen);
        let started = now();
        let replies: Vec<Value> = pipeline.query_async(connection).await.map_err(|error| DialError::of(&error))?;
        let found = read(seen, &replies).ok_or(DialError::Other)?;
        let loss = match seen.judge(&found) {
            Ok(epoch) => {
                seen.update(epoch, found, started);
                return Ok(epoch);
            }
            Err(loss) => loss,
        };
        match on_loss {
            OnLoss::Deny => return Err(DialError::Lost(loss)),
            OnLoss::Floor => {
                let now = now();
                replace(connection, keys, found.epoch.as_deref().unwrap_or_default(), Epoch::begin(now, now)?).await?;
                meter::lost();
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000;

    fn epoch(name: u8, began_at: u64) -> Epoch {
        let began_at = Timestamp::from_millis(began_at);
        Epoch { id: RevocationId::from_bytes([name; 16]), began_at, floor: Timestamp::from_millis(7) }
    }

    fn found(epoch: Option<Epoch>, last: Option<u64>, seen_is_there: bool) -> Found {
        let epoch = epoch.map(|epoch| epoch.to_text().into_bytes());
        Found { epoch, longest: Some(1000), last_id: last.map(|millis| format!("{millis}-3")), seen_is_there }
    }

    #[test]
    fn g5_every_row_of_the_judgement() {
        let ours = epoch(1, 5000);
        let seen = Seen { epoch: Some(ours), at: Timestamp::from_millis(NOW), last_id: Some(format!("{NOW}-0")) };
        let nothing = Seen::default();
        let skew = u64::try_from(CLOCKS_DIFFER_BY.as_millis()).unwrap();
        let (younger, older) = (epoch(2, NOW - skew), epoch(2, NOW - skew - 1));
        let without_longest = Found { longest: None, ..found(Some(ours), Some(NOW), true) };
        let garbage = Found { epoch: Some(b"garbage".to_vec()), ..found(None, Some(NOW), true) };
        let rows = [
            ("nothing is known, nothing is there", &nothing, found(None, None, true), Err(Loss::Empty)),
            ("nothing is known, a log without an epoch", &nothing, found(None, Some(NOW), true), Err(Loss::Gone)),
            ("nothing is known, all is there", &nothing, found(Some(older), Some(9), true), Ok(older)),
            ("all as before", &seen, found(Some(ours), Some(NOW), true), Ok(ours)),
            ("more than before", &seen, found(Some(ours), Some(NOW + 500), true), Ok(ours)),
            ("emptied", &seen, found(None, None, false), Err(Loss::Gone)),
            ("another epoch, begun since", &seen, found(Some(younger), Some(NOW), false), Ok(younger)),
            ("another epoch, of before", &seen, found(Some(older), Some(NOW), false), Err(Loss::AnotherEpoch)),
            ("the log gone", &seen, found(Some(ours), None, false), Err(Loss::LogGone)),
            ("the longest life gone", &seen, without_longest, Err(Loss::LogGone)),
            ("an unreadable epoch", &seen, garbage, Err(Loss::Gone)),
            (
                "the last entry gone, an older one last",
                &seen,
                found(Some(ours), Some(NOW - 9), false),
                Err(Loss::TailGone),
            ),
            (
                "the last entry gone, newer ones there",
                &seen,
                found(Some(ours), Some(NOW + 1000), false),
                Err(Loss::TailGone),
            ),
            ("the last entry trimmed, its time over", &seen, found(Some(ours), Some(NOW + 1001), false), Ok(ours)),
        ];
        for (name, seen, found, expected) in rows {
            assert_eq!(seen.judge(&found), expected, "{name}");
        }
    }

    #[test]
    fn an_epoch_is_read_as_it_is_written_and_nothing_else_is() {
        let ours = epoch(1, 5000);
        assert_eq!(Epoch::parse(ours.to_text().as_bytes()), Some(ours));
        assert!(ours.is_written(ours.to_text().as_bytes()) && !epoch(2, 5000).is_written(ours.to_text().as_bytes()));
        let text = ours.to_text();
        for other in ["", "x", &text[1..], &format!("{text} "), &text.replace("5000", "-5"), &text[..34]] {
            assert_eq!(Epoch::parse(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn g5_a_floor_refuses_what_began_up_to_it_and_zero_refuses_nothing() {
        let token = |millis| TokenIds::new(None, "t", None).with_issued_at(Timestamp::from_millis(millis));
        let ours = epoch(1, 5000);
        assert!(ours.refuses(&token(7)) && !ours.refuses(&token(8)) && ours.refuses(&TokenIds::new(None, "t", None)));
        let open = Epoch { floor: Timestamp::default(), ..ours };
        assert!(!open.refuses(&token(0)) && !open.refuses(&TokenIds::new(None, "t", None)));
    }
}
