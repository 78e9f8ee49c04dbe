//! The end of the log as a mirror has read it: the revocations that other mirrors may lack.

use std::collections::VecDeque;

use crate::{
    blocklist::Revocation,
    redis::{
        loss::timing::RECENT,
        schema::{
            millis,
            position::{Position, StreamId},
        },
    },
};

/// The number of recent revocations that are kept at most.
const CAPACITY: usize = 65_536;

/// The entries that were appended to the log within the last [`RECENT`], by their ids.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    positions: VecDeque<Position>,
    revocations: VecDeque<(StreamId, Revocation)>,
    /// The newest revocation that had no room.
    dropped: Option<StreamId>,
    end: StreamId,
}

/// What a mirror has that another mirror, which is complete up to a position, may lack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// These, the newest first.
    Revocations(Vec<Revocation>),
    /// Anything: not all recent revocations had room.
    Everything,
}

/// Whether this mirror has read the log that a position belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// It has read this very entry, or has gone on for long since.
    Same,
    /// It has not read as far, or has read another log.
    Unknown,
}

impl Recent {
    /// Whether an entry with this id is recent, given the last id that was read.
    pub(crate) fn is_recent(id: StreamId, end: StreamId) -> bool {
        id.0.saturating_add(millis(RECENT)) >= end.0
    }

    /// Adds a recent entry of the log.
    pub(crate) fn add(&mut self, position: Position, revocations: impl Iterator<Item = Revocation>) {
        if position.id <= self.end {
            return;
        }
        self.end = position.id;
        self.positions.push_back(position);
        self.revocations.extend(revocations.map(|revocation| (position.id, revocation)));
        while self.revocations.len() > CAPACITY {
            self.dropped = self.revocations.pop_front().map(|(id, _)| id);
        }
        let end = self.end;
        while self.positions.front().is_some_and(|position| !Self::is_recent(position.id, end)) {
            self.positions.pop_front();
        }
        while self.positions.len() > CAPACITY {
            self.positions.pop_front();
        }
        while self.revocations.front().is_some_and(|(id, _)| !Self::is_recent(*id, end)) {
            self.revocations.pop_front();
        }
        self.dropped.take_if(|dropped| !Self::is_recent(*dropped, end));
    }

    /// Whether this mirror has read the log that `position` belongs to.
    pub(crate) fn lineage(&self, position: Position) -> Lineage {
        let is_long_past = self.positions.front().map_or(position == Position::START, |first| position.id < first.id);
        // Positions ascend, so a search by halves finds the only candidate.
        let holds = |position: Position| {
            let found = self.positions.binary_search_by_key(&position.id, |known| known.id);
            found.is_ok_and(|index| self.positions.get(index) == Some(&position))
        };
        if is_long_past || holds(position) { Lineage::Same } else { Lineage::Unknown }
    }

    /// Returns what a mirror that is complete up to `position` may lack. If this mirror has not
    /// read that very entry, the other one may have followed another log.
    pub(crate) fn since(&self, position: Position) -> News {
        let holds = self.positions.contains(&position);
        let from = if holds { position.id } else { StreamId::default() };
        if self.dropped.is_some_and(|dropped| dropped > from) {
            return News::Everything;
        }
        let newer = self.revocations.iter().rev().take_while(|(id, _)| *id > from);
        News::Revocations(newer.map(|(_, revocation)| *revocation).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blocklist::{RevocationId, RevocationScope},
        clock::Timestamp,
    };

    fn revocation(name: u64) -> Revocation {
        let id = RevocationId::new(None, RevocationScope::Token, &name.to_string());
        Revocation::expiring_at(RevocationScope::Token, id, Timestamp::from_millis(1_800_000_000_000))
    }

    fn position(millis: u64, value: &str) -> Position {
        Position::of(StreamId(millis, 0), b"d", value.as_bytes())
    }

    fn read(entries: impl IntoIterator<Item = u64>) -> Recent {
        let mut recent = Recent::default();
        for millis in entries {
            recent.add(position(millis, "x"), [revocation(millis)].into_iter());
        }
        recent
    }

    #[test]
    fn g5_what_came_after_a_position_is_news_and_all_of_it_if_the_position_is_not_ours() {
        let recent = read([1, 2, 3]);
        let news = |position| recent.since(position);
        let some = |names: &[u64]| News::Revocations(names.iter().map(|name| revocation(*name)).collect());
        let rows = [
            ("the last", position(3, "x"), some(&[]), Lineage::Same),
            ("an earlier one", position(1, "x"), some(&[3, 2]), Lineage::Same),
            ("the same id in another log", position(2, "y"), some(&[3, 2, 1]), Lineage::Unknown),
            ("one that was not read yet", position(9, "x"), some(&[3, 2, 1]), Lineage::Unknown),
            ("nothing was read there", Position::START, some(&[3, 2, 1]), Lineage::Same),
        ];
        for (name, position, expected, lineage) in rows {
            assert_eq!((news(position), recent.lineage(position)), (expected, lineage), "{name}");
        }
    }

    #[test]
    fn g5_old_entries_are_no_news_and_too_many_are_everything() {
        let recent = read([1, 90_000, 90_002]);
        assert_eq!(recent.since(position(0, "x")), News::Revocations(vec![revocation(90_002), revocation(90_000)]));
        let crowd = u64::try_from(CAPACITY).unwrap();
        let recent = read(1..=crowd + 1);
        assert_eq!(recent.since(position(0, "x")), News::Everything);
        assert_eq!(recent.since(position(crowd, "x")), News::Revocations(vec![revocation(crowd + 1)]));
    }
}
