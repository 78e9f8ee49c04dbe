//! A real Redis as seen by two processes, under the conformance suite. `tests/servers/redis` tests
//! the rest.

use std::time::{Duration, SystemTime};

use testkit::{RedisBinary, RedisServer};
use tower_jwt_blocklist::{
    RedisBlocklist,
    blocklist::{Blocklist, Rotate},
    conformance::Backend,
    redis::RedisSettings,
};

use crate::support::wait::eventually;

pub(crate) struct Redis {
    server: RedisServer,
    pub(crate) nodes: [RedisBlocklist; 2],
}

impl Redis {
    pub(crate) async fn start(binary: &RedisBinary) -> Self {
        let server = RedisServer::options().binary(binary).start().await;
        let settings = RedisSettings::from_url(&server.url()).unwrap();
        // The suite's tokens are from 1970.
        RedisBlocklist::initialize(settings.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
        let nodes = [
            RedisBlocklist::connect(settings.clone()).await.unwrap(),
            RedisBlocklist::connect(settings).await.unwrap(),
        ];
        Self { server, nodes }
    }
}

impl Redis {
    /// The number of entries, without those for the newest refresh tokens.
    pub(crate) async fn revocations(&self) -> usize {
        self.server.cli(&["KEYS", "{jwt}:[tsui]:*"]).await.lines().count()
    }
}

impl Backend for Redis {
    fn node(&self) -> impl Blocklist + Rotate + Clone {
        self.nodes[0].clone()
    }

    fn other_node(&self) -> impl Blocklist + Rotate + Clone {
        self.nodes[1].clone()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn let_pass(&self, duration: Duration) {
        let millis = duration.as_millis().to_string();
        self.server.cli(&["SET", "hourglass", "", "PX", &millis]).await;
        eventually("the hourglass runs out", async || self.server.cli(&["EXISTS", "hourglass"]).await == "0").await;
    }

    async fn stored(&self) -> usize {
        // Unlike DBSIZE, KEYS skips expired entries that have not been removed yet.
        self.server.cli(&["KEYS", "{jwt}:?:*"]).await.lines().count()
    }
}
