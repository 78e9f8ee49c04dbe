//! Detects that a Redis has lost revocations.
//!
//! If the epoch is missing or different, the store is not the one this process has seen. If it is
//! the same but the last seen entry of the log is missing, a replica was promoted that was behind.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::Value;

use crate::{
    blocklist::RevocationId,
    clock::Timestamp,
    redis::{
        error::Loss,
        schema::{
            epoch::{Closed, Epoch},
            key_names::KeyNames,
            log_entry,
            position::{Position, StreamId},
        },
    },
};

/// The largest difference between our clock and that of the process that begins an epoch.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

/// The last state of the store that this process has seen, over all its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastKnown {
    pub(crate) epoch: Option<Epoch>,
    /// The time at which the epoch was last seen.
    at: Timestamp,
    /// The last entry of the log.
    pub(crate) last: Option<Position>,
    /// The time at which the present loss was noticed, or a restoration was last under way.
    loss_noticed: Option<Instant>,
}

/// The state of the store when a connection begins, and at each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The text of the epoch.
    pub(crate) epoch: Option<Vec<u8>>,
    has_longest: bool,
    pub(crate) last: Option<Position>,
    /// Whether the last known entry of the log is still there, or was trimmed with all older ones.
    has_last_known: bool,
    /// The number of members that have joined.
    pub(crate) joined: u64,
    /// Whether a process is restoring the revocations.
    pub(crate) is_claimed: bool,
}

impl LastKnown {
    /// Decides whether the store still holds everything that it held when it was last seen.
    pub(crate) fn judge(&self, observed: &Observed) -> Result<Epoch, Loss> {
        if observed.closed().is_some() {
            return Err(Loss::Restoring);
        }
        let Some(epoch) = observed.epoch.as_deref().and_then(Epoch::parse) else {
            let is_empty = self.epoch.is_none() && observed.epoch.is_none() && observed.last.is_none();
            return Err(if is_empty { Loss::Empty } else { Loss::Gone });
        };
        if observed.last.is_none() || !observed.has_longest {
            return Err(Loss::LogGone);
        }
        match self.epoch {
            // A process that noticed the loss has begun a new epoch since. An epoch that is older
            // than our last look belongs to another store.
            Some(known) if known.id != epoch.id && epoch.began_at + MAX_CLOCK_DIFFERENCE < self.at => {
                Err(Loss::AnotherEpoch)
            }
            Some(known) if known.id == epoch.id && !observed.has_last_known => Err(Loss::TailGone),
            _ => Ok(epoch),
        }
    }

    /// Counts the writes confirmed in this epoch as seen.
    pub(crate) fn remember(&mut self, confirmed: &ConfirmedWrites) {
        let is_news = |write: &ConfirmedWrite| {
            self.epoch.is_some_and(|epoch| epoch.id == write.epoch)
                && self.last.is_none_or(|last| last.id < write.position.id)
        };
        if let Some(write) = confirmed.last().filter(is_news) {
            self.last = Some(write.position);
        }
    }

    /// Updates the knowledge if the store is complete and still in the connection's epoch.
    pub(crate) fn confirm(&mut self, expected: Epoch, observed: &Observed, asked_at: Timestamp) -> Result<(), Loss> {
        let epoch = self.judge(observed)?;
        if epoch != expected {
            return Err(Loss::AnotherEpoch);
        }
        self.update(epoch, observed, asked_at);
        Ok(())
    }

    pub(crate) fn update(&mut self, epoch: Epoch, observed: &Observed, asked_at: Timestamp) {
        *self = Self { epoch: Some(epoch), at: asked_at, last: observed.last, loss_noticed: None };
    }

    /// The time at which the loss was first noticed.
    pub(crate) fn notice_loss(&mut self) -> Instant {
        *self.loss_noticed.get_or_insert_with(Instant::now)
    }

    /// Whether no loss was noticed since the store was last complete.
    pub(crate) fn is_first_notice(&self) -> bool {
        self.loss_noticed.is_none()
    }

    /// Notes that a restoration is under way, so that all waits begin again when it breaks off.
    pub(crate) fn notice_restoration(&mut self) {
        self.loss_noticed = Some(Instant::now());
    }
}

