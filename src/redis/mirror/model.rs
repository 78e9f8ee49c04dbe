//! A model of the mirrors' protocol, searched exhaustively: two processes with a mirror each, a
//! Redis that is emptied once, crashes, and replies that take any time.
//!
//! The guarantees hold in every reachable world. The search also finds each of six mistakes that
//! are easy to make, so it is able to find one.

use std::collections::{HashSet, VecDeque};

const PROCESSES: usize = 2;
const LAST_TICK: u8 = 3;
/// The bound, in ticks.
const MAX_STALENESS: u8 = 1;

/// A set of revocations, one bit each.
type Bits = u8;
const REVOCATIONS: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Epoch {
    Gone,
    /// Begun by this process, and not open yet: entries are being restored into it.
    Closed(usize),
    Open(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Process {
    is_dead: bool,
    /// The revocations in its replica.
    replica: Bits,
    /// Those of the replica that it has stored itself and not read from Redis.
    own: Bits,
    /// The tick of its last proof.
    proven: Option<u8>,
    /// The epoch that it follows.
    epoch: u8,
    /// A reply that is under way: the revocations in Redis, the open epoch, and the tick of the
    /// query.
    reply: Option<(Bits, Option<u8>, u8)>,
    /// The revocation that it has stored without a confirmation yet, and whether it had restored
    /// its entries before.
    storing: Option<(usize, bool)>,
    has_restored: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    stored: Bits,
    epoch: Epoch,
    losses: u8,
    processes: [Process; PROCESSES],
    /// The tick at which each revocation was confirmed, and the process that has stored it.
    confirmed: [Option<(u8, usize)>; REVOCATIONS],
    /// The number of revocations that were begun.
    begun: usize,
}

/// The behavior of the mirrors: right in all points, or wrong in one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Right,
    /// Every reply is a proof, also from a Redis without an epoch.
    NoEpochIsAProof,
    /// A proof is dated by the reply, not by the query.
    DatedByReply,
    /// The epoch is opened before the entries are restored into it.
    OpenedFirst,
    /// The epoch is opened without waiting for the other mirrors.
    OpenedWithoutWaiting,
    /// Only the entries that were read from Redis are restored.
    OwnNotRestored,
    /// A confirmation counts although it arrives after the restoration, for an entry that was lost.
    LateConfirmationsCount,
}

impl World {
    fn new() -> Self {
        Self {
            now: 0,
            stored: 0,
            epoch: Epoch::Open(0),
            losses: 0,
            processes: [Process::default(); PROCESSES],
            confirmed: [None; REVOCATIONS],
            begun: 0,
        }
    }

    fn restore_entries(&mut self, number: usize, way: Way) {
        let process = &mut self.processes[number];
        let not_restored = if way == Way::OwnNotRestored { process.own } else { 0 };
        self.stored |= process.replica & !not_restored;
        process.has_restored = true;
    }

    /// The reply arrives at this process.
    fn receive(&mut self, number: usize, way: Way) {
        let process = &mut self.processes[number];
        let Some((found, epoch, asked)) = process.reply.take() else { return };
        let dated = if way == Way::DatedByReply { self.now } else { asked };
        match epoch {
            Some(epoch) => {
                process.replica |= found;
                process.own &= !found;
                (process.epoch, process.proven) = (epoch, Some(dated));
            }
            None if way == Way::NoEpochIsAProof => process.proven = Some(dated),
            None => self.restore(number, way),
        }
    }

    /// This process has noticed a loss.
    fn restore(&mut self, number: usize, way: Way) {
        if self.epoch == Epoch::Gone {
            self.epoch = Epoch::Closed(number);
        }
        let Epoch::Closed(owner) = self.epoch else { return };
        if way != Way::OpenedFirst {
            self.restore_entries(number, way);
        }
        let all_have_restored = self.processes.iter().all(|process| process.is_dead || process.has_restored);
        let is_ready = all_have_restored || matches!(way, Way::OpenedWithoutWaiting | Way::OpenedFirst);
        if (owner == number || self.processes[owner].is_dead) && is_ready {
            self.epoch = Epoch::Open(self.losses);
        }
    }

    fn next(&self, way: Way) -> Vec<World> {
        let mut worlds = Vec::new();
        let mut step = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            worlds.push(world);
        };
        if self.now < LAST_TICK {
            step(&|world| world.now += 1);
        }
        if self.losses == 0 {
            step(&|world| (world.stored, world.epoch, world.losses) = (0, Epoch::Gone, 1));
        }
        for number in 0..PROCESSES {
            let process = self.processes[number];
            if process.is_dead {
                continue;
            }
            if self.processes.iter().all(|process| !process.is_dead) {
                step(&|world| world.processes[number].is_dead = true);
            }
            match (process.storing, self.epoch) {
                (Some((which, had_restored)), epoch)
                    if had_restored != process.has_restored && way != Way::LateConfirmationsCount =>
                {
                    if matches!(epoch, Epoch::Open(_)) {
                        step(&|world| {
                            world.stored |= 1 << which;
                            world.processes[number].storing = Some((which, process.has_restored));
                        });
                    }
                }
                (Some((which, _)), _) => step(&|world| {
                    let process = &mut world.processes[number];
                    (process.replica, process.own) = (process.replica | 1 << which, process.own | 1 << which);
                    process.storing = None;
                    world.confirmed[which] = Some((world.now, number));
                }),
                (None, Epoch::Open(_)) if self.begun < REVOCATIONS => step(&|world| {
                    world.stored |= 1 << world.begun;
                    world.processes[number].storing = Some((world.begun, process.has_restored));
                    world.begun += 1;
                }),
                _ => {}
            }
            match process.reply {
                Some(_) => step(&|world| world.receive(number, way)),
                None => step(&|world| {
                    let epoch = if let Epoch::Open(epoch) = world.epoch { Some(epoch) } else { None };
                    world.processes[number].reply = Some((world.stored, epoch, world.now));
                }),
            }
        }
        worlds
    }

    /// Returns the guarantee that this world breaks, if any.
    fn broken(&self) -> Option<&'static str> {
        for (which, confirmed) in self.confirmed.iter().enumerate() {
            let Some((at, by)) = *confirmed else { continue };
            let alive = || self.processes.iter().filter(|process| !process.is_dead);
            let can_be_restored =
                !self.processes[by].is_dead || alive().any(|process| process.replica & 1 << which != 0);
            if !can_be_restored {
                // Only this may be lost: no mirror has read it, and the process that stored it is
                // gone.
                continue;
            }
            for process in alive() {
                let is_fresh = process.proven.is_some_and(|proven| self.now - proven <= MAX_STALENESS);
                if is_fresh && self.now - at > MAX_STALENESS && process.replica & 1 << which == 0 {
                    return Some("a mirror is fresh, but lacks a revocation older than the bound");
                }
            }
            if matches!(self.epoch, Epoch::Open(_)) && self.stored & 1 << which == 0 {
                return Some("the epoch is open, but Redis lacks a revocation that a mirror has");
            }
        }
        None
    }
}

