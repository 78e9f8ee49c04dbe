//! Says of nearly every name that is not in the set that it is not, by one word of memory and without a lock.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::blocklist::RevocationId;

/// So many names share a word of 64 bits at most, on the average. Each sets three of them, so hardly one stranger in forty passes.
const NAMES_A_WORD: usize = 6;

/// So many names are put into a new level at a time, a few milliseconds' work.
const AT_A_TIME: usize = 100_000;

/// More than any memory has room for.
const LEVELS: usize = 24;

/// A Bloom filter in which all bits of a name are in one word (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom
/// Filters", 2007). Most tokens are not revoked, and the set is far larger than the caches of a processor; this is not.
///
/// A name's word is chosen by its first bits, as its shard is: the words of a shard stand together, and are changed only with the lock of
/// the shard held. Readers hold none. What is in the set keeps its bits at every moment, whether words are cleaned or are exchanged
/// for more.
pub(crate) struct Filter {
    /// Each level has twice as many words as the one before. One that was left behind stays, for readers may be in it; all together they
    /// are as large again as the newest.
    levels: [OnceLock<Words>; LEVELS],
    /// The level that is asked.
    current: AtomicUsize,
    /// So many shards are in the next one.
    filled: Mutex<usize>,
    shards: usize,
}

/// As many for each shard.
struct Words(Box<[AtomicU64]>);

impl Filter {
    pub(crate) fn new(shards: usize) -> Self {
        let levels = [const { OnceLock::new() }; LEVELS];
        let filter = Self { levels, current: AtomicUsize::new(0), filled: Mutex::default(), shards };
        filter.words(0);
        filter
    }

    /// False: it is not in the set. True says nothing.
    pub(crate) fn may_have(&self, id: RevocationId) -> bool {
        let words = self.levels.get(self.current.load(Ordering::Acquire)).and_then(OnceLock::get);
        words.is_none_or(|words| words.may_have(id))
    }

    /// With the lock of the name's shard held for writing.
    pub(crate) fn add(&self, id: RevocationId) {
        // Above the one that is asked there may be one that is being filled.
        let levels = self.levels.iter().skip(self.current.load(Ordering::Acquire));
        levels.filter_map(OnceLock::get).for_each(|words| words.add(id));
    }

    /// Forgets what else was in this shard, whose lock is held for writing.
    pub(crate) fn keep_only(&self, shard: usize, ids: impl Iterator<Item = RevocationId>) {
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

    /// To be called again and again with how many names there are. `each_of` gives each name of a shard, whose lock it holds, to what it is
    /// called with.
    pub(crate) fn grow(&self, names: usize, each_of: impl Fn(usize, &mut dyn FnMut(RevocationId))) {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load(Ordering::Acquire);
        if names <= self.len(current) * NAMES_A_WORD || current + 1 == LEVELS {
            return;
        }
        // From here on `add` knows of it: what it misses is in a shard before that is gone through.
        let words = self.words(current + 1);
        let mut added = 0;
        while *filled < self.shards && added < AT_A_TIME {
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
    use crate::blocklist::RevocationScope;

    const SHARDS: usize = 16;

    fn ids(numbers: std::ops::Range<usize>) -> Vec<RevocationId> {
        numbers.map(|number| RevocationId::new(None, RevocationScope::Session, &number.to_string())).collect()
    }

    fn of(ids: &[RevocationId], shard: usize) -> impl Iterator<Item = RevocationId> {
        ids.iter().copied().filter(move |id| id.scaled_to(SHARDS) == shard)
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
            filter.grow(number + 1, |shard, add| of(&all[..=number], shard).for_each(add));
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
        filter.grow(100, |_, _| {});
        all.iter().for_each(|id| filter.add(*id));
        let (kept, gone): (Vec<_>, Vec<_>) = of(&all, 3).enumerate().partition(|(number, _)| number % 2 == 0);
        filter.keep_only(3, kept.iter().map(|(_, id)| *id));
        assert!(kept.iter().all(|(_, id)| filter.may_have(*id)));
        assert!(!gone.is_empty() && gone.iter().any(|(_, id)| !filter.may_have(*id)));
        assert!(
            (0..SHARDS).filter(|shard| *shard != 3).flat_map(|shard| of(&all, shard)).all(|id| filter.may_have(id))
        );
    }

    #[test]
    fn r68_no_reader_misses_what_is_kept_while_its_shard_is_cleaned() {
        let filter = Filter::new(SHARDS);
        let kept: Vec<_> = of(&ids(0..100), 3).collect();
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
        filter.grow(100, |shard, _| {
            // By others, after their shards were gone through.
            if shard == SHARDS - 1 {
                all.iter().for_each(|id| filter.add(*id));
                assert!(all.iter().all(|id| filter.may_have(*id)), "before it is asked");
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
                // There are many more of each eighth shard.
                (0..if shard % 8 == 7 { AT_A_TIME } else { 0 }).for_each(|_| of(&all, shard).for_each(&mut *add));
            });
            assert_eq!(*filter.filled.lock().unwrap() % SHARDS, shards % SHARDS);
        }
        assert_eq!(filter.current.load(Ordering::Relaxed), 1);
        assert!(all.iter().all(|id| filter.may_have(*id)));
        assert!(all.iter().all(|id| filter.may_have(*id)), "and after");
    }
}
