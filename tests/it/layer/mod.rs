//! The layer: its answers, its requirements, its manners as a tower service, and what it logs and counts.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod admission;
mod extractor;
mod leaks;
mod metrics;
mod outage;
mod routes;
mod service;
mod watch;
