//! The metrics of this crate: one function for each.
//!
//! With the feature `metrics` they go to the facade of that name, and from there to the recorder
//! that the program has installed. Without it nothing is counted, and no clock is read. The table
//! of all metrics is in `docs/observability.md`, and a test compares it with this file.
//!
//! Every label is one of a closed set of words: none holds text of a token, an id or an address.

#![cfg_attr(not(all(feature = "redis", feature = "jwks")), allow(dead_code, reason = "some are of one feature only"))]

use std::time::Duration;

pub(crate) use facade::Stopwatch;
use facade::{add, record, set};

/// Counts a request that a layer, or a guard alone, has decided.
pub(crate) fn checked(expected: &'static str, outcome: &'static str) {
    add("jwt_blocklist_checks_total", [("expected", expected), ("outcome", outcome)], 1);
}

/// Counts a valid token that was found in the token cache, or was not.
pub(crate) fn token_cache(outcome: &'static str) {
    add("jwt_blocklist_token_cache_total", [("outcome", outcome)], 1);
}

/// Counts a check without an answer.
pub(crate) fn unanswered(reason: &'static str) {
    add("jwt_blocklist_outages_total", [("reason", reason)], 1);
}

/// Records how long a check waited for the store, until it had an answer or gave up.
pub(crate) fn waited(since: Stopwatch) {
    record("jwt_blocklist_store_seconds", since.elapsed());
}

/// Counts a connection that was made in the background.
pub(crate) fn redialed() {
    add("jwt_blocklist_redials_total", [], 1);
}

/// Counts a refresh token that was used again after its grace.
pub(crate) fn replayed() {
    add("jwt_blocklist_replays_total", [], 1);
}

/// Counts a loss of revocations in the store.
pub(crate) fn lost() {
    add("jwt_blocklist_losses_total", [], 1);
}

/// Records how many checks shared a round trip.
pub(crate) fn batched(checks: usize) {
    record("jwt_blocklist_batch_size", checks as f64);
}

/// Counts a revocation that too few replicas confirmed.
pub(crate) fn ack_missed() {
    add("jwt_blocklist_acks_missed_total", [], 1);
}

/// Counts a check that a mirror passed on to Redis.
pub(crate) fn bypassed() {
    add("jwt_blocklist_mirror_bypassed_total", [], 1);
}

/// Counts a mirror that begins to read everything.
pub(crate) fn resynced() {
    add("jwt_blocklist_mirror_resyncs_total", [], 1);
}

/// Counts entries that a mirror has restored in Redis.
pub(crate) fn put_back(entries: usize) {
    add("jwt_blocklist_mirror_put_back_total", [], entries as u64);
}

/// Records how long a test entry took through Redis.
pub(crate) fn propagated(within: Duration) {
    record("jwt_blocklist_mirror_propagation_seconds", within);
}

/// Sets the gauges of a mirror: of all phases, the present one is 1.
pub(crate) fn mirror(phases: impl IntoIterator<Item = (&'static str, bool)>, age: Option<Duration>, entries: usize) {
    for (phase, is_present) in phases {
        set("jwt_blocklist_mirror_state", [("state", phase)], f64::from(u8::from(is_present)));
    }
    if let Some(age) = age {
        set("jwt_blocklist_mirror_age_seconds", [], age.as_secs_f64());
    }
    set("jwt_blocklist_mirror_entries", [], entries as f64);
}

/// Counts a revocation that was stored, or was not.
pub(crate) fn revoked(scope: &'static str, outcome: &'static str) {
    add("jwt_blocklist_revocations_total", [("scope", scope), ("outcome", outcome)], 1);
}

/// Counts a fetch of published keys.
pub(crate) fn keys_fetched(outcome: &'static str) {
    add("jwt_blocklist_key_fetches_total", [("outcome", outcome)], 1);
}

#[cfg(feature = "metrics")]
mod facade {
    use std::time::{Duration, Instant};

    /// A start time; zero-sized without the feature.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Stopwatch(Instant);

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }

        pub(super) fn elapsed(self) -> Duration {
            self.0.elapsed()
        }
    }

    pub(super) fn add<const N: usize>(name: &'static str, labels: [(&'static str, &'static str); N], amount: u64) {
        metrics::counter!(name, &labels).increment(amount);
    }

    pub(super) fn record(name: &'static str, value: impl metrics::IntoF64) {
        metrics::histogram!(name).record(value);
    }

    pub(super) fn set<const N: usize>(name: &'static str, labels: [(&'static str, &'static str); N], value: f64) {
        metrics::gauge!(name, &labels).set(value);
    }
}

/// The same interface, and nothing behind it.
#[cfg(not(feature = "metrics"))]
mod facade {
    use std::time::Duration;

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Stopwatch;

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(super) fn elapsed(self) -> Duration {
            Duration::ZERO
        }
    }

    pub(super) fn add<const N: usize>(_: &'static str, _: [(&'static str, &'static str); N], _: u64) {}

    pub(super) fn record<T>(_: &'static str, _: T) {}

    pub(super) fn set<const N: usize>(_: &'static str, _: [(&'static str, &'static str); N], _: f64) {}
}
