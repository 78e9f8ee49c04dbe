//! A Bloom filter that answers most lookups of unknown ids from one word of memory, without a lock.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::blocklist::RevocationId;

/// At most so many ids share a word of 64 bits, on average. Each sets three bits, so about one
/// unknown id in forty passes the filter.
const IDS_PER_WORD: usize = 6;

/// The number of ids that one step of growing adds to a new level: a few milliseconds of work.
const GROWTH_STEP: usize = 100_000;

/// More levels than any memory has room for.
const LEVELS: usize = 24;

/// A Bloom filter in which all bits of an id are in one word (Putze, Sanders, Singler: "Cache-,
/// Hash- and Space-Efficient Bloom Filters", 2007). Most tokens are not revoked, and the whole set
/// does not fit into the caches of a processor, but the filter does.
///
/// The first bits of an id choose its word, as they choose its shard. So the words of a shard are
/// neighbors. They are changed only with the lock of that shard held, and bits are cleared only
/// with its write lock; readers take no lock. An id that is in the set keeps all of its bits at
/// every moment, also while words are cleaned and while the filter grows.
pub(crate) struct Filter {
    /// Each level has twice as many words as the one before. Old levels are kept, because a reader
    /// may still be using one. Together they are as large as the newest one.
    levels: [OnceLock<Words>; LEVELS],
    /// The level that lookups use.
    current: AtomicUsize,
    /// The number of shards that the next level has already.
    filled: Mutex<usize>,
    shards: usize,
}

/// The words of a level; each shard has the same number.
struct Words(Box<[AtomicU64]>);

impl Filter {
    pub(crate) fn new(shards: usize) -> Self {
        let levels = [const { OnceLock::new() }; LEVELS];
        let filter = Self { levels, current: AtomicUsize::new(0), filled: Mutex::default(), shards };
        filter.words(0);
        filter
    }

    /// Returns false only for an id that is not in the set. True proves nothing.
    pub(crate) fn may_contain(&self, id: RevocationId) -> bool {
        let words = self.levels.get(self.current.load(Ordering::Acquire)).and_then(OnceLock::get);
        words.is_none_or(|words| words.may_contain(id))
    }

    /// Adds an id. The caller holds the write lock of its shard.
    pub(crate) fn add(&self, id: RevocationId) {
        // The level above the current one may be under construction, and needs the id as well.
        let levels = self.levels.iter().skip(self.current.load(Ordering::Acquire));
        levels.filter_map(OnceLock::get).for_each(|words| words.add(id));
    }

    /// Clears the bits of a shard, except for those of these ids. The caller holds the write lock
    /// of the shard.
    pub(crate) fn reset_shard(&self, shard: usize, ids: impl Iterator<Item = RevocationId>) {
        let words = self.words(self.current.load(Ordering::Acquire));
        let each = words.0.len() / self.shards;
        let mut kept = vec![0; each];
        for (place, bits) in ids.map(|id| words.place(id)) {
            kept[place % each] |= bits;
        }
        // One store for each word: no reader sees a word without a bit that is kept.
        for (word, kept) in words.0.iter().skip(shard * each).zip(kept) {
            word.store(kept, Ordering::Release);
        }
    }

