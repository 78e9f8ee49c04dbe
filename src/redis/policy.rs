//! Policies for a Redis that has lost data or may lose some. Each default is the safe choice that
//! keeps a service running.

/// The reaction to a Redis that has lost revocations.
///
/// Redis has lost revocations when it was emptied (`FLUSHALL`), restarted without its data, is
/// another database, or is a replica that was promoted before it had received everything. The first
/// start on an empty Redis looks the same and is treated the same, unless
/// [`RedisBlocklist::initialize`](crate::RedisBlocklist::initialize) was called before.
///
/// While a process with a [`MirrorBlocklist`](crate::MirrorBlocklist) is alive, neither variant
/// takes effect: the mirrors restore everything. Other processes wait a second for a mirror to
/// begin. If they know of mirrors, they wait as long as the slowest of these may need: its
/// [`max_staleness`](crate::redis::MirrorSettings::max_staleness), or longer on a slow link, and at
/// most 10 seconds. Checks and revocations are outages meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnLoss {
    /// Rejects every token issued before the loss was noticed, because any of them could have been
    /// revoked. Users log in again, and the service recovers within seconds. A token of a session
    /// is accepted only if its login is later than the loss. The default.
    #[default]
    Floor,
    /// Answers [`Outage::Lost`](crate::blocklist::Outage::Lost) (503) until an operator restores
    /// the data or calls [`RedisBlocklist::initialize`](crate::RedisBlocklist::initialize).
    Deny,
}

/// The reaction to a Redis whose `maxmemory-policy` is not `noeviction`.
///
/// When such a Redis runs short of memory, it may forget a logout that it has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Eviction {
    /// Uses it, and logs a warning at each connection. The default, because others often share and
    /// configure the Redis.
    #[default]
    Warned,
    /// Rejects it, and also a Redis whose policy cannot be read (the user needs `+info`).
    Rejected,
}
