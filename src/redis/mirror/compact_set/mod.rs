//! The live revocations in about 30 bytes each: a set that only grows and expires.
//!
//! Its face is [`insert`](CompactSet::insert), [`contains`](CompactSet::contains),
//! [`sweep`](CompactSet::sweep) and [`pages`](CompactSet::pages). Nothing outside of this module
//! knows how the set is built.
//!
//! # Structure
//!
//! - **Plain entries** reject every token they name: nearly all revocations of single tokens and of
//!   sessions. Each takes 20 bytes and some free space in one of 4096 shards ([`table`]), chosen by
//!   the first bits of its id. A lock protects each shard.
//! - **Detailed entries** have a cut-off, or revoke a user or an issuer. They are few, but every
//!   check looks for one, so they live in a map that readers never lock.
//! - **The filter** ([`filter`]) stands before the shards. It answers most lookups of ids that are
//!   not in the set by reading one word of memory, without a lock.
//!
//! # Invariants
//!
//! 1. An entry that was inserted is found by every later lookup until it has expired. Sweeping and
//!    growing never hide a live entry, not even for a moment.
//! 2. So the filter has every bit of every entry in the shards. [`CompactSet::insert`] sets them
//!    before it releases the lock of the shard. They are cleared only with its write lock held.
//! 3. Entries never get weaker: a second insert keeps the later expiry and the wider cut-off.
//! 4. `len` is increased before an entry becomes visible, so it is never too low, and the capacity
//!    is never exceeded. A set at its capacity rejects new ids and drops nothing.

mod filter;
mod table;
#[cfg(test)]
mod tests;

use std::{
    iter,
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    blocklist::{CutOff, Revocation, RevocationId, RevocationScope, TokenIds},
    clock::Timestamp,
    redis::mirror::compact_set::{
        filter::Filter,
        table::{Mark, Table},
    },
};

const SHARDS: usize = 4096;
/// A sweep goes through one of so many parts. Even with ten million entries, one part takes only
/// milliseconds, so the feed is not delayed.
const SWEEP_PARTS: usize = 64;
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// 2020-01-01T00:00:00Z in seconds. Marks count from here.
const BEGINNING: u64 = 1_577_836_800;

pub(crate) struct CompactSet {
    filter: Filter,
    shards: Box<[RwLock<Table>]>,
    detailed: papaya::HashMap<RevocationId, Detailed>,
    /// The number of all entries (invariant 4).
    len: AtomicUsize,
    /// The number of detailed entries. Checks skip that map while it is zero.
    detailed_len: AtomicUsize,
    /// Held by those that change `detailed`.
    detailed_writers: Mutex<()>,
    capacity: usize,
    sweeps: Mutex<Sweeps>,
}

/// An entry that does not fit into a mark.
#[derive(Debug, Clone, Copy)]
struct Detailed {
    scope: RevocationScope,
    cut_off: CutOff,
    until: Timestamp,
}

/// The part to sweep next, and the time of the last sweep.
struct Sweeps {
    next_part: usize,
    swept_at: Instant,
}

/// The set holds as many entries as its capacity allows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A position in [`CompactSet::pages`]; the default is the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor(usize);