fn search(way: Way) -> Result<usize, Box<(&'static str, World)>> {
    let (mut seen, mut queue) = (HashSet::from([World::new()]), VecDeque::from([World::new()]));
    while let Some(world) = queue.pop_front() {
        if let Some(what) = world.broken() {
            return Err(Box::new((what, world)));
        }
        for next in world.next(way) {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn g2_g5_in_every_way_it_can_go_nothing_is_trusted_that_lacks_a_revocation() {
    let worlds = search(Way::Right).unwrap_or_else(|broken| panic!("{broken:?}"));
    println!("{worlds} worlds");
    assert!(worlds > 10_000, "only {worlds} worlds: the search is broken");
}

/// The search can find a mistake. Otherwise the test above would prove nothing.
#[test]
fn mistakes_that_are_easily_made_are_found() {
    let stale = "a mirror is fresh, but lacks a revocation older than the bound";
    let lacking = "the epoch is open, but Redis lacks a revocation that a mirror has";
    for (way, expected) in [
        (Way::NoEpochIsAProof, stale),
        (Way::DatedByReply, stale),
        (Way::OpenedFirst, lacking),
        (Way::OpenedWithoutWaiting, lacking),
        (Way::OwnNotRestored, lacking),
        (Way::LateConfirmationsCount, lacking),
    ] {
        let (what, _) = *search(way).expect_err(expected);
        assert_eq!(what, expected);
    }
}
