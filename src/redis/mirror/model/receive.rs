//! A reply arrives, and the process decides on its next message.

use super::{
    log::{BASE, Bits, Position},
    way::Way,
    world::{Epoch, Master, Message, PATIENCE, PROCESSES, Process, State, World},
};

impl World {
    /// The reply to a query arrives at this process. `sent` is the tick of the query.
    pub(super) fn receive(&mut self, number: usize, found: Master, sent: u8, way: Way) {
        self.processes[number].message = Message::None;
        let proof = (if way == Way::DatedByReply { self.now } else { sent }, self.processes[number].master);
        match found.epoch {
            Epoch::Open(epoch) if epoch != self.processes[number].epoch || self.is_new(number) => {
                self.processes[number].follow(epoch, found, proof);
            }
            Epoch::Open(_) if self.processes[number].misses_its_position(found, way) => {
                self.processes[number].message = Message::Close(found.epoch);
            }
            Epoch::Open(_) => self.processes[number].read_on(found, proof),
            Epoch::Gone => {
                let process = &mut self.processes[number];
                if way == Way::NoEpochIsAProof && process.is_mirror {
                    process.proven = Some(proof);
                } else if process.is_complete() || !process.is_mirror {
                    process.message = Message::Close(found.epoch);
                }
            }
            Epoch::Closed(closing) if self.processes[number].restores == closing => {
                self.go_on_restoring(number, closing, found, way);
            }
            Epoch::Closed(closing) => self.help(number, closing, found, way),
        }
    }

    fn is_new(&self, number: usize) -> bool {
        self.processes[number].is_mirror && !self.processes[number].is_complete()
    }

    /// Step 6 or 7: the restorer has read its closed epoch.
    fn go_on_restoring(&mut self, number: usize, closing: u8, found: Master, way: Way) {
        let is_ready = self.is_ready(number, found, way);
        let process = &mut self.processes[number];
        let may_open = is_ready && (found.closing.has_bulk || way == Way::OpenedFirst);
        if may_open {
            process.message = Message::Open(closing);
        } else if !found.closing.has_bulk {
            process.answered = closing;
            process.message = Message::Bulk(closing, process.restorable(process.replica, way));
        }
    }

    /// Step 7: every other member has acknowledged, or has been silent for its patience.
    fn is_ready(&self, number: usize, found: Master, way: Way) -> bool {
        let closing = found.closing;
        let waited = self.now - closing.since;
        if waited > PATIENCE || way == Way::OpenedWithoutWaiting {
            return true;
        }
        if way == Way::SharedSign && closing.sign {
            return false;
        }
        (0..PROCESSES).filter(|other| *other != number && self.processes[*other].state != State::NotStarted).all(
            |other| {
                let has = |members: u8| members & 1 << other != 0;
                match way {
                    Way::SharedSign => has(closing.begun),
                    Way::SignExpires => has(closing.acknowledged) || has(closing.begun) && waited >= 1,
                    Way::OpenedWithoutTheWriter => has(closing.acknowledged) || !self.processes[other].is_mirror,
                    _ => has(closing.acknowledged),
                }
            },
        )
    }

    /// Step 5, 8 or 9: another member has closed the epoch.
    fn help(&mut self, number: usize, closing: u8, found: Master, way: Way) {
        let master = self.processes[number].master;
        let process = &mut self.processes[number];
        let Some(position) = found.closing.position else {
            if process.is_complete() {
                process.message = Message::Close(found.epoch);
            }
            return;
        };
        let holds = process.holds(position, way);
        if process.is_mirror && !holds {
            process.was_told = true;
            if way != Way::LossyMirrorTrusted {
                process.proven = None;
            }
        }
        if found.closing.is_expired && process.is_complete() {
            process.message = Message::Close(found.epoch);
            return;
        }
        if found.closing.acknowledged & 1 << number != 0 {
            return;
        }
        process.answered = closing;
        let after = if holds || way == Way::LineageNotChecked { process.log.after(position.id) } else { Bits::MAX };
        let bits = if process.is_mirror {
            process.restorable(process.replica & (after | process.own), way)
        } else {
            process.restorable(process.replica & process.own_after(position, way), way)
        };
        process.message = Message::Help(closing, bits & !BASE);
        let current = &mut self.masters[usize::from(master)];
        if current.epoch == Epoch::Closed(closing) && matches!(way, Way::SharedSign | Way::SignExpires) {
            current.closing.begun |= 1 << number;
            current.closing.sign = true;
        }
    }

