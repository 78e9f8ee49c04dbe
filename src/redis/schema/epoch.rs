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

use crate::{
    blocklist::{CutOff, RevocationId, TokenIds},
    clock::Timestamp,
    redis::{
        connection::dial::DialError,
        schema::{entry::parse_time, key_names::KeyNames},
    },
};

/// How far two clocks may be apart: that of the process that begins an epoch, and ours.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);
/// How long those who hold the revocations in memory have to begin putting them back.
const HOLDERS_MAY_TAKE: Duration = Duration::from_secs(2);
/// The same, where nobody is known to hold them: whoever has just started on an empty store does not know everybody.
pub(crate) const STRANGERS_MAY_TAKE: Duration = Duration::from_millis(250);

const RESTORING: &str = " restoring";

/// `<id> <began at> <floor>`: 32 hexadecimal digits, and milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    id: RevocationId,
    began_at: Timestamp,
    /// Tokens issued up to here are refused; zero refuses none.
    pub(crate) floor: Timestamp,
}

impl Epoch {
    /// A new one, if there are random numbers.
    pub(crate) fn begin(now: Timestamp, floor: Timestamp) -> Result<Self, DialError> {
        let id = RevocationId::random().map_err(|_| DialError::NoRandom)?;
        Ok(Self { id, began_at: now, floor })
    }

    pub(crate) fn with_floor(self, floor: Timestamp) -> Self {
        Self { floor, ..self }
    }

    pub(crate) fn to_text(self) -> String {
        format!("{} {} {}", self.id, self.began_at.as_millis(), self.floor.as_millis())
    }

    /// The same epoch before it is open: the store is being filled.
    pub(crate) fn to_closed_text(self) -> String {
        self.to_text() + RESTORING
    }

    /// The other way round.
    fn parse_closed(text: &[u8]) -> Option<Self> {
        Self::parse(text.strip_suffix(RESTORING.as_bytes())?)
    }

    /// The floor of an epoch that is written so, whether it is open or not; zero for anything else.
    pub(crate) fn floor_of(text: &[u8]) -> Timestamp {
        Self::parse(text).or_else(|| Self::parse_closed(text)).map_or(Timestamp::default(), |epoch| epoch.floor)
    }

    /// Whether this is how the epoch is written.
    pub(crate) fn is_written(&self, text: &[u8]) -> bool {
        Self::parse(text) == Some(*self)
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split(' ');
        let id = RevocationId::from_hex(parts.next()?)?;
        let mut time = || parse_time(parts.next()?);
        let (began_at, floor) = (time()?, time()?);
        if parts.next().is_some() { None } else { Some(Self { id, began_at, floor }) }
    }

    /// Whether the token is from before the loss.
    pub(crate) fn refuses(&self, ids: &TokenIds) -> bool {
        self.floor > Timestamp::from_millis(0) && CutOff::up_to(self.floor).refuses(ids)
    }
}

/// The last entry of the log that this process was told is stored, over all its connections: it has to be there, also where the
/// store was lost before the next heartbeat.
#[derive(Debug, Default)]
pub(crate) struct ConfirmedWrites(Mutex<Option<Promise>>);

#[derive(Debug, Clone, Copy)]
struct Promise {
    epoch: RevocationId,
    /// Milliseconds and number.
    id: (u64, u64),
}

impl ConfirmedWrites {
    /// `id` as the script answered it; what is no id was in the log already.
    pub(crate) fn add(&self, epoch: Epoch, id: &[u8]) {
        let Some(id) = std::str::from_utf8(id).ok().and_then(parse_id) else { return };
        let promise = Promise { epoch: epoch.id, id };
        // One store of one value cannot leave it half-way, so a poisoned lock is as good as a whole one.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.epoch != promise.epoch || last.id < promise.id) {
            *last = Some(promise);
        }
    }

    fn last(&self) -> Option<Promise> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse_id(id: &str) -> Option<(u64, u64)> {
    let (millis, number) = id.split_once('-')?;
    Some((millis.parse().ok()?, number.parse().ok()?))
}

/// What one process has seen of the store, over all its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) epoch: Option<Epoch>,
    /// When the epoch was last seen.
    at: Timestamp,
    /// The id of the last entry of the log.
    pub(crate) last_id: Option<String>,
    /// When a loss was noticed that is not mended yet.
    loss_noticed: Option<Instant>,
}

/// What the store holds when a connection begins, and at each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// As it is written.
    pub(crate) epoch: Option<Vec<u8>>,
    longest_is_there: bool,
    pub(crate) last_id: Option<String>,
    /// Whether the last entry of the log that was seen before is still there, or was trimmed with all that are older.
    seen_is_there: bool,
    /// Whether somebody holds the revocations in memory.
    is_mirrored: bool,
    /// Whether somebody is putting them back.
    pub(crate) is_claimed: bool,
}

