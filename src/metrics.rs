//! What is counted. With the feature `metrics` it goes to the facade of that name, and from there to whatever recorder the program
//! has installed; without the feature nothing is counted, and no clock is read.
//!
//! Every label is one of a closed set of words of this crate: none holds text of a token, an id or an address.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `jwt_blocklist_checks_total` | counter | `expected`, `outcome` | decided requests: `admitted`, `admitted_unchecked` (an `OutagePolicy` let it through), `anonymous` and `preflight` (let through without a token), or the `Rejection::reason` |
//! | `jwt_blocklist_token_cache_total` | counter | `outcome` | genuine tokens at a layer with a token cache: `hit`, seen before, or `miss`, verified in full |
//! | `jwt_blocklist_outages_total` | counter | `reason` | checks to which the blocklist had no answer, whatever became of the request |
//! | `jwt_blocklist_store_seconds` | histogram | | how long a check waited for the store; one that is answered at once is not in it |
//! | `jwt_blocklist_redials_total` | counter | | connections to Redis that were made in the background, after a loss or a lazy start |
//! | `jwt_blocklist_replays_total` | counter | | refresh tokens that were used again after their grace: sessions that were revoked for it |
//! | `jwt_blocklist_losses_total` | counter | | times that Redis was found to have lost revocations |
//! | `jwt_blocklist_batch_size` | histogram | | checks that shared one round trip to Redis |
//! | `jwt_blocklist_acks_missed_total` | counter | | revocations that too few replicas of Redis confirmed |
//! | `jwt_blocklist_mirror_state` | gauge | `state` | of `loading`, `fresh`, `stale`, `full` and `lost`, the one that the mirror is in is 1 |
//! | `jwt_blocklist_mirror_age_seconds` | gauge | | how long ago it was last proven that the mirror holds everything |
//! | `jwt_blocklist_mirror_entries` | gauge | | revocations that the mirror holds |
//! | `jwt_blocklist_mirror_bypassed_total` | counter | | checks that the mirror did not answer by itself, and that went to Redis |
//! | `jwt_blocklist_mirror_resyncs_total` | counter | | times that the mirror began to read everything, the first included |
//! | `jwt_blocklist_mirror_put_back_total` | counter | | revocations that were missing in Redis, and that the mirror has written again |
//! | `jwt_blocklist_mirror_propagation_seconds` | histogram | | how long a test entry took through Redis, at start and each minute |
//! | `jwt_blocklist_revocations_total` | counter | `scope`, `outcome` | revocations: `stored`, or why not: `full`, or the reason of the outage |
//! | `jwt_blocklist_key_fetches_total` | counter | `outcome` | fetches of published keys: `changed`, `unchanged`, or why not: `connection`, `timed_out`, `status`, `too_long`, `content`, `issuer`, `no_key` |

/// A request was decided, by a layer or by a guard alone.
pub(crate) fn checked(expected: &'static str, outcome: &'static str) {
    count("jwt_blocklist_checks_total", [("expected", expected), ("outcome", outcome)]);
}

/// A genuine token was found among those that were verified before, or was not.
pub(crate) fn token_cache(outcome: &'static str) {
    count("jwt_blocklist_token_cache_total", [("outcome", outcome)]);
}

/// A check got no answer.
pub(crate) fn unanswered(reason: &'static str) {
    count("jwt_blocklist_outages_total", [("reason", reason)]);
}

/// A check that had to wait for the store has its answer, or has given up.
pub(crate) fn waited(since: Stopwatch) {
    observe("jwt_blocklist_store_seconds", since);
}

/// A connection was made in the background.
#[cfg(feature = "redis")]
pub(crate) fn redialled() {
    count("jwt_blocklist_redials_total", []);
}

/// A refresh token turned out to be in two hands.
pub(crate) fn replayed() {
    count("jwt_blocklist_replays_total", []);
}

/// The store has lost revocations.
#[cfg(feature = "redis")]
pub(crate) fn lost() {
    count("jwt_blocklist_losses_total", []);
}

