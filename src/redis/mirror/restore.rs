//! Puts back what Redis has lost.
//!
//! Whoever held everything when Redis was lost begins a new epoch with the floor of before, but keeps it closed: no check and no
//! revocation works in it. Everybody who holds anything puts it in, the process's own revocations first, for those may be nowhere else.
//! When nobody is at it any more, the epoch is opened. Anonymous ever trusts an epoch before everything is in it.

use std::time::Duration;

use redis::{Value, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use crate::{
    blocklist::Revocation,
    metrics,
    redis::{
        connection::dial::DialError,
        loss::recover,
        mirror::{feed::Feed, replica::Forgotten},
        schema::{
            entry,
            epoch::{Epoch, Found, Loss},
            log_entry,
        },
    },
};

/// Entries that are put back at a time, and how long that may take.
const PAGE: usize = 500;
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// The others have so long to find out about the loss, before an epoch is opened. A cycle of the feed is shorter.
const OTHERS_MAY_TAKE: Duration = Duration::from_millis(500);
/// For how long the word of one who helps counts.
const HELPS: Duration = Duration::from_millis(300);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Who was last proven to hold everything longer ago than this does not know what was revoked since.
const KNOWS_ENOUGH: Duration = Duration::from_secs(60);

/// Which of the revocations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that Redis does not hold.
    Missing,
    /// All: the log has to be written anew.
    All,
}

/// In what is put back.
enum Into {
    /// An epoch that is kept closed by somebody else.
    Others(Epoch),
    /// An epoch that is kept closed by us.
    Own(Epoch),
}

impl Feed {
    /// Does what can be done at this moment about a loss. It is asked again afterwards.
    pub(crate) async fn restore(
        &mut self,
        connection: &mut MultiplexedConnection,
        found: &Found,
        loss: Loss,
    ) -> Result<(), DialError> {
        self.holding.set_lost();
        let noticed = self.seen.notice_loss();
        match found.closed_epoch().filter(|_| found.is_claimed) {
            Some(closed) if self.helped == Some(closed) => {}
            Some(closed) => {
                self.put_all_back(connection, &Into::Others(closed), Which::Missing).await?;
                self.helped = Some(closed);
            }
            None if self.may_begin(noticed) => self.begin(connection, found, loss).await?,
            None => {}
        }
        sleep(PAUSE).await;
        Ok(())
    }

    /// Whether enough is held to be all. Who was proven to hold it just before comes first.
    fn may_begin(&self, noticed: std::time::Instant) -> bool {
        let Some(age) = self.holding.age(self.holding.time()).filter(|_| !self.holding.has_overflowed()) else {
            return false;
        };
        let since = noticed.elapsed();
        let at_loss = age.saturating_sub(since);
        at_loss <= self.holding.max_staleness() || at_loss <= KNOWS_ENOUGH && since > OTHERS_MAY_TAKE
    }

    async fn begin(
        &mut self,
        connection: &mut MultiplexedConnection,
        found: &Found,
        loss: Loss,
    ) -> Result<(), DialError> {
        let Some(known) = self.epoch else { return Ok(()) };
        let keys = &self.shared.keys;
        let begun = Epoch::begin(self.holding.time(), known.floor.max(found.floor()))?;
        let there = found.epoch.as_deref().unwrap_or_default();
        if !recover::begin_closed(connection, keys, there, begun).await? {
            return Ok(());
        }
        metrics::lost();
        tracing::warn!(reason = loss.as_str(), "Redis does not hold the revocations: they are put back");
        let began = std::time::Instant::now();
        // Whoever has begun before may have written half a log over entries that were never gone.
        let which = if matches!(loss, Loss::LogGone | Loss::Restoring) { Which::All } else { Which::Missing };
        let written = self.put_all_back(connection, &Into::Own(begun), which).await?;
        while began.elapsed() < OTHERS_MAY_TAKE || self.others_help(connection).await? {
            sleep(PAUSE).await;
        }
        if recover::open(connection, &self.shared.keys, begun).await? {
            tracing::warn!(entries = self.holding.set.len(), written, "Redis holds the revocations again");
            self.helped = Some(begun);
        }
        Ok(())
    }

    /// Everything that is held, the process's own latest first.
    async fn put_all_back(
        &mut self,
        connection: &mut MultiplexedConnection,
        into: &Into,
        which: Which,
    ) -> Result<usize, DialError> {
        self.shared.mirrors.restore();
        let (Into::Own(epoch) | Into::Others(epoch)) = into;
        let text = epoch.to_closed_text();
        let mut written = 0;
        let (mut page, mut next) = (self.holding.recent(), Some(0));
        loop {
            for some in page.chunks(PAGE) {
                self.renew(connection, into).await?;
                written += self.put_back(connection, some, &text, which).await?;
            }
            let Some(number) = next else { return Ok(written) };
            (page, next) = self.holding.set.page(number, PAGE);
        }
    }

