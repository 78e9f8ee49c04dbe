//! Follows the log of revocations, over a connection of its own, and proves again and again that nothing is missing.
//!
//! One cycle is one write: who are you (`HELLO`), where does the log end and is what was seen last still in it, which epoch is it, and
//! what is new. What was asked before sending is proven when a master has answered in the same epoch and everything up to that end of
//! the log was read. `XREAD` alone proves nothing: a log that is missing answers as one without news, and so does one that ends before
//! the cursor.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    blocklist::RevocationId,
    metrics,
    redis::{
        Shared,
        connection::{
            dial::{DIAL_DEADLINE, DialError, check_role},
            host::Host,
            send::Request,
        },
        mirror::{
            calendar::{Calendar, Clock},
            progress::{Page, Progress, StreamId},
            replica::{Moment, Replica},
            settings::Pace,
            state::MirrorPhase,
        },
        schema::{
            epoch::{self, Epoch, Seen},
            log_entry,
        },
    },
};

/// Entries that are read at a time.
const PAGE: usize = 1000;
/// How much longer than it holds an answer back the server may take.
const SLACK: Duration = Duration::from_secs(1);
/// Between two attempts to connect: short, because those who hold the revocations should be there first after a loss.
const REDIAL: Duration = Duration::from_millis(100);
/// How often what is over is looked for, in one part of the set.
const SWEEP: Duration = Duration::from_millis(250);
/// How often it is written that there is a mirror, and for how long that counts.
const SIGN: Duration = Duration::from_secs(10);
/// How often a test entry is sent.
const CANARY: Duration = Duration::from_secs(60);
/// The field of a test entry. It is no revocation, and nobody else looks at it.
const CANARY_FIELD: &[u8] = b"c";

pub(crate) struct Feed {
    pub(crate) holding: Arc<Replica>,
    pub(crate) shared: Arc<Shared>,
    pace: Pace,
    pub(crate) seen: Seen,
    progress: Progress,
    /// What was read is of this epoch.
    pub(crate) epoch: Option<Epoch>,
    /// Whether nothing was new at the last look.
    is_up_to_date: bool,
    /// Where to go on comparing what is held with what Redis holds, after its epoch has changed.
    pub(crate) comparing: Option<usize>,
    /// All that is held was put into this epoch, before it was opened.
    pub(crate) helped: Option<Epoch>,
    pub(crate) calendar: Calendar,
    turn: usize,
    swept: Instant,
    /// When Sentinel last named our master, by its own connection.
    confirmed: Option<Moment>,
    signed: Option<Instant>,
    canary: Canary,
}

#[derive(Default)]
struct Canary {
    sent: Option<Instant>,
    awaited: Option<RevocationId>,
    /// Ends with its owner.
    sending: JoinSet<()>,
}

impl Feed {
    pub(crate) fn new(holding: Arc<Replica>, shared: Arc<Shared>, pace: Pace) -> Self {
        let Moment { at, time } = holding.moment();
        Self {
            holding,
            shared,
            pace,
            seen: Seen::default(),
            progress: Progress::default(),
            epoch: None,
            is_up_to_date: false,
            comparing: None,
            helped: None,
            calendar: Calendar::new(at, time),
            turn: 0,
            swept: at,
            confirmed: None,
            signed: None,
            canary: Canary::default(),
        }
    }

    pub(crate) async fn run(mut self) {
        let mut last_failure = None;
        loop {
            let error = self.follow().await;
            if last_failure.replace(error) != Some(error) {
                tracing::warn!(reason = error.as_str(), "the mirror lost Redis: trying again and again");
            }
            self.keep_house();
            sleep(REDIAL).await;
        }
    }

    /// Goes on until that fails.
    async fn follow(&mut self) -> DialError {
        let connecting = timeout(DIAL_DEADLINE, self.shared.dialler.connect()).await;
        let (host, mut connection) = match connecting.unwrap_or(Err(DialError::TimedOut)) {
            Ok(connected) => connected,
            Err(error) => return error,
        };
        self.is_up_to_date = false;
        self.confirmed = None;
        loop {
            self.keep_house();
            if let Err(error) = self.cycle(&host, &mut connection).await {
                return error;
            }
            match self.pace {
                // While something is being put back, news are polled in between, and Redis has time for others.
                _ if self.comparing.is_some() => sleep(Duration::from_millis(10)).await,
                Pace::Poll(pause) if self.is_up_to_date => sleep(pause).await,
                _ => {}
            }
        }
    }

