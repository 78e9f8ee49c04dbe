//! The revocations that this process has stored itself.
//!
//! No other process may have read them when Redis is lost, and a master that was demoted without
//! knowing it may have confirmed them.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::{blocklist::Revocation, redis::loss::timing::RECENT};

/// The number of own revocations that are remembered at most.
const CAPACITY: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct OwnWrites {
    state: Mutex<State>,
    /// The number of restorations that this process has answered.
    restorations: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// The latest, in order, with the time at which each was confirmed.
    recent: VecDeque<(Instant, Revocation)>,
}

/// Until when the server of one connection is known to hold this process's revocations. Another
/// connection may lead to another master, so each has its own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Verified(Option<Instant>);

impl Verified {
    pub(crate) fn until(moment: Instant) -> Self {
        Self(Some(moment))
    }
}

/// Whether a stored revocation may have been stored in the data that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRestore {
    Stored,
    /// This process answered a restoration meanwhile, and may have missed the revocation. It must
    /// be stored again.
    PerhapsLost,
}

impl OwnWrites {
    /// The number of restorations so far. Read it before storing, for [`add`](Self::add).
    pub(crate) fn restorations(&self) -> usize {
        self.restorations.load(Ordering::SeqCst)
    }

    /// Remembers a revocation that was confirmed just now.
    pub(crate) fn add(&self, revocation: &Revocation, restorations_before: usize) -> AfterRestore {
        let mut own = self.lock();
        own.forget_old();
        if own.recent.len() == CAPACITY {
            own.recent.pop_front();
        }
        own.recent.push_back((Instant::now(), *revocation));
        // Read under the lock: `begin_restore` counts before it takes the list.
        if self.restorations() == restorations_before { AfterRestore::Stored } else { AfterRestore::PerhapsLost }
    }

    /// Counts a restoration, and returns everything to restore, the newest first.
    pub(crate) fn begin_restore(&self) -> Vec<Revocation> {
        self.restorations.fetch_add(1, Ordering::SeqCst);
        let mut own = self.lock();
        own.forget_old();
        own.recent.iter().rev().map(|(_, revocation)| *revocation).collect()
    }

    /// Whether this process has revoked lately, so that others have to wait for it after a loss.
    pub(crate) fn has_recent(&self) -> bool {
        let mut own = self.lock();
        own.forget_old();
        !own.recent.is_empty()
    }

    /// Returns those that were confirmed after `verified`, and until then.
    pub(crate) fn unverified(&self, verified: Verified, until: Instant) -> Vec<Revocation> {
        let own = self.lock();
        // They are in order of time, and most cycles have nothing new among thousands.
        let newest_first = own.recent.iter().rev();
        let new = newest_first.take_while(|(confirmed, _)| verified.0.is_none_or(|verified| *confirmed > verified));
        new.filter(|(confirmed, _)| *confirmed <= until).map(|(_, revocation)| *revocation).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_old(&mut self) {
        while self.recent.front().is_some_and(|(confirmed, _)| confirmed.elapsed() > RECENT) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        blocklist::{RevocationId, RevocationScope},
        clock::Timestamp,
    };

    fn revocation(number: usize) -> Revocation {
        let id = RevocationId::new(None, RevocationScope::Token, &number.to_string());
        Revocation::expiring_at(RevocationScope::Token, id, Timestamp::from_millis(1_800_000_000_000))
    }

    #[test]
    fn r65_own_writes_are_due_until_they_are_verified_and_are_restored_newest_first() {
        let own = OwnWrites::default();
        assert!(!own.has_recent());
        let before = Instant::now().checked_sub(Duration::from_secs(1));
        assert_eq!(own.add(&revocation(0), 0), AfterRestore::Stored);
        let due = |verified, until| own.unverified(verified, until).len();
        let nothing = Verified::default();
        assert_eq!((before.map(|before| due(nothing, before)), due(nothing, Instant::now())), (before.map(|_| 0), 1));
        let verified = Verified::until(Instant::now());
        assert_eq!((due(verified, Instant::now()), own.has_recent()), (0, true));
        assert_eq!(due(nothing, Instant::now()), 1, "the server of another connection may lack it");
        own.add(&revocation(1), 0);
        assert_eq!(own.unverified(verified, Instant::now()), [revocation(1)]);
        assert_eq!(own.begin_restore(), [revocation(1), revocation(0)]);
        assert_eq!(own.add(&revocation(2), 0), AfterRestore::PerhapsLost, "its confirmation came after the answer");
        assert_eq!(own.add(&revocation(2), own.restorations()), AfterRestore::Stored);
        for number in 0..CAPACITY {
            let _ = own.add(&revocation(number), 1);
        }
        assert_eq!(own.begin_restore().len(), CAPACITY);
    }
}
