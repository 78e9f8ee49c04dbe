//! Real Redis or Valkey servers: single, behind sentinels, or in a cluster.

mod binary;
mod cluster;
mod options;
mod reply;
mod sentinel;
mod server;
mod tls;

pub use binary::{RedisBinary, redis_versions};
pub use cluster::{ClusterOptions, RedisCluster};
pub use options::RedisOptions;
pub use sentinel::{SentinelGroup, SentinelOptions};
pub use server::RedisServer;
pub use tls::TlsCertificates;
