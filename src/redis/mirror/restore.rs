//! A mirror after a loss: as the restorer, or as a member that restores its recent revocations. The
//! protocol is in `docs/restoration.md`.

use std::{
    collections::HashMap,
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};
use tokio::time::sleep;

use crate::{
    blocklist::{CutOff, Revocation, RevocationId},
    clock::Timestamp,
    metrics,
    redis::{
        error::{DialError, Loss},
        loss::{
            detect::Observed,
            process::restored,
            reconcile::{Channel as _, Selection, reconcile},
            recover::{self, Race, log_state},
            roster::Awaited,
            timing::{CLAIM, HEAD_START, LONGEST_GAP, LOOK},
        },
        mirror::{
            compact_set::Cursor,
            replica::{Lineage, News, Recent, Replica},
        },
        schema::{
            epoch::{Closed, Epoch},
            position::Position,
            scripts::{Log, Restoration, restore_call},
        },
        shared::Shared,
    },
};

/// The number of entries that are taken from the replica at a time.
const PAGE: usize = 100_000;
/// The same while the service is running, so that each cycle stays short.
const COMPARED: usize = 500;
/// The largest difference between an expiry in the log and in the replica.
const ROUNDING: Duration = Duration::from_secs(1);

pub(crate) struct Restorer {
    replica: Arc<Replica>,
    shared: Arc<Shared>,
    /// The position of the comparison of the replica with Redis, if one is under way.
    comparing: Option<Cursor>,
    /// The closed epoch that this mirror has restored, or acknowledged.
    answered: Option<Closed>,
    /// During a loss: how old the proof was when it was noticed, if there was one.
    age_at_loss: Option<Option<Duration>>,
}

/// A loss as a feed sees it.
pub(crate) struct Incident<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) loss: Loss,
    pub(crate) noticed: Instant,
    /// The epoch that the replica belongs to.
    pub(crate) epoch: Option<Epoch>,
    /// The end of the log, as far as the mirror has read it, and everything recent.
    pub(crate) last: Position,
    pub(crate) recent: &'a Recent,
    /// This mirror as a member.
    pub(crate) member: Option<RevocationId>,
    /// The time that entries expire by. It follows the wall clock with caution, because an entry
    /// that has expired by a clock that is ahead may still be needed.
    pub(crate) now: Timestamp,
}

impl Restorer {
    pub(crate) fn new(replica: Arc<Replica>, shared: Arc<Shared>) -> Self {
        Self { replica, shared, comparing: None, answered: None, age_at_loss: None }
    }

