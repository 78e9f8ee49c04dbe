//! Two processes' mirrors of one Redis, under the suite. What only mirrors do is in `tests/servers/mirror`.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use testkit::RedisBinary;
use tower_jwt_blocklist::{
    Blocklist, CutOffFuture, Lookup, MirrorBlocklist, MirrorPhase, MirrorSettings, Redemption, Revocation, Revoke,
    RevokeFuture, Rotate, RotateFuture, Timestamp, TokenIds,
};

use super::{conformance::Backend, redis::Redis};
use crate::support::wait::{eventually, soon};

pub(crate) struct Mirror {
    redis: Redis,
    mirrors: [MirrorBlocklist; 2],
    changed: Changed,
}

/// When each of the two last revoked something.
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

/// Asks a mirror, and tells Redis.
#[derive(Clone)]
struct Node<T> {
    tell: T,
    ask: MirrorBlocklist,
    changed: Changed,
    number: usize,
}

impl<T: Send + Sync + 'static> Blocklist for Node<T> {
    fn check(&self, ids: &TokenIds) -> Lookup {
        // What it has revoked itself is known at once; what the other has, when that is proven.
        let (mirror, ids, changed) = (self.ask.clone(), *ids, *self.changed[1 - self.number].lock().unwrap());
        Lookup::waiting(async move {
            let is_proven = || {
                let state = mirror.state();
                state.phase() == MirrorPhase::Fresh && state.age().is_some_and(|age| age <= changed.elapsed())
            };
            while !is_proven() {
                assert!(changed.elapsed() < Duration::from_secs(30), "it is never proven that nothing is missing");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            mirror.check(&ids).await
        })
    }
}

impl<T: Revoke> Revoke for Node<T> {
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move {
            let outcome = self.tell.revoke(revocation).await;
            *self.changed[self.number].lock().unwrap() = Instant::now();
            outcome
        })
    }

    fn cut_off<'a>(&'a self, ids: &'a TokenIds) -> CutOffFuture<'a> {
        self.tell.cut_off(ids)
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

    fn after(&self, duration: Duration) -> Timestamp {
        self.redis.after(duration)
    }

    async fn let_pass(&self, duration: Duration) {
        self.redis.let_pass(duration).await;
        eventually("what is over is forgotten", async || {
            self.mirrors[0].state().entries() == self.redis.revocations().await
        })
        .await;
    }

    async fn stored(&self) -> usize {
        self.redis.stored().await
    }
}
