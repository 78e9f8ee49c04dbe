//! One state of the model: the masters, the processes, and the messages that are under way.

use super::log::{BASE, Bits, Log, Position};

pub(super) const PROCESSES: usize = 3;
pub(super) const REVOCATIONS: usize = 2;
/// The bound of staleness, in ticks.
pub(super) const MAX_STALENESS: u8 = 1;
/// The patience of each member, in ticks.
pub(super) const PATIENCE: u8 = 1;

/// The epoch's text in Redis. The number is the random id of a closed epoch, and of the open one
/// that came from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) enum Epoch {
    #[default]
    Gone,
    Open(u8),
    Closed(u8),
}

/// The rest of a closed epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Closing {
    pub(super) position: Option<Position>,
    pub(super) owner: u8,
    /// The tick of the closing.
    pub(super) since: u8,
    pub(super) is_expired: bool,
    pub(super) has_bulk: bool,
    /// The members that have acknowledged.
    pub(super) acknowledged: u8,
    /// Only for `SharedSign` and `SignExpires`: the members that have begun, and the sign.
    pub(super) begun: u8,
    pub(super) sign: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Master {
    pub(super) stored: Bits,
    pub(super) log: Log,
    pub(super) epoch: Epoch,
    pub(super) closing: Closing,
}

impl Master {
    /// Stores a revocation. Returns its position, if the log got a new entry.
    pub(super) fn store(&mut self, which: u8) -> Option<Position> {
        if self.stored & 1 << which != 0 {
            return None;
        }
        self.stored |= 1 << which;
        self.log.push(which);
        Some(self.log.position())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) enum State {
    NotStarted,
    #[default]
    Up,
    Dead,
}

/// The message of a feed or a heartbeat that is under way. A process has one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) enum Message {
    #[default]
    None,
    /// A reply: the state of the master, and the tick of the query.
    Reply(Master, u8),
    /// Compares with this epoch, and closes it.
    Close(Epoch),
    /// Writes recent revocations into this closed epoch, and acknowledges.
    Help(u8, Bits),
    /// Writes the bulk into this closed epoch.
    Bulk(u8, Bits),
    Open(u8),
    /// Writes recent revocations into this open epoch.
    Late(u8, Bits),
}

/// A revocation that a process has stored without a confirmation yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Storing {
    pub(super) which: u8,
    pub(super) master: u8,
    pub(super) position: Option<Position>,
    /// The closed epoch that the process had last answered when it sent the revocation.
    pub(super) answered: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Process {
    pub(super) state: State,
    pub(super) is_mirror: bool,
    /// The master that it is attached to.
    pub(super) master: u8,
    /// What its replica holds. Without a mirror: what it had confirmed.
    pub(super) replica: Bits,
    /// What it had confirmed and has not read from the log.
    pub(super) own: Bits,
    /// What the mirror has read of the log.
    pub(super) log: Log,
    /// Without a mirror: the positions of its own entries, of which the last is looked up.
    pub(super) own_positions: [Option<Position>; REVOCATIONS],
    pub(super) last: Option<Position>,
    /// The tick of the last proof, and the master that gave it.
    pub(super) proven: Option<(u8, u8)>,
    /// The open epoch that it follows.
    pub(super) epoch: u8,
    /// The last closed epoch that it has answered.
    pub(super) answered: u8,
    /// The closed epoch that it believes to be its own.
    pub(super) restores: u8,
    pub(super) message: Message,
    pub(super) storing: Option<Storing>,
    /// Seen from outside: it has read a closed epoch whose position it does not hold.
    pub(super) was_told: bool,
    /// Seen from outside: it has not answered for its patience.
    pub(super) is_late: bool,
}

