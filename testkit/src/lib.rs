//! The basis of this workspace's tests: real servers, a network that fails on demand, tokens minted
//! without the library under test, and a clock that only a test moves.
//!
//! All functions panic with a sentence instead of returning an error, because a test could only
//! unwrap it. All servers end with their owner, even if the test process is killed.

// One clock for this kit and for users of the library, which the kit does not depend on.
#[path = "../../src/testing/manual_clock.rs"]
mod clock;
mod locate;
mod patience;
mod port;
mod postgres;
mod process;
mod proxy;
mod random;
mod redis;
pub mod tokens;

pub use clock::ManualClock;
pub use postgres::PostgresServer;
pub use proxy::{FaultProxy, Traffic};
pub use redis::{
    ClusterOptions, RedisBinary, RedisCluster, RedisOptions, RedisServer, SentinelGroup, SentinelOptions,
    TlsCertificates, redis_versions,
};

/// The time this many milliseconds after the beginning of 1970.
pub fn at_millis(millis: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis)
}