impl Observed {
    /// The epoch, if it is closed.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.epoch.as_deref().and_then(Closed::parse)
    }

    /// The floor of the epoch, open or closed.
    pub(crate) fn floor(&self) -> Timestamp {
        Epoch::floor_of(self.epoch.as_deref().unwrap_or_default())
    }
}

/// The last write to the log that Redis has confirmed to this process, over all its connections.
///
/// That entry must be in the log, even if the store is lost before the next heartbeat.
#[derive(Debug, Default)]
pub(crate) struct ConfirmedWrites(Mutex<Option<ConfirmedWrite>>);

#[derive(Debug, Clone, Copy)]
struct ConfirmedWrite {
    epoch: RevocationId,
    position: Position,
}

impl ConfirmedWrites {
    /// `answer` is the script's, and `packed` is the appended revocation. If the answer is not an
    /// id, nothing was appended.
    pub(crate) fn add(&self, epoch: Epoch, answer: &[u8], packed: &[u8]) {
        let Some(id) = StreamId::parse(answer) else { return };
        let write = ConfirmedWrite { epoch: epoch.id, position: Position::of(id, log_entry::ONE, packed) };
        // The lock protects a single assignment, so a poisoned lock holds a valid value.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.epoch != write.epoch || last.position.id < write.position.id) {
            *last = Some(write);
        }
    }

    fn last(&self) -> Option<ConfirmedWrite> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of replies to [`query_epoch`].
pub(crate) const REPLIES: usize = 6;

/// Asks for the parts of [`Observed`]. The epoch comes last, so all earlier replies belong to it or
/// to an earlier epoch.
pub(crate) fn query_epoch(pipeline: &mut redis::Pipeline, keys: &KeyNames, last_known: &LastKnown) {
    // A process that has seen no entry asks for an id that no entry has.
    let up_to = last_known.last.map_or(StreamId(0, 1), |last| last.id);
    pipeline.cmd("XREVRANGE").arg(keys.log()).arg("+").arg("-").arg("COUNT").arg(1);
    pipeline.cmd("XREVRANGE").arg(keys.log()).arg(up_to).arg("-").arg("COUNT").arg(1);
    for key in [keys.longest(), keys.joined(), keys.claim(), keys.epoch()] {
        pipeline.cmd("GET").arg(key);
    }
}

