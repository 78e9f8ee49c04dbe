//! How it is noticed that a Redis has lost revocations, and what is done then (guarantee G5).
//!
//! Beside the entries stands an *epoch*: a random id that is written once. Every check reads it in the same `MGET`. If it is gone
//! or another, this is not the Redis that was written to: it was flushed, came back empty, or is another database. If it is the
//! same but the latest entry of the log that was seen is missing, a replica was promoted that had not got everything.
//!
//! An epoch has a floor: tokens issued up to it are refused, for nobody knows any more which of them were revoked.
//!
//! Unless somebody does: processes with a mirror hold the revocations in memory. They get the time to begin an epoch that is not
//! open yet (`… restoring`), put everything back, and open it with the floor of before. See `mirror/restore.rs`.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redis::Value;

use super::{dial::DialError, keys::Keys};
use crate::{
    blocklist::{CutOff, RevocationId, TokenIds},
    clock::Timestamp,
};

/// How far two clocks may be apart: that of the process that begins an epoch, and ours.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
/// How long those who hold the revocations in memory have to begin putting them back.
const HOLDERS_MAY_TAKE: Duration = Duration::from_secs(2);
/// The same, where nobody is known to hold them: whoever has just started on an empty store does not know everybody.
pub(super) const STRANGERS_MAY_TAKE: Duration = Duration::from_millis(250);

const RESTORING: &str = " restoring";

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

    pub(super) fn with_floor(self, floor: Timestamp) -> Self {
        Self { floor, ..self }
    }

    pub(super) fn to_text(self) -> String {
        format!("{} {} {}", self.id, self.began_at.as_millis(), self.floor.as_millis())
    }

    /// The same epoch before it is open: the store is being filled.
    pub(super) fn to_closed_text(self) -> String {
        self.to_text() + RESTORING
    }

    /// The other way round.
    fn parse_closed(text: &[u8]) -> Option<Self> {
        Self::parse(text.strip_suffix(RESTORING.as_bytes())?)
    }

    /// The floor of an epoch that is written so, whether it is open or not; zero for anything else.
    pub(super) fn floor_of(text: &[u8]) -> Timestamp {
        Self::parse(text).or_else(|| Self::parse_closed(text)).map_or(Timestamp::default(), |epoch| epoch.floor)
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

/// The last entry of the log that this process was told is stored, over all its connections: it has to be there, also where the
/// store was lost before the next heartbeat.
#[derive(Debug, Default)]
pub(super) struct Promises {
    last: Mutex<Option<Promise>>,
    /// Whether a mirror of this process sees to it that they are kept in whatever epoch comes.
    are_mirrored: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Promise {
    epoch: RevocationId,
    /// Milliseconds and number.
    id: (u64, u64),
    /// How long the entry has to live, in milliseconds.
    lives_for: u64,
}

impl Promises {
    /// `id` as the script answered it; what is no id was in the log already.
    pub(super) fn add(&self, epoch: Epoch, id: &[u8], lives_for: Duration) {
        let Some(id) = std::str::from_utf8(id).ok().and_then(parse_id) else { return };
        let promise = Promise { epoch: epoch.id, id, lives_for: super::millis(lives_for) };
        // One store of one value cannot leave it half-way, so a poisoned lock is as good as a whole one.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.epoch != promise.epoch || last.id < promise.id) {
            *last = Some(promise);
        }
    }

    fn last(&self) -> Option<Promise> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be told that there is a mirror.
    pub(super) fn mirror(&self) {
        self.are_mirrored.store(true, Ordering::Relaxed);
    }
}

fn parse_id(id: &str) -> Option<(u64, u64)> {
    let (millis, number) = id.split_once('-')?;
    Some((millis.parse().ok()?, number.parse().ok()?))
}

/// What one process has seen of the store, over all its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) epoch: Option<Epoch>,
    /// When the epoch was last seen.
    at: Timestamp,
    /// The id of the last entry of the log.
    pub(super) last_id: Option<String>,
    /// What was the longest life of an entry then, in milliseconds.
    longest: u64,
    /// When a loss was noticed that is not mended yet.
    loss_noticed: Option<Instant>,
}

/// What the store holds when a connection begins, and at each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// As it is written.
    pub(super) epoch: Option<Vec<u8>>,
    /// In milliseconds.
    longest: Option<u64>,
    pub(super) last_id: Option<String>,
    /// Whether the last entry of the log that was seen before is still there.
    seen_is_there: bool,
    /// Whether somebody holds the revocations in memory.
    is_mirrored: bool,
    /// Whether somebody is putting them back.
    pub(super) is_claimed: bool,
}

