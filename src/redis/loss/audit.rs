//! Entries that are gone although the log still has them are put back: somebody deleted them, or Redis evicted them.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use redis::{RedisResult, Value, streams::StreamRangeReply};
use tokio::time::{Instant, sleep};

use crate::{
    blocklist::{Outage, Revocation},
    redis::{
        Failure, Request, Shared, millis,
        schema::{entry, log_entry},
    },
};

/// Entries of the log that are read at a time.
const PAGE: usize = 500;
/// How long one page may take.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// What ends sooner than this may have expired in Redis already: clocks differ.
const ENDS_SOON: Duration = Duration::from_secs(60);

/// Audits again and again, as long as the blocklist exists.
pub(crate) async fn run(shared: Weak<Shared>, interval: Duration) {
    loop {
        sleep(interval).await;
        let Some(shared) = shared.upgrade() else { return };
        match audit(&shared, interval).await {
            Ok(0) => {}
            Ok(missing) => tracing::warn!(
                missing,
                "revocations were missing in Redis and are back: does it evict, or did somebody delete them?"
            ),
            Err(failure) => tracing::debug!(reason = Outage::from(failure).as_str(), "the audit of Redis did not end"),
        }
    }
}

/// Compares all of the log with the entries, unless another process does at this time. Answers how many were missing.
async fn audit(shared: &Arc<Shared>, interval: Duration) -> Result<usize, Failure> {
    if !is_our_turn(shared, interval).await? {
        return Ok(0);
    }
    let (mut missing, mut after) = (0, "-".to_owned());
    loop {
        let page = page(shared, &after).await?;
        let Some(last) = page.ids.last() else { return Ok(missing) };
        after = format!("({}", last.id);
        let is_live = |revocation: &Revocation| revocation.expiry() > shared.now() + ENDS_SOON;
        let packed = page.ids.iter().filter_map(|entry| match entry.map.get("d") {
            Some(Value::BulkString(packed)) => log_entry::unpack(packed),
            _ => None,
        });
        for revocation in weaker_or_missing(shared, packed.filter(is_live).collect()).await? {
            shared.store(&revocation, &[], Instant::now() + PAGE_DEADLINE).await?;
            missing += 1;
        }
    }
}

/// One process audits, whoever comes first.
async fn is_our_turn(shared: &Shared, interval: Duration) -> Result<bool, Failure> {
    let mut command = redis::cmd("SET");
    command.arg(shared.keys.audit()).arg("").arg("NX").arg("PX").arg(millis(interval * 9 / 10).max(1));
    Ok(send(shared, &command).await? != Value::Nil)
}

async fn page(shared: &Shared, after: &str) -> Result<StreamRangeReply, Failure> {
    let mut command = redis::cmd("XRANGE");
    command.arg(shared.keys.log()).arg(after).arg("+").arg("COUNT").arg(PAGE);
    let page: RedisResult<_> = redis::from_redis_value(send(shared, &command).await?).map_err(Into::into);
    page.map_err(|_| Outage::UnexpectedReply.into())
}

/// Those of the revocations that the entries do not hold in full.
async fn weaker_or_missing(shared: &Shared, logged: Vec<Revocation>) -> Result<Vec<Revocation>, Failure> {
    if logged.is_empty() {
        return Ok(logged);
    }
    let mut command = redis::cmd("MGET");
    for revocation in &logged {
        command.arg(shared.keys.entry(revocation.scope(), revocation.id()));
    }
    let Value::Array(entries) = send(shared, &command).await? else { return Err(Outage::UnexpectedReply.into()) };
    let compared = logged.into_iter().zip(entries);
    Ok(compared
        .filter(|(revocation, entry)| !entry::holds(entry, revocation))
        .map(|(revocation, _)| revocation)
        .collect())
}

async fn send(shared: &Shared, command: &redis::Cmd) -> Result<Value, Failure> {
    let mut live = shared.reader.live()?;
    shared.reader.send(&mut live, Request::Command(command), Instant::now() + PAGE_DEADLINE).await
}