    /// Does one step towards a larger level if the set has too many ids for the current one.
    ///
    /// `len` is the number of ids. `each_of` passes each id of a shard to its second argument, with
    /// the lock of that shard held.
    pub(crate) fn grow(&self, len: usize, each_of: impl Fn(usize, &mut dyn FnMut(RevocationId))) {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load(Ordering::Acquire);
        if len <= self.len(current) * IDS_PER_WORD || current + 1 == LEVELS {
            return;
        }
        // From here on `add` fills the new level too. Ids added before are in their shards, which
        // are all copied below.
        let words = self.words(current + 1);
        let mut added = 0;
        while *filled < self.shards && added < GROWTH_STEP {
            each_of(*filled, &mut |id| {
                words.add(id);
                added += 1;
            });
            *filled += 1;
        }
        if *filled == self.shards {
            self.current.store(current + 1, Ordering::Release);
            *filled = 0;
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
    fn may_contain(&self, id: RevocationId) -> bool {
        let (place, bits) = self.place(id);
        self.0.get(place).is_none_or(|word| word.load(Ordering::Acquire) & bits == bits)
    }

    fn add(&self, id: RevocationId) {
        let (place, bits) = self.place(id);
        if let Some(word) = self.0.get(place) {
            word.fetch_or(bits, Ordering::AcqRel);
        }
    }

    /// The word of an id and its three bits. The bits come from the end of the id, since those at
    /// its beginning have chosen the word already.
    fn place(&self, id: RevocationId) -> (usize, u64) {
        let [.., one, two, three] = *id.as_bytes();
        (id.scaled_to(self.0.len()), 1 << (one % 64) | 1 << (two % 64) | 1 << (three % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::RevocationScope;

    const SHARDS: usize = 16;

    fn ids(numbers: std::ops::Range<usize>) -> Vec<RevocationId> {
        numbers.map(|number| RevocationId::new(None, RevocationScope::Session, &number.to_string())).collect()
    }

    fn of(ids: &[RevocationId], shard: usize) -> impl Iterator<Item = RevocationId> {
        ids.iter().copied().filter(move |id| id.scaled_to(SHARDS) == shard)
    }

    fn strangers(filter: &Filter) -> usize {
        ids(1_000_000..1_010_000).into_iter().filter(|id| filter.may_contain(*id)).count()
    }

    #[test]
    fn r68_what_was_added_passes_and_few_others_however_many_there_are() {
        let filter = Filter::new(SHARDS);
        assert_eq!(strangers(&filter), 0, "an empty filter lets nothing pass");
        let all = ids(0..3000);
        for (number, id) in all.iter().enumerate() {
            filter.add(*id);
            filter.grow(number + 1, |shard, add| of(&all[..=number], shard).for_each(add));
            if number % 100 == 0 {
                assert!(all[..=number].iter().all(|id| filter.may_contain(*id)), "{number}");
            }
        }
        assert!(all.iter().all(|id| filter.may_contain(*id)));
        assert!(filter.current.load(Ordering::Relaxed) >= 4, "it has grown");
        assert!((1..300).contains(&strangers(&filter)), "{}", strangers(&filter));
    }

    #[test]
    fn r68_a_shard_that_is_cleaned_keeps_what_it_is_told_and_the_others_all() {
        let filter = Filter::new(SHARDS);
        let all = ids(0..100);
        filter.grow(100, |_, _| {});
        all.iter().for_each(|id| filter.add(*id));
        let (kept, gone): (Vec<_>, Vec<_>) = of(&all, 3).enumerate().partition(|(number, _)| number % 2 == 0);
        filter.reset_shard(3, kept.iter().map(|(_, id)| *id));
        assert!(kept.iter().all(|(_, id)| filter.may_contain(*id)));
        assert!(!gone.is_empty() && gone.iter().any(|(_, id)| !filter.may_contain(*id)));
        assert!(
            (0..SHARDS).filter(|shard| *shard != 3).flat_map(|shard| of(&all, shard)).all(|id| filter.may_contain(id))
        );
    }

    #[test]
    fn r68_no_reader_misses_what_is_kept_while_its_shard_is_cleaned() {
        let filter = Filter::new(SHARDS);
        let kept: Vec<_> = of(&ids(0..100), 3).collect();
        kept.iter().for_each(|id| filter.add(*id));
        std::thread::scope(|scope| {
            let cleaning = scope.spawn(|| (0..200_000).for_each(|_| filter.reset_shard(3, kept.iter().copied())));
            while !cleaning.is_finished() {
                assert!(kept.iter().all(|id| filter.may_contain(*id)));
            }
        });
    }

    #[test]
    fn r68_what_is_added_while_it_grows_is_in_both() {
        let filter = Filter::new(SHARDS);
        let all = ids(0..100);
        filter.grow(100, |shard, _| {
            // As another thread does after these shards were copied.
            if shard == SHARDS - 1 {
                all.iter().for_each(|id| filter.add(*id));
                assert!(all.iter().all(|id| filter.may_contain(*id)), "in the current level");
            }
        });
        assert_eq!(filter.current.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn r68_it_grows_a_part_at_a_time() {
        let filter = Filter::new(SHARDS);
        let all = ids(0..100);
        all.iter().for_each(|id| filter.add(*id));
        for shards in [8, 16] {
            assert_eq!(filter.current.load(Ordering::Relaxed), 0);
            filter.grow(100, |shard, add| {
                of(&all, shard).for_each(&mut *add);
                // Every eighth shard is large, so that growing takes two steps.
                (0..if shard % 8 == 7 { GROWTH_STEP } else { 0 }).for_each(|_| of(&all, shard).for_each(&mut *add));
            });
            assert_eq!(*filter.filled.lock().unwrap() % SHARDS, shards % SHARDS);
        }
        assert_eq!(filter.current.load(Ordering::Relaxed), 1);
        assert!(all.iter().all(|id| filter.may_contain(*id)));
        assert!(all.iter().all(|id| filter.may_contain(*id)), "after growing");
    }
}