/// Whether there are processes that hold the revocations in memory, as far as this one knows.
#[derive(Debug, Default)]
pub(super) struct Holders(AtomicBool);

impl Holders {
    pub(super) fn exist(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// How long to wait for them.
    pub(super) fn may_take(&self, seen: &Seen) -> Duration {
        match seen.epoch {
            _ if self.0.load(Ordering::Relaxed) => HOLDERS_MAY_TAKE,
            None => STRANGERS_MAY_TAKE,
            Some(_) => Duration::ZERO,
        }
    }
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
    /// Somebody has begun to put the revocations back.
    Restoring,
}

impl Loss {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "it holds nothing of this namespace: is this the first start, or was it emptied?",
            Self::Gone => "it was emptied, or came back empty",
            Self::AnotherEpoch => "it holds another set of revocations: another database, or an old copy?",
            Self::LogGone => "its log of revocations was deleted",
            Self::TailGone => "its latest revocations are missing: an old copy, or a replica that was behind",
            Self::Restoring => "its revocations were lost, and were not all put back",
        }
    }
}

impl Seen {
    /// Whether the store still holds all that it held when it was last seen.
    pub(super) fn judge(&self, found: &Found) -> Result<Epoch, Loss> {
        if found.closed_epoch().is_some() {
            return Err(Loss::Restoring);
        }
        let Some(epoch) = found.epoch.as_deref().and_then(Epoch::parse) else {
            let is_empty = self.epoch.is_none() && found.epoch.is_none() && found.last_id.is_none();
            return Err(if is_empty { Loss::Empty } else { Loss::Gone });
        };
        let (Some(last_id), Some(_)) = (&found.last_id, found.longest) else { return Err(Loss::LogGone) };
        match self.epoch {
            // Whoever noticed the loss began a new epoch since; one that is older than what we last saw is of another store.
            Some(known) if known.id != epoch.id && epoch.began_at + CLOCKS_DIFFER_BY < self.at => {
                Err(Loss::AnotherEpoch)
            }
            // What had its time may have been trimmed.
            Some(known)
                if known.id == epoch.id
                    && !found.seen_is_there
                    && self.last_id.as_deref().map(millis_of).unwrap_or_default().saturating_add(self.longest)
                        >= millis_of(last_id) =>
            {
                Err(Loss::TailGone)
            }
            _ => Ok(epoch),
        }
    }

    /// What was promised since counts as seen; of an earlier epoch only where no mirror puts it back.
    pub(super) fn remember(&mut self, promises: &Promises) {
        let is_ours = |last: &Promise| {
            !promises.are_mirrored.load(Ordering::Relaxed) || self.epoch.is_some_and(|epoch| epoch.id == last.epoch)
        };
        let is_later = |last: &Promise| self.last_id.as_deref().and_then(parse_id) < Some(last.id);
        if let Some(promise) = promises.last().filter(|last| is_ours(last) && is_later(last)) {
            self.last_id = Some(format!("{}-{}", promise.id.0, promise.id.1));
            self.longest = self.longest.max(promise.lives_for);
        }
    }

    /// The store is whole, and of the epoch that the connection was made for.
    pub(super) fn confirm(
        &mut self,
        expected: Epoch,
        found: Found,
        asked_at: Timestamp,
        holders: &Holders,
    ) -> Result<(), Loss> {
        let epoch = self.judge(&found)?;
        if epoch != expected {
            return Err(Loss::AnotherEpoch);
        }
        found.tell(holders);
        self.update(epoch, found, asked_at);
        Ok(())
    }

    pub(super) fn update(&mut self, epoch: Epoch, found: Found, asked_at: Timestamp) {
        let longest = found.longest.unwrap_or_default();
        *self = Self { epoch: Some(epoch), at: asked_at, last_id: found.last_id, longest, loss_noticed: None };
    }

    /// When the loss was first noticed.
    pub(super) fn notice_loss(&mut self) -> Instant {
        *self.loss_noticed.get_or_insert_with(Instant::now)
    }
}

impl Found {
    /// To be called where nothing was lost.
    pub(super) fn tell(&self, holders: &Holders) {
        if self.is_mirrored {
            holders.exist();
        }
    }

