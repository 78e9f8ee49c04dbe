//! Writes revocations that Redis lacks.
//!
//! The audit, the members after a loss, and a process that verifies its own revocations share this.

use std::time::{Duration, Instant};

use redis::{Pipeline, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    blocklist::{Revocation, RevocationId},
    redis::{
        error::DialError,
        loss::timing::PAGE_DEADLINE,
        schema::{
            entry,
            key_names::KeyNames,
            scripts::{self, Restoration},
        },
    },
};

/// The number of revocations in one call of the script. It blocks Redis for a few milliseconds.
const CALL: usize = 500;
/// The number of revocations in the first round trip, and the bounds of the others: on a network
/// with slow round trips pages are long, and on one with a low rate they are short.
const FIRST_PAGE: usize = 2_500;
const PAGES: std::ops::RangeInclusive<usize> = 250..=20_000;
/// Pages that take less than this grow, and pages that take four times as long shrink.
const SHORT: Duration = Duration::from_millis(500);

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

/// The revocations that are sent to the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Those that the entries do not hold in full. Reading them first is cheap if most are there.
    Compare,
    /// All of them: the store was emptied, or the log has to be written again. The script leaves
    /// entries as they are if nothing is missing.
    All,
}

/// Writes these revocations by the script that merges, and then acknowledges for a member, if there
/// is one. Returns how many were missing.
pub(crate) async fn reconcile<C: Channel>(
    channel: &mut C,
    keys: &KeyNames,
    restoration: &Restoration<'_>,
    revocations: &[Revocation],
    selection: Selection,
    member: Option<RevocationId>,
) -> Result<usize, C::Error> {
    let mut writer = Writer { channel, keys, restoration, is_script_loaded: false };
    let alive: Vec<_> =
        revocations.iter().filter(|revocation| revocation.expiry() > restoration.now).copied().collect();
    let (mut missing, mut rest, mut size, mut unacknowledged) = (0, alive.as_slice(), FIRST_PAGE, member);
    while !rest.is_empty() {
        let began = Instant::now();
        let (page, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        let page = match selection {
            Selection::All => page.to_vec(),
            Selection::Compare => find_missing(writer.channel, keys, page).await?,
        };
        // A pipeline goes on after an error, so the acknowledgement is not sent together with
        // several calls.
        let acknowledges = rest.is_empty() && page.len() <= CALL;
        let acknowledged = unacknowledged.take_if(|_| acknowledges);
        // Each page renews the claim, also one without anything missing.
        if !page.is_empty() || acknowledged.is_some() || restoration.claim.is_some() {
            missing += writer.write(&page, acknowledged).await?;
        }
        size = next_size(size, began.elapsed());
    }
    if unacknowledged.is_some() {
        writer.write(&[], unacknowledged).await?;
    }
    Ok(missing)
}

fn next_size(size: usize, took: Duration) -> usize {
    let next = match took {
        took if took < SHORT => size * 2,
        took if took > SHORT * 4 => size / 4,
        _ => size,
    };
    next.clamp(*PAGES.start(), *PAGES.end())
}

struct Writer<'a, C> {
    channel: &'a mut C,
    keys: &'a KeyNames,
    restoration: &'a Restoration<'a>,
    is_script_loaded: bool,
}

impl<C: Channel> Writer<'_, C> {
    /// Writes one page in one round trip. Returns how many entries were missing.
    async fn write(&mut self, page: &[Revocation], member: Option<RevocationId>) -> Result<usize, C::Error> {
        let mut pipeline = redis::pipe();
        if !self.is_script_loaded {
            scripts::load_restore(&mut pipeline);
        }
        let nothing = page.is_empty().then_some(page);
        for call in page.chunks(CALL).chain(nothing) {
            pipeline.invoke_script(&scripts::restore_call(self.keys, self.restoration, call, member));
        }
        let replies = self.channel.query(&pipeline).await?;
        self.is_script_loaded = true;
        count(&replies).ok_or_else(C::unexpected_reply)
    }
}

/// The sum of the script's replies.
fn count(replies: &[Value]) -> Option<usize> {
    let counts = replies.iter().map(|reply| match reply {
        Value::Int(missing) => usize::try_from(*missing).ok(),
        _ => None,
    });
    counts.sum()
}

/// The revocations that the entries in Redis do not hold in full.
async fn find_missing<C: Channel>(
    channel: &mut C,
    keys: &KeyNames,
    revocations: &[Revocation],
) -> Result<Vec<Revocation>, C::Error> {
    let mut pipeline = redis::pipe();
    for call in revocations.chunks(CALL) {
        pipeline.cmd("MGET");
        for revocation in call {
            pipeline.arg(keys.entry(revocation.scope(), revocation.id()));
        }
    }
    let mut entries = Vec::with_capacity(revocations.len());
    for reply in channel.query(&pipeline).await? {
        let Value::Array(reply) = reply else { return Err(C::unexpected_reply()) };
        entries.extend(reply);
    }
    if entries.len() != revocations.len() {
        return Err(C::unexpected_reply());
    }
    let compared = revocations.iter().zip(entries);
    Ok(compared.filter(|(held, entry)| !entry::holds(entry, held)).map(|(held, _)| *held).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_on_a_fast_network_and_shrink_on_a_slow_one() {
        let millis = Duration::from_millis;
        let rows = [(2500, 10, 5000), (16_000, 10, 20_000), (5000, 1000, 5000), (5000, 2001, 1250), (300, 4000, 250)];
        for (size, took, expected) in rows {
            assert_eq!(next_size(size, millis(took)), expected, "{size} in {took} ms");
        }
    }
}
