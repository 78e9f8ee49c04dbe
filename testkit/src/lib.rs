//! What this workspace's tests stand on: real servers, a network that fails on demand, tokens made without the library
//! under test, and a clock that only a test moves.
//!
//! Everything here panics with a sentence instead of returning an error: a test has nothing better to do with one. And
//! everything ends with its owner, also when the test process is killed.

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
