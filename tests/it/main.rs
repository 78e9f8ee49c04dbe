//! The tests that need no server: verification, the layer, token sources, attacks, the cache, the
//! issuer and the in-memory blocklist. Three tests in `layer` (`leaks`, `metrics`, `outage`) start
//! a Redis behind the same layer.
//!
//! They share one process. Signature checks, allocations, metrics and logs are recorded per thread;
//! `support::log` installs one global subscriber, which keeps nothing. No test sets an environment
//! variable, and each listener takes a free port.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod blocklist;
mod issuer;
mod keys;
mod layer;
mod no_provider;
mod properties;
mod remote_keys;
mod rotation;
#[cfg(feature = "testing")]
mod testing;
mod token_cache;
mod verifier;
mod wire;
