//! A sorted open-addressing table from ids to marks: 20 bytes an entry, plus the free slots.
//!
//! An id is the start of a SHA-256 digest, so its own bits say where it belongs: its home slot is
//! its value scaled to the length of the table. Ids are sorted. Each is in its home slot or, if
//! that is taken, in the unbroken run of slots that begins there. A lookup therefore starts at the
//! home slot and stops at the first slot that is free or has no smaller id: a few steps at any
//! size.

use crate::blocklist::RevocationId;

/// The value of an id; never zero, so that a free slot needs no byte of its own.
pub(crate) type Mark = std::num::NonZeroU32;

/// At most this fraction of the home slots is taken. With more, runs get long; with less, the table
/// gets large.
const MAX_LOAD: (usize, usize) = (17, 20);
/// Slots after the last home slot, for the runs that begin near it.
const TAIL: usize = 8;

/// An id as the table sorts it, beginning with the bytes that decide its home slot.
type SortKey = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: SortKey,
    mark: Option<Mark>,
}

const FREE: Slot = Slot { key: [0; 16], mark: None };

#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    homes: usize,
    taken: usize,
}

impl Table {
    pub(crate) fn get(&self, id: RevocationId) -> Option<Mark> {
        let key = sort_key(id);
        self.slots.get(self.place(key)).filter(|slot| slot.key == key)?.mark
    }

    /// Adds an id, or raises the mark that it has. Returns whether the id is new.
    pub(crate) fn raise(&mut self, id: RevocationId, mark: Mark) -> bool {
        let key = sort_key(id);
        let place = self.place(key);
        if let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.mark.is_some() && slot.key == key) {
            slot.mark = slot.mark.max(Some(mark));
            return false;
        }
        let free = self.slots[place..].iter().position(|slot| slot.mark.is_none());
        let (Some(steps), true) = (free, (self.taken + 1) * MAX_LOAD.1 <= self.homes * MAX_LOAD.0) else {
            self.rebuild((self.homes * 5 / 4 + 1).max(8), |_| true);
            return self.raise(id, mark);
        };
        self.slots.copy_within(place..place + steps, place + 1);
        self.slots[place] = Slot { key, mark: Some(mark) };
        self.taken += 1;
        true
    }

    /// Removes the entries whose mark is not to be kept, and returns how many these were.
    pub(crate) fn retain(&mut self, keep: impl Fn(Mark) -> bool) -> usize {
        let before = self.taken;
        let left = self.entries().filter(|(_, mark)| keep(*mark)).count();
        if left < before {
            self.rebuild(left * MAX_LOAD.1 / MAX_LOAD.0 * 9 / 8 + 1, keep);
        }
        before - left
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (RevocationId, Mark)> {
        self.slots.iter().filter_map(|slot| Some((to_id(slot.key), slot.mark?)))
    }

    /// The slot that the id is in, or that it belongs into.
    fn place(&self, key: SortKey) -> usize {
        let home = home(key, self.homes);
        let run = self.slots.get(home..).unwrap_or_default();
        home + run.iter().take_while(|slot| slot.mark.is_some() && slot.key < key).count()
    }

    fn rebuild(&mut self, homes: usize, keep: impl Fn(Mark) -> bool) {
        let old = std::mem::take(&mut self.slots);
        self.homes = homes;
        self.taken = 0;
        self.slots.reserve_exact(homes + TAIL);
        for slot in old.into_iter().filter(|slot| slot.mark.is_some_and(&keep)) {
            let home = home(slot.key, homes);
            if self.slots.len() < home {
                self.slots.resize(home, FREE);
            }
            self.slots.push(slot);
            self.taken += 1;
        }
        // A free slot always ends the last run. The next id may belong into that run.
        self.slots.resize((self.slots.len() + 1).max(homes + TAIL), FREE);
        // Pushing a run that is longer than the tail has allocated more than it needs.
        self.slots.shrink_to_fit();
    }
}

/// Moves the bytes that choose the shard to the end: they are nearly the same for all ids of a
/// table, so they would put all of them at one home slot.
fn sort_key(id: RevocationId) -> SortKey {
    u128::from_be_bytes(*id.as_bytes()).rotate_left(32).to_be_bytes()
}

fn to_id(key: SortKey) -> RevocationId {
    RevocationId::from_bytes(u128::from_be_bytes(key).rotate_right(32).to_be_bytes())
}

/// The home slot of an id; the order of homes is the order of ids.
fn home(key: SortKey, homes: usize) -> usize {
    let [a, b, c, d, ..] = key;
    let scaled = u64::from(u32::from_be_bytes([a, b, c, d])) * homes as u64;
    usize::try_from(scaled >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Ids with few different first bytes, so that runs form at both ends of the table and between.
    fn ids() -> impl Strategy<Value = RevocationId> {
        let edge = prop_oneof![Just(0_u8), Just(255), any::<u8>()];
        (edge, 0..16_u8).prop_map(|(first, last)| {
            let mut bytes = [0; 16];
            bytes[4..8].fill(first);
            bytes[15] = last;
            RevocationId::from_bytes(bytes)
        })
    }

    proptest! {
        #[test]
        fn r69_a_table_is_a_map_that_only_raises(
            steps in proptest::collection::vec((ids(), 1..50_u32, proptest::bool::weighted(0.02)), 0..400),
        ) {
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (id, mark, is_sweep) in steps {
                let mark = Mark::new(mark).unwrap();
                if is_sweep {
                    let before = map.len();
                    map.retain(|_, kept| *kept > mark);
                    prop_assert_eq!(table.retain(|kept| kept > mark), before - map.len());
                } else {
                    prop_assert_eq!(table.raise(id, mark), !map.contains_key(&id));
                    let kept = map.entry(id).or_insert(mark);
                    *kept = mark.max(*kept);
                }
                prop_assert_eq!(table.get(id), map.get(&id).copied());
            }
            prop_assert_eq!(table.entries().collect::<BTreeMap<_, _>>(), map);
        }
    }

    #[test]
    fn r69_an_entry_takes_less_than_32_bytes_and_a_few_steps() {
        let id = |number: u32| RevocationId::new(None, crate::blocklist::RevocationScope::Token, &number.to_string());
        let mut table = Table::default();
        for number in 0..20_000 {
            table.raise(id(number), Mark::MIN);
            // A set of a million entries has 244 in each table.
            if number >= 244 {
                let bytes = table.slots.capacity() * size_of::<Slot>();
                assert!(bytes <= 32 * table.taken, "{bytes} bytes for {}", table.taken);
            }
        }
        let steps = |number| table.place(sort_key(id(number))) - home(sort_key(id(number)), table.homes);
        let (known, unknown) = ((0..20_000).map(steps).sum::<usize>(), (20_000..40_000).map(steps).sum::<usize>());
        assert!(known < 20_000 * 5 && unknown < 20_000 * 5, "{known} and {unknown} steps");
    }
}
