//! Two processes' mirrors of one Redis, under the conformance suite. `tests/servers/mirror` tests
//! the rest.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use testkit::RedisBinary;
use tower_jwt_blocklist::{
    MirrorBlocklist,
    blocklist::{
        Blocklist, CutOffFuture, Lookup, Redemption, Revocation, RevocationId, Revoke, RevokeFuture, Rotate,
        RotateFuture, TokenIds,
    },
    conformance::Backend,
    redis::{MirrorPhase, MirrorSettings},
};

use super::redis::Redis;
use crate::support::wait::{eventually, soon};

pub(crate) struct Mirror {
    redis: Redis,
    mirrors: [MirrorBlocklist; 2],
    changed: Changed,
}

/// The time of each process's last revocation.
type Changed = Arc<[Mutex<Instant>; 2]>;

impl Mirror {
    pub(crate) async fn start(binary: &RedisBinary) -> Self {
        let redis = Redis::start(binary).await;
        let settings = MirrorSettings::new().max_staleness(Duration::from_millis(200));
        let mirrors =
            redis.nodes.each_ref().map(|node| MirrorBlocklist::start(node.clone(), settings.clone()).unwrap());
        for mirror in &mirrors {
            soon(mirror.ready()).await;
        }
        Self { redis, mirrors, changed: Arc::new([(); 2].map(|()| Mutex::new(Instant::now()))) }
    }
}

/// Queries a mirror, and writes to Redis.
#[derive(Clone)]
struct Node<T> {
    tell: T,
    ask: MirrorBlocklist,
    changed: Changed,
    number: usize,
}

impl<T: Send + Sync + 'static> Blocklist for Node<T> {
    fn check(&self, ids: &TokenIds, _now: SystemTime) -> Lookup {
        // A mirror knows its own revocations at once, and the other's once it is proven to be
        // complete.
        let (mirror, ids, changed) = (self.ask.clone(), *ids, *self.changed[1 - self.number].lock().unwrap());
        Lookup::waiting(async move {
            let is_proven = || {
                // Read first: a pause before the age is read can then only hide a proof, not feign one.
                let elapsed = changed.elapsed();
                let state = mirror.state();
                state.phase() == MirrorPhase::Fresh && state.age().is_some_and(|age| age <= elapsed)
            };
            while !is_proven() {
                assert!(changed.elapsed() < Duration::from_secs(30), "the mirror never became complete");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            mirror.check(&ids, SystemTime::now()).await
        })
    }
}

impl<T: Revoke> Revoke for Node<T> {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move {
            let outcome = self.tell.store(revocation).await;
            *self.changed[self.number].lock().unwrap() = Instant::now();
            outcome
        })
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        self.tell.cut_off(issuer, subject)
    }
}

impl<T: Rotate> Rotate for Node<T> {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        Box::pin(async move {
            let outcome = self.tell.rotate(redemption).await;
            *self.changed[self.number].lock().unwrap() = Instant::now();
            outcome
        })
    }
}

impl Backend for Mirror {
    fn node(&self) -> impl Blocklist + Rotate + Clone {
        let (tell, changed) = (self.redis.node(), Arc::clone(&self.changed));
        Node { tell, ask: self.mirrors[0].clone(), changed, number: 0 }
    }

    fn other_node(&self) -> impl Blocklist + Rotate + Clone {
        let (tell, changed) = (self.redis.other_node(), Arc::clone(&self.changed));
        Node { tell, ask: self.mirrors[1].clone(), changed, number: 1 }
    }

    fn now(&self) -> SystemTime {
        self.redis.now()
    }

    async fn let_pass(&self, duration: Duration) {
        self.redis.let_pass(duration).await;
        eventually("expired entries are removed", async || {
            self.mirrors[0].state().entries() == self.redis.revocations().await
        })
        .await;
    }

    async fn stored(&self) -> usize {
        self.redis.stored().await
    }
}