    /// Whether a query would tell this process something. This only keeps the search small.
    pub(super) fn would_learn(&self, number: usize, way: Way) -> bool {
        let process = &self.processes[number];
        let found = self.masters[usize::from(process.master)];
        match found.epoch {
            Epoch::Gone if way == Way::NoEpochIsAProof => process.is_mirror,
            Epoch::Gone => process.is_complete() || !process.is_mirror,
            Epoch::Open(epoch) if epoch != process.epoch || self.is_new(number) => true,
            Epoch::Open(_) if process.misses_its_position(found, way) => true,
            Epoch::Open(_) if !process.is_mirror => false,
            Epoch::Open(_) => process.log != found.log || process.proven.is_none_or(|(at, _)| at < self.now),
            Epoch::Closed(closing) if process.restores == closing => {
                !found.closing.has_bulk || self.is_ready(number, found, way)
            }
            Epoch::Closed(_) => match found.closing.position {
                None => process.is_complete(),
                Some(_) if found.closing.is_expired && process.is_complete() => true,
                Some(_) => found.closing.acknowledged & 1 << number == 0,
            },
        }
    }
}

impl Process {
    fn holds(&self, position: Position, way: Way) -> bool {
        if way == Way::PositionWithoutDigest { self.log.holds_id(position) } else { self.log.holds(position) }
    }

    /// Step 3: the entry at the last known position is missing or another one.
    fn misses_its_position(&self, found: Master, way: Way) -> bool {
        let known = if self.is_mirror { Some(self.log.position()) } else { self.last };
        known.is_some_and(|known| match way {
            Way::PositionWithoutDigest => !found.log.holds_id(known),
            _ => !found.log.holds(known),
        })
    }

    fn restorable(&self, bits: Bits, way: Way) -> Bits {
        if way == Way::OwnNotRestored { bits & !self.own } else { bits }
    }

    /// A process without a mirror has no log, so it cannot hold a position. It writes everything.
    fn own_after(&self, position: Position, way: Way) -> Bits {
        if way != Way::OwnEntriesAreALog || !self.own_positions.contains(&Some(position)) {
            return Bits::MAX;
        }
        let later = |at: &Option<Position>| at.is_none_or(|at| at.id > position.id);
        (0..).zip(&self.own_positions).filter(|(_, at)| later(at)).fold(0, |bits, (which, _)| bits | 1 << which)
    }

    /// Reads on in the log of the epoch that it follows.
    fn read_on(&mut self, found: Master, proof: (u8, u8)) {
        if self.is_mirror {
            self.replica |= found.log.after(self.log.len());
            self.log.extend(found.log);
            self.own &= !self.log.after(0);
            self.proven = Some(proof);
        }
    }

    /// Step 10: it reads the new epoch, and writes what Redis lacks of its recent revocations.
    fn follow(&mut self, epoch: u8, found: Master, proof: (u8, u8)) {
        let missing = self.replica & !found.stored & !BASE;
        if missing == 0 {
            // A first reading from the old master answers nothing.
            self.is_late &= epoch == 0;
        } else {
            self.message = Message::Late(epoch, missing);
        }
        (self.epoch, self.answered, self.was_told) = (epoch, epoch, false);
        self.own &= !found.stored;
        if self.is_mirror {
            self.replica |= found.stored;
            (self.log, self.proven) = (found.log, Some(proof));
        } else {
            self.last = None;
        }
    }
}
