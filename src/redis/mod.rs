//! The blocklist that many processes share: revocations in one Redis.

mod commands;
mod connection;
mod loss;
mod mirror;
mod schema;
mod settings;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use mirror::fuzzing;
pub use mirror::{MirrorBlocklist, MirrorPhase, MirrorSettings, MirrorState};
pub use settings::{Eviction, OnLoss, RedisSettings};

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use redis::{Script, ScriptInvocation, Value};
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};

use crate::{
    blocklist::{
        Blocklist, CutOffFuture, Lookup, Outage, Revocation, RevocationId, Revoke, RevokeError, RevokeFuture, Status,
        TokenIds,
    },
    clock::Timestamp,
    config_error::ConfigError,
    metrics,
    redis::{
        commands::{
            acks::Acks,
            batch::Batcher,
            check::{Checks, CutOffQuestion, Question},
        },
        connection::{
            dial::{DialError, Dialler},
            send::{Failure, Request, RetryBudget},
            supervisor::{Live, Supervisor},
        },
        mirror::AfterRestore,
        schema::{
            epoch::{ConfirmedWrites, Seen},
            key_names::KeyNames,
        },
    },
};

/// Revocations in a Redis that all processes share.
///
/// A check is one `MGET`, and many checks at a time share one; a revocation is one script that only ever adds to what an entry
/// refuses and lengthens its life; a refresh token is redeemed by one script. When `revoke` has returned `Ok`, every check that starts later, in whatever process, is
/// refused.
///
/// One connection, shared by all clones, is watched in the background and dialled again when it is lost, when answers stay out,
/// or when the server behind it is no longer a master. While there is none, checks are answered [`Outage::NotConnected`] at
/// once. The background task ends when the last clone is dropped.
///
/// A Redis that has lost revocations (was emptied, came back without its data, is another database, or a replica that was
/// behind) is noticed, and never read as "nothing is revoked": see [`OnLoss`].
///
/// ```no_run
/// use tower_jwt_blocklist::{RedisBlocklist, RedisSettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let blocklist = RedisBlocklist::connect(RedisSettings::from_url("redis://127.0.0.1:6379")?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBlocklist(Arc<Shared>);

struct Shared {
    reader: Supervisor,
    /// Where replicas have to acknowledge: whoever waits for them holds a connection up, so it is another one.
    waiting_writer: Option<Supervisor>,
    settings: RedisSettings,
    keys: KeyNames,
    revoke_script: Script,
    rotate_script: Script,
    checks_together: Batcher<Checks>,
    acks: Batcher<Acks>,
    dialler: Dialler,
    mirrors: mirror::Mirrors,
    /// Checks under way.
    checks: AtomicUsize,
    promises: Arc<ConfirmedWrites>,
    auditor: JoinHandle<()>,
    runtime: Handle,
}

/// The background task ends with its owner.
impl Drop for Shared {
    fn drop(&mut self) {
        self.auditor.abort();
    }
}

impl RedisBlocklist {
    /// Connects. Later losses of the connection are mended in the background.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or Redis cannot be reached within a second: better to hear it at start. A service that
    /// has to start before its Redis uses [`connect_lazy`](Self::connect_lazy).
    pub async fn connect(settings: RedisSettings) -> Result<Self, ConfigError> {
        let dialler = settings.dialler()?;
        let mut seen = Seen::default();
        let first = dialler.dial(&mut seen).await.map_err(|error| unusable(&settings, error))?;
        Ok(Self::supervised(settings, dialler, seen, Some(first), Handle::current()))
    }

