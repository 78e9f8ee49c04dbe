//! Says of nearly every name that is not in the set that it is not, by one word of memory and without a lock.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::blocklist::RevocationId;

/// So many names share a word of 64 bits at most, on the average. Each sets three of them, so hardly one stranger in forty passes.
const NAMES_A_WORD: usize = 6;

/// More than any memory has room for.
const LEVELS: usize = 24;

/// A Bloom filter in which all bits of a name are in one word (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom
/// Filters", 2007). Most tokens are not revoked, and the set is far larger than the caches of a processor; this is not.
///
/// A name's word is chosen by its first bits, as its shard is: the words of a shard stand together, and are changed only with the lock of
/// the shard held. Readers hold none. What is in the set keeps its bits at every moment, whether words are cleaned or are exchanged
/// for more.
pub(super) struct Filter {
    /// Each level has twice as many words as the one before. One that was left behind stays, for readers may be in it; all together they
    /// are as large again as the newest.
    levels: [OnceLock<Words>; LEVELS],
    /// The level that is asked.
    current: AtomicUsize,
    shards: usize,
}

/// As many for each shard.
struct Words(Box<[AtomicU64]>);

impl Filter {
    pub(super) fn new(shards: usize) -> Self {
        let filter = Self { levels: [const { OnceLock::new() }; LEVELS], current: AtomicUsize::new(0), shards };
        filter.words(0);
        filter
    }

    /// False: it is not in the set. True says nothing.
    pub(super) fn may_have(&self, id: RevocationId) -> bool {
        let words = self.levels.get(self.current.load(Ordering::Acquire)).and_then(OnceLock::get);
        words.is_none_or(|words| words.may_have(id))
    }

    /// With the lock of the name's shard held for writing.
    pub(super) fn add(&self, id: RevocationId) {
        // Above the one that is asked there may be one that is being filled.
        let levels = self.levels.iter().skip(self.current.load(Ordering::Acquire));
        levels.filter_map(OnceLock::get).for_each(|words| words.add(id));
    }

    /// Forgets what else was in this shard, whose lock is held for writing.
    pub(super) fn keep_only(&self, shard: usize, ids: impl Iterator<Item = RevocationId>) {
        let words = self.words(self.current.load(Ordering::Acquire));
        let each = words.0.len() / self.shards;
        let mut kept = vec![0; each];
        for (place, bits) in ids.map(|id| words.place(id)) {
            kept[place % each] |= bits;
        }
        // A word loses no bit that it is to keep.
        for (word, kept) in words.0.iter().skip(shard * each).zip(kept) {
            word.store(kept, Ordering::Release);
        }
    }

    /// To be called now and then with how many names there are. `each_shard` calls what it is given for every name, with the lock
    /// of the name's shard held.
    pub(super) fn grow(&self, names: usize, each_shard: impl Fn(&dyn Fn(RevocationId))) {
        let current = self.current.load(Ordering::Acquire);
        let wanted = (current..LEVELS).find(|level| names <= self.len(*level) * NAMES_A_WORD).unwrap_or(current);
        if wanted > current {
            // From here on `add` knows of it: what it misses is in the set before its shard is gone through.
            let words = self.words(wanted);
            each_shard(&|id| words.add(id));
            self.current.fetch_max(wanted, Ordering::AcqRel);
        }
    }

    fn words(&self, level: usize) -> &Words {
        self.levels[level].get_or_init(|| Words((0..self.len(level)).map(|_| AtomicU64::new(0)).collect()))
    }

    fn len(&self, level: usize) -> usize {
        self.shards << level
    }
}

impl Words {
    fn may_have(&self, id: RevocationId) -> bool {
        let (place, bits) = self.place(id);
        self.0.get(place).is_none_or(|word| word.load(Ordering::Acquire) & bits == bits)
    }

    fn add(&self, id: RevocationId) {
        let (place, bits) = self.place(id);
        if let Some(word) = self.0.get(place) {
            word.fetch_or(bits, Ordering::AcqRel);
        }
    }

    /// The bits within the word are from the other half of the name: those that decide its place in a shard say nothing new.
    fn place(&self, id: RevocationId) -> (usize, u64) {
        let [.., one, two, three] = *id.as_bytes();
        (id.scaled_to(self.0.len()), 1 << (one % 64) | 1 << (two % 64) | 1 << (three % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::Scope;

    const SHARDS: usize = 16;

    fn ids(numbers: std::ops::Range<usize>) -> Vec<RevocationId> {
        numbers.map(|number| RevocationId::new(None, Scope::Session, &number.to_string())).collect()
    }

    fn strangers(filter: &Filter) -> usize {
        ids(1_000_000..1_010_000).into_iter().filter(|id| filter.may_have(*id)).count()
    }

    #[test]
    fn r68_what_was_added_passes_and_few_others_however_many_there_are() {
        let filter = Filter::new(SHARDS);
        assert_eq!(strangers(&filter), 0, "nothing was added");
        let all = ids(0..3000);
        for (number, id) in all.iter().enumerate() {
            filter.add(*id);
            filter.grow(number + 1, |add| all[..=number].iter().for_each(|id| add(*id)));
            if number % 100 == 0 {
                assert!(all[..=number].iter().all(|id| filter.may_have(*id)), "{number}");
            }
        }
        assert!(all.iter().all(|id| filter.may_have(*id)));
        assert!(filter.current.load(Ordering::Relaxed) >= 4, "it has grown");
        assert!((1..300).contains(&strangers(&filter)), "{}", strangers(&filter));
    }

    #[test]
    fn r68_a_shard_that_is_cleaned_keeps_what_it_is_told_and_the_others_all() {
        let filter = Filter::new(SHARDS);
        let all = ids(0..100);
        filter.grow(1000, |_| {});
        all.iter().for_each(|id| filter.add(*id));
        let of = |shard| all.iter().filter(move |id| id.scaled_to(SHARDS) == shard);
        let (kept, gone): (Vec<_>, Vec<_>) = of(3).enumerate().partition(|(number, _)| number % 2 == 0);
        filter.keep_only(3, kept.iter().map(|(_, id)| **id));
        assert!(kept.iter().all(|(_, id)| filter.may_have(**id)));
        assert!(!gone.is_empty() && gone.iter().any(|(_, id)| !filter.may_have(**id)));
        assert!((0..SHARDS).filter(|shard| *shard != 3).flat_map(of).all(|id| filter.may_have(*id)));
    }

    #[test]
    fn r68_no_reader_misses_what_is_kept_while_its_shard_is_cleaned() {
        let filter = Filter::new(SHARDS);
        let kept: Vec<_> = ids(0..100).into_iter().filter(|id| id.scaled_to(SHARDS) == 3).collect();
        kept.iter().for_each(|id| filter.add(*id));
        std::thread::scope(|scope| {
            let cleaning = scope.spawn(|| (0..200_000).for_each(|_| filter.keep_only(3, kept.iter().copied())));
            while !cleaning.is_finished() {
                assert!(kept.iter().all(|id| filter.may_have(*id)));
            }
        });
    }

    #[test]
    fn r68_what_is_added_while_it_grows_is_in_both() {
        let filter = Filter::new(SHARDS);
        let all = ids(0..100);
        filter.grow(1000, |_| {
            // By others, after their shards were gone through.
            all.iter().for_each(|id| filter.add(*id));
            assert!(all.iter().all(|id| filter.may_have(*id)), "before it is asked");
        });
        assert!(all.iter().all(|id| filter.may_have(*id)), "and after");
    }
}