    async fn cycle(&mut self, host: &Host, connection: &mut MultiplexedConnection) -> Result<(), DialError> {
        self.confirm_route(host).await?;
        self.sign(connection).await?;
        let wait = match self.pace {
            Pace::Wait(wait) if self.is_up_to_date && self.comparing.is_none() => Some(wait),
            _ => None,
        };
        let (asked, replies) = self.ask(connection, wait).await?;
        // What was left out by a clock that was ahead is not proven by one that is right.
        if self.advance(asked) == Clock::WasSetBack {
            return Ok(());
        }
        let (role, rest) = replies.split_first().ok_or(DialError::Other)?;
        check_role(role)?;
        let (found, news) = rest.split_at_checked(epoch::REPLIES).ok_or(DialError::Other)?;
        let mut found = epoch::read(&self.seen, found).ok_or(DialError::Other)?;
        let epoch = match self.seen.judge(&found) {
            Ok(epoch) => epoch,
            Err(loss) => return self.restore(connection, &found, loss).await,
        };
        let end = found.last_id.as_deref().and_then(|id| StreamId::parse(id.as_bytes())).ok_or(DialError::Other)?;
        if self.epoch != Some(epoch) {
            self.seen.update(epoch, found, asked.time);
            self.adopt(epoch);
            return Ok(());
        }
        let page = Page::parse(news.first().ok_or(DialError::Other)?).map_err(|_| DialError::Other)?;
        self.take_in(&page)?;
        // What was read is seen too: a server that does not have it any more has lost it.
        found.last_id = Some(end.max(self.progress.cursor).to_string());
        self.seen.update(epoch, found, asked.time);
        let proven = self.progress.ends(end, asked);
        self.is_up_to_date = proven == Some(asked);
        if let Some(moment) = proven {
            self.holding.prove(self.confirmed.map_or(moment, |confirmed| moment.min(confirmed)));
            self.shared.dialler.holders.exist();
        }
        if self.is_up_to_date {
            self.verify_own(connection, asked.at).await?;
            self.compare_some(connection).await?;
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        connection: &mut MultiplexedConnection,
        wait: Option<Duration>,
    ) -> Result<(Moment, Vec<Value>), DialError> {
        let keys = &self.shared.keys;
        // Else the supervisor alone would notice that a revocation is lost which no feed has read, and end that with a floor.
        self.seen.remember(&self.shared.promises);
        let mut pipeline = redis::pipe();
        pipeline.cmd("HELLO");
        epoch::ask(&mut pipeline, keys, &self.seen);
        pipeline.cmd("XREAD").arg("COUNT").arg(PAGE);
        if let Some(wait) = wait {
            pipeline.arg("BLOCK").arg(super::super::millis(wait));
        }
        pipeline.arg("STREAMS").arg(keys.log()).arg(self.progress.cursor.to_string());
        if wait.is_some() || matches!(self.pace, Pace::Poll(_)) {
            self.canary.send(&self.shared);
        }
        let asked = self.holding.moment();
        let limit = wait.unwrap_or_default() + SLACK;
        let replies = timeout(limit, pipeline.query_async(connection)).await;
        let replies = replies.map_err(|_| DialError::TimedOut)?.map_err(|error| DialError::of(&error))?;
        Ok((asked, replies))
    }

    fn take_in(&mut self, page: &Page<'_>) -> Result<(), DialError> {
        for entry in &page.entries {
            match entry.field {
                b"d" => {
                    let revocation = log_entry::unpack(entry.value).ok_or(DialError::UnknownEntry)?;
                    if revocation.expiry() > self.calendar.now() {
                        self.holding.merge(&revocation);
                    }
                }
                CANARY_FIELD => {
                    if let Some(within) = self.canary.saw(entry.value) {
                        metrics::propagated(within);
                        self.holding.propagated(within);
                    }
                }
                _ => {}
            }
        }
        self.progress.read(page);
        Ok(())
    }

    /// Begins to read what is of another epoch. What is held stays.
    fn adopt(&mut self, epoch: Epoch) {
        if self.epoch.is_some() && self.comparing.is_none() {
            self.comparing = Some(0);
        }
        self.holding.set_floor(epoch.floor);
        self.epoch = Some(epoch);
        self.signed = None;
        self.read_anew();
    }

    fn read_anew(&mut self) {
        self.progress = Progress::default();
        self.is_up_to_date = false;
        metrics::resynced();
    }

    fn advance(&mut self, now: Moment) -> Clock {
        let clock = self.calendar.advance(now.at, now.time);
        if clock == Clock::WasSetBack {
            tracing::warn!("the clock was set back: the mirror reads again what it may have forgotten");
            self.holding.doubt();
            self.read_anew();
        }
        clock
    }

    fn keep_house(&mut self) {
        let now @ Moment { at, .. } = self.holding.moment();
        self.advance(now);
        if at.saturating_duration_since(self.swept) >= SWEEP {
            self.holding.set.sweep(self.turn, self.calendar.now());
            (self.turn, self.swept) = (self.turn.wrapping_add(1), at);
        }
        self.holding.set.grow_filter();
        if self.holding.has_overflowed() && self.holding.set.has_room() {
            self.holding.begin_anew();
            self.read_anew();
        }
        let state = self.holding.state();
        metrics::mirror(
            MirrorPhase::ALL.map(|phase| (phase.as_str(), phase == state.phase())),
            state.age(),
            state.entries(),
        );
    }

    /// A demoted master does not know it for seconds: those are asked who do.
    async fn confirm_route(&mut self, host: &Host) -> Result<(), DialError> {
        let now = self.holding.moment();
        let is_recent =
            |confirmed: &Moment| now.at.saturating_duration_since(confirmed.at) < self.holding.max_staleness() / 4;
        if self.confirmed.as_ref().is_some_and(is_recent) {
            return Ok(());
        }
        let dialler = &self.shared.dialler;
        if !dialler.route.still_leads_to(host, &dialler.connector).await {
            return Err(DialError::NotMaster);
        }
        self.confirmed = Some(now);
        Ok(())
    }

    /// Lets others know that there is a mirror.
    async fn sign(&mut self, connection: &mut MultiplexedConnection) -> Result<(), DialError> {
        if !self.is_up_to_date || self.signed.is_some_and(|signed| signed.elapsed() < SIGN) {
            return Ok(());
        }
        let mut command = redis::cmd("SET");
        command.arg(self.shared.keys.mirrored()).arg("").arg("PX").arg(super::super::millis(SIGN * 3));
        match timeout(SLACK, command.query_async::<()>(connection)).await.map_err(|_| DialError::TimedOut)? {
            // Whoever may only read cannot put anything back either.
            Err(error) if DialError::of(&error) != DialError::NotPermitted => Err(DialError::of(&error)),
            _ => {
                self.signed = Some(Instant::now());
                Ok(())
            }
        }
    }
}

impl Canary {
    /// Sends one, if it is time, while the feed listens. It goes the way of every revocation.
    fn send(&mut self, shared: &Arc<Shared>) {
        if self.sent.is_some_and(|sent| sent.elapsed() < CANARY) {
            return;
        }
        let (Ok(mut live), Ok(id)) = (shared.reader.live(), RevocationId::random()) else { return };
        (self.sent, self.awaited) = (Some(Instant::now()), Some(id));
        let shared = Arc::clone(shared);
        // If it does not arrive, there will be another.
        self.sending = JoinSet::new();
        self.sending.spawn(async move {
            let mut command = redis::cmd("XADD");
            command.arg(shared.keys.log()).arg("NOMKSTREAM").arg("*").arg(CANARY_FIELD).arg(id.as_bytes());
            let deadline = tokio::time::Instant::now() + SLACK;
            let _ = shared.reader.send(&mut live, Request::Command(&command), deadline).await;
        });
    }

    /// How long it took, if it is the one that was sent.
    fn saw(&mut self, value: &[u8]) -> Option<Duration> {
        self.awaited.take_if(|id| id.as_bytes() == value)?;
        self.sent.map(|sent| sent.elapsed())
    }
}