    /// Says that somebody is at it.
    async fn renew(&self, connection: &mut MultiplexedConnection, into: &Into) -> Result<(), DialError> {
        let keys = &self.shared.keys;
        let mut pipeline = redis::pipe();
        match into {
            Into::Own(_) => recover::renew_claim(&mut pipeline, keys),
            Into::Others(_) => {
                pipeline.cmd("SET").arg(keys.helpers()).arg("").arg("PX").arg(super::super::millis(HELPS)).ignore();
            }
        }
        within(PAGE_DEADLINE, pipeline.query_async::<()>(connection)).await
    }

    async fn others_help(&self, connection: &mut MultiplexedConnection) -> Result<bool, DialError> {
        let keys = &self.shared.keys;
        let mut pipeline = redis::pipe();
        recover::renew_claim(&mut pipeline, keys);
        pipeline.cmd("GET").arg(keys.helpers());
        let (helpers,): (Value,) = within(PAGE_DEADLINE, pipeline.query_async(connection)).await?;
        Ok(helpers != Value::Nil)
    }

    /// Compares what this process itself has stored with what Redis holds: it may have been stored where it is lost, by a master that was
    /// demoted already, after everything else was put back.
    pub(crate) async fn verify_own(
        &mut self,
        connection: &mut MultiplexedConnection,
        until: std::time::Instant,
    ) -> Result<(), DialError> {
        let Some(epoch) = self.epoch else { return Ok(()) };
        match self.holding.unverified(until) {
            Ok(own) => {
                for page in own.chunks(PAGE) {
                    self.put_back(connection, page, &epoch.to_text(), Which::Missing).await?;
                }
                self.holding.verified(until);
            }
            Err(Forgotten) => (self.comparing, self.helped) = (Some(0), None),
        }
        Ok(())
    }

    /// Compares a page of what is held with what Redis holds, after the epoch has changed: whoever began it need not have known all.
    pub(crate) async fn compare_some(&mut self, connection: &mut MultiplexedConnection) -> Result<(), DialError> {
        let (Some(page), Some(epoch)) = (self.comparing, self.epoch) else { return Ok(()) };
        if self.helped == Some(epoch) {
            self.comparing = None;
            return Ok(());
        }
        let (revocations, following) = self.holding.set.page(page, PAGE);
        let mut written = 0;
        for some in revocations.chunks(PAGE) {
            match self.put_back(connection, some, &epoch.to_text(), Which::Missing).await {
                // A service that may only read leaves it to others.
                Err(DialError::NotPermitted) => {
                    self.comparing = None;
                    return Ok(());
                }
                outcome => written += outcome?,
            }
        }
        if written > 0 {
            tracing::warn!(written, "revocations that Redis had lost are back");
        }
        self.comparing = following;
        Ok(())
    }

    /// By the script that merges. Answers how many were written.
    async fn put_back(
        &self,
        connection: &mut MultiplexedConnection,
        revocations: &[Revocation],
        epoch: &str,
        which: Which,
    ) -> Result<usize, DialError> {
        // What is over by a clock that was set forward may be needed again.
        let now = self.calendar.now();
        let alive = revocations.iter().filter(|revocation| revocation.expiry() > now).copied().collect();
        let wanted = match which {
            Which::All => alive,
            Which::Missing => self.missing(connection, alive).await?,
        };
        let Some(first) = wanted.first() else { return Ok(0) };
        let shared = &self.shared;
        let mut pipeline = redis::pipe();
        for revocation in &wanted {
            let live_for = revocation.expiry().since(now);
            let call = shared.revoking(revocation, &log_entry::pack(revocation), epoch, live_for, which == Which::All);
            pipeline.invoke_script(&call).ignore();
        }
        // A server that came back does not know the script.
        let load = shared.revoking(first, &[], epoch, Duration::ZERO, false);
        within(PAGE_DEADLINE, load.load_async(connection)).await?;
        within(PAGE_DEADLINE, pipeline.query_async::<()>(connection)).await?;
        metrics::put_back(wanted.len());
        Ok(wanted.len())
    }

    /// Those that Redis does not hold in full.
    async fn missing(
        &self,
        connection: &mut MultiplexedConnection,
        revocations: Vec<Revocation>,
    ) -> Result<Vec<Revocation>, DialError> {
        if revocations.is_empty() {
            return Ok(revocations);
        }
        let mut command = redis::cmd("MGET");
        for revocation in &revocations {
            command.arg(self.shared.keys.entry(revocation.scope(), revocation.id()));
        }
        let entries: Vec<Value> = within(PAGE_DEADLINE, command.query_async(connection)).await?;
        let compared = revocations.into_iter().zip(entries);
        Ok(compared.filter(|(revocation, entry)| !entry::holds(entry, revocation)).map(|(held, _)| held).collect())
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, DialError> {
    timeout(limit, answer).await.map_err(|_| DialError::TimedOut)?.map_err(|error| DialError::of(&error))
}
