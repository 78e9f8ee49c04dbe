//! What a mirror holds, and how it knows that this is all there is.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    blocklist::{CutOff, Revocation, Status, TokenIds},
    clock::{Clock, Timestamp},
    redis::mirror::{
        calendar::SMALL,
        compact_set::LiveSet,
        settings::MirrorSettings,
        state::{MirrorPhase, MirrorState},
    },
};

/// So many of the process's own revocations are remembered in their order.
const RECENT: usize = 1024;

/// Shared by the feed, which adds to it, and by the checks, which read.
pub(crate) struct Replica {
    pub(crate) set: LiveSet,
    max_staleness: Duration,
    clock: Arc<dyn Clock>,
    started: Instant,
    /// The proof: when, by the monotonic clock (in nanoseconds since `started`) and by the time of day, everything was held that was
    /// revoked until then. [`NEVER`] before the first.
    ///
    /// Two clocks, because either alone can stand still or go back: the monotonic one while a machine is suspended, the other when it is
    /// set. A proof is as old as the clock says that says more.
    proven_at: AtomicU64,
    proven_at_time: AtomicU64,
    /// Of the epoch: what was issued up to here is refused. Zero refuses none.
    floor: AtomicU64,
    /// Something had no room. What is not found may then be missing.
    overflowed: AtomicBool,
    /// The store was found to have lost revocations, and has not been found whole since.
    lost: AtomicBool,
    own: Mutex<Own>,
    ready: watch::Sender<bool>,
}

const NEVER: u64 = u64::MAX;

/// What this process itself has stored.
#[derive(Default)]
struct Own {
    /// When each was confirmed.
    recent: VecDeque<(Instant, Revocation)>,
    /// Those up to here are in the Redis that the feed follows.
    verified: Option<Instant>,
    /// Whether one was dropped before it was verified.
    has_dropped: bool,
    propagation: Option<Duration>,
}

impl Own {
    fn is_verified(&self, confirmed: Instant) -> bool {
        self.verified.is_some_and(|verified| confirmed <= verified)
    }
}

/// There were more of them than are remembered.
#[derive(Debug)]
pub(crate) struct Forgotten;

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) time: Timestamp,
}

impl Moment {
    /// The earlier by each of the clocks.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), time: self.time.min(other.time) }
    }
}

