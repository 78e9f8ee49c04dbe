//! A model of `docs/restoration.md`, searched exhaustively within the bounds of each [`Scope`].
//!
//! Three processes, each a mirror or a process that revokes without one, run against a Redis that is
//! emptied, or fails over to a replica that lacks the tail of the log. The old master lives on after a
//! failover: a process may stay attached to it, and have revocations confirmed by it. Both masters
//! issue the same ids. Messages and replies take any time, members die or are silent, and claims
//! expire while the restorer lives.
//!
//! | step of `docs/restoration.md` | in the model |
//! |---|---|
//! | 1, 2 | every process that was started is in the roster, also while Redis lacks it |
//! | 3 | `Process::misses_its_position`, and the arms of `World::receive` |
//! | 4 | `Message::Close`; `World::accepts_revocations` |
//! | 5 | `World::help`, then `Message::Help` |
//! | 6 | `World::go_on_restoring`, then `Message::Bulk` |
//! | 7 | `World::is_ready`, then `Message::Open`; `World::tick` decides who is late |
//! | 8 | `Closing::is_expired`, then `Message::Close` |
//! | 9 | `World::help`: `proven` becomes `None` |
//! | 10, 11 | `Process::follow`, then `Message::Late` |
//! | 12 | `Storing::answered` |
//!
//! The model does not have the end of recent revocations after 90 s, a second loss, a process that the
//! restorer's roster lacks, or the floor of a process that knows no mirror.
//!
//! The guarantees hold in every reachable world. The search also finds each of many planted mistakes,
//! so it is able to find one.

mod fingerprint;
mod guarantees;
mod log;
mod receive;
mod steps;
mod way;
mod world;

use std::collections::{HashSet, VecDeque};

use fingerprint::fingerprint;
use guarantees::Broken::{self, Lacking, Stale};
use way::Way;
use world::{Loss, Scope, World};

/// Two mirrors, and a process without one that revokes.
const EMPTIED: Scope = Scope {
    loss: Loss::Emptied,
    mirrors: 2,
    starts_later: None,
    read_by: 0,
    revokers: 0b100,
    revocations: 1,
    last_tick: 2,
    closings: 2,
    deaths: 0,
};
const EMPTIED_AND_DEATH: Scope = Scope { deaths: 1, ..EMPTIED };
/// Two of three mirrors have read a revocation.
const THREE_MIRRORS: Scope = Scope { mirrors: 3, read_by: 0b101, revokers: 0, ..EMPTIED };
const FAILED_OVER: Scope = Scope { loss: Loss::FailedOver, last_tick: 3, ..EMPTIED };
/// Two revocations, which the masters may give the same id.
const SAME_ID: Scope = Scope { revocations: 2, last_tick: 0, ..FAILED_OVER };
/// A mirror has read one revocation, and another mirror revokes.
const SAME_ID_READ: Scope = Scope { read_by: 0b1, revokers: 0b10, ..SAME_ID };
/// The third mirror starts at any time, also after the failover.
const LATE_START: Scope =
    Scope { mirrors: 3, starts_later: Some(2), read_by: 0b1, revokers: 0, last_tick: 2, ..FAILED_OVER };

/// Returns the number of reachable worlds, or the first one that breaks a guarantee.
fn search(scope: &Scope, way: Way) -> Result<usize, Box<(Broken, World)>> {
    let first = World::new(scope);
    let (mut seen, mut queue) = (HashSet::from([fingerprint(&first)]), VecDeque::from([first]));
    let mut found = Vec::new();
    while let Some(world) = queue.pop_front() {
        if let Some(what) = world.broken() {
            return Err(Box::new((what, world)));
        }
        world.next(scope, way, &mut found);
        for next in found.drain(..) {
            if seen.insert(fingerprint(&next)) {
                queue.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

fn assert_that_nothing_breaks(scope: &Scope, at_least: usize) {
    let worlds = search(scope, Way::Right).unwrap_or_else(|broken| panic!("{broken:?}"));
    println!("{worlds} worlds");
    assert!(worlds > at_least, "only {worlds} worlds: the search is broken");
}

fn assert_that_all_are_found(mistakes: &[(Way, Scope, Broken)]) {
    for (way, scope, expected) in mistakes {
        match search(scope, *way) {
            Ok(worlds) => panic!("{way:?} is not found in {worlds} worlds"),
            Err(broken) => assert_eq!(broken.0, *expected, "{way:?}: {broken:?}"),
        }
    }
}

#[test]
fn g2_g5_an_emptied_redis_gets_back_every_revocation_of_a_member_on_time() {
    assert_that_nothing_breaks(&EMPTIED, 200_000);
}

#[test]
fn g2_g5_a_death_during_a_restoration_loses_nothing_that_others_hold() {
    assert_that_nothing_breaks(&EMPTIED_AND_DEATH, 300_000);
}

#[test]
fn g2_g5_a_mirror_that_takes_over_with_an_earlier_position_loses_nothing() {
    assert_that_nothing_breaks(&Scope { closings: 3, ..THREE_MIRRORS }, 600_000);
}

#[test]
fn g2_g5_a_failover_loses_no_revocation_of_a_member_on_time() {
    assert_that_nothing_breaks(&Scope { last_tick: 2, ..FAILED_OVER }, 100_000);
}

#[test]
fn g2_g5_two_masters_that_issue_the_same_id_lose_nothing() {
    assert_that_nothing_breaks(&SAME_ID, 25_000);
    assert_that_nothing_breaks(&SAME_ID_READ, 20_000);
}

#[test]
fn g2_g5_a_mirror_that_starts_from_a_lossy_log_is_not_trusted_after_the_loss_is_known() {
    assert_that_nothing_breaks(&LATE_START, 250_000);
}

/// The search can find a mistake. Otherwise the tests above would prove nothing.
#[test]
fn g2_mistakes_about_trust_are_found() {
    assert_that_all_are_found(&[
        (Way::NoEpochIsAProof, EMPTIED, Stale),
        (Way::DatedByReply, FAILED_OVER, Stale),
        (Way::PositionWithoutDigest, Scope { last_tick: 2, ..SAME_ID_READ }, Stale),
        (Way::LossyMirrorTrusted, LATE_START, Stale),
    ]);
}

#[test]
fn g5_mistakes_about_waiting_are_found() {
    assert_that_all_are_found(&[
        (Way::OpenedFirst, EMPTIED, Lacking),
        (Way::OpenedWithoutWaiting, EMPTIED, Lacking),
        (Way::OpenedWithoutTheWriter, EMPTIED, Lacking),
        (Way::SharedSign, EMPTIED, Lacking),
        (Way::SignExpires, Scope { last_tick: 1, ..EMPTIED }, Lacking),
        (Way::AcknowledgementsSurvive, THREE_MIRRORS, Lacking),
    ]);
}

#[test]
fn g5_mistakes_about_entries_and_claims_are_found() {
    assert_that_all_are_found(&[
        (Way::OwnNotRestored, SAME_ID_READ, Lacking),
        (Way::LateConfirmationsCount, SAME_ID_READ, Lacking),
        (Way::LineageNotChecked, SAME_ID_READ, Lacking),
        (Way::OwnEntriesAreALog, SAME_ID, Lacking),
        (Way::LoserRestores, THREE_MIRRORS, Lacking),
        (Way::LoserOpens, EMPTIED, Lacking),
        (Way::OpenedBlindly, EMPTIED, Lacking),
    ]);
}
