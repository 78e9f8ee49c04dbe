//! The log of revocations in Redis, and positions in it.

/// A set of revocations, one bit each.
pub(super) type Bits = u8;

/// The revocations that are older than all recent ones. Only the bulk restores them.
pub(super) const BASE: Bits = 1 << 7;

/// Up to four entries, two bits each: the number of the revocation, plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Log(u8);

/// The id of an entry and its digest. Two masters may issue the same id for different entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Position {
    pub(super) id: u8,
    digest: u8,
}

impl Log {
    pub(super) fn len(self) -> u8 {
        (0..4).filter(|index| self.0 >> (2 * index) & 3 != 0).count() as u8
    }

    fn digest(self, id: u8) -> u8 {
        if id == 0 { 0 } else { self.0 >> (2 * (id - 1)) & 3 }
    }

    pub(super) fn push(&mut self, which: u8) {
        self.0 |= (which + 1) << (2 * self.len());
    }

    pub(super) fn first(self, entries: u8) -> Self {
        Self((u32::from(self.0) & ((1 << (2 * entries)) - 1)) as u8)
    }

    pub(super) fn position(self) -> Position {
        Position { id: self.len(), digest: self.digest(self.len()) }
    }

    pub(super) fn holds(self, position: Position) -> bool {
        self.digest(position.id) == position.digest
    }

    pub(super) fn holds_id(self, position: Position) -> bool {
        position.id <= self.len()
    }

    /// The revocations after the entry with this id.
    pub(super) fn after(self, id: u8) -> Bits {
        (id + 1..=self.len()).fold(0, |bits, id| bits | 1 << (self.digest(id) - 1))
    }

    /// Adds the entries of `other` whose ids are higher than those of this log.
    pub(super) fn extend(&mut self, other: Log) {
        for id in self.len() + 1..=other.len() {
            self.push(other.digest(id) - 1);
        }
    }
}
