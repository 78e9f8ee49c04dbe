//! Says of nearly every name that is not in a table that it is not, by one word of memory.

use super::table::Name;

/// Bits for each name there is room for. With two of them set for a name, fewer than one stranger in ten passes.
const BITS: usize = 8;

/// A Bloom filter in which all bits of a name are in one word (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom
/// Filters", 2007). Most tokens are not revoked, and the table is far larger than the caches of a processor; this is not.
#[derive(Debug, Default)]
pub(super) struct Filter(Box<[u64]>);

impl Filter {
    pub(super) fn new(names: usize) -> Self {
        Self(vec![0; names * BITS / 64 + 1].into())
    }

    pub(super) fn add(&mut self, name: Name) {
        let (place, bits) = self.place(name);
        if let Some(word) = self.0.get_mut(place) {
            *word |= bits;
        }
    }

    /// False: it was never added. True says nothing.
    pub(super) fn may_have(&self, name: Name) -> bool {
        let (place, bits) = self.place(name);
        self.0.get(place).is_some_and(|word| word & bits == bits)
    }

    /// From bits of the name that do not decide its place in the table.
    fn place(&self, name: Name) -> (usize, u64) {
        let [_, _, _, _, a, b, c, d, one, other, ..] = name;
        let scaled = u64::from(u32::from_be_bytes([a, b, c, d])) * self.0.len() as u64;
        (usize::try_from(scaled >> 32).unwrap_or(0), 1 << (one % 64) | 1 << (other % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::RevocationId;

    #[test]
    fn every_name_that_was_added_passes_and_few_others() {
        let name = |number: usize| *RevocationId::new(None, crate::Scope::Session, &number.to_string()).as_bytes();
        for names in [1, 10, 1000] {
            let mut filter = Filter::new(names);
            (0..names).for_each(|number| filter.add(name(number)));
            assert!((0..names).all(|number| filter.may_have(name(number))), "{names}");
            let strangers = (names..names + 10_000).filter(|number| filter.may_have(name(*number))).count();
            assert!(strangers < 1_000, "{names}: {strangers}");
        }
        assert!(!Filter::default().may_have(name(1)), "of an empty table");
    }
}