    /// Connects in the background: until that has worked, every check is an outage and requests are answered with 503.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or this is not called within a tokio runtime.
    pub fn connect_lazy(settings: RedisSettings) -> Result<Self, ConfigError> {
        let dialler = settings.dialler()?;
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::setting("`RedisBlocklist` needs a tokio runtime: call it from an async function")
        })?;
        Ok(Self::supervised(settings, dialler, Seen::default(), None, runtime))
    }

    /// Declares a Redis to hold all revocations there are, and ends. To be called once by whoever sets it up, not at every start:
    ///
    /// - before the first start, where there are tokens already that shall stay valid: without this call, the first start refuses
    ///   those that were issued before it, for it cannot know that this is the first (see [`OnLoss`]);
    /// - after a loss under [`OnLoss::Deny`], which leaves the decision to a person.
    ///
    /// Tokens issued up to `floor` are refused: now for all of them, `SystemTime::UNIX_EPOCH` for none, the time of a backup where
    /// one was put back.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or Redis cannot be reached or written to.
    pub async fn initialize(settings: RedisSettings, floor: SystemTime) -> Result<(), ConfigError> {
        let dialler = settings.dialler()?;
        dialler.initialize(floor.into()).await.map_err(|error| unusable(&settings, error))
    }

    fn supervised(
        settings: RedisSettings,
        dialler: Dialler,
        seen: Seen,
        first: Option<connection::dial::Connected>,
        runtime: Handle,
    ) -> Self {
        let (keys, promises) = (settings.keys(), Arc::clone(&dialler.promises));
        let second = settings.replicas.map(|_| dialler.clone());
        let reader = Supervisor::start(dialler.clone(), seen, settings.shown_address(), first);
        Self(Arc::new_cyclic(|shared| Shared {
            reader,
            waiting_writer: second
                .map(|dialler| Supervisor::start(dialler, Seen::default(), settings.shown_address(), None)),
            auditor: runtime.spawn(loss::audit::run(shared.clone(), settings.audit_every)),
            settings,
            keys,
            revoke_script: schema::entry::script(),
            rotate_script: commands::rotate::script(),
            checks_together: Batcher::default(),
            acks: Batcher::default(),
            dialler,
            mirrors: mirror::Mirrors::default(),
            checks: AtomicUsize::new(0),
            promises,
            runtime,
        }))
    }
}

fn unusable(settings: &RedisSettings, error: DialError) -> ConfigError {
    ConfigError::store(format!("Redis at {} cannot be used: {}", settings.shown_address(), error.as_str()))
}

impl Shared {
    /// One round trip for all of these tokens, over the connection that is live now.
    async fn ask(&self, tokens: &[TokenIds], deadline: Instant) -> Result<Vec<Result<Status, Outage>>, Failure> {
        let mut live = self.reader.live()?;
        metrics::batched(tokens.len());
        let question = Question::new(&self.keys, tokens);
        let answer = self.reader.send(&mut live, Request::Command(&question.command()), deadline).await?;
        let reply = question.read(&answer, live.connected.epoch);
        Ok(question.statuses(&reply.map_err(|failure| self.reader.heed(&live, failure))?))
    }

    async fn check(self: Arc<Self>, token: TokenIds) -> Result<Status, Outage> {
        let Some(_ticket) = Ticket::take(&self) else { return Err(Outage::Overloaded) };
        let deadline = Instant::now() + self.settings.check_deadline;
        let mut patience = RetryBudget::new(deadline);
        loop {
            match commands::batch::ask::<Checks>(&self, token, deadline).await.unwrap_or(Err(Outage::TimedOut.into())) {
                Ok(status) => return Ok(status),
                Err(failure) => patience.outlast(failure, &self.reader).await?,
            }
        }
    }

    async fn latest_cut_off(
        &self,
        issuer: RevocationId,
        subject: Option<RevocationId>,
    ) -> Result<Option<SystemTime>, Outage> {
        let question = CutOffQuestion { issuer, subject };
        let command = question.command(&self.keys);
        let read = |live: &Live, answer: &Value| question.read(answer, live.connected.epoch);
        let deadline = Instant::now() + self.settings.revoke_deadline;
        let (cut_off, _) = self.reader.insist(deadline, |_| Request::Command(&command), read).await?;
        Ok(cut_off.map(SystemTime::from))
    }

    async fn revoke(self: &Arc<Self>, revocation: &Revocation) -> Result<(), RevokeError> {
        let deadline = Instant::now() + self.settings.revoke_deadline;
        let Some(live) = self.store(revocation, &schema::log_entry::pack(revocation), deadline).await? else {
            return Ok(());
        };
        if self.settings.replicas.is_none() {
            return Ok(());
        }
        commands::batch::ask::<Acks>(self, live, deadline).await.unwrap_or(Err(RevokeError::NotReplicated))
    }