/// Whether there are processes that hold the revocations in memory, as far as this one knows.
#[derive(Debug, Default)]
pub(crate) struct KnownMirrors(AtomicBool);

impl KnownMirrors {
    pub(crate) fn exist(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// How long to wait for them.
    pub(crate) fn may_take(&self, seen: &Seen) -> Duration {
        match seen.epoch {
            _ if self.0.load(Ordering::Relaxed) => HOLDERS_MAY_TAKE,
            None => STRANGERS_MAY_TAKE,
            Some(_) => Duration::ZERO,
        }
    }
}

/// Why a store is not whole: words for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
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
    pub(crate) const fn as_str(self) -> &'static str {
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
    pub(crate) fn judge(&self, found: &Found) -> Result<Epoch, Loss> {
        if found.closed_epoch().is_some() {
            return Err(Loss::Restoring);
        }
        let Some(epoch) = found.epoch.as_deref().and_then(Epoch::parse) else {
            let is_empty = self.epoch.is_none() && found.epoch.is_none() && found.last_id.is_none();
            return Err(if is_empty { Loss::Empty } else { Loss::Gone });
        };
        if found.last_id.is_none() || !found.longest_is_there {
            return Err(Loss::LogGone);
        }
        match self.epoch {
            // Whoever noticed the loss began a new epoch since; one that is older than what we last saw is of another store.
            Some(known) if known.id != epoch.id && epoch.began_at + CLOCKS_DIFFER_BY < self.at => {
                Err(Loss::AnotherEpoch)
            }
            Some(known) if known.id == epoch.id && !found.seen_is_there => Err(Loss::TailGone),
            _ => Ok(epoch),
        }
    }

    /// What was promised since, in this epoch, counts as seen.
    pub(crate) fn remember(&mut self, promises: &ConfirmedWrites) {
        let is_news = |promise: &Promise| {
            self.epoch.is_some_and(|epoch| epoch.id == promise.epoch)
                && self.last_id.as_deref().and_then(parse_id) < Some(promise.id)
        };
        if let Some(promise) = promises.last().filter(is_news) {
            self.last_id = Some(format!("{}-{}", promise.id.0, promise.id.1));
        }
    }

    /// The store is whole, and of the epoch that the connection was made for.
    pub(crate) fn confirm(
        &mut self,
        expected: Epoch,
        found: Found,
        asked_at: Timestamp,
        holders: &KnownMirrors,
    ) -> Result<(), Loss> {
        let epoch = self.judge(&found)?;
        if epoch != expected {
            return Err(Loss::AnotherEpoch);
        }
        found.tell(holders);
        self.update(epoch, found, asked_at);
        Ok(())
    }

    pub(crate) fn update(&mut self, epoch: Epoch, found: Found, asked_at: Timestamp) {
        *self = Self { epoch: Some(epoch), at: asked_at, last_id: found.last_id, loss_noticed: None };
    }

    /// When the loss was first noticed.
    pub(crate) fn notice_loss(&mut self) -> Instant {
        *self.loss_noticed.get_or_insert_with(Instant::now)
    }
}

impl Found {
    /// To be called where nothing was lost.
    pub(crate) fn tell(&self, holders: &KnownMirrors) {
        if self.is_mirrored {
            holders.exist();
        }
    }

    /// The epoch that is not open yet, if it is one.
    pub(crate) fn closed_epoch(&self) -> Option<Epoch> {
        self.epoch.as_deref().and_then(Epoch::parse_closed)
    }

    /// The floor of whatever epoch there is.
    pub(crate) fn floor(&self) -> Timestamp {
        Epoch::floor_of(self.epoch.as_deref().unwrap_or_default())
    }
}

/// Replies to [`ask`].
pub(crate) const REPLIES: usize = 6;

/// Asks for what [`Found`] holds: the epoch last, so that all before it is of that epoch, or of an earlier one.
pub(crate) fn ask(pipeline: &mut redis::Pipeline, keys: &KeyNames, seen: &Seen) {
    // An id that no entry has, for who has seen none.
    let last_seen = seen.last_id.as_deref().unwrap_or("0-1");
    pipeline.cmd("XREVRANGE").arg(keys.log()).arg("+").arg("-").arg("COUNT").arg(1);
    pipeline.cmd("XREVRANGE").arg(keys.log()).arg(last_seen).arg("-").arg("COUNT").arg(1);
    for key in [keys.longest(), keys.mirrored(), keys.claim(), keys.epoch()] {
        pipeline.cmd("GET").arg(key);
    }
}