impl CompactSet {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            filter: Filter::new(SHARDS),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            detailed: papaya::HashMap::new(),
            len: AtomicUsize::new(0),
            detailed_len: AtomicUsize::new(0),
            detailed_writers: Mutex::default(),
            capacity,
            sweeps: Mutex::new(Sweeps { next_part: 0, swept_at: Instant::now() }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Adds a revocation, or merges it with the one that has the same id.
    pub(crate) fn insert(&self, revocation: &Revocation) -> Result<(), Full> {
        match to_mark(revocation) {
            Some(mark) => self.insert_plain(revocation.id(), mark),
            None => self.insert_detailed(revocation),
        }
    }

    fn insert_plain(&self, id: RevocationId, mark: Mark) -> Result<(), Full> {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        if shard.get(id).is_none() {
            self.reserve()?;
        }
        if shard.raise(id, mark) {
            self.filter.add(id);
        }
        Ok(())
    }

    fn insert_detailed(&self, revocation: &Revocation) -> Result<(), Full> {
        let _writing = self.lock_detailed();
        let detailed = self.detailed.pin();
        let new = Detailed { scope: revocation.scope(), cut_off: revocation.cut_off(), until: revocation.expiry() };
        let merged = match detailed.get(&revocation.id()) {
            Some(old) => Detailed { cut_off: old.cut_off.merge(new.cut_off), until: old.until.max(new.until), ..new },
            None => {
                self.reserve()?;
                self.detailed_len.fetch_add(1, Ordering::Release);
                new
            }
        };
        detailed.insert(revocation.id(), merged);
        Ok(())
    }

    /// Reserves room for one entry.
    fn reserve(&self) -> Result<(), Full> {
        if self.len.fetch_add(1, Ordering::Relaxed) < self.capacity {
            return Ok(());
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        Err(Full)
    }

    /// Returns the scope at which the set contains a revocation of a token with these ids.
    pub(crate) fn contains(&self, ids: &TokenIds) -> Option<RevocationScope> {
        if self.detailed_len.load(Ordering::Acquire) > 0
            && let Some((scope, _)) = ids.each().find(|(_, id)| self.refuses_in_detail(*id, ids))
        {
            return Some(scope);
        }
        if ids.session().is_some_and(|session| self.has_plain(session)) {
            return Some(RevocationScope::Session);
        }
        self.has_plain(ids.token()).then_some(RevocationScope::Token)
    }

    fn has_plain(&self, id: RevocationId) -> bool {
        self.filter.may_contain(id) && self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(id).is_some()
    }

    fn refuses_in_detail(&self, id: RevocationId, ids: &TokenIds) -> bool {
        self.detailed.pin().get(&id).is_some_and(|entry| entry.cut_off.rejects(ids))
    }

    /// Removes expired entries from the next part of the set every 250 ms, and lets the filter grow
    /// a step. Call it often: growing keeps up with 100,000 new entries a call.
    ///
    /// `at` is the present by the monotonic clock, `now` the time that entries expire by.
    pub(crate) fn sweep(&self, at: Instant, now: Timestamp) {
        let mut sweeps = self.sweeps.lock().unwrap_or_else(PoisonError::into_inner);
        if at.saturating_duration_since(sweeps.swept_at) >= SWEEP_INTERVAL {
            self.sweep_part(sweeps.next_part, now);
            *sweeps = Sweeps { next_part: (sweeps.next_part + 1) % SWEEP_PARTS, swept_at: at };
        }
        self.grow_filter();
    }

    fn sweep_part(&self, part: usize, now: Timestamp) {
        let is_alive = |mark: Mark| from_mark(mark).1 > now;
        for (index, shard) in self.shards.iter().enumerate().skip(part).step_by(SWEEP_PARTS) {
            // Looked for with the read lock, since most sweeps of a shard find nothing.
            let has_expired = {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                shard.entries().any(|(_, mark)| !is_alive(mark))
            };
            if has_expired {
                let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
                self.len.fetch_sub(shard.retain(is_alive), Ordering::Relaxed);
                self.filter.reset_shard(index, shard.entries().map(|(id, _)| id));
            }
        }
        if part == 0 {
            self.sweep_detailed(now);
        }
    }

    fn sweep_detailed(&self, now: Timestamp) {
        let _writing = self.lock_detailed();
        let detailed = self.detailed.pin();
        let expired: Vec<_> = detailed.iter().filter(|(_, entry)| entry.until <= now).map(|(id, _)| *id).collect();
        for id in expired {
            detailed.remove(&id);
            self.detailed_len.fetch_sub(1, Ordering::Relaxed);
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn grow_filter(&self) {
        self.filter.grow(self.len(), |index, add| {
            let shard = self.shards[index].read().unwrap_or_else(PoisonError::into_inner);
            shard.entries().for_each(|(id, _)| add(id));
        });
    }

    /// Returns everything from a position on, in pages of at least so many entries, each with the
    /// position of the page after it. Each page is read on demand.
    pub(crate) fn pages(
        &self,
        from: Cursor,
        at_least: usize,
    ) -> impl Iterator<Item = (Vec<Revocation>, Option<Cursor>)> {
        let mut next = Some(from);
        iter::from_fn(move || {
            let (page, following) = self.page(next?, at_least);
            next = following;
            Some((page, following))
        })
    }

    /// The first page has all detailed entries, however many there are.
    fn page(&self, Cursor(first): Cursor, at_least: usize) -> (Vec<Revocation>, Option<Cursor>) {
        let mut page = Vec::new();
        if first == 0 {
            let to_revocation = |(id, entry): (&RevocationId, &Detailed)| {
                Revocation::expiring_at(entry.scope, *id, entry.until).with_cut_off(entry.cut_off)
            };
            page.extend(self.detailed.pin().iter().map(to_revocation));
        }
        for (index, shard) in self.shards.iter().enumerate().skip(first) {
            // Each page has at least one shard. Otherwise detailed entries alone would fill the
            // first page, and it would be followed by itself.
            if index > first && page.len() >= at_least {
                return (page, Some(Cursor(index)));
            }
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            page.extend(shard.entries().map(|(id, mark)| {
                let (scope, until) = from_mark(mark);
                Revocation::expiring_at(scope, id, until)
            }));
        }
        (page, None)
    }

    fn lock_detailed(&self) -> MutexGuard<'_, ()> {
        self.detailed_writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, id: RevocationId) -> &RwLock<Table> {
        &self.shards[id.scaled_to(SHARDS)]
    }
}

/// Packs the scope and expiry of a plain revocation. Returns `None` if it is a detailed one. The
/// expiry is rounded up to a whole second, so an entry never expires early.
fn to_mark(revocation: &Revocation) -> Option<Mark> {
    let scope = match revocation.scope() {
        RevocationScope::Token => 0,
        RevocationScope::Session => 1,
        RevocationScope::Subject | RevocationScope::Issuer => return None,
    };
    if revocation.cut_off() != CutOff::ALWAYS {
        return None;
    }
    let until = revocation.expiry().as_millis().div_ceil(1000).saturating_sub(BEGINNING).max(1);
    Mark::new(u32::try_from(until).ok()?.checked_mul(2)? + scope)
}

fn from_mark(mark: Mark) -> (RevocationScope, Timestamp) {
    let scope = if mark.get().is_multiple_of(2) { RevocationScope::Token } else { RevocationScope::Session };
    (scope, Timestamp::from_millis((BEGINNING + u64::from(mark.get() / 2)) * 1000))
}