/// So many checks shared a round trip.
#[cfg(feature = "redis")]
pub(crate) fn batched(checks: usize) {
    record("jwt_blocklist_batch_size", checks as f64);
}

/// Too few replicas confirmed a revocation.
#[cfg(feature = "redis")]
pub(crate) fn ack_missed() {
    count("jwt_blocklist_acks_missed_total", []);
}

/// A mirror could not answer by itself.
#[cfg(feature = "redis")]
pub(crate) fn bypassed() {
    count("jwt_blocklist_mirror_bypassed_total", []);
}

/// A mirror begins to read everything.
#[cfg(feature = "redis")]
pub(crate) fn resynced() {
    count("jwt_blocklist_mirror_resyncs_total", []);
}

/// A mirror has written what Redis had lost.
#[cfg(feature = "redis")]
pub(crate) fn put_back(entries: usize) {
    add("jwt_blocklist_mirror_put_back_total", entries);
}

/// A test entry has come back.
#[cfg(feature = "redis")]
pub(crate) fn propagated(within: std::time::Duration) {
    record("jwt_blocklist_mirror_propagation_seconds", within.as_secs_f64());
}

/// How a mirror is: of all phases, the present one is 1.
#[cfg(feature = "redis")]
pub(crate) fn mirror(
    phases: impl IntoIterator<Item = (&'static str, bool)>,
    age: Option<std::time::Duration>,
    entries: usize,
) {
    for (phase, is_present) in phases {
        set("jwt_blocklist_mirror_state", [("state", phase)], f64::from(u8::from(is_present)));
    }
    if let Some(age) = age {
        set("jwt_blocklist_mirror_age_seconds", [], age.as_secs_f64());
    }
    set("jwt_blocklist_mirror_entries", [], entries as f64);
}

/// A revocation was stored, or was not.
pub(crate) fn revoked(scope: &'static str, outcome: &'static str) {
    count("jwt_blocklist_revocations_total", [("scope", scope), ("outcome", outcome)]);
}

/// Somebody else's keys were fetched, or could not be.
#[cfg(feature = "jwks")]
pub(crate) fn keys_fetched(outcome: &'static str) {
    count("jwt_blocklist_key_fetches_total", [("outcome", outcome)]);
}

/// When something began. Nothing at all without the feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(#[cfg(feature = "metrics")] std::time::Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(
            #[cfg(feature = "metrics")]
            std::time::Instant::now(),
        )
    }
}

type Label = (&'static str, &'static str);

#[cfg(feature = "metrics")]
fn count<const N: usize>(name: &'static str, labels: [Label; N]) {
    metrics::counter!(name, &labels).increment(1);
}

#[cfg(feature = "metrics")]
fn observe(name: &'static str, since: Stopwatch) {
    metrics::histogram!(name).record(since.0.elapsed());
}

#[cfg(all(feature = "metrics", feature = "redis"))]
fn record(name: &'static str, amount: f64) {
    metrics::histogram!(name).record(amount);
}

#[cfg(all(not(feature = "metrics"), feature = "redis"))]
fn record(_: &'static str, _: f64) {}

#[cfg(all(feature = "metrics", feature = "redis"))]
fn add(name: &'static str, amount: usize) {
    metrics::counter!(name).increment(amount as u64);
}

#[cfg(all(not(feature = "metrics"), feature = "redis"))]
fn add(_: &'static str, _: usize) {}

#[cfg(all(feature = "metrics", feature = "redis"))]
fn set<const N: usize>(name: &'static str, labels: [Label; N], value: f64) {
    metrics::gauge!(name, &labels).set(value);
}

#[cfg(all(not(feature = "metrics"), feature = "redis"))]
fn set<const N: usize>(_: &'static str, _: [Label; N], _: f64) {}

#[cfg(not(feature = "metrics"))]
fn count<const N: usize>(_: &'static str, _: [Label; N]) {}

#[cfg(not(feature = "metrics"))]
fn observe(_: &'static str, _: Stopwatch) {}
