//! The protocol of mirrors, and every way it can go: two processes, each with a mirror, a Redis that is emptied once, crashes, and answers
//! that take their time. What is promised holds in all of them, and mistakes that are easily made are found.

use std::collections::{HashSet, VecDeque};

const PROCESSES: usize = 2;
const LAST_TICK: u8 = 3;
/// In ticks.
const MAX_STALENESS: u8 = 1;

/// A set of revocations: a bit each.
type Bits = u8;
const REVOCATIONS: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Epoch {
    Gone,
    /// By this process: it is being filled.
    Closed(usize),
    Open(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Process {
    is_dead: bool,
    held: Bits,
    /// Of these, those that it has revoked itself and not read.
    own: Bits,
    proven: Option<u8>,
    /// Which epoch it follows.
    epoch: u8,
    /// What Redis held when it was asked, which epoch that was, and when it was asked: on the way.
    answer: Option<(Bits, Option<u8>, u8)>,
    /// It has stored this one, before or after it helped, and did not get the confirmation yet.
    storing: Option<(usize, bool)>,
    has_helped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    stored: Bits,
    epoch: Epoch,
    losses: u8,
    processes: [Process; PROCESSES],
    /// When and by whom each was confirmed.
    confirmed: [Option<(u8, usize)>; REVOCATIONS],
    begun: usize,
}

/// How mirrors go about it, right in all points or wrong in one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Right,
    /// An answer is a proof, also from a Redis without an epoch.
    NoNewsIsGoodNews,
    /// A proof dates from the answer, not from the question.
    DatedByTheAnswer,
    /// The epoch is opened, and then filled.
    OpenedFirst,
    /// It is opened by whoever is ready first.
    NobodyIsWaitedFor,
    /// Only what was read from Redis is put back.
    OwnAreForgotten,
    /// A confirmation counts that comes after everything was put back, and is about what was lost.
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

    fn put_back(&mut self, number: usize, way: Way) {
        let process = &mut self.processes[number];
        let forgotten = if way == Way::OwnAreForgotten { process.own } else { 0 };
        self.stored |= process.held & !forgotten;
        process.has_helped = true;
    }

    /// The answer arrives.
    fn hear(&mut self, number: usize, way: Way) {
        let process = &mut self.processes[number];
        let Some((found, epoch, asked)) = process.answer.take() else { return };
        let as_of = if way == Way::DatedByTheAnswer { self.now } else { asked };
        match epoch {
            Some(epoch) => {
                process.held |= found;
                process.own &= !found;
                (process.epoch, process.proven) = (epoch, Some(as_of));
            }
            None if way == Way::NoNewsIsGoodNews => process.proven = Some(as_of),
            None => self.mend(number, way),
        }
    }

    /// The process has found out about a loss.
    fn mend(&mut self, number: usize, way: Way) {
        if self.epoch == Epoch::Gone {
            self.epoch = Epoch::Closed(number);
        }
        let Epoch::Closed(owner) = self.epoch else { return };
        if way != Way::OpenedFirst {
            self.put_back(number, way);
        }
        let all_have_helped = self.processes.iter().all(|process| process.is_dead || process.has_helped);
        let is_ready = all_have_helped || matches!(way, Way::NobodyIsWaitedFor | Way::OpenedFirst);
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
                (Some((which, had_helped)), epoch)
                    if had_helped != process.has_helped && way != Way::LateConfirmationsCount =>
                {
                    if matches!(epoch, Epoch::Open(_)) {
                        step(&|world| {
                            world.stored |= 1 << which;
                            world.processes[number].storing = Some((which, process.has_helped));
                        });
                    }
                }
                (Some((which, _)), _) => step(&|world| {
                    let process = &mut world.processes[number];
                    (process.held, process.own) = (process.held | 1 << which, process.own | 1 << which);
                    process.storing = None;
                    world.confirmed[which] = Some((world.now, number));
                }),
                (None, Epoch::Open(_)) if self.begun < REVOCATIONS => step(&|world| {
                    world.stored |= 1 << world.begun;
                    world.processes[number].storing = Some((world.begun, process.has_helped));
                    world.begun += 1;
                }),
                _ => {}
            }
            match process.answer {
                Some(_) => step(&|world| world.hear(number, way)),
                None => step(&|world| {
                    let epoch = if let Epoch::Open(epoch) = world.epoch { Some(epoch) } else { None };
                    world.processes[number].answer = Some((world.stored, epoch, world.now));
                }),
            }
        }
        worlds
    }

    /// What must never be, in words.
    fn broken(&self) -> Option<&'static str> {
        for (which, confirmed) in self.confirmed.iter().enumerate() {
            let Some((at, by)) = *confirmed else { continue };
            let alive = || self.processes.iter().filter(|process| !process.is_dead);
            let is_known = !self.processes[by].is_dead || alive().any(|process| process.held & 1 << which != 0);
            if !is_known {
                // The one thing that can be lost: nobody has read it, and whoever has revoked it is gone.
                continue;
            }
            for process in alive() {
                let is_fresh = process.proven.is_some_and(|proven| self.now - proven <= MAX_STALENESS);
                if is_fresh && self.now - at > MAX_STALENESS && process.held & 1 << which == 0 {
                    return Some("a mirror trusts itself, and does not know what was revoked long ago");
                }
            }
            if matches!(self.epoch, Epoch::Open(_)) && self.stored & 1 << which == 0 {
                return Some("Redis is trusted, and lacks what somebody holds");
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

/// The search finds what is broken: else it would prove nothing.
#[test]
fn mistakes_that_are_easily_made_are_found() {
    let stale = "a mirror trusts itself, and does not know what was revoked long ago";
    let lacking = "Redis is trusted, and lacks what somebody holds";
    for (way, expected) in [
        (Way::NoNewsIsGoodNews, stale),
        (Way::DatedByTheAnswer, stale),
        (Way::OpenedFirst, lacking),
        (Way::NobodyIsWaitedFor, lacking),
        (Way::OwnAreForgotten, lacking),
        (Way::LateConfirmationsCount, lacking),
    ] {
        let (what, _) = *search(way).expect_err(expected);
        assert_eq!(what, expected);
    }
}
