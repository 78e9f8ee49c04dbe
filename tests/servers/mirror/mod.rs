//! `MirrorBlocklist` over a real Redis: which revocations it has, for how long it trusts them, and
//! how it restores them when Redis has lost them (guarantees G2 and G5).

mod failover;
mod faults;
mod history;
mod knows;
mod loss;
mod restoring;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use crate::support::wait::{eventually, soon};
use testkit::{FaultProxy, RedisServer, at_millis};
use tower_jwt_blocklist::{
    MirrorBlocklist, RedisBlocklist,
    blocklist::{Blocklist, Outage, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds},
    clock::{Clock, SystemClock},
    redis::{MirrorPhase, MirrorSettings, RedisSettings},
};

const MINUTE: Duration = Duration::from_secs(60);
const REVOKED: Result<Status, Outage> = Ok(Status::Revoked(RevocationScope::Session));
const NOT_REVOKED: Result<Status, Outage> = Ok(Status::NotRevoked);

/// One process, with its blocklist and its mirror.
#[derive(Clone)]
struct Node {
    redis: RedisBlocklist,
    mirror: MirrorBlocklist,
    clock: Arc<dyn Clock>,
}

impl Node {
    /// Starts a process, and waits until its mirror has read everything.
    async fn start(redis: RedisSettings, settings: MirrorSettings) -> Self {
        Self::start_with_clock(redis, settings, SystemClock).await
    }

    /// The process and its checks use this clock.
    async fn start_with_clock(redis: RedisSettings, settings: MirrorSettings, clock: impl Clock) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let of_process = Arc::clone(&clock);
        let redis = RedisBlocklist::connect(redis.clock(move || of_process.now())).await.unwrap();
        let mirror = MirrorBlocklist::start(redis.clone(), settings).unwrap();
        soon(mirror.ready()).await;
        Self { redis, mirror, clock }
    }

    async fn revoke(&self, session: &str) {
        self.redis.revoke(&logout(session)).await.unwrap();
    }

    async fn check(&self, session: &str) -> Result<Status, Outage> {
        soon(self.mirror.check(&token(session), self.clock.now())).await
    }

    /// The answer from memory, if the mirror has one.
    fn says(&self, session: &str) -> Option<Result<Status, Outage>> {
        let now = self.clock.now();
        match pin!(self.mirror.check(&token(session), now)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn phase(&self) -> MirrorPhase {
        self.mirror.state().phase()
    }

    async fn comes_to_be(&self, phase: MirrorPhase) {
        eventually(phase.as_str(), async || self.phase() == phase).await;
    }

    /// Waits until the mirror is proven to have everything that was revoked before this call.
    async fn catches_up(&self) {
        let called = std::time::Instant::now();
        eventually("the mirror catches up", async || {
            // Read first: a pause before the age is read can then only hide a proof, not feign one.
            let elapsed = called.elapsed();
            let state = self.mirror.state();
            state.phase() == MirrorPhase::Fresh && state.age().is_some_and(|age| age <= elapsed)
        })
        .await;
    }
}

use std::future::Future as _;

fn now() -> SystemTime {
    SystemClock.now()
}

/// A token of a login from before the test.
fn token(session: &str) -> TokenIds {
    TokenIds::new(None, "token", Some(session)).with_subject("ann").with_issued_at(at_millis(1000))
}

fn id(session: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Session, session)
}

fn logout(session: &str) -> Revocation {
    Revocation::new(RevocationScope::Session, id(session), now() + 10 * MINUTE)
}

fn to(server: &RedisServer) -> RedisSettings {
    RedisSettings::new("127.0.0.1", server.port())
}

fn through(proxy: &FaultProxy) -> RedisSettings {
    RedisSettings::new("127.0.0.1", proxy.addr().port())
}

/// Starts a Redis that accepts tokens from before the test.
async fn redis() -> RedisServer {
    let server = RedisServer::start().await;
    RedisBlocklist::initialize(to(&server), SystemTime::UNIX_EPOCH).await.unwrap();
    server
}

fn usual() -> MirrorSettings {
    MirrorSettings::new()
}

fn strict() -> MirrorSettings {
    MirrorSettings::new().max_staleness(Duration::from_millis(200))
}
