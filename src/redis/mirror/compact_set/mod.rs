//! The revocations that are alive: a set that only grows and expires.
//!
//! Nearly all of them are of single tokens and sessions and refuse whatever they name: those are 20 bytes each, in shards of their
//! own bits, each behind a lock that nobody holds for longer than it takes to move one shard; a filter before them says of most that is
//! asked that it is in none. The rest, with their cut-offs, are few; every check asks for some of them, so they are where readers do not
//! meet at all.

mod filter;
mod table;

use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
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

/// 2020-01-01T00:00:00Z in seconds. Marks count from here.
const BEGINNING: u64 = 1_577_836_800;

pub(crate) struct LiveSet {
    /// Asked before a shard is.
    filter: Filter,
    shards: Box<[RwLock<Table>]>,
    wide: papaya::HashMap<RevocationId, Wide>,
    /// Of all entries; changed before they are there, so it never says too little.
    len: AtomicUsize,
    /// Of `wide`, and held by those that change it.
    wide_len: AtomicUsize,
    wide_writers: Mutex<()>,
    capacity: usize,
}

/// What a shard has no room for.
#[derive(Debug, Clone, Copy)]
struct Wide {
    scope: RevocationScope,
    cut_off: CutOff,
    until: Timestamp,
}

/// The set holds as many entries as it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl LiveSet {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            filter: Filter::new(SHARDS),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            wide: papaya::HashMap::new(),
            len: AtomicUsize::new(0),
            wide_len: AtomicUsize::new(0),
            wide_writers: Mutex::default(),
            capacity,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether a good part of the capacity is free.
    pub(crate) fn has_room(&self) -> bool {
        self.len() <= self.capacity / 8 * 7
    }

    /// Adds a revocation to what is refused.
    pub(crate) fn merge(&self, revocation: &Revocation) -> Result<(), Full> {
        match to_mark(revocation) {
            Some(mark) => self.merge_narrow(revocation.id(), mark),
            None => self.merge_wide(revocation),
        }
    }

    fn merge_narrow(&self, id: RevocationId, mark: Mark) -> Result<(), Full> {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        if shard.get(id).is_none() {
            self.take_room()?;
        }
        if shard.raise(id, mark) {
            self.filter.add(id);
        }
        Ok(())
    }

    fn merge_wide(&self, revocation: &Revocation) -> Result<(), Full> {
        let _writing = self.lock_wide();
        let wide = self.wide.pin();
        let new = Wide { scope: revocation.scope(), cut_off: revocation.cut_off(), until: revocation.expiry() };
        let merged = match wide.get(&revocation.id()) {
            Some(old) => Wide { cut_off: old.cut_off.merge(new.cut_off), until: old.until.max(new.until), ..new },
            None => {
                self.take_room()?;
                self.wide_len.fetch_add(1, Ordering::Release);
                new
            }
        };
        wide.insert(revocation.id(), merged);
        Ok(())
    }

    fn take_room(&self) -> Result<(), Full> {
        if self.len.fetch_add(1, Ordering::Relaxed) < self.capacity {
            return Ok(());
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        Err(Full)
    }

    /// A scope at which a token with these ids is refused.
    pub(crate) fn refused(&self, ids: &TokenIds) -> Option<RevocationScope> {
        if self.wide_len.load(Ordering::Acquire) > 0
            && let Some((scope, _)) = ids.each().find(|(_, id)| self.has_wide(*id, ids))
        {
            return Some(scope);
        }
        if ids.session().is_some_and(|session| self.has_narrow(session)) {
            return Some(RevocationScope::Session);
        }
        self.has_narrow(ids.token()).then_some(RevocationScope::Token)
    }

    fn has_narrow(&self, id: RevocationId) -> bool {
        self.filter.may_have(id) && self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(id).is_some()
    }

    fn has_wide(&self, id: RevocationId, ids: &TokenIds) -> bool {
        self.wide.pin().get(&id).is_some_and(|entry| entry.cut_off.refuses(ids))
    }

    /// Forgets what is over, in the part of the set whose turn it is. So many turns are a round.
    pub(crate) fn sweep(&self, turn: usize, now: Timestamp) {
        let is_alive = |mark: Mark| from_mark(mark).1 > now;
        for (index, shard) in self.shards.iter().enumerate().skip(turn % Self::TURNS).step_by(Self::TURNS) {
            let anything_over = {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                shard.each().any(|(_, mark)| !is_alive(mark))
            };
            if anything_over {
                let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
                self.len.fetch_sub(shard.retain(is_alive), Ordering::Relaxed);
                self.filter.keep_only(index, shard.each().map(|(id, _)| id));
            }
        }
        if turn.is_multiple_of(Self::TURNS) {
            let _writing = self.lock_wide();
            let wide = self.wide.pin();
            let over: Vec<_> = wide.iter().filter(|(_, entry)| entry.until <= now).map(|(id, _)| *id).collect();
            for id in over {
                wide.remove(&id);
                self.wide_len.fetch_sub(1, Ordering::Relaxed);
                self.len.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Enough for one of them not to hold up what follows, at any size.
    pub(crate) const TURNS: usize = 64;

    /// Some of what is held, from this page on, and the page that follows. The first has all that is wide, however much that is.
    pub(crate) fn page(&self, page: usize, at_least: usize) -> (Vec<Revocation>, Option<usize>) {
        let mut revocations = Vec::new();
        if page == 0 {
            let wide = self.wide.pin();
            revocations.extend(
                wide.iter().map(|(id, entry)| {
                    Revocation::expiring_at(entry.scope, *id, entry.until).with_cut_off(entry.cut_off)
                }),
            );
        }
        for (index, shard) in self.shards.iter().enumerate().skip(page) {
            // Each page has a shard at least: a first one that is full without would be followed by itself.
            if index > page && revocations.len() >= at_least {
                return (revocations, Some(index));
            }
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            revocations.extend(shard.each().map(|(id, mark)| {
                let (scope, until) = from_mark(mark);
                Revocation::expiring_at(scope, id, until)
            }));
        }
        (revocations, None)
    }

    /// To be called again and again: does a part of what is to be done for the filter to stay as good as it is.
    pub(crate) fn grow_filter(&self) {
        self.filter.grow(self.len(), |index, add| {
            let shard = self.shards[index].read().unwrap_or_else(PoisonError::into_inner);
            shard.each().for_each(|(id, _)| add(id));
        });
    }

    fn lock_wide(&self) -> MutexGuard<'_, ()> {
        self.wide_writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, id: RevocationId) -> &RwLock<Table> {
        &self.shards[id.scaled_to(SHARDS)]
    }
}

/// Scope and expiry of what refuses everything; `None` for what does not fit into a mark. The last second of a life counts whole.
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_500);

    fn revocation(scope: RevocationScope, name: &str, seconds: u64) -> Revocation {
        let until = NOW + std::time::Duration::from_secs(seconds);
        Revocation::expiring_at(scope, RevocationId::new(None, scope, name), until)
    }

    fn ids(token: &str) -> TokenIds {
        TokenIds::new(None, token, Some("session")).with_subject("ann").with_issue_time(NOW)
    }

    fn sweep(set: &LiveSet, now: Timestamp) {
        (0..LiveSet::TURNS).for_each(|turn| set.sweep(turn, now));
    }

    #[test]
    fn g4_every_scope_and_form_is_refused_until_it_is_over_and_never_sooner() {
        let far = Timestamp::from_millis(Timestamp::MAX_SECONDS * 1000);
        let id = |scope, name| RevocationId::new(None, scope, name);
        let rows = [
            revocation(RevocationScope::Token, "t", 10),
            revocation(RevocationScope::Session, "session", 10),
            revocation(RevocationScope::Subject, "ann", 10),
            revocation(RevocationScope::Subject, "ann", 10).issued_up_to(NOW.into()),
            revocation(RevocationScope::Token, "t", 10).issued_up_to(NOW.into()),
            Revocation::expiring_at(
                RevocationScope::Issuer,
                RevocationId::issuer(None),
                NOW + std::time::Duration::from_secs(10),
            ),
            Revocation::expiring_at(RevocationScope::Token, id(RevocationScope::Token, "t"), far),
            Revocation::expiring_at(RevocationScope::Token, id(RevocationScope::Token, "t"), Timestamp::from_millis(5)),
        ];
        for row in rows {
            let set = LiveSet::new(10);
            set.merge(&row).unwrap();
            assert_eq!(set.refused(&ids("t")), Some(row.scope()), "{row:?}");
            assert_eq!(set.refused(&TokenIds::new(Some("i"), "t", Some("session")).with_subject("ann")), None);
            sweep(&set, Timestamp::from_millis(row.expiry().as_millis() - 1));
            assert_eq!((set.refused(&ids("t")), set.len()), (Some(row.scope()), 1), "{row:?}");
            // What is given out again refuses no less, and lives no shorter.
            let (given, rest) = set.page(0, 10);
            let [given] = *given else { panic!("{given:?}") };
            assert!(rest.is_none() && given.expiry() >= row.expiry());
            assert_eq!((given.scope(), given.id(), given.cut_off()), (row.scope(), row.id(), row.cut_off()));
            sweep(&set, given.expiry());
            assert_eq!((set.refused(&ids("t")), set.len()), (None, 0), "{row:?}");
        }
    }

    #[test]
    fn r50_a_name_that_is_revoked_at_two_scopes_hides_nothing_else() {
        let set = LiveSet::new(10);
        let name = RevocationId::new(None, RevocationScope::Token, "x");
        let at = |scope, seconds| Revocation::expiring_at(scope, name, NOW + std::time::Duration::from_secs(seconds));
        set.merge(&at(RevocationScope::Token, 10)).unwrap();
        set.merge(&at(RevocationScope::Session, 20)).unwrap();
        assert_eq!(set.refused(&ids("x")), Some(RevocationScope::Token));
        sweep(&set, NOW + std::time::Duration::from_secs(30));
        set.merge(&revocation(RevocationScope::Session, "session", 100)).unwrap();
        assert_eq!((set.refused(&ids("x")), set.len()), (Some(RevocationScope::Session), 1));
    }

    #[test]
    fn r69_at_the_bound_nothing_is_dropped_and_what_is_there_can_still_be_raised() {
        let set = LiveSet::new(2);
        set.merge(&revocation(RevocationScope::Token, "a", 10)).unwrap();
        set.merge(&revocation(RevocationScope::Subject, "ann", 10).issued_up_to(NOW.into())).unwrap();
        for scope in
            [RevocationScope::Token, RevocationScope::Session, RevocationScope::Subject, RevocationScope::Issuer]
        {
            assert_eq!(set.merge(&revocation(scope, "other", 10)), Err(Full));
        }
        set.merge(&revocation(RevocationScope::Token, "a", 20)).unwrap();
        set.merge(&revocation(RevocationScope::Subject, "ann", 20)).unwrap();
        sweep(&set, NOW + std::time::Duration::from_secs(15));
        assert_eq!((set.len(), set.refused(&ids("a"))), (2, Some(RevocationScope::Subject)));
        assert!(!set.has_room());
        sweep(&set, NOW + std::time::Duration::from_secs(25));
        assert_eq!(set.len(), 0);
        set.merge(&revocation(RevocationScope::Token, "other", 10)).unwrap();
    }

    #[test]
    fn r68_nothing_is_missing_for_a_moment_while_others_are_forgotten_and_the_filter_grows() {
        const WRITERS: usize = 4;
        const EACH: usize = 10_000;
        let set = LiveSet::new(2 * WRITERS * EACH);
        let (running, turn) = (AtomicUsize::new(WRITERS), AtomicUsize::new(0));
        let name = |writer: usize, number: usize| format!("{writer}-{number}");
        let is_refused = |writer, number| set.refused(&ids(&name(writer, number))) == Some(RevocationScope::Token);
        let write = |writer| {
            for number in 0..EACH {
                set.merge(&revocation(RevocationScope::Token, &format!("over-{}", name(writer, number)), 10)).unwrap();
                set.merge(&revocation(RevocationScope::Token, &name(writer, number), 100)).unwrap();
                assert!(is_refused(writer, number), "just added: {number}");
                assert!(is_refused(writer, number / 2), "added before: {}", number / 2);
            }
            let all_swept_once = |turn: usize| turn > LiveSet::TURNS;
            for number in (0..EACH).cycle().take_while(|_| !all_swept_once(turn.load(Ordering::Relaxed))) {
                assert!(is_refused(writer, number), "added before: {number}");
            }
        };
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (write, running) = (&write, &running);
                scope.spawn(move || {
                    // Whether it panics or not.
                    let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(writer)));
                    running.fetch_sub(1, Ordering::Relaxed);
                    written.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                });
            }
            while running.load(Ordering::Relaxed) > 0 {
                set.sweep(turn.fetch_add(1, Ordering::Relaxed), NOW + std::time::Duration::from_secs(50));
                set.grow_filter();
            }
        });
        sweep(&set, NOW + std::time::Duration::from_secs(50));
        assert_eq!(set.len(), WRITERS * EACH);
        assert!((0..WRITERS).all(|writer| (0..EACH).all(|number| is_refused(writer, number))));
    }

    #[test]
    fn pages_hold_everything_once() {
        let set = LiveSet::new(10_000);
        for number in 0..3000 {
            set.merge(&revocation(RevocationScope::Session, &number.to_string(), 10)).unwrap();
            set.merge(&revocation(RevocationScope::Token, "again", number)).unwrap();
        }
        // More of them than a page has.
        for number in 0..600 {
            set.merge(&revocation(RevocationScope::Subject, &number.to_string(), 10).issued_up_to(NOW.into())).unwrap();
        }
        let (mut page, mut all) = (Some(0), Vec::new());
        while let Some(next) = page {
            let (revocations, following) = set.page(next, 100);
            assert!(following.is_none_or(|following| following > next), "{next} is followed by {following:?}");
            all.extend(revocations);
            page = following;
        }
        assert_eq!(all.len(), 3601);
        all.sort_by_key(|revocation| revocation.id());
        all.dedup_by_key(|revocation| revocation.id());
        assert_eq!(all.len(), 3601);
    }
}