    /// Does the next step of a restoration. The feed then looks at Redis again.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub(crate) async fn restore(
        &mut self,
        connection: &mut MultiplexedConnection,
        incident: &Incident<'_>,
    ) -> Result<(), DialError> {
        self.replica.set_lost();
        // Read before the proof is invalidated: a mirror that does not trust itself any more may
        // still be the best one to restore.
        let age_at_loss = *self.age_at_loss.get_or_insert_with(|| self.replica.age(self.replica.time()));
        let closed = incident.observed.closed();
        if let Some(position) = closed.and_then(|closed| closed.position)
            && self.answered != closed
            && incident.recent.lineage(position) == Lineage::Unknown
        {
            // This mirror may have followed a master that lacks revocations.
            self.replica.invalidate_proof();
        }
        let outcome = match closed.filter(|_| incident.observed.is_claimed) {
            Some(closed) => self.help(connection, incident, closed).await,
            None if self.may_restore(age_at_loss, incident.noticed) => self.run(connection, incident).await,
            None => Ok(()),
        };
        match outcome {
            Err(DialError::Overtaken) => {
                tracing::info!("another process has restored the revocations meanwhile, or restores them now");
            }
            outcome => outcome?,
        }
        sleep(LOOK).await;
        Ok(())
    }

    /// Notes that Redis has lost nothing, or that everything is restored.
    pub(crate) fn note_complete(&mut self) {
        self.age_at_loss = None;
    }

    /// Whether this mirror had everything when Redis was lost, so that it may be the restorer. One
    /// that was proven complete just before the loss goes first.
    fn may_restore(&self, age_at_loss: Option<Duration>, noticed: Instant) -> bool {
        let Some(age) = age_at_loss.filter(|_| !self.replica.has_overflowed()) else { return false };
        age <= self.replica.max_staleness() || age <= LONGEST_GAP && noticed.elapsed() > HEAD_START
    }

    /// Restores the recent revocations and acknowledges, and then waits for the epoch to change.
    async fn help(
        &mut self,
        connection: &mut MultiplexedConnection,
        incident: &Incident<'_>,
        closed: Closed,
    ) -> Result<(), DialError> {
        let (keys, text) = (&self.shared.keys, closed.to_text());
        if let Some(position) = closed.position.filter(|_| self.answered != Some(closed)) {
            let (selection, log) = restored(closed.log);
            let restoration = Restoration { epoch: &text, now: incident.now, log, claim: None };
            let news = self.to_restore(incident.recent.since(position));
            match reconcile(connection, keys, &restoration, &news, selection, incident.member).await {
                Ok(written) => note_restored(written),
                // A service that may only read is no member.
                Err(DialError::NotPermitted) => {}
                Err(error) => return Err(error),
            }
            self.answered = Some(closed);
        }
        loop {
            sleep(LOOK * 2).await;
            let mut pipeline = redis::pipe();
            pipeline.cmd("GET").arg(keys.epoch()).cmd("GET").arg(keys.claim());
            match connection.query(&pipeline).await?.as_slice() {
                [Value::BulkString(epoch), Value::BulkString(_)] if epoch == text.as_bytes() => {}
                _ => return Ok(()),
            }
        }
    }

    /// Closes the epoch, restores everything into it, and opens it.
    async fn run(&mut self, connection: &mut MultiplexedConnection, incident: &Incident<'_>) -> Result<(), DialError> {
        let Some(known) = incident.epoch else { return Ok(()) };
        let (observed, loss, keys) = (incident.observed, incident.loss, &self.shared.keys);
        // After an interrupted restoration, the log is no better than it was.
        let log = observed.closed().map_or(log_state(loss), |closed| closed.log);
        let epoch = Epoch::begin(self.replica.time(), known.floor.max(observed.floor()))?;
        let closed = Closed { epoch, log, position: Some(incident.last) };
        let replaced = observed.epoch.as_deref().unwrap_or_default();
        let others = self.shared.dialer.process.roster.others(incident.member);
        match recover::close(connection, keys, replaced, closed).await {
            Ok(Race::Won) => {}
            // A service that may only read leaves it to others.
            Ok(Race::Lost) | Err(DialError::NotPermitted) => return Ok(()),
            Err(error) => return Err(error),
        }
        let began = Instant::now();
        metrics::lost();
        tracing::warn!(reason = loss.as_str(), "Redis has lost revocations: the mirrors are restoring them");
        self.answered = Some(closed);
        // An emptied store has nothing to compare with.
        let selection = match loss {
            Loss::Gone | Loss::Empty => Selection::All,
            _ => restored(log).0,
        };
        let written = self.write_bulk(connection, incident, closed, selection).await?;
        let silent = self.wait_for_others(connection, incident, closed, &others, began).await?;
        if recover::open(connection, keys, closed).await? == Race::Won {
            tracing::warn!(
                entries = self.replica.set.len(),
                written,
                silent,
                milliseconds = began.elapsed().as_millis(),
                "all revocations are restored in Redis"
            );
        }
        Ok(())
    }

    /// Writes everything, the recent revocations first and the newest of them first. Returns how
    /// many were missing.
    async fn write_bulk(
        &self,
        connection: &mut MultiplexedConnection,
        incident: &Incident<'_>,
        closed: Closed,
        selection: Selection,
    ) -> Result<usize, DialError> {
        let recent = match incident.recent.since(Position::START) {
            News::Revocations(recent) => recent,
            News::Everything => Vec::new(),
        };
        let text = closed.to_text();
        let restoration =
            Restoration { epoch: &text, now: incident.now, log: restored(closed.log).1, claim: Some(CLAIM) };
        let is_whole = |revocation: &&Revocation| revocation.cut_off() == CutOff::ALWAYS;
        let first: HashMap<RevocationId, Timestamp> =
            recent.iter().filter(is_whole).map(|revocation| (revocation.id(), revocation.expiry())).collect();
        // The replica rounds expiries up to whole seconds.
        let is_written = |revocation: &Revocation| {
            is_whole(&revocation)
                && first.get(&revocation.id()).is_some_and(|expiry| *expiry + ROUNDING >= revocation.expiry())
        };
        let pages = self.replica.set.pages(Cursor::default(), PAGE).map(|(page, _)| page);
        let rest = pages.map(|mut page| {
            page.retain(|revocation| !is_written(revocation));
            page
        });
        let mut written = 0;
        for page in iter::once(recent).chain(rest) {
            written += reconcile(connection, &self.shared.keys, &restoration, &page, selection, None).await?;
        }
        note_restored(written);
        Ok(written)
    }

    /// Waits until every other member has acknowledged, or was silent for its patience. Returns how
    /// many were silent.
    async fn wait_for_others(
        &self,
        connection: &mut MultiplexedConnection,
        incident: &Incident<'_>,
        closed: Closed,
        others: &[Awaited],
        began: Instant,
    ) -> Result<usize, DialError> {
        let (keys, text) = (&self.shared.keys, closed.to_text());
        let restoration =
            Restoration { epoch: &text, now: incident.now, log: restored(closed.log).1, claim: Some(CLAIM) };
        loop {
            let mut pipeline = redis::pipe();
            pipeline.invoke_script(&restore_call(keys, &restoration, &[], None));
            pipeline.cmd("HGETALL").arg(keys.acks());
            let replies = connection.query(&pipeline).await?;
            let acknowledged = replies.into_iter().nth(1).and_then(|reply| redis::from_redis_value(reply).ok());
            let acknowledged: HashMap<String, Value> = acknowledged.ok_or(DialError::Other)?;
            let missing = others.iter().filter(|other| !acknowledged.contains_key(&other.id.to_string()));
            let (silent, awaited): (Vec<&Awaited>, Vec<&Awaited>) =
                missing.partition(|other| began.elapsed() > other.patience);
            if awaited.is_empty() && began.elapsed() >= HEAD_START {
                return Ok(silent.len());
            }
            sleep(LOOK).await;
        }
    }

    /// Restores the recent revocations into an open epoch, if this mirror has missed its
    /// restoration. Then one of these mirrors compares everything.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub(crate) async fn come_late(
        &mut self,
        connection: &mut MultiplexedConnection,
        epoch: Epoch,
        recent: &Recent,
        now: Timestamp,
    ) -> Result<(), DialError> {
        if self.answered.is_some_and(|closed| closed.epoch.id == epoch.id) {
            return Ok(());
        }
        let news = self.to_restore(recent.since(Position::START));
        match self.restore_open(connection, epoch, &news, now).await {
            Err(DialError::NotPermitted) => return Ok(()),
            outcome => outcome?,
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(self.shared.keys.compare()).arg("").arg("NX").arg("PX").arg(60_000);
        if !matches!(connection.query(&pipeline).await?.as_slice(), [Value::Nil]) {
            self.comparing = Some(Cursor::default());
        }
        Ok(())
    }

    pub(crate) fn is_comparing(&self) -> bool {
        self.comparing.is_some()
    }

    /// Compares the next page of the replica with Redis, and restores what is missing there.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub(crate) async fn compare_page(
        &mut self,
        connection: &mut MultiplexedConnection,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), DialError> {
        let Some(cursor) = self.comparing else { return Ok(()) };
        let (page, next) = self.replica.set.pages(cursor, COMPARED).next().unwrap_or_default();
        self.restore_open(connection, epoch, &page, now).await?;
        self.comparing = next;
        Ok(())
    }

    /// Restores what is missing in an open epoch.
    async fn restore_open(
        &self,
        connection: &mut MultiplexedConnection,
        epoch: Epoch,
        revocations: &[Revocation],
        now: Timestamp,
    ) -> Result<(), DialError> {
        let restoration = Restoration { epoch: &epoch.to_text(), now, log: Log::Missing, claim: None };
        let keys = &self.shared.keys;
        let written = reconcile(connection, keys, &restoration, revocations, Selection::Compare, None).await?;
        if written > 0 {
            tracing::warn!(written, "revocations that Redis had lost are restored");
            note_restored(written);
        }
        Ok(())
    }

    fn to_restore(&self, news: News) -> Vec<Revocation> {
        match news {
            News::Revocations(news) => news,
            News::Everything => self.replica.set.pages(Cursor::default(), PAGE).flat_map(|(page, _)| page).collect(),
        }
    }
}

fn note_restored(written: usize) {
    if written > 0 {
        metrics::put_back(written);
    }
}
