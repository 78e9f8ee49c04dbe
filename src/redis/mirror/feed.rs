//! Follows the log of revocations over a connection of its own, and proves again and again that the
//! replica is complete.
//!
//! One cycle sends one pipeline: `HELLO`, the end of the log, whether the entry seen last is still
//! in it, the epoch, and the news. The moment before sending is proven when a master has answered
//! in the same epoch, and everything up to that end of the log was read.
//!
//! `XREAD` alone proves nothing: it answers "no news" also where the log is missing, and where the
//! log ends before the cursor.

use std::{sync::Arc, time::Duration};

use redis::{Value, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use crate::{
    metrics,
    redis::{
        connection::{dial::check_role, host::Host},
        error::DialError,
        loss::{
            detect::{self, LastKnown, Observed},
            own_writes::Verified,
            process::read_roster,
            roster::Membership,
            timing::{PAGE_DEADLINE, REDIAL},
        },
        mirror::{
            canary::Canary,
            progress::{Page, PageSize, Progress},
            replica::{Calendar, ClockChange, MirrorPhase, Moment, Recent, Replica},
            restore::{Incident, Restorer},
            settings::Pace,
        },
        schema::{epoch::Epoch, log_entry, millis, position::StreamId},
        shared::Shared,
    },
};

/// The time limit for an answer of Redis, without the time that it waits for news.
const SLACK: Duration = Duration::from_secs(1);
/// The pause between two pages of a comparison, in which Redis can serve others.
const COMPARING: Duration = Duration::from_millis(10);
pub(crate) struct Feed {
    replica: Arc<Replica>,
    shared: Arc<Shared>,
    pace: Pace,
    last_known: LastKnown,
    progress: Progress,
    page_size: PageSize,
    verified: Verified,
    recent: Recent,
    membership: Membership,
    /// The epoch that the replica belongs to.
    epoch: Option<Epoch>,
    /// Whether the last cycle has read everything.
    is_up_to_date: bool,
    restorer: Restorer,
    calendar: Calendar,
    /// The time at which the topology (Sentinel, for example) last confirmed that this host is the
    /// master.
    route_confirmed: Option<Moment>,
    canary: Canary,
}

impl Feed {
    pub(crate) fn new(replica: Arc<Replica>, shared: Arc<Shared>, pace: Pace) -> Self {
        let Moment { at, time } = replica.moment();
        Self {
            membership: Membership::of_mirror(replica.max_staleness()),
            recent: Recent::default(),
            page_size: PageSize::default(),
            verified: Verified::default(),
            restorer: Restorer::new(Arc::clone(&replica), Arc::clone(&shared)),
            canary: Canary::new(&shared.keys),
            replica,
            shared,
            pace,
            last_known: LastKnown::default(),
            progress: Progress::default(),
            epoch: None,
            is_up_to_date: false,
            calendar: Calendar::new(at, time),
            route_confirmed: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut last_failure = None;
        loop {
            let error = self.follow().await;
            // Logged once, not at each attempt.
            if last_failure.replace(error) != Some(error) {
                tracing::warn!(reason = error.as_str(), "the mirror cannot follow Redis, and keeps trying");
            }
            self.housekeeping();
            sleep(REDIAL).await;
        }
    }

    /// Connects, and runs cycles until one fails.
    async fn follow(&mut self) -> DialError {
        let (host, mut connection) = match self.shared.dialer.connect().await {
            Ok(connected) => connected,
            Err(error) => return error,
        };
        self.is_up_to_date = false;
        self.route_confirmed = None;
        self.verified = Verified::default();
        loop {
            self.housekeeping();
            match self.cycle(&host, &mut connection).await {
                // Others have changed the epoch meanwhile, so look again.
                Ok(()) | Err(DialError::Overtaken) => {}
                Err(error) => return error,
            }
            match self.pace {
                _ if self.restorer.is_comparing() => sleep(COMPARING).await,
                Pace::Poll(pause) if self.is_up_to_date => sleep(pause).await,
                _ => {}
            }
        }
    }

    async fn cycle(&mut self, host: &Host, connection: &mut MultiplexedConnection) -> Result<(), DialError> {
        self.confirm_route(host).await?;
        if self.membership.is_due() {
            let roster = &self.shared.dialer.process.roster;
            self.membership.announce(connection, &self.shared.keys, roster).await?;
        }
        let (asked, replies) = self.query_news(connection).await?;
        // The replica lacks entries that had expired by a clock that was ahead, so this reply
        // proves nothing.
        if self.advance(asked) == ClockChange::SetBack {
            return Ok(());
        }
        let (role, rest) = replies.split_first().ok_or(DialError::Other)?;
        check_role(role)?;
        let (observed, news) = rest.split_at_checked(detect::REPLIES).ok_or(DialError::Other)?;
        let news = news.first().ok_or(DialError::Other)?;
        self.read_canary(news)?;
        let observed = detect::parse_observed(&self.last_known, observed).ok_or(DialError::Other)?;
        let epoch = match self.last_known.judge(&observed) {
            Ok(epoch) => epoch,
            Err(loss) => {
                self.is_up_to_date = false;
                if self.last_known.is_first_notice() {
                    self.shared.note_loss();
                }
                if observed.is_claimed {
                    self.last_known.notice_restoration();
                }
                let incident = Incident {
                    observed: &observed,
                    loss,
                    noticed: self.last_known.notice_loss(),
                    epoch: self.epoch,
                    last: self.progress.position(),
                    recent: &self.recent,
                    member: self.membership.id,
                    now: self.calendar.now(),
                };
                return self.restorer.restore(connection, &incident).await;
            }
        };
        self.restorer.note_complete();
        read_roster(&self.shared.dialer.process.roster, connection, &self.shared.keys, observed.joined).await?;
        if self.epoch != Some(epoch) {
            if self.epoch.is_some() {
                self.restorer.come_late(connection, epoch, &self.recent, self.calendar.now()).await?;
            }
            self.last_known.update(epoch, &observed, asked.time);
            self.adopt(epoch);
            return Ok(());
        }
        let page = Page::parse(news, &self.shared.keys.log()).map_err(|_| DialError::Other)?;
        self.page_size.adapt(&page);
        self.merge_page(&page, observed.last.map_or(StreamId::default(), |last| last.id))?;
        self.note_proof(epoch, observed, asked)?;
        if self.is_up_to_date {
            self.page_size.forget_ceiling();
            let now = self.calendar.now();
            let process = &self.shared.dialer.process;
            process.verify_own(connection, &mut self.verified, &self.shared.keys, epoch, asked.at, now).await?;
            self.restorer.compare_page(connection, epoch, now).await?;
        }
        Ok(())
    }

    /// Sends the pipeline of one cycle. Returns the moment before sending, and the replies.
    async fn query_news(&mut self, connection: &mut MultiplexedConnection) -> Result<(Moment, Vec<Value>), DialError> {
        let wait = match self.pace {
            Pace::Wait(wait) if self.is_up_to_date && !self.restorer.is_comparing() => Some(wait),
            _ => None,
        };
        let keys = &self.shared.keys;
        // A confirmed write that no feed has read has to be in the log too. Otherwise only the
        // supervisor would notice that it is lost, and raise the floor although mirrors could
        // restore it.
        self.last_known.remember(&self.shared.dialer.process.confirmed_writes);
        let mut pipeline = redis::pipe();
        pipeline.cmd("HELLO");
        detect::query_epoch(&mut pipeline, keys, &self.last_known);
        pipeline.cmd("XREAD").arg("COUNT").arg(self.page_size.count());
        if let Some(wait) = wait {
            pipeline.arg("BLOCK").arg(millis(wait));
        }
        let (canary, canary_cursor) = self.canary.stream().unzip();
        pipeline.arg("STREAMS").arg(keys.log()).arg(canary).arg(self.progress.cursor).arg(canary_cursor);
        if wait.is_some() || matches!(self.pace, Pace::Poll(_)) {
            self.canary.send_if_due(&self.shared);
        }
        let asked = self.replica.moment();
        // While the mirror catches up, a page is long, and nothing is answered from memory anyway.
        let slack = if self.is_up_to_date { SLACK } else { PAGE_DEADLINE };
        let limit = wait.unwrap_or_default() + slack;
        let replies = timeout(limit, pipeline.query_async(connection)).await;
        let Ok(replies) = replies else {
            self.page_size.shrink();
            return Err(DialError::TimedOut);
        };
        Ok((asked, replies.map_err(|error| DialError::of(&error))?))
    }

    /// Reads the news of the mirror's test entries, whatever the epoch is: an unread one would end
    /// the next wait for news at once.
    fn read_canary(&mut self, news: &Value) -> Result<(), DialError> {
        let Some((key, _)) = self.canary.stream() else { return Ok(()) };
        let page = Page::parse(news, key).map_err(|_| DialError::Other)?;
        if let Some(took) = self.canary.read(&page) {
            metrics::propagated(took);
            self.replica.set_propagation(took);
        }
        Ok(())
    }

    /// Merges the entries of the log, which ended at `end`, into the replica.
    fn merge_page(&mut self, page: &Page<'_>, end: StreamId) -> Result<(), DialError> {
        for entry in &page.entries {
            let is_recent = Recent::is_recent(entry.id, end);
            let mut revocations = Vec::new();
            for revocation in log_entry::revocations(entry.field, entry.value) {
                let revocation = revocation.ok_or(DialError::UnknownEntry)?;
                if revocation.expiry() > self.calendar.now() {
                    self.replica.merge(&revocation);
                    if is_recent {
                        revocations.push(revocation);
                    }
                }
            }
            if is_recent {
                self.recent.add(entry.position(), revocations.into_iter());
            }
        }
        self.progress.read(page);
        Ok(())
    }

    /// Stores a new proof, if the page that was read completes one.
    fn note_proof(&mut self, epoch: Epoch, mut observed: Observed, asked: Moment) -> Result<(), DialError> {
        let end = observed.last.ok_or(DialError::Other)?;
        // Entries of this page may be newer than that end. A server that lacks them later has lost
        // them.
        if self.progress.cursor > end.id {
            observed.last = Some(self.progress.position());
        }
        self.last_known.update(epoch, &observed, asked.time);
        let proven = self.progress.proves(end.id, asked);
        self.is_up_to_date = proven == Some(asked);
        if let Some(moment) = proven {
            self.replica.prove(self.route_confirmed.map_or(moment, |confirmed| moment.min(confirmed)));
        }
        Ok(())
    }

    /// Begins to read the log of another epoch. The replica keeps its entries.
    fn adopt(&mut self, epoch: Epoch) {
        self.recent = Recent::default();
        self.replica.set_floor(epoch.floor);
        self.epoch = Some(epoch);
        self.membership.forget_announcement();
        self.resync();
    }

    /// Reads the log from its beginning again.
    fn resync(&mut self) {
        self.progress = Progress::default();
        self.canary.resync();
        self.is_up_to_date = false;
        metrics::resynced();
    }

    fn advance(&mut self, now: Moment) -> ClockChange {
        let change = self.calendar.advance(now.at, now.time);
        if change == ClockChange::SetBack {
            tracing::warn!("the clock was set back: the mirror reads all revocations again");
            self.replica.invalidate_proof();
            self.resync();
        }
        change
    }

    fn housekeeping(&mut self) {
        let now @ Moment { at, .. } = self.replica.moment();
        self.advance(now);
        self.replica.set.sweep(at, self.calendar.now());
        if self.replica.can_restart() {
            self.replica.restart();
            self.resync();
        }
        let state = self.replica.state();
        metrics::mirror(
            MirrorPhase::ALL.map(|phase| (phase.as_str(), phase == state.phase())),
            state.age(),
            state.entries(),
        );
    }

    /// Asks the topology from time to time whether this host is still the master, because a demoted
    /// master may not know it for seconds.
    async fn confirm_route(&mut self, host: &Host) -> Result<(), DialError> {
        let now = self.replica.moment();
        let is_recent =
            |confirmed: &Moment| now.at.saturating_duration_since(confirmed.at) < self.replica.max_staleness() / 4;
        if self.route_confirmed.as_ref().is_some_and(is_recent) {
            return Ok(());
        }
        let dialer = &self.shared.dialer;
        if !dialer.topology.is_master(host, &dialer.connector).await {
            return Err(DialError::NotMaster);
        }
        self.route_confirmed = Some(now);
        Ok(())
    }
}