    /// The epoch that is not open yet, if it is one.
    pub(super) fn closed_epoch(&self) -> Option<Epoch> {
        self.epoch.as_deref().and_then(Epoch::parse_closed)
    }

    /// The floor of whatever epoch there is.
    pub(super) fn floor(&self) -> Timestamp {
        Epoch::floor_of(self.epoch.as_deref().unwrap_or_default())
    }
}

/// When an entry of the log was made, by the server's clock: the first part of its id.
fn millis_of(id: &str) -> u64 {
    parse_id(id).unwrap_or_default().0
}

/// Replies to [`ask`].
pub(super) const REPLIES: usize = 6;

/// Asks for what [`Found`] holds: the epoch last, so that all before it is of that epoch, or of an earlier one.
pub(super) fn ask(pipeline: &mut redis::Pipeline, keys: &Keys, seen: &Seen) {
    // An id that no entry has, for who has seen none.
    let last_seen = seen.last_id.as_deref().unwrap_or("0-1");
    // Before the last one: what is trimmed in between is not missed.
    pipeline.cmd("XRANGE").arg(keys.log()).arg(last_seen).arg(last_seen);
    pipeline.cmd("XREVRANGE").arg(keys.log()).arg("+").arg("-").arg("COUNT").arg(1);
    for key in [keys.longest(), keys.mirrored(), keys.claim(), keys.epoch()] {
        pipeline.cmd("GET").arg(key);
    }
}

/// Reads the replies to [`ask`].
pub(super) fn read(seen: &Seen, replies: &[Value]) -> Option<Found> {
    let [Value::Array(seen_entry), Value::Array(last), longest, mirrored, claim, epoch] = replies else { return None };
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
        is_mirrored: *mirrored != Value::Nil,
        is_claimed: *claim != Value::Nil,
    })
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
        let last_id = last.map(|millis| format!("{millis}-3"));
        Found { epoch, longest: Some(1000), last_id, seen_is_there, is_mirrored: false, is_claimed: false }
    }

    #[test]
    fn g5_every_row_of_the_judgement() {
        let ours = epoch(1, 5000);
        let seen = Seen {
            epoch: Some(ours),
            at: Timestamp::from_millis(NOW),
            last_id: Some(format!("{NOW}-0")),
            longest: 1000,
            loss_noticed: None,
        };
        let nothing = Seen::default();
        let skew = u64::try_from(CLOCKS_DIFFER_BY.as_millis()).unwrap();
        let (younger, older) = (epoch(2, NOW - skew), epoch(2, NOW - skew - 1));
        let later_longer = Found { longest: Some(999_999), ..found(Some(ours), Some(NOW + 1001), false) };
        let without_longest = Found { longest: None, ..found(Some(ours), Some(NOW), true) };
        let closed = Found { epoch: Some(younger.to_closed_text().into()), ..found(None, Some(NOW), true) };
        let closed_too = closed.clone();
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
            ("another epoch, not open yet", &seen, closed, Err(Loss::Restoring)),
            ("the same, and nothing is known", &nothing, closed_too, Err(Loss::Restoring)),
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
            ("the same, and a longer life since", &seen, later_longer, Ok(ours)),
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
        let closed = ours.to_closed_text();
        assert_eq!(Epoch::parse_closed(closed.as_bytes()), Some(ours));
        assert_eq!((Epoch::parse(closed.as_bytes()), Epoch::parse_closed(text.as_bytes())), (None, None));
        let floors = [&*text, &closed, "", "x"].map(|text| Epoch::floor_of(text.as_bytes()).as_millis());
        assert_eq!(floors, [7, 7, 0, 0]);
    }

    #[test]
    fn g5_a_promise_of_an_earlier_epoch_is_missed_unless_a_mirror_sees_to_it() {
        let promises = Promises::default();
        let remembers = |promises: &Promises, now: Epoch| {
            let mut seen = Seen { epoch: Some(now), ..Seen::default() };
            seen.remember(promises);
            seen.last_id.is_some()
        };
        promises.add(epoch(1, 5000), b"5000-1", Duration::from_secs(1));
        assert!(remembers(&promises, epoch(1, 5000)) && remembers(&promises, epoch(2, 6000)));
        promises.mirror();
        assert!(remembers(&promises, epoch(1, 5000)) && !remembers(&promises, epoch(2, 6000)));
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
