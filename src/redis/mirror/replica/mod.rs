//! A mirror's copy of all revocations, with the proof that it is complete.

mod calendar;
mod proof;
mod recent;
mod state;

pub(crate) use calendar::{Calendar, ClockChange};
pub(crate) use proof::Moment;
pub(crate) use recent::{Lineage, News, Recent};
pub use state::{MirrorPhase, MirrorState};

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    blocklist::{CutOff, Revocation, Status, TokenIds},
    clock::{Clock, Timestamp},
    redis::{
        local_mirrors::LocalMirror,
        mirror::{compact_set::CompactSet, replica::proof::Proof, settings::MirrorSettings},
    },
};

/// Shared by the feed, which writes to it, and by the checks, which read it.
pub(crate) struct Replica {
    pub(crate) set: CompactSet,
    capacity: usize,
    max_staleness: Duration,
    clock: Arc<dyn Clock>,
    proof: Proof,
    /// The epoch's floor: tokens issued until then are rejected. Zero rejects none.
    floor: AtomicU64,
    /// Whether some revocation had no room, so one that is not found may still exist.
    has_overflowed: AtomicBool,
    /// Whether Redis was found to have lost revocations, and was not found complete since.
    has_redis_lost: AtomicBool,
    propagation: Mutex<Option<Duration>>,
    ready: watch::Sender<bool>,
}

impl Replica {
    pub(crate) fn new(settings: &MirrorSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            set: CompactSet::new(settings.capacity),
            capacity: settings.capacity,
            max_staleness: settings.max_staleness,
            clock,
            proof: Proof::none(Instant::now()),
            floor: AtomicU64::new(0),
            has_overflowed: AtomicBool::new(false),
            has_redis_lost: AtomicBool::new(false),
            propagation: Mutex::default(),
            ready: watch::Sender::new(false),
        }
    }

    /// Returns the status of a token if it is known: "revoked" always, "not revoked" only while the
    /// proof of completeness is fresh.
    pub(crate) fn status(&self, ids: &TokenIds, now: Timestamp) -> Option<Status> {
        // Read before the lookup, so that the set is at least as new as the proof.
        let is_fresh = self.is_fresh(now);
        if let Some(scope) = self.set.contains(ids) {
            return Some(Status::Revoked(scope));
        }
        if !is_fresh {
            return None;
        }
        let floor = Timestamp::from_millis(self.floor.load(Ordering::Acquire));
        let is_before_loss = floor > Timestamp::default() && CutOff::up_to(floor).rejects(ids);
        Some(if is_before_loss { Status::BeforeLoss } else { Status::NotRevoked })
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        // The overflow is read first. In the other order, the proof could be from before `restart`,
        // and the flag from after it.
        !self.has_overflowed() && self.age(now).is_some_and(|age| age <= self.max_staleness)
    }

    /// Returns the age of the proof at this time, if there is one.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        self.proof.age(now)
    }

    /// Notes that every revocation up to this moment was read. Those that had no room are missing.
    pub(crate) fn prove(&self, moment: Moment) {
        // Without all of them nothing is proven. A check that has read the flag before the overflow
        // would trust a proof that is stored now.
        if !self.has_overflowed() {
            self.proof.set(moment);
        }
        self.has_redis_lost.store(false, Ordering::Relaxed);
        self.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    /// Invalidates the proof, because some revocation may be missing.
    pub(crate) fn invalidate_proof(&self) {
        self.proof.invalidate();
    }

    pub(crate) fn merge(&self, revocation: &Revocation) {
        if self.set.insert(revocation).is_err() && !self.has_overflowed.swap(true, Ordering::AcqRel) {
            tracing::warn!("the mirror is full, so checks go to Redis until there is room: raise its capacity");
        }
    }

    pub(crate) fn has_overflowed(&self) -> bool {
        self.has_overflowed.load(Ordering::Acquire)
    }

    /// Whether the mirror is full, and expired entries have left an eighth of the capacity free.
    pub(crate) fn can_restart(&self) -> bool {
        self.has_overflowed() && self.set.len() <= self.capacity / 8 * 7
    }

    /// Prepares for reading the whole log again after an overflow.
    pub(crate) fn restart(&self) {
        self.invalidate_proof();
        self.has_overflowed.store(false, Ordering::Release);
    }

    pub(crate) fn set_floor(&self, floor: Timestamp) {
        self.floor.store(floor.as_millis(), Ordering::Release);
    }

    /// Notes that Redis has lost revocations.
    pub(crate) fn set_lost(&self) {
        self.has_redis_lost.store(true, Ordering::Relaxed);
    }

    /// Notes how long a test entry took.
    pub(crate) fn set_propagation(&self, took: Duration) {
        *self.propagation.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.clock.now().into()
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { at: Instant::now(), time: self.time() }
    }

    pub(crate) fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    pub(crate) async fn ready(&self) {
        // It fails only when the sender is gone, and `self` has the sender.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    pub(crate) fn state(&self) -> MirrorState {
        let age = self.age(self.time());
        let phase = match age {
            _ if self.has_redis_lost.load(Ordering::Relaxed) => MirrorPhase::Lost,
            _ if self.has_overflowed() => MirrorPhase::Full,
            None => MirrorPhase::Loading,
            Some(age) if age <= self.max_staleness => MirrorPhase::Fresh,
            Some(_) => MirrorPhase::Stale,
        };
        let propagation = *self.propagation.lock().unwrap_or_else(PoisonError::into_inner);
        MirrorState { phase, age, entries: self.set.len(), propagation }
    }
}

