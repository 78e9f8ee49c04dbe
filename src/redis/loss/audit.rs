//! Compares the entries with the log, and restores those that are missing: a client deleted them,
//! or Redis evicted them. Trims the log before its first live entry.

use std::{sync::LazyLock, time::Duration};

use redis::{
    Value,
    streams::{StreamId, StreamRangeReply},
};

use crate::{
    blocklist::Revocation,
    clock::Timestamp,
    redis::{
        loss::reconcile::{Channel, Selection, reconcile},
        schema::{
            key_names::KeyNames,
            log_entry, millis,
            scripts::{Log, LuaScript, Restoration},
        },
    },
};

/// The number of log entries read at a time.
const PAGE: usize = 200;
/// The largest difference between two clocks. An entry with less than this to live may have expired
/// in Redis already. One that expired by the clock of Redis less than this ago may still be needed.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

static TRIM: LazyLock<LuaScript> = LazyLock::new(|| LuaScript::with_prelude(include_str!("../schema/lua/trim.lua")));

/// Compares the whole log with the entries, and returns how many were missing. Does nothing if
/// another process has done it within this interval.
///
/// A revocation trims the log by age, and only up to the longest life so far. Without the audit, a
/// single long life would keep all others as long, and a log that nobody appends to for ever.
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
    // Read before the log. The clock of this process could be days ahead.
    let redis_time = read_time(channel).await?;
    let (mut missing, mut after, mut first_kept) = (0, "-".to_owned(), None);
    loop {
        let page = read_page(channel, keys, &after).await?;
        let Some(last) = page.ids.last() else { break };
        after = format!("({}", last.id);
        if first_kept.is_none() {
            first_kept = page.ids.iter().find(|entry| !has_expired(entry, redis_time)).map(|entry| entry.id.clone());
        }
        let now = now();
        let logged = page.ids.iter().flat_map(revocations_of).flatten();
        let lasting: Vec<Revocation> =
            logged.filter(|revocation| revocation.expiry() > now + MAX_CLOCK_DIFFERENCE).collect();
        let restoration = Restoration { epoch, now, log: Log::None, claim: None };
        missing += reconcile(channel, keys, &restoration, &lasting, Selection::Compare, None).await?;
    }
    // The last entry stays although it has expired, because an empty log is a loss.
    if let Some(first_kept) = first_kept.as_deref().or_else(|| after.strip_prefix('(')) {
        trim(channel, keys, epoch, first_kept).await?;
    }
    Ok(missing)
}

/// The revocations of an entry; `None` for each that cannot be read.
fn revocations_of(entry: &StreamId) -> Vec<Option<Revocation>> {
    let read = |(field, value): (&String, &Value)| match value {
        Value::BulkString(value) => log_entry::revocations(field.as_bytes(), value).collect(),
        _ => vec![None],
    };
    entry.map.iter().flat_map(read).collect()
}

/// Whether nobody needs the entry any more. An entry of an unknown form may be of a later version.
fn has_expired(entry: &StreamId, redis_time: Timestamp) -> bool {
    let revocations = revocations_of(entry);
    let is_over = |revocation: &Revocation| revocation.expiry() + MAX_CLOCK_DIFFERENCE <= redis_time;
    match revocations.is_empty() {
        true => entry.map.contains_key("e"),
        false => revocations.iter().all(|revocation| revocation.as_ref().is_some_and(is_over)),
    }
}

/// Removes the entries before this one.
async fn trim<C: Channel>(channel: &mut C, keys: &KeyNames, epoch: &str, first_kept: &str) -> Result<(), C::Error> {
    let mut pipeline = redis::pipe();
    TRIM.load(&mut pipeline);
    let mut call = TRIM.call(keys, epoch);
    pipeline.invoke_script(call.arg(first_kept));
    loop {
        match channel.query(&pipeline).await?.as_slice() {
            [Value::Int(0)] => return Ok(()),
            [Value::Int(_)] => {}
            _ => return Err(C::unexpected_reply()),
        }
    }
}

/// The time of the clock of Redis.
async fn read_time<C: Channel>(channel: &mut C) -> Result<Timestamp, C::Error> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("TIME");
    let time = channel.query(&pipeline).await?.into_iter().next();
    let time =
        time.and_then(|time| redis::from_redis_value::<(u64, u64)>(time).ok()).ok_or_else(C::unexpected_reply)?;
    Ok(Timestamp::from_millis(time.0.saturating_mul(1000).saturating_add(time.1 / 1000)))
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
