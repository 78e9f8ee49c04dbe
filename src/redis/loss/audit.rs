//! Compares the entries with the log, and restores those that are missing: a client deleted them,
//! or Redis evicted them.

use std::time::Duration;

use redis::{Value, streams::StreamRangeReply};

use crate::{
    blocklist::Revocation,
    clock::Timestamp,
    redis::{
        loss::reconcile::{Channel, Log, Target, Which, reconcile},
        schema::{key_names::KeyNames, log_entry, millis},
    },
};

/// The number of log entries read at a time.
const PAGE: usize = 500;
/// An entry with less than this to live may have expired in Redis already, because clocks differ.
const EXPIRES_SOON: Duration = Duration::from_secs(60);

/// Compares the whole log with the entries, and returns how many were missing. Does nothing if
/// another process has done it within this interval.
pub(crate) async fn audit<C: Channel>(
    channel: &mut C,
    keys: &KeyNames,
    epoch: &str,
    interval: Duration,
    now: impl Fn() -> Timestamp,
) -> Result<usize, C::Error> {
    if !is_our_turn(channel, keys, interval).await? {
        return Ok(0);
    }
    let (mut missing, mut after) = (0, "-".to_owned());
    loop {
        let page = read_page(channel, keys, &after).await?;
        let Some(last) = page.ids.last() else { return Ok(missing) };
        after = format!("({}", last.id);
        let now = now();
        let logged = page.ids.iter().filter_map(|entry| match entry.map.get("d") {
            Some(Value::BulkString(packed)) => log_entry::unpack(packed),
            _ => None,
        });
        let lasting: Vec<Revocation> = logged.filter(|revocation| revocation.expiry() > now + EXPIRES_SOON).collect();
        let target = Target { keys, epoch, now, log: Log::Keep };
        missing += reconcile(channel, &target, &lasting, Which::Missing).await?;
    }
}

/// The first process of all to ask audits.
async fn is_our_turn<C: Channel>(channel: &mut C, keys: &KeyNames, interval: Duration) -> Result<bool, C::Error> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("SET").arg(keys.audit()).arg("").arg("NX").arg("PX").arg(millis(interval * 9 / 10).max(1));
    Ok(!matches!(channel.query(&pipeline).await?.as_slice(), [Value::Nil]))
}

async fn read_page<C: Channel>(channel: &mut C, keys: &KeyNames, after: &str) -> Result<StreamRangeReply, C::Error> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("XRANGE").arg(keys.log()).arg(after).arg("+").arg("COUNT").arg(PAGE);
    let page = channel.query(&pipeline).await?.into_iter().next();
    page.and_then(|page| redis::from_redis_value(page).ok()).ok_or_else(C::unexpected_reply)
}
