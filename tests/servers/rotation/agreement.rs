//! The memory list and Redis give the same answers: the script decides as the pure function does.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use proptest::{collection::vec, prelude::*};
use testkit::{ManualClock, RedisServer, at_millis};
use tokio::runtime::Runtime;
use tower_jwt_blocklist::{
    MemoryBlocklist, RedisBlocklist,
    blocklist::{Blocklist, Redemption, Revocation, RevocationId, RevocationScope, Revoke, Rotate, TokenIds},
    redis::RedisSettings,
};

use crate::support::clock;

/// One step, with one of two sessions of one subject.
#[derive(Debug, Clone)]
enum Step {
    Use {
        session: u8,
        presented: u32,
        token_id: Option<u8>,
        successor: u8,
        second: u64,
        grace: u64,
        knows_its_time: bool,
    },
    Revoke {
        scope: u8,
        session: u8,
        up_to: Option<u64>,
        but_for: Option<u8>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![6 => 0..4_u32, 1 => (u32::MAX - 2)..=u32::MAX];
    let token_id = proptest::option::weighted(0.8, 0..4_u8);
    let a_use = (0..2_u8, number, token_id, 0..4_u8, 0..4_u64, 0..3_u64, prop::bool::weighted(0.9)).prop_map(
        |(session, presented, token_id, successor, second, grace, knows_its_time)| Step::Use {
            session,
            presented,
            token_id,
            successor,
            second,
            grace,
            knows_its_time,
        },
    );
    let revocation = (0..4_u8, 0..2_u8, proptest::option::weighted(0.8, 0..4_u64), proptest::option::of(0..3_u8))
        .prop_map(|(scope, session, up_to, but_for)| Step::Revoke { scope, session, up_to, but_for });
    vec(prop_oneof![5 => a_use, 1 => revocation], 1..14)
}

/// The ids of one case. No two cases share an id.
struct Names {
    issuer: String,
    until: SystemTime,
}

impl Names {
    fn ids(&self, session: u8) -> TokenIds {
        let ids = TokenIds::new(Some(&self.issuer), &format!("token-{session}"), Some(&session_name(session)));
        ids.with_subject("ann")
    }

    fn session(&self, session: u8) -> RevocationId {
        RevocationId::new(Some(&self.issuer), RevocationScope::Session, &session_name(session))
    }

    fn revocation(&self, scope: u8, session: u8, up_to: Option<u64>, but_for: Option<u8>) -> Revocation {
        let ids = self.ids(session);
        let (scope, id) = ids.each().nth(scope.into()).unwrap();
        let revocation = Revocation::new(scope, id, self.until);
        let revocation = up_to.map_or(revocation, |second| revocation.issued_up_to(second_of(second)));
        but_for.map_or(revocation, |spared| revocation.except_session(self.session(spared)))
    }
}

fn session_name(session: u8) -> String {
    format!("session-{session}")
}

fn id_bits(id: u8) -> u128 {
    u128::from(id) << 90 | 7
}

/// Sessions begin in the second of their number.
fn second_of(second: u64) -> SystemTime {
    at_millis(second * 1000)
}

struct Stores {
    runtime: Runtime,
    _server: RedisServer,
    redis: RedisBlocklist,
    clock: ManualClock,
}

fn stores() -> &'static Stores {
    static STORES: OnceLock<Stores> = OnceLock::new();
    STORES.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let clock = clock();
        let (server, redis) = runtime.block_on(async {
            let server = RedisServer::start().await;
            let settings = RedisSettings::from_url(&server.url()).unwrap().clock(clock.as_fn());
            // The sequences begin in 1970.
            RedisBlocklist::initialize(settings.clone(), std::time::UNIX_EPOCH).await.unwrap();
            let redis = RedisBlocklist::connect(settings).await.unwrap();
            (server, redis)
        });
        Stores { runtime, _server: server, redis, clock }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r56_r58_memory_and_redis_agree_on_every_sequence(steps in steps()) {
        static CASE: AtomicU32 = AtomicU32::new(0);
        let Stores { runtime, redis, clock, .. } = stores();
        let memory = MemoryBlocklist::with_capacity_and_clock(100, clock.as_fn());
        let issuer = format!("case-{}", CASE.fetch_add(1, Ordering::Relaxed));
        let names = Names { issuer, until: clock.now() + Duration::from_secs(3600) };
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Revoke { scope, session, up_to, but_for } => {
                    let revocation = names.revocation(scope, session, up_to, but_for);
                    runtime.block_on(memory.revoke(&revocation)).unwrap();
                    runtime.block_on(redis.revoke(&revocation)).unwrap();
                }
                Step::Use { session, presented, token_id, successor, second, grace, knows_its_time } => {
                    let ids = names.ids(session);
                    let use_it = Redemption {
                        ids: if knows_its_time { ids.with_issued_at(second_of(session.into())) } else { ids },
                        session: names.session(session),
                        presented,
                        token_id: token_id.map(id_bits),
                        successor: id_bits(successor),
                        now: second_of(second),
                        grace: Duration::from_secs(grace),
                        kept_until: names.until,
                        revoked_until: names.until,
                    };
                    let in_memory = runtime.block_on(memory.rotate(&use_it)).unwrap();
                    let in_redis = runtime.block_on(redis.rotate(&use_it)).unwrap();
                    prop_assert_eq!(in_memory, in_redis, "step {}", number);
                }
            }
            for session in 0..2 {
                let ids = names.ids(session).with_issued_at(second_of(session.into()));
                let statuses = (runtime.block_on(memory.check(&ids, SystemTime::now())), runtime.block_on(redis.check(&ids, SystemTime::now())));
                prop_assert_eq!(statuses.0, statuses.1, "after step {}", number);
            }
        }
    }
}
