//! All steps that are possible in a world.

use super::{
    log::Position,
    way::Way,
    world::{Closing, Epoch, Loss, Master, Message, PATIENCE, PROCESSES, Scope, State, Storing, World},
};

impl World {
    pub(super) fn next(&self, scope: &Scope, way: Way, found: &mut Vec<World>) {
        let mut step = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            world.forget_what_no_longer_matters(scope);
            found.push(world);
        };
        if self.now < scope.last_tick {
            step(&|world| world.tick());
        }
        if !self.was_lost {
            match scope.loss {
                Loss::Emptied => step(&|world| {
                    world.was_lost = true;
                    world.masters[0] = Master::default();
                }),
                Loss::FailedOver => {
                    (0..=self.masters[0].log.len()).for_each(|entries| step(&|world| world.fail_over(entries)))
                }
            }
        }
        let current = self.masters[usize::from(self.current)];
        let is_claimed = matches!(current.epoch, Epoch::Closed(_)) && current.closing.position.is_some();
        if is_claimed && !current.closing.is_expired && self.closings < scope.closings {
            step(&|world| world.masters[usize::from(world.current)].closing.is_expired = true);
        }
        for number in 0..PROCESSES {
            let process = self.processes[number];
            match process.state {
                State::Dead => continue,
                State::NotStarted => {
                    step(&|world| {
                        let process = &mut world.processes[number];
                        (process.state, process.master) = (State::Up, world.current);
                    });
                    continue;
                }
                State::Up => {}
            }
            if self.deaths < scope.deaths && self.was_lost {
                step(&|world| {
                    world.deaths += 1;
                    // Nothing of it matters any more, except that the others may wait for it.
                    let dead = &mut world.processes[number];
                    (dead.state, dead.message, dead.storing) = (State::Dead, Message::None, None);
                    (dead.replica, dead.own, dead.proven, dead.last) = (0, 0, None, None);
                    (dead.epoch, dead.answered, dead.restores, dead.log) = Default::default();
                    (dead.was_told, dead.is_late, dead.own_positions) = Default::default();
                });
            }
            if process.master != self.current {
                step(&|world| {
                    world.processes[number].master = world.current;
                    world.processes[number].message = Message::None;
                });
            }
            match process.storing {
                Some(storing) if storing.answered == process.answered || way == Way::LateConfirmationsCount => {
                    step(&|world| world.confirm(number, storing, way));
                }
                Some(storing) if self.accepts_revocations(number) => {
                    step(&|world| world.send_revocation(number, storing.which));
                }
                None if self.begun < scope.revocations
                    && scope.revokers & 1 << number != 0
                    && self.accepts_revocations(number) =>
                {
                    step(&|world| {
                        world.begun += 1;
                        world.send_revocation(number, self.begun);
                    });
                }
                _ => {}
            }
            match process.message {
                Message::None if !self.would_learn(number, way) => {}
                Message::None => step(&|world| {
                    let master = world.masters[usize::from(process.master)];
                    // Without an open epoch the reply leads to a message that compares the epoch.
                    // Only that message is slow, for a slow reply would do no more.
                    match master.epoch {
                        Epoch::Open(_) => world.processes[number].message = Message::Reply(master, world.now),
                        _ => world.receive(number, master, world.now, way),
                    }
                }),
                Message::Reply(master, sent) => step(&|world| world.receive(number, master, sent, way)),
                // The bound of the search.
                Message::Close(_) if self.closings == scope.closings => {}
                message => step(&|world| world.execute(number, message, way)),
            }
        }
    }

    /// Members that are silent for longer than their patience are late from here on.
    fn tick(&mut self) {
        self.now += 1;
        let Master { epoch, closing, .. } = self.masters[usize::from(self.current)];
        if matches!(epoch, Epoch::Closed(_)) && self.now - closing.since > PATIENCE {
            for (number, process) in self.processes.iter_mut().enumerate() {
                let is_owner = usize::from(closing.owner) == number;
                process.is_late |= process.is_up() && !is_owner && closing.acknowledged & 1 << number == 0;
            }
        }
    }

    /// A replica that has only so many entries of the log becomes the master.
    fn fail_over(&mut self, entries: u8) {
        let old = self.masters[0];
        let log = old.log.first(entries);
        let lost = old.log.after(entries);
        self.masters[1] = Master { log, stored: old.stored & !lost, ..old };
        (self.current, self.was_lost, self.reached[1]) = (1, true, log.after(0));
    }

    /// Step 4: a revocation in a closed epoch is an outage.
    fn accepts_revocations(&self, number: usize) -> bool {
        matches!(self.masters[usize::from(self.processes[number].master)].epoch, Epoch::Open(_))
    }

    fn send_revocation(&mut self, number: usize, which: u8) {
        let process = &mut self.processes[number];
        let master = usize::from(process.master);
        let position = self.masters[master].store(which);
        self.reached[master] |= 1 << which;
        process.storing = Some(Storing { which, master: process.master, position, answered: process.answered });
    }

    fn confirm(&mut self, number: usize, storing: Storing, way: Way) {
        let process = &mut self.processes[number];
        let bit = 1 << storing.which;
        process.storing = None;
        process.replica |= bit;
        process.own |= bit & !process.log.after(0);
        if !process.is_mirror {
            if way == Way::OwnEntriesAreALog {
                process.own_positions[usize::from(storing.which)] = storing.position;
            }
            process.last = storing.position.or(process.last);
        }
        self.confirmed[usize::from(storing.which)].get_or_insert(self.now);
    }

    /// The message arrives at the master. Every write compares the whole text of the epoch.
    fn execute(&mut self, number: usize, message: Message, way: Way) {
        let process = &mut self.processes[number];
        process.message = Message::None;
        let master = &mut self.masters[usize::from(process.master)];
        match message {
            Message::None | Message::Reply(..) => {}
            Message::Close(expected) if master.epoch == expected => {
                self.closings += 1;
                master.epoch = Epoch::Closed(self.closings);
                let acknowledged = if way == Way::AcknowledgementsSurvive { master.closing.acknowledged } else { 0 };
                let position: Option<Position> = process.is_mirror.then(|| process.log.position());
                let (owner, since) = (number as u8, self.now);
                master.closing = Closing { position, owner, since, acknowledged, ..Closing::default() };
                if process.is_mirror {
                    process.restores = self.closings;
                }
                self.processes.iter_mut().for_each(|process| process.is_late = false);
            }
            Message::Close(_) => match master.epoch {
                Epoch::Closed(closing) if way == Way::LoserRestores && process.is_mirror => {
                    process.restores = closing;
                }
                Epoch::Closed(closing) if way == Way::LoserOpens && !process.is_mirror => {
                    process.message = Message::Open(closing);
                }
                _ => {}
            },
            Message::Help(closing, bits) if master.epoch == Epoch::Closed(closing) => {
                master.stored |= bits;
                master.closing.acknowledged |= 1 << number;
                master.closing.sign = false;
            }
            Message::Bulk(closing, bits) if master.epoch == Epoch::Closed(closing) => {
                master.stored |= bits;
                master.closing.has_bulk = true;
            }
            Message::Open(closing) => {
                let is_closed = matches!(master.epoch, Epoch::Closed(_)) && way == Way::OpenedBlindly;
                if master.epoch == Epoch::Closed(closing) || is_closed {
                    (master.epoch, master.closing) = (Epoch::Open(closing), Closing::default());
                }
            }
            Message::Late(epoch, bits) if master.epoch == Epoch::Open(epoch) => {
                process.is_late = false;
                for which in (0..).take(self.confirmed.len()).filter(|which| bits & 1 << which != 0) {
                    if master.store(which).is_some() {
                        // Stored again, by a member that was too late for the restoration.
                        self.confirmed[usize::from(which)] = Some(self.now);
                    }
                }
            }
            Message::Help(..) | Message::Bulk(..) | Message::Late(..) => {}
        }
    }
}
