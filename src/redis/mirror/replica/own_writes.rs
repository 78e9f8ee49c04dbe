//! The revocations that this process has stored itself.
//!
//! A master that was demoted without knowing it may have confirmed them, so they can be missing in
//! Redis. They are remembered until the feed has verified that Redis has them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::blocklist::Revocation;

/// The number of the latest own revocations that are remembered.
const REMEMBERED: usize = 1024;

#[derive(Default)]
pub(crate) struct OwnWrites(Mutex<State>);

#[derive(Default)]
struct State {
    /// The latest, in order, with the time at which each was confirmed.
    recent: VecDeque<(Instant, Revocation)>,
    /// Those confirmed until then are in the Redis that the feed follows.
    verified_until: Option<Instant>,
    /// Whether one was dropped before it was verified.
    has_dropped: bool,
}

/// There were more unverified own revocations than are remembered.
#[derive(Debug)]
pub(crate) struct Forgotten;

impl State {
    fn is_verified(&self, confirmed: Instant) -> bool {
        self.verified_until.is_some_and(|verified| confirmed <= verified)
    }
}

impl OwnWrites {
    /// Remembers a revocation that was confirmed just now.
    pub(crate) fn add(&self, revocation: &Revocation) {
        let mut own = self.lock();
        if own.recent.len() == REMEMBERED {
            let dropped = own.recent.pop_front();
            own.has_dropped |= dropped.is_some_and(|(confirmed, _)| !own.is_verified(confirmed));
        }
        own.recent.push_back((Instant::now(), *revocation));
    }

    /// Returns all that are remembered, verified or not.
    pub(crate) fn recent(&self) -> Vec<Revocation> {
        self.lock().recent.iter().map(|(_, revocation)| *revocation).collect()
    }

    /// Returns the unverified ones that were confirmed until then. Fails, once, if some of them are
    /// no longer remembered.
    pub(crate) fn unverified(&self, until: Instant) -> Result<Vec<Revocation>, Forgotten> {
        let mut own = self.lock();
        if std::mem::take(&mut own.has_dropped) {
            return Err(Forgotten);
        }
        let is_due = |(confirmed, _): &&(Instant, Revocation)| *confirmed <= until && !own.is_verified(*confirmed);
        Ok(own.recent.iter().filter(is_due).map(|(_, revocation)| *revocation).collect())
    }

    /// Notes that Redis has those that were confirmed until then.
    pub(crate) fn set_verified(&self, until: Instant) {
        self.lock().verified_until = Some(until);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn r65_own_writes_are_due_until_they_are_verified_and_the_loss_of_one_is_reported_once() {
        let own = OwnWrites::default();
        let before = Instant::now().checked_sub(Duration::from_secs(1));
        own.add(&revocation(0));
        let due = |until| own.unverified(until).map(|due| due.len()).ok();
        assert_eq!((before.and_then(due), due(Instant::now())), (before.map(|_| 0), Some(1)));
        own.set_verified(Instant::now());
        assert_eq!((due(Instant::now()), own.recent().len()), (Some(0), 1));
        (1..=REMEMBERED).for_each(|number| own.add(&revocation(number)));
        assert_eq!(due(Instant::now()), Some(REMEMBERED), "the dropped one was verified");
        own.add(&revocation(REMEMBERED + 1));
        assert_eq!((due(Instant::now()), due(Instant::now())), (None, Some(REMEMBERED)));
    }
}