/// Reads the replies to [`ask`].
pub(crate) fn read(seen: &Seen, replies: &[Value]) -> Option<Found> {
    let [last, up_to_seen, longest, mirrored, claim, epoch] = replies else { return None };
    let epoch = match epoch {
        Value::BulkString(text) => Some(text.clone()),
        _ => None,
    };
    let up_to_seen = id_of_first(up_to_seen)?;
    Some(Found {
        epoch,
        longest_is_there: *longest != Value::Nil,
        last_id: id_of_first(last)?,
        seen_is_there: seen.last_id.is_none() || up_to_seen.is_none() || up_to_seen == seen.last_id,
        is_mirrored: *mirrored != Value::Nil,
        is_claimed: *claim != Value::Nil,
    })
}

fn id_of_first(entries: &Value) -> Option<Option<String>> {
    let Value::Array(entries) = entries else { return None };
    match entries.first() {
        None => Some(None),
        Some(Value::Array(entry)) => match entry.first() {
            Some(Value::BulkString(id)) => Some(Some(String::from_utf8(id.clone()).ok()?)),
            _ => None,
        },
        Some(_) => None,
    }
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
        Found {
            epoch,
            longest_is_there: true,
            last_id: last.map(|millis| format!("{millis}-3")),
            seen_is_there,
            is_mirrored: false,
            is_claimed: false,
        }
    }

    #[test]
    fn g5_every_row_of_the_judgement() {
        let ours = epoch(1, 5000);
        let seen = Seen {
            epoch: Some(ours),
            at: Timestamp::from_millis(NOW),
            last_id: Some(format!("{NOW}-0")),
            loss_noticed: None,
        };
        let nothing = Seen::default();
        let skew = u64::try_from(CLOCKS_DIFFER_BY.as_millis()).unwrap();
        let (younger, older) = (epoch(2, NOW - skew), epoch(2, NOW - skew - 1));
        let closing = Found { epoch: Some(ours.to_closed_text().into_bytes()), ..found(Some(ours), Some(NOW), true) };
        let without_longest = Found { longest_is_there: false, ..found(Some(ours), Some(NOW), true) };
        let garbage = Found { epoch: Some(b"garbage".to_vec()), ..found(None, Some(NOW), true) };
        let rows = [
            ("nothing is known, nothing is there", &nothing, found(None, None, true), Err(Loss::Empty)),
            ("nothing is known, a log without an epoch", &nothing, found(None, Some(NOW), true), Err(Loss::Gone)),
            ("nothing is known, all is there", &nothing, found(Some(older), Some(9), true), Ok(older)),
            ("all as before", &seen, found(Some(ours), Some(NOW), true), Ok(ours)),
            ("more than before", &seen, found(Some(ours), Some(NOW + 500), true), Ok(ours)),
            ("being put back", &seen, closing, Err(Loss::Restoring)),
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
        let signs = ["-5", "+5", "05"].map(|time| text.replace("5000", time));
        let others = ["", "x", &text[1..], &format!("{text} "), &text[..34], &text.replace("01", "0A")];
        for other in others.into_iter().chain(signs.iter().map(String::as_str)) {
            assert_eq!(Epoch::parse(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn g5_what_was_promised_in_this_epoch_counts_as_seen_and_no_other() {
        let promises = ConfirmedWrites::default();
        promises.add(epoch(1, 5000), b"5000-1");
        let remembered = |now, last: Option<&str>| {
            let mut seen = Seen { epoch: Some(now), last_id: last.map(str::to_owned), ..Seen::default() };
            seen.remember(&promises);
            seen.last_id
        };
        assert_eq!(remembered(epoch(1, 5000), None).as_deref(), Some("5000-1"));
        assert_eq!(remembered(epoch(1, 5000), Some("5000-0")).as_deref(), Some("5000-1"));
        assert_eq!(remembered(epoch(1, 5000), Some("5000-2")).as_deref(), Some("5000-2"));
        assert_eq!(remembered(epoch(2, 6000), None), None);
    }

    #[test]
    fn g5_a_floor_refuses_what_began_up_to_it_and_zero_refuses_nothing() {
        let token = |millis| TokenIds::new(None, "t", None).with_issue_time(Timestamp::from_millis(millis));
        let ours = epoch(1, 5000);
        assert!(ours.refuses(&token(7)) && !ours.refuses(&token(8)) && ours.refuses(&TokenIds::new(None, "t", None)));
        let open = Epoch { floor: Timestamp::default(), ..ours };
        assert!(!open.refuses(&token(0)) && !open.refuses(&TokenIds::new(None, "t", None)));
    }
}