impl Process {
    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// It has been complete once. Only such a mirror may close an epoch with its position.
    pub(super) fn is_complete(&self) -> bool {
        self.is_mirror && self.replica & BASE != 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) now: u8,
    pub(super) masters: [Master; 2],
    /// The master that clients find.
    pub(super) current: u8,
    pub(super) was_lost: bool,
    pub(super) closings: u8,
    pub(super) deaths: u8,
    /// The number of revocations that were begun.
    pub(super) begun: u8,
    /// The tick at which each revocation was confirmed.
    pub(super) confirmed: [Option<u8>; REVOCATIONS],
    /// Seen from outside: what each master was sent by clients or got by replication, before any
    /// restoration.
    pub(super) reached: [Bits; 2],
    pub(super) processes: [Process; PROCESSES],
}

/// What a search covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Redis is emptied, or fails over to a replica that lacks the tail of the log.
    pub(super) loss: Loss,
    pub(super) mirrors: u8,
    /// The process that is started later, if any.
    pub(super) starts_later: Option<usize>,
    /// The mirrors that have read a first revocation at the beginning, one bit each. Without any,
    /// the first revocation is still to come.
    pub(super) read_by: u8,
    /// The processes that revoke, one bit each.
    pub(super) revokers: u8,
    pub(super) revocations: u8,
    pub(super) last_tick: u8,
    pub(super) closings: u8,
    pub(super) deaths: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Emptied,
    FailedOver,
}

impl World {
    pub(super) fn new(scope: &Scope) -> Self {
        let mut processes = [Process::default(); PROCESSES];
        for (number, process) in processes.iter_mut().enumerate() {
            process.is_mirror = number < usize::from(scope.mirrors);
            if scope.starts_later == Some(number) {
                process.state = State::NotStarted;
            } else if process.is_mirror {
                (process.replica, process.proven) = (BASE, Some((0, 0)));
            }
        }
        let mut first = Master { stored: BASE, epoch: Epoch::Open(0), ..Master::default() };
        let mut confirmed = [None; REVOCATIONS];
        if scope.read_by != 0 {
            first.store(0);
            confirmed[0] = Some(0);
            for (_, mirror) in (0..).zip(&mut processes).filter(|(number, _)| scope.read_by & 1 << number != 0) {
                (mirror.replica, mirror.log) = (first.stored, first.log);
            }
        }
        let begun = u8::from(scope.read_by != 0);
        Self {
            now: 0,
            masters: [first, Master::default()],
            current: 0,
            was_lost: false,
            closings: 0,
            deaths: 0,
            begun,
            confirmed,
            reached: [begun, 0],
            processes,
        }
    }

    /// Makes worlds equal that differ only in how long ago something has expired, or in which of
    /// two alike mirrors is which.
    pub(super) fn forget_what_no_longer_matters(&mut self, scope: &Scope) {
        let oldest = |bound: u8| self.now.saturating_sub(bound + 1);
        let (stale, impatient) = (oldest(MAX_STALENESS), oldest(PATIENCE));
        for at in self.confirmed.iter_mut().flatten() {
            *at = stale.max(*at);
        }
        for master in &mut self.masters {
            master.closing.since = impatient.max(master.closing.since);
        }
        for process in &mut self.processes {
            process.proven = process.proven.filter(|(at, _)| *at > stale || *at == 0 && self.now <= MAX_STALENESS);
            if let Message::Reply(_, sent) = &mut process.message {
                *sent = stale.max(*sent);
            }
        }
        let is_alike = scope.revokers & 0b11 == 0;
        if is_alike && self.processes[1] < self.processes[0] {
            self.processes.swap(0, 1);
            for master in &mut self.masters {
                master.closing.swap_first_two();
            }
            for process in &mut self.processes {
                if let Message::Reply(master, _) = &mut process.message {
                    master.closing.swap_first_two();
                }
            }
        }
    }
}

impl Closing {
    fn swap_first_two(&mut self) {
        let swapped = |members: u8| members & !0b11 | (members & 1) << 1 | members >> 1 & 1;
        (self.acknowledged, self.begun) = (swapped(self.acknowledged), swapped(self.begun));
        // An open epoch has no owner.
        if self.position.is_some() && self.owner < 2 {
            self.owner = 1 - self.owner;
        }
    }
}
