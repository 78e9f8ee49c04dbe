//! The tests that need no server: verification, the layer, token sources, attacks, the cache, the issuer, the memory list.
//! Three tests in `layer` (`leaks`, `metrics`, `outage`) put the same layer in front of a Redis and start one.
//!
//! None of them needs a process of its own. Signature checks and allocations are counted per thread. Metrics and logs are
//! recorded per thread too; `support::log` installs one global subscriber, which keeps nothing. No test sets an environment
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