    /// And has the mirrors of this process know it at once.
    async fn revoke_and_tell(self: &Arc<Self>, revocation: &Revocation) -> Result<(), RevokeError> {
        for _ in 0..3 {
            let restorations = self.mirrors.restorations();
            self.revoke(revocation).await?;
            if self.mirrors.tell(revocation, restorations) == AfterRestore::Stored {
                return Ok(());
            }
        }
        Err(Outage::Lost.into())
    }

    /// Stores an entry, and appends it to the log as it is `packed`, unless that is nothing. Answers with the connection that it was done
    /// on; `None` if there was nothing to do, for it is over already.
    async fn store(&self, revocation: &Revocation, packed: &[u8], deadline: Instant) -> Result<Option<Live>, Outage> {
        let live_for = revocation.expiry().since(self.now());
        if live_for.is_zero() {
            return Ok(None);
        }
        // Replicas acknowledge only what this connection writes: not what is there already, written by another.
        let always = self.settings.replicas.is_some();
        let call = |live: &Live| {
            Request::Script(self.revoking(revocation, packed, &live.connected.epoch.to_text(), live_for, always))
        };
        let read = |_: &Live, answer: &Value| match answer {
            Value::BulkString(id) => Ok(id.clone()),
            _ => Err(Outage::UnexpectedReply.into()),
        };
        let (id, live) = self.writer().insist(deadline, call, read).await?;
        self.promises.add(live.connected.epoch, &id);
        Ok(Some(live))
    }

    /// The script that stores an entry, in the epoch that is written so.
    fn revoking(
        &self,
        revocation: &Revocation,
        packed: &[u8],
        epoch: &str,
        live_for: Duration,
        always: bool,
    ) -> ScriptInvocation<'_> {
        let bare =
            revocation.legacy_key().and_then(|(id, until)| Some((self.keys.bare(Some(id))?, until.since(self.now()))));
        let mut call = self.script(&self.revoke_script, epoch);
        call.key(self.keys.entry(revocation.scope(), revocation.id()));
        for argument in schema::entry::arguments(&revocation.cut_off()) {
            call.arg(argument);
        }
        call.arg(millis(live_for)).arg(packed).arg(if always { "always" } else { "" });
        call.arg(revocation.reason().unwrap_or_default());
        if let Some((key, live_for)) = bare.filter(|(_, live_for)| !live_for.is_zero()) {
            call.key(key).arg(millis(live_for));
        }
        call
    }

    /// With what the prelude of the scripts asks for.
    fn script<'a>(&self, script: &'a Script, epoch: &str) -> ScriptInvocation<'a> {
        let mut call = script.key(self.keys.epoch());
        call.key(self.keys.log()).key(self.keys.longest()).arg(epoch);
        call
    }

    fn writer(&self) -> &Supervisor {
        self.waiting_writer.as_ref().unwrap_or(&self.reader)
    }

    fn now(&self) -> Timestamp {
        self.settings.clock.now().into()
    }
}

/// One of the checks that may be under way at a time.
struct Ticket(Arc<Shared>);

impl Ticket {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        if shared.checks.fetch_add(1, Ordering::Relaxed) < shared.settings.max_checks {
            Some(Self(Arc::clone(shared)))
        } else {
            shared.checks.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.checks.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Blocklist for RedisBlocklist {
    fn check(&self, ids: &TokenIds, _now: SystemTime) -> Lookup {
        match self.0.reader.outage() {
            None => Lookup::waiting(Arc::clone(&self.0).check(*ids)),
            Some(outage) => Lookup::known(Err(outage)),
        }
    }
}

impl Revoke for RedisBlocklist {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(self.0.revoke_and_tell(revocation))
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        Box::pin(self.0.latest_cut_off(issuer, subject))
    }
}

impl fmt::Debug for RedisBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBlocklist").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
