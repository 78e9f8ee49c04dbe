//! Many names with a mark each, in little more room than they take: 20 bytes, and what is left free.
//!
//! A name is the start of a SHA-256, so its own bits say where it belongs: its home is its value scaled to the length of the table. Names
//! stand in ascending order, each at its home or, where that is taken, in the unbroken run that begins there. So looking for one
//! begins at its home and ends at the first that is not smaller or is free, a few steps later, whatever the size.

use crate::blocklist::RevocationId;

/// What is known of a name; never zero.
pub(crate) type Mark = std::num::NonZeroU32;

/// Of so many homes at most `FULL.0 / FULL.1` are taken. More would make the runs long, fewer the table large.
const FULL: (usize, usize) = (17, 20);
/// Slots behind the last home, for runs that begin near it.
const TAIL: usize = 8;

/// As in the table: its order is that of its bytes, which begin with those that the home is made of.
type Name = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Slot {
    name: Name,
    mark: Option<Mark>,
}

const FREE: Slot = Slot { name: [0; 16], mark: None };

#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    homes: usize,
    taken: usize,
}

impl Table {
    pub(crate) fn get(&self, id: RevocationId) -> Option<Mark> {
        let name = name(id);
        self.slots.get(self.place(name)).filter(|slot| slot.name == name)?.mark
    }

    /// Puts a name in, or raises the mark of one that is there. Whether it is new.
    pub(crate) fn raise(&mut self, id: RevocationId, mark: Mark) -> bool {
        let name = name(id);
        let place = self.place(name);
        if let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.mark.is_some() && slot.name == name) {
            slot.mark = slot.mark.max(Some(mark));
            return false;
        }
        let free = self.slots[place..].iter().position(|slot| slot.mark.is_none());
        let (Some(steps), true) = (free, (self.taken + 1) * FULL.1 <= self.homes * FULL.0) else {
            self.rebuild((self.homes * 5 / 4 + 1).max(8), |_| true);
            return self.raise(id, mark);
        };
        self.slots.copy_within(place..place + steps, place + 1);
        self.slots[place] = Slot { name, mark: Some(mark) };
        self.taken += 1;
        true
    }

    /// Keeps what is to be kept. Answers how many went.
    pub(crate) fn retain(&mut self, keep: impl Fn(Mark) -> bool) -> usize {
        let before = self.taken;
        let left = self.each().filter(|(_, mark)| keep(*mark)).count();
        if left < before {
            self.rebuild(left * FULL.1 / FULL.0 * 9 / 8 + 1, keep);
        }
        before - left
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (RevocationId, Mark)> {
        self.slots.iter().filter_map(|slot| Some((id(slot.name), slot.mark?)))
    }

    /// Where the name is, or would have to be.
    fn place(&self, name: Name) -> usize {
        let home = home(name, self.homes);
        let run = self.slots.get(home..).unwrap_or_default();
        home + run.iter().take_while(|slot| slot.mark.is_some() && slot.name < name).count()
    }

    fn rebuild(&mut self, homes: usize, keep: impl Fn(Mark) -> bool) {
        let old = std::mem::take(&mut self.slots);
        self.homes = homes;
        self.taken = 0;
        self.slots.reserve_exact(homes + TAIL);
        for slot in old.into_iter().filter(|slot| slot.mark.is_some_and(&keep)) {
            let home = home(slot.name, homes);
            if self.slots.len() < home {
                self.slots.resize(home, FREE);
            }
            self.slots.push(slot);
            self.taken += 1;
        }
        // Behind the last run one is free in any case: what comes next may belong to that run.
        self.slots.resize((self.slots.len() + 1).max(homes + TAIL), FREE);
        // A run that goes beyond the tail has made room for more than it takes.
        self.slots.shrink_to_fit();
    }
}

/// The bytes that shards are chosen by are the same for all names of a table: they go to the end.
fn name(id: RevocationId) -> Name {
    u128::from_be_bytes(*id.as_bytes()).rotate_left(32).to_be_bytes()
}

fn id(name: Name) -> RevocationId {
    RevocationId::from_bytes(u128::from_be_bytes(name).rotate_right(32).to_be_bytes())
}

/// Rises with the name.
fn home(name: Name, homes: usize) -> usize {
    let [a, b, c, d, ..] = name;
    let scaled = u64::from(u32::from_be_bytes([a, b, c, d])) * homes as u64;
    usize::try_from(scaled >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few values of the first bytes: crowds at both ends of the table and in between.
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
            prop_assert_eq!(table.each().collect::<BTreeMap<_, _>>(), map);
        }
    }

    #[test]
    fn r69_an_entry_takes_less_than_32_bytes_and_a_few_steps() {
        let id = |number: u32| RevocationId::new(None, crate::blocklist::RevocationScope::Token, &number.to_string());
        let mut table = Table::default();
        for number in 0..20_000 {
            table.raise(id(number), Mark::MIN);
            // Of a million in all, a table has 244.
            if number >= 244 {
                let bytes = table.slots.capacity() * size_of::<Slot>();
                assert!(bytes <= 32 * table.taken, "{bytes} bytes for {}", table.taken);
            }
        }
        let steps = |number| table.place(name(id(number))) - home(name(id(number)), table.homes);
        let (known, unknown) = ((0..20_000).map(steps).sum::<usize>(), (20_000..40_000).map(steps).sum::<usize>());
        assert!(known < 20_000 * 5 && unknown < 20_000 * 5, "{known} and {unknown} steps");
    }
}
