//! What to do when Redis is not as it should be: choices whose default is the safe one.

use std::{num::NonZeroU8, time::Duration};

/// How many replicas have to acknowledge a revocation, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replicas {
    pub(crate) count: NonZeroU8,
    pub(crate) within: Duration,
}

/// What to do about a Redis that has lost revocations: it was emptied (`FLUSHALL`), came back without its data, is another database, or a
/// replica that was promoted before it had everything.
///
/// The first start on an empty Redis looks the same, and is treated the same, unless
/// [`RedisBlocklist::initialize`](crate::RedisBlocklist::initialize) was called before.
///
/// Where processes with a [`MirrorBlocklist`](crate::MirrorBlocklist) are alive, neither comes about: they put everything back. For up to two
/// seconds they are waited for, where it is known that there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// Refuse every token that was issued until the loss was noticed: any of them could have been revoked. People log in again, and
    /// all is well within seconds. Where it is a token's session that counts, its login must be later. The default.
    #[default]
    Floor,
    /// Answer [`Outage::Lost`](crate::Outage::Lost) (503) until somebody has restored the data or called
    /// [`RedisBlocklist::initialize`](crate::RedisBlocklist::initialize).
    Deny,
}

/// What to do about a Redis whose `maxmemory-policy` is not `noeviction`: short of memory it may forget a logout, after it has
/// said that it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eviction {
    /// Use it, and warn in the log at each connection. The default, for a Redis that others share and configure.
    #[default]
    Warned,
    /// Do not use it, nor one whose policy cannot be asked (the user needs `+info`).
    Refused,
}
