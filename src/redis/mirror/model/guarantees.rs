//! The guarantees, checked in every reachable world.

use super::{
    log::{BASE, Bits},
    world::{Epoch, MAX_STALENESS, Process, REVOCATIONS, World},
};

/// The broken guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// g2: a mirror is fresh, but lacks a revocation that was confirmed longer ago than the bound.
    Stale,
    /// g5: the epoch is open, but Redis lacks a revocation that a member on time holds.
    Lacking,
}

impl World {
    pub(super) fn broken(&self) -> Option<Broken> {
        if self.redis_lacks_what_a_member_holds() {
            return Some(Broken::Lacking);
        }
        let mirrors = self.processes.iter().filter(|process| process.is_up() && process.is_mirror);
        mirrors.into_iter().any(|mirror| self.is_stale(mirror)).then_some(Broken::Stale)
    }

    /// The revocations that living members on time hold and that were confirmed.
    fn held(&self) -> Bits {
        let confirmed = (0..REVOCATIONS).filter(|which| self.confirmed[*which].is_some());
        let confirmed = confirmed.fold(BASE, |bits, which| bits | 1 << which);
        let members = self.processes.iter().filter(|process| process.is_up() && !process.is_late);
        confirmed & members.fold(0, |bits, member| bits | member.replica)
    }

    fn redis_lacks_what_a_member_holds(&self) -> bool {
        let master = self.masters[usize::from(self.current)];
        let was_restored = matches!(master.epoch, Epoch::Open(epoch) if epoch > 0);
        was_restored && self.held() & !master.stored != 0
    }

    fn is_stale(&self, mirror: &Process) -> bool {
        let Some((proven, by)) = mirror.proven else { return false };
        if self.now - proven > MAX_STALENESS {
            return false;
        }
        let held = self.held();
        (0..REVOCATIONS).any(|which| {
            let bit = 1 << which;
            let is_due = self.confirmed[which].is_some_and(|at| self.now - at > MAX_STALENESS);
            // Only these may be unknown: what no living member has that was on time, and what only
            // the other master had confirmed, until the mirror hears of the loss.
            let may_be_lost = held & bit == 0;
            let is_elsewhere = mirror.epoch == 0 && self.reached[usize::from(by)] & bit == 0 && !mirror.was_told;
            is_due && mirror.replica & bit == 0 && !may_be_lost && !is_elsewhere
        })
    }
}
