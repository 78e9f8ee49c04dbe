//! The tests with real servers: Redis alone, behind sentinels, in a cluster, and behind a proxy
//! that breaks connections.
//!
//! Each test starts its own servers on free ports, so all run as threads of one process. Logs are
//! recorded per thread.
#![cfg(feature = "redis")]

#[path = "../support/mod.rs"]
mod support;

mod blocklist;
mod mirror;
mod redis;
mod rotation;