impl Replica {
    pub(crate) fn new(settings: &MirrorSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            set: LiveSet::new(settings.capacity),
            max_staleness: settings.max_staleness,
            clock,
            started: Instant::now(),
            proven_at: AtomicU64::new(NEVER),
            proven_at_time: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            overflowed: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            own: Mutex::default(),
            ready: watch::Sender::new(false),
        }
    }

    /// The answer, if it is known: what is revoked always, the opposite only while it is proven.
    pub(crate) fn status(&self, ids: &TokenIds, now: Timestamp) -> Option<Status> {
        // First: what is looked up after it is at least as new as the proof.
        let is_fresh = self.is_fresh(now);
        if let Some(scope) = self.set.refused(ids) {
            return Some(Status::Revoked(scope));
        }
        if !is_fresh {
            return None;
        }
        let floor = Timestamp::from_millis(self.floor.load(Ordering::Acquire));
        let is_before_loss = floor > Timestamp::default() && CutOff::up_to(floor).refuses(ids);
        Some(if is_before_loss { Status::BeforeLoss } else { Status::NotRevoked })
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        // In this order: a proof that is seen after it was not full is of everything. The other way round, the proof could be of before
        // `begin_anew`, and the rest of after it.
        !self.has_overflowed() && self.age(now).is_some_and(|age| age <= self.max_staleness)
    }

    /// How old the proof is at this time of day; `None` before the first.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        let proven_at = self.proven_at.load(Ordering::Acquire);
        if proven_at == NEVER {
            return None;
        }
        let proven_at_time = Timestamp::from_millis(self.proven_at_time.load(Ordering::Acquire));
        // The clock was set back: what was over by it, and left out, may be alive again.
        if proven_at_time > now + SMALL {
            return None;
        }
        let since_start = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(NEVER);
        let by_time = now.since(proven_at_time);
        Some(Duration::from_nanos(since_start.saturating_sub(proven_at)).max(by_time))
    }

    /// Everything is held that was revoked until this moment, or was read and had no room.
    pub(crate) fn prove(&self, moment: Moment) {
        // What had no room is not held, so nothing is proven; a check that began before it overflowed would believe it.
        if !self.has_overflowed() {
            let since_start = moment.at.saturating_duration_since(self.started).as_nanos();
            self.proven_at_time.store(moment.time.as_millis(), Ordering::Release);
            self.proven_at.store(u64::try_from(since_start).unwrap_or(NEVER), Ordering::Release);
        }
        self.lost.store(false, Ordering::Relaxed);
        self.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    /// Forgets the proof: something that was held may be missing.
    pub(crate) fn doubt(&self) {
        self.proven_at.store(NEVER, Ordering::Release);
    }

    pub(crate) fn merge(&self, revocation: &Revocation) {
        if self.set.merge(revocation).is_err() && !self.overflowed.swap(true, Ordering::AcqRel) {
            tracing::warn!("the mirror is full: checks go to Redis itself until there is room; raise its capacity");
        }
    }

    /// A revocation that this process itself has stored.
    pub(crate) fn merge_own(&self, revocation: &Revocation) {
        self.merge(revocation);
        let mut own = self.own();
        if own.recent.len() == RECENT {
            let dropped = own.recent.pop_front();
            own.has_dropped |= dropped.is_some_and(|(confirmed, _)| !own.is_verified(confirmed));
        }
        own.recent.push_back((Instant::now(), *revocation));
    }

    pub(crate) fn recent(&self) -> Vec<Revocation> {
        self.own().recent.iter().map(|(_, revocation)| *revocation).collect()
    }

    /// The process's own, confirmed up to this moment and not yet verified; or that these are not all.
    pub(crate) fn unverified(&self, until: Instant) -> Result<Vec<Revocation>, Forgotten> {
        let mut own = self.own();
        if std::mem::take(&mut own.has_dropped) {
            return Err(Forgotten);
        }
        let is_due = |(confirmed, _): &&(Instant, Revocation)| *confirmed <= until && !own.is_verified(*confirmed);
        Ok(own.recent.iter().filter(is_due).map(|(_, revocation)| *revocation).collect())
    }

    pub(crate) fn verified(&self, until: Instant) {
        self.own().verified = Some(until);
    }

    /// Whether something had no room.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }

    /// To be called before everything is read again, now that there is room.
    pub(crate) fn begin_anew(&self) {
        self.doubt();
        self.overflowed.store(false, Ordering::Release);
    }

    pub(crate) fn set_floor(&self, floor: Timestamp) {
        self.floor.store(floor.as_millis(), Ordering::Release);
    }

    pub(crate) fn set_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn propagated(&self, within: Duration) {
        self.own().propagation = Some(within);
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
        // The sender is here, so it cannot be gone.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    pub(crate) fn state(&self) -> MirrorState {
        let age = self.age(self.time());
        let phase = match age {
            _ if self.lost.load(Ordering::Relaxed) => MirrorPhase::Lost,
            _ if self.has_overflowed() => MirrorPhase::Full,
            None => MirrorPhase::Loading,
            Some(age) if age <= self.max_staleness => MirrorPhase::Fresh,
            Some(_) => MirrorPhase::Stale,
        };
        MirrorState { phase, age, entries: self.set.len(), propagation: self.own().propagation }
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use testkit::ManualClock;

    use super::*;
    use crate::blocklist::{RevocationId, RevocationScope};

    const MINUTE: Duration = Duration::from_secs(60);

    fn token(name: &str) -> TokenIds {
        TokenIds::new(None, name, None).with_issue_time(Timestamp::from_millis(1000))
    }

    fn revoked(name: &str) -> Revocation {
        let until = SystemTime::now() + 10 * MINUTE;
        Revocation::new(RevocationScope::Token, RevocationId::new(None, RevocationScope::Token, name), until)
    }

    fn holding(clock: &ManualClock, capacity: usize) -> Replica {
        Replica::new(&MirrorSettings::new().max_staleness(MINUTE).capacity(capacity), Arc::new(clock.as_fn()))
    }

    #[test]
    fn r68_without_a_proof_only_what_is_revoked_is_known() {
        let clock = ManualClock::new(SystemTime::now());
        let holding = holding(&clock, 10);
        holding.merge(&revoked("out"));
        let known = |name| holding.status(&token(name), holding.time());
        let refused = Some(Status::Revoked(RevocationScope::Token));
        let phase = || holding.state().phase();
        assert_eq!((known("out"), known("in"), phase()), (refused, None, MirrorPhase::Loading));
        holding.prove(holding.moment());
        assert_eq!((known("out"), known("in"), phase()), (refused, Some(Status::NotRevoked), MirrorPhase::Fresh));
        holding.set_floor(Timestamp::from_millis(1000));
        assert_eq!(known("in"), Some(Status::BeforeLoss));
        holding.doubt();
        assert_eq!((known("out"), known("in"), phase()), (refused, None, MirrorPhase::Loading));
        holding.set_lost();
        assert_eq!((known("out"), known("in"), phase()), (refused, None, MirrorPhase::Lost));
    }

    #[test]
    fn r68_a_proof_is_as_old_as_the_clock_says_that_says_more() {
        let clock = ManualClock::new(SystemTime::now());
        let holding = holding(&clock, 10);
        let Some(earlier) = Instant::now().checked_sub(2 * MINUTE) else { return };
        let holding = Replica { started: earlier, ..holding };
        let fresh = || holding.status(&token("in"), holding.time()).is_some();
        let (now, long_ago) = (Instant::now(), earlier);
        let time = holding.time();
        let rows = [
            ("just now", now, time, true),
            ("by the monotonic clock two minutes ago", long_ago, time, false),
            ("by the time of day two minutes ago", now, Timestamp::from_millis(time.as_millis() - 120_000), false),
            ("by the time of day a little later than now", now, time + SMALL, true),
            ("by the time of day much later than now: it was set back", now, time + 2 * MINUTE, false),
            ("later than now, and long ago", long_ago, time + 2 * MINUTE, false),
        ];
        for (name, at, time, expected) in rows {
            holding.prove(Moment { at, time });
            assert_eq!(fresh(), expected, "{name}");
        }
        holding.prove(holding.moment());
        let asked = |now| holding.status(&token("in"), now).is_some();
        let before = |age: Duration| Timestamp::from_millis(time.as_millis() - age.as_millis() as u64);
        assert!(asked(time + MINUTE) && asked(before(SMALL)), "the caller's time of day counts");
        assert!(!asked(time + MINUTE + Duration::from_millis(1)), "nothing was proven so late");
        assert!(!asked(before(SMALL + Duration::from_millis(1))), "what was alive so early may be forgotten");
        clock.advance(MINUTE);
        assert!(fresh(), "exactly the bound");
        clock.advance(Duration::from_millis(1));
        assert!(!fresh() && holding.state().phase() == MirrorPhase::Stale);
    }

    #[test]
    fn r69_a_full_mirror_is_not_trusted_until_all_was_read_again() {
        let clock = ManualClock::new(SystemTime::now());
        let holding = holding(&clock, 1);
        holding.prove(holding.moment());
        holding.merge(&revoked("a"));
        assert_eq!(holding.status(&token("b"), holding.time()), Some(Status::NotRevoked));
        holding.merge(&revoked("b"));
        for name in ["b", "c"] {
            assert_eq!(holding.status(&token(name), holding.time()), None, "{name}");
        }
        assert_eq!(holding.status(&token("a"), holding.time()), Some(Status::Revoked(RevocationScope::Token)));
        let before = holding.age(holding.time());
        holding.prove(holding.moment());
        assert_eq!(holding.status(&token("b"), holding.time()), None, "no proof makes up for it");
        assert!(
            holding.age(holding.time()) >= before,
            "and none is stored, for a check that looked before it was full"
        );
        assert_eq!(holding.state().phase(), MirrorPhase::Full);
        holding.begin_anew();
        assert_eq!(holding.status(&token("b"), holding.time()), None, "it has to be read first");
    }
}