/// Reads the replies to [`query_epoch`].
pub(crate) fn parse_observed(last_known: &LastKnown, replies: &[Value]) -> Option<Observed> {
    let [last, up_to_known, longest, joined, claim, epoch] = replies else { return None };
    let epoch = match epoch {
        Value::BulkString(text) => Some(text.clone()),
        _ => None,
    };
    let up_to_known = Position::first_of(up_to_known)?;
    Some(Observed {
        epoch,
        has_longest: *longest != Value::Nil,
        last: Position::first_of(last)?,
        // The bytes count, not only the id: a master that was demoted and its successor may have
        // given one id to different entries.
        has_last_known: last_known.last.is_none() || up_to_known.is_none() || up_to_known == last_known.last,
        joined: redis::from_redis_value_ref(joined).unwrap_or_default(),
        is_claimed: *claim != Value::Nil,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::schema::epoch::LogState;

    const NOW: u64 = 1_000_000_000;

    fn epoch(name: u8, began_at: u64) -> Epoch {
        let began_at = Timestamp::from_millis(began_at);
        Epoch { id: RevocationId::from_bytes([name; 16]), began_at, floor: Timestamp::from_millis(7) }
    }

    fn at(id: StreamId) -> Position {
        Position::of(id, b"d", b"x")
    }

    fn observed(epoch: Option<Epoch>, last: Option<u64>, has_last_known: bool) -> Observed {
        let epoch = epoch.map(|epoch| epoch.to_text().into_bytes());
        Observed {
            epoch,
            has_longest: true,
            last: last.map(|millis| at(StreamId(millis, 3))),
            has_last_known,
            joined: 0,
            is_claimed: false,
        }
    }

    #[test]
    fn g5_every_row_of_the_judgement() {
        let ours = epoch(1, 5000);
        let seen = LastKnown {
            epoch: Some(ours),
            at: Timestamp::from_millis(NOW),
            last: Some(at(StreamId(NOW, 0))),
            loss_noticed: None,
        };
        let nothing = LastKnown::default();
        let skew = u64::try_from(MAX_CLOCK_DIFFERENCE.as_millis()).unwrap();
        let (younger, older) = (epoch(2, NOW - skew), epoch(2, NOW - skew - 1));
        let closed = Closed { epoch: ours, log: LogState::Kept, position: None };
        let closing = Observed { epoch: Some(closed.to_text().into_bytes()), ..observed(Some(ours), Some(NOW), true) };
        let without_longest = Observed { has_longest: false, ..observed(Some(ours), Some(NOW), true) };
        let garbage = Observed { epoch: Some(b"garbage".to_vec()), ..observed(None, Some(NOW), true) };
        let rows = [
            ("first look, an empty store", &nothing, observed(None, None, true), Err(Loss::Empty)),
            ("first look, a log without an epoch", &nothing, observed(None, Some(NOW), true), Err(Loss::Gone)),
            ("first look, a complete store", &nothing, observed(Some(older), Some(9), true), Ok(older)),
            ("all as before", &seen, observed(Some(ours), Some(NOW), true), Ok(ours)),
            ("more than before", &seen, observed(Some(ours), Some(NOW + 500), true), Ok(ours)),
            ("being restored", &seen, closing, Err(Loss::Restoring)),
            ("emptied", &seen, observed(None, None, false), Err(Loss::Gone)),
            ("another epoch, begun since", &seen, observed(Some(younger), Some(NOW), false), Ok(younger)),
            ("an earlier epoch", &seen, observed(Some(older), Some(NOW), false), Err(Loss::AnotherEpoch)),
            ("the log is missing", &seen, observed(Some(ours), None, false), Err(Loss::LogGone)),
            ("the longest life is missing", &seen, without_longest, Err(Loss::LogGone)),
            ("an unreadable epoch", &seen, garbage, Err(Loss::Gone)),
            (
                "the last entry is missing, and an older one is last",
                &seen,
                observed(Some(ours), Some(NOW - 9), false),
                Err(Loss::TailGone),
            ),
            (
                "the last entry is missing, and newer ones exist",
                &seen,
                observed(Some(ours), Some(NOW + 1000), false),
                Err(Loss::TailGone),
            ),
        ];
        for (name, last_known, observed, expected) in rows {
            assert_eq!(last_known.judge(&observed), expected, "{name}");
        }
    }

    #[test]
    fn g5_an_entry_with_the_same_id_and_other_bytes_is_another_entry() {
        let text = |text: &str| Value::BulkString(text.into());
        let log = |value| {
            let entry = Value::Array(vec![text("5-1"), Value::Array(vec![text("d"), text(value)])]);
            Value::Array(vec![entry])
        };
        let last_known = LastKnown { last: Some(at(StreamId(5, 1))), ..LastKnown::default() };
        for (value, expected) in [("x", true), ("y", false)] {
            let rest = [text("0"), text("7"), Value::Nil, Value::Nil];
            let observed = parse_observed(&last_known, &[&[log(value), log(value)], rest.as_slice()].concat()).unwrap();
            assert_eq!((observed.has_last_known, observed.joined), (expected, 7), "{value}");
        }
    }

    #[test]
    fn g5_only_writes_confirmed_in_this_epoch_count_as_seen() {
        let confirmed = ConfirmedWrites::default();
        confirmed.add(epoch(1, 5000), b"5000-1", b"x");
        let remembered = |now, last: Option<StreamId>| {
            let mut last_known = LastKnown { epoch: Some(now), last: last.map(at), ..LastKnown::default() };
            last_known.remember(&confirmed);
            last_known.last.map(|last| last.id)
        };
        assert_eq!(remembered(epoch(1, 5000), None), Some(StreamId(5000, 1)));
        assert_eq!(remembered(epoch(1, 5000), Some(StreamId(5000, 0))), Some(StreamId(5000, 1)));
        assert_eq!(remembered(epoch(1, 5000), Some(StreamId(5000, 2))), Some(StreamId(5000, 2)));
        assert_eq!(remembered(epoch(2, 6000), None), None);
    }
}
