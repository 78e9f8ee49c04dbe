//! The layer: its responses, requirements, behavior as a tower service, logs and metrics.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod admission;
mod extractor;
mod leaks;
mod metrics;
mod outage;
mod routes;
mod service;
mod watch;