impl LocalMirror for Replica {
    fn merge_own(&self, revocation: &Revocation) {
        self.merge(revocation);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use testkit::ManualClock;

    use super::{calendar::SMALL_STEP, *};
    use crate::blocklist::{RevocationId, RevocationScope};

    const MINUTE: Duration = Duration::from_secs(60);

    fn token(name: &str) -> TokenIds {
        TokenIds::new(None, name, None).with_issue_time(Timestamp::from_millis(1000))
    }

    fn revoked(name: &str) -> Revocation {
        let until = Timestamp::from(SystemTime::now()) + 10 * MINUTE;
        Revocation::expiring_at(RevocationScope::Token, RevocationId::new(None, RevocationScope::Token, name), until)
    }

    fn replica(clock: &ManualClock, capacity: usize) -> Replica {
        Replica::new(&MirrorSettings::new().max_staleness(MINUTE).capacity(capacity), Arc::new(clock.as_fn()))
    }

    #[test]
    fn r68_without_a_proof_only_what_is_revoked_is_known() {
        let clock = ManualClock::new(SystemTime::now());
        let replica = replica(&clock, 10);
        replica.merge(&revoked("out"));
        let known = |name| replica.status(&token(name), replica.time());
        let refused = Some(Status::Revoked(RevocationScope::Token));
        let phase = || replica.state().phase();
        assert_eq!((known("out"), known("in"), phase()), (refused, None, MirrorPhase::Loading));
        replica.prove(replica.moment());
        assert_eq!((known("out"), known("in"), phase()), (refused, Some(Status::NotRevoked), MirrorPhase::Fresh));
        replica.set_floor(Timestamp::from_millis(1000));
        assert_eq!(known("in"), Some(Status::BeforeLoss));
        replica.invalidate_proof();
        assert_eq!((known("out"), known("in"), phase()), (refused, None, MirrorPhase::Loading));
        replica.set_lost();
        assert_eq!((known("out"), known("in"), phase()), (refused, None, MirrorPhase::Lost));
    }

    #[test]
    fn r68_a_proof_is_as_old_as_the_clock_says_that_says_more() {
        let clock = ManualClock::new(SystemTime::now());
        let replica = replica(&clock, 10);
        let Some(earlier) = Instant::now().checked_sub(2 * MINUTE) else { return };
        let replica = Replica { proof: Proof::none(earlier), ..replica };
        let fresh = || replica.status(&token("in"), replica.time()).is_some();
        let (now, long_ago) = (Instant::now(), earlier);
        let time = replica.time();
        let rows = [
            ("now", now, time, true),
            ("two minutes ago by the monotonic clock", long_ago, time, false),
            ("two minutes ago by the wall clock", now, Timestamp::from_millis(time.as_millis() - 120_000), false),
            ("a little later than now by the wall clock", now, time + SMALL_STEP, true),
            ("much later than now: the wall clock was set back", now, time + 2 * MINUTE, false),
            ("much later than now by one clock, long ago by the other", long_ago, time + 2 * MINUTE, false),
        ];
        for (name, at, time, expected) in rows {
            replica.prove(Moment { at, time });
            assert_eq!(fresh(), expected, "{name}");
        }
        replica.prove(replica.moment());
        let asked = |now| replica.status(&token("in"), now).is_some();
        let before = |age: Duration| Timestamp::from_millis(time.as_millis() - age.as_millis() as u64);
        assert!(asked(time + MINUTE) && asked(before(SMALL_STEP)), "the age is measured at the caller's time");
        assert!(!asked(time + MINUTE + Duration::from_millis(1)), "the proof is too old at that time");
        assert!(
            !asked(before(SMALL_STEP + Duration::from_millis(1))),
            "entries that were alive then may have been dropped"
        );
        clock.advance(MINUTE);
        assert!(fresh(), "as old as the bound allows");
        clock.advance(Duration::from_millis(1));
        assert!(!fresh() && replica.state().phase() == MirrorPhase::Stale);
    }

    #[test]
    fn r69_a_full_mirror_is_not_trusted_until_all_was_read_again() {
        let clock = ManualClock::new(SystemTime::now());
        let replica = replica(&clock, 1);
        replica.prove(replica.moment());
        replica.merge(&revoked("a"));
        assert_eq!(replica.status(&token("b"), replica.time()), Some(Status::NotRevoked));
        replica.merge(&revoked("b"));
        for name in ["b", "c"] {
            assert_eq!(replica.status(&token(name), replica.time()), None, "{name}");
        }
        assert_eq!(replica.status(&token("a"), replica.time()), Some(Status::Revoked(RevocationScope::Token)));
        let before = replica.age(replica.time());
        replica.prove(replica.moment());
        assert_eq!(replica.status(&token("b"), replica.time()), None, "no later proof counts while it is full");
        assert!(replica.age(replica.time()) >= before, "none is stored either: a check may have read the flag before");
        assert_eq!(replica.state().phase(), MirrorPhase::Full);
        assert!(!replica.can_restart(), "there is no room yet");
        replica.restart();
        assert_eq!(replica.status(&token("b"), replica.time()), None, "everything must be read first");
    }
}
