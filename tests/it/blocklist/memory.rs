//! `MemoryBlocklist`: the conformance suite and its own tests.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use testkit::at_millis;
use tower_jwt_blocklist::{
    MemoryBlocklist,
    blocklist::{
        Blocklist, Redemption, Revocation, RevocationId, RevocationScope, Revoke, RevokeError, Rotate, Rotation,
        Status, TokenIds,
    },
    clock::{Clock, SystemClock},
};

use crate::support::clock;

/// The list as a backend of the conformance suite.
#[cfg(feature = "conformance")]
pub(crate) mod suite {
    use testkit::ManualClock;
    use tower_jwt_blocklist::conformance::Backend;

    use super::*;

    pub(crate) struct Memory {
        list: MemoryBlocklist,
        clock: ManualClock,
    }

    impl Memory {
        pub(crate) fn start() -> Self {
            let clock = clock();
            Self { list: MemoryBlocklist::with_capacity_and_clock(1000, clock.as_fn()), clock }
        }
    }

    impl Backend for Memory {
        fn node(&self) -> impl Blocklist + Rotate + Clone {
            self.list.clone()
        }

        fn other_node(&self) -> impl Blocklist + Rotate + Clone {
            self.list.clone()
        }

        fn now(&self) -> SystemTime {
            self.clock.now()
        }

        async fn let_pass(&self, duration: Duration) {
            self.clock.advance(duration);
            // The list removes expired entries when something is stored, even something already
            // expired.
            let expired = Revocation::new(RevocationScope::Token, id("expired"), SystemTime::UNIX_EPOCH);
            self.list.revoke(&expired).await.unwrap();
        }

        async fn stored(&self) -> usize {
            self.list.len()
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(40);

fn id(name: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Token, name)
}

fn token(name: &str) -> TokenIds {
    TokenIds::new(None, name, None)
}

#[tokio::test]
async fn g7_a_full_memory_list_errs_and_drops_nothing() {
    let clock = clock();
    let list = MemoryBlocklist::with_capacity_and_clock(2, clock.as_fn());
    let until = |duration| clock.now() + duration;
    list.revoke(&Revocation::new(RevocationScope::Token, id("short"), until(MOMENT))).await.unwrap();
    list.revoke(&Revocation::new(RevocationScope::Token, id("long"), until(MINUTE))).await.unwrap();

    let third = Revocation::new(RevocationScope::Token, id("third"), until(MINUTE));
    assert_eq!(list.revoke(&third).await, Err(RevokeError::Full));
    for (name, expected) in [
        ("short", Status::Revoked(RevocationScope::Token)),
        ("long", Status::Revoked(RevocationScope::Token)),
        ("third", Status::NotRevoked),
    ] {
        assert_eq!(list.check(&token(name), SystemTime::now()).await, Ok(expected), "{name}");
    }
    // A full list still extends existing entries, and expired entries make room.
    list.revoke(&Revocation::new(RevocationScope::Token, id("long"), until(MINUTE * 2))).await.unwrap();
    clock.advance(MOMENT);
    list.revoke(&third).await.unwrap();
    assert_eq!(list.check(&token("third"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Token)));
}

#[test]
fn g1_a_memory_list_is_read_while_it_is_written() {
    let list = MemoryBlocklist::new();
    let until = SystemClock.now() + MINUTE;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let list = &list;
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // A reader that has seen an entry must keep seeing it while its expiry is extended.
            scope.spawn(move || {
                let mut seen = false;
                for _ in 0..20_000 {
                    let answer = runtime.block_on(list.check(&token("a"), SystemTime::now()));
                    let is_revoked = answer == Ok(Status::Revoked(RevocationScope::Token));
                    assert!(is_revoked || !seen, "reader {reader} saw the entry vanish");
                    seen |= is_revoked;
                }
            });
        }
        for number in 0..5_000 {
            let revocation = Revocation::new(RevocationScope::Token, id("a"), until + Duration::from_millis(number));
            runtime.block_on(list.revoke(&revocation)).unwrap();
        }
    });
    assert_eq!(list.len(), 1);
}

#[tokio::test]
async fn g7_a_full_memory_list_redeems_nothing_and_still_keeps_a_thief_out() {
    let clock = clock();
    let list = MemoryBlocklist::with_capacity_and_clock(1, clock.as_fn());
    let using = |name: &str, presented, successor| {
        let ids = TokenIds::new(None, name, Some(name));
        let until = clock.now() + MINUTE;
        let (session, now) = (ids.session().unwrap(), clock.now());
        let grace = Duration::ZERO;
        Redemption {
            ids,
            session,
            presented,
            token_id: None,
            successor,
            now,
            grace,
            kept_until: until,
            revoked_until: until,
        }
    };
    assert_eq!(list.rotate(&using("a", 0, 1)).await, Ok(Rotation::Rotated));
    assert_eq!(list.rotate(&using("b", 0, 2)).await, Err(RevokeError::Full));
    assert_eq!(list.rotate(&using("a", 1, 3)).await, Ok(Rotation::Rotated), "an existing session continues");
    assert_eq!(list.rotate(&using("a", 0, 4)).await, Ok(Rotation::Replayed));
    assert_eq!(list.rotate(&using("a", 2, 5)).await, Ok(Rotation::Revoked(RevocationScope::Session)));
    assert_eq!(list.len(), 1);
    clock.advance(MINUTE);
    assert_eq!(list.rotate(&using("b", 0, 2)).await, Ok(Rotation::Rotated), "the token was not consumed");
}

/// Threads that redeem one token while another logs its session out: every redemption must come
/// before the logout.
#[test]
fn g6_r58_in_memory_nothing_is_redeemed_after_a_logout() {
    for round in 0..300 {
        let list = MemoryBlocklist::new();
        let until = SystemClock.now() + MINUTE;
        let ids = TokenIds::new(None, "t", Some("s"));
        let (session, now, grace) = (ids.session().unwrap(), at_millis(1), MINUTE);
        let logged_out = AtomicBool::new(false);
        thread::scope(|scope| {
            for successor in 0..2 {
                let (list, logged_out) = (&list, &logged_out);
                let use_it = Redemption {
                    ids,
                    session,
                    presented: 0,
                    token_id: None,
                    successor,
                    now,
                    grace,
                    kept_until: until,
                    revoked_until: until,
                };
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                scope.spawn(move || {
                    loop {
                        let is_over = logged_out.load(Ordering::SeqCst);
                        let rotation = runtime.block_on(list.rotate(&use_it)).unwrap();
                        assert!(
                            !is_over || rotation == Rotation::Revoked(RevocationScope::Session),
                            "round {round}: {rotation:?}"
                        );
                        if is_over {
                            return;
                        }
                    }
                });
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(list.revoke(&Revocation::new(RevocationScope::Session, session, until))).unwrap();
            logged_out.store(true, Ordering::SeqCst);
        });
    }
}

#[test]
fn a_check_allocates_nothing() {
    let list = MemoryBlocklist::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let until = SystemClock.now() + MINUTE;
    runtime.block_on(list.revoke(&Revocation::new(RevocationScope::Token, id("a"), until))).unwrap();
    for ids in [token("a"), token("b")] {
        // The first check on a thread registers the thread with the list.
        drop(list.check(&ids, SystemTime::now()));
        let allocated = allocation_counter::measure(|| drop(list.check(&ids, SystemTime::now())));
        assert_eq!(allocated.count_total, 0);
    }
    let control = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1_u8))));
    assert_eq!(control.count_total, 1, "allocations are counted");
}
