//! The list in memory, under the suite and by itself.

use std::time::Duration;

use testkit::ManualClock;
use tower_jwt_blocklist::{
    Blocklist, Clock, MemoryBlocklist, Revocation, Revoke, RevokeError, Scope, Status, SystemClock, Timestamp,
};

use crate::{Backend, MINUTE, MOMENT, id, support::clock, token};

pub(crate) struct Memory {
    list: MemoryBlocklist,
    clock: ManualClock,
}

impl Memory {
    pub(crate) async fn start() -> Self {
        let clock = clock();
        Self { list: MemoryBlocklist::with_capacity_and_clock(1000, clock.as_fn()), clock }
    }
}

impl Backend for Memory {
    fn node(&self) -> impl Blocklist + Revoke + Clone {
        self.list.clone()
    }

    fn other_node(&self) -> impl Blocklist + Revoke + Clone {
        self.list.clone()
    }

    fn after(&self, duration: Duration) -> Timestamp {
        Timestamp::from(self.clock.now()) + duration
    }

    async fn let_pass(&self, duration: Duration) {
        self.clock.advance(duration);
        // What is over is cleared away by the next revocation, whatever it is.
        let over = Revocation::new(Scope::Token, id("over"), Timestamp::from_millis(0));
        self.list.revoke(&over).await.unwrap();
    }

    async fn stored(&self) -> usize {
        self.list.len()
    }
}

#[tokio::test]
async fn g7_a_full_memory_list_errs_and_drops_nothing() {
    let clock = clock();
    let list = MemoryBlocklist::with_capacity_and_clock(2, clock.as_fn());
    let until = |duration| Timestamp::from(clock.now()) + duration;
    list.revoke(&Revocation::new(Scope::Token, id("short"), until(MOMENT))).await.unwrap();
    list.revoke(&Revocation::new(Scope::Token, id("long"), until(MINUTE))).await.unwrap();

    let third = Revocation::new(Scope::Token, id("third"), until(MINUTE));
    assert_eq!(list.revoke(&third).await, Err(RevokeError::Full));
    for (name, expected) in [
        ("short", Status::Revoked(Scope::Token)),
        ("long", Status::Revoked(Scope::Token)),
        ("third", Status::NotRevoked),
    ] {
        assert_eq!(list.check(&token(name)).await, Ok(expected), "{name}");
    }
    // What is there can still be lengthened, and what is over makes room.
    list.revoke(&Revocation::new(Scope::Token, id("long"), until(MINUTE * 2))).await.unwrap();
    clock.advance(MOMENT);
    list.revoke(&third).await.unwrap();
    assert_eq!(list.check(&token("third")).await, Ok(Status::Revoked(Scope::Token)));
}

#[test]
fn g1_a_memory_list_is_read_while_it_is_written() {
    let list = MemoryBlocklist::new();
    let until = Timestamp::from(SystemClock.now()) + MINUTE;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let list = &list;
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // A reader that sees an entry must go on seeing it, while it is lengthened again and again.
            scope.spawn(move || {
                let mut seen = false;
                for _ in 0..20_000 {
                    let answer = runtime.block_on(list.check(&token("a")));
                    let is_revoked = answer == Ok(Status::Revoked(Scope::Token));
                    assert!(is_revoked || !seen, "reader {reader} saw the entry vanish");
                    seen |= is_revoked;
                }
            });
        }
        for number in 0..5_000 {
            let revocation = Revocation::new(Scope::Token, id("a"), until + Duration::from_millis(number));
            runtime.block_on(list.revoke(&revocation)).unwrap();
        }
    });
    assert_eq!(list.len(), 1);
}

#[test]
fn a_check_allocates_nothing() {
    let list = MemoryBlocklist::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let until = Timestamp::from(SystemClock.now()) + MINUTE;
    runtime.block_on(list.revoke(&Revocation::new(Scope::Token, id("a"), until))).unwrap();
    for ids in [token("a"), token("b")] {
        // The first check of a thread registers it with the list.
        drop(list.check(&ids));
        let allocated = allocation_counter::measure(|| drop(list.check(&ids)));
        assert_eq!(allocated.count_total, 0);
    }
    let control = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1_u8))));
    assert_eq!(control.count_total, 1, "allocations are counted");
}
