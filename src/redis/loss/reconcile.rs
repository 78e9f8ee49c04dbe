//! Compares revocations with the entries in Redis, and writes those that are missing.
//!
//! The audit, a mirror after a loss and a mirror that verifies its own revocations share this.

use std::time::Duration;

use redis::{Pipeline, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    blocklist::Revocation,
    clock::Timestamp,
    redis::{
        error::DialError,
        schema::{
            entry,
            key_names::KeyNames,
            log_entry,
            scripts::{self, Write},
        },
    },
};

/// The time limit of one round trip.
pub(crate) const PAGE_DEADLINE: Duration = Duration::from_secs(5);

/// A way to Redis, with its own deadline and its own errors.
pub(crate) trait Channel: Send {
    type Error: Send;

    /// Sends the commands in one round trip, and returns their replies.
    fn query(&mut self, pipeline: &Pipeline) -> impl Future<Output = Result<Vec<Value>, Self::Error>> + Send;

    /// The error for a reply of another form.
    fn unexpected_reply() -> Self::Error;
}

impl Channel for MultiplexedConnection {
    type Error = DialError;

    async fn query(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, DialError> {
        let replies = timeout(PAGE_DEADLINE, pipeline.query_async(self)).await;
        replies.map_err(|_| DialError::TimedOut)?.map_err(|error| DialError::of(&error))
    }

    fn unexpected_reply() -> DialError {
        DialError::Other
    }
}

/// The place to restore revocations into, and the way to do so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) keys: &'a KeyNames,
    /// The text of the epoch, open or closed.
    pub(crate) epoch: &'a str,
    /// The time by which revocations have expired. Expired ones are left out.
    pub(crate) now: Timestamp,
    pub(crate) log: Log,
}

/// Whether restored revocations are appended to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    Append,
    /// They come from the log itself.
    Keep,
}

/// The revocations that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that Redis does not hold in full.
    Missing,
    /// All of them, because the log is written again.
    All,
}

/// Writes these revocations by the script that merges, and returns how many were written.
pub(crate) async fn reconcile<C: Channel>(
    channel: &mut C,
    target: &Target<'_>,
    revocations: &[Revocation],
    which: Which,
) -> Result<usize, C::Error> {
    let alive = revocations.iter().filter(|revocation| revocation.expiry() > target.now).copied().collect();
    let wanted = match which {
        Which::All => alive,
        Which::Missing => find_missing(channel, target.keys, alive).await?,
    };
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut pipeline = redis::pipe();
    scripts::load_revoke(&mut pipeline);
    for revocation in &wanted {
        let packed = match target.log {
            Log::Append => log_entry::pack(revocation),
            Log::Keep => Vec::new(),
        };
        let write = Write { now: target.now, packed: &packed, always: which == Which::All };
        pipeline.invoke_script(&scripts::revoke_call(target.keys, target.epoch, revocation, write));
    }
    channel.query(&pipeline).await?;
    Ok(wanted.len())
}

/// The revocations that the entries in Redis do not hold in full.
async fn find_missing<C: Channel>(
    channel: &mut C,
    keys: &KeyNames,
    revocations: Vec<Revocation>,
) -> Result<Vec<Revocation>, C::Error> {
    if revocations.is_empty() {
        return Ok(revocations);
    }
    let mut pipeline = redis::pipe();
    pipeline.cmd("MGET");
    for revocation in &revocations {
        pipeline.arg(keys.entry(revocation.scope(), revocation.id()));
    }
    let replies = channel.query(&pipeline).await?;
    let [Value::Array(entries)] = replies.as_slice() else { return Err(C::unexpected_reply()) };
    if entries.len() != revocations.len() {
        return Err(C::unexpected_reply());
    }
    let compared = revocations.into_iter().zip(entries);
    Ok(compared.filter(|(held, entry)| !entry::holds(entry, held)).map(|(held, _)| held).collect())
}
