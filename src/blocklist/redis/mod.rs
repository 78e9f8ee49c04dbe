//! The blocklist that many processes share: revocations in one Redis.

mod audit;
mod batch;
mod check;
#[cfg(feature = "cluster")]
mod cluster;
mod dial;
mod entry;
mod epoch;
mod host;
mod keys;
mod log;
mod route;
#[cfg(feature = "sentinel")]
mod sentinel;
mod settings;
mod supervisor;
mod tls;
mod url;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use redis::{
    Cmd, ErrorKind, RedisError, RedisResult, Script, ScriptInvocation, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use batch::Batcher;
use check::Reply;
use dial::{DialError, Dialler};
use epoch::Seen;
pub use settings::{Eviction, OnLoss, RedisSettings};
use supervisor::{Live, Supervisor};

use super::{Blocklist, CutOffFuture, Lookup, Outage, Revocation, Revoke, RevokeError, RevokeFuture, Status, TokenIds};
use crate::{clock::Timestamp, error::ConfigError};

/// Revocations in a Redis that all processes share.
///
/// A check is one `MGET`, and many checks at a time share one; a revocation is one script that only ever adds to what an entry
/// refuses and lengthens its life. When `revoke` has returned `Ok`, every check that starts later, in whatever process, is
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
    supervisor: Supervisor,
    settings: RedisSettings,
    keys: keys::Keys,
    revoke_script: Script,
    batcher: Batcher,
    /// Checks under way.
    checks: AtomicUsize,
    auditor: JoinHandle<()>,
    runtime: Handle,
}

/// The background task ends with its owner.
impl Drop for Shared {
    fn drop(&mut self) {
        self.auditor.abort();
    }
}

/// Why a command was not answered as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The store has lost revocations. A new connection sees to that.
    Lost,
    /// The connection broke under it, or leads to the wrong node of a cluster.
    Dropped,
    /// The slot of a cluster that all keys are in is being moved to another node.
    Moving,
    Outage(Outage),
}

impl From<Outage> for Failure {
    fn from(outage: Outage) -> Self {
        Self::Outage(outage)
    }
}

impl From<Failure> for Outage {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost => Self::Lost,
            Failure::Dropped | Failure::Moving => Self::Failed,
            Failure::Outage(outage) => outage,
        }
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
    pub async fn initialise(settings: RedisSettings, floor: SystemTime) -> Result<(), ConfigError> {
        let dialler = settings.dialler()?;
        dialler.initialise(floor.into()).await.map_err(|error| unusable(&settings, error))
    }

    fn supervised(
        settings: RedisSettings,
        dialler: Dialler,
        seen: Seen,
        first: Option<dial::Connected>,
        runtime: Handle,
    ) -> Self {
        let keys = settings.keys();
        let supervisor = Supervisor::start(dialler, seen, settings.shown_address(), first);
        Self(Arc::new_cyclic(|shared| Shared {
            supervisor,
            auditor: runtime.spawn(audit::run(shared.clone(), settings.audit_every)),
            settings,
            keys,
            revoke_script: entry::script(),
            batcher: Batcher::default(),
            checks: AtomicUsize::new(0),
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
        let mut live = self.supervisor.live()?;
        let command = check::command(&self.keys, tokens);
        let answer = self.send(&mut live, Request::Command(&command), deadline).await?;
        let mut reply =
            Reply::read(&answer, tokens, &live.connected.epoch).inspect_err(|failure| self.observe(&live, *failure))?;
        Ok(tokens.iter().map(|token| reply.status(token)).collect())
    }

    async fn check(self: Arc<Self>, token: TokenIds) -> Result<Status, Outage> {
        let Some(_ticket) = Ticket::take(&self) else { return Err(Outage::Overloaded) };
        let deadline = Instant::now() + self.settings.check_deadline;
        let mut patience = Patience::new(deadline);
        loop {
            match batch::ask(&self, token, deadline).await {
                Ok(status) => return Ok(status),
                Err(failure) => patience.outlast(failure, &self).await?,
            }
        }
    }

    async fn latest_cut_off(&self, token: &TokenIds) -> Result<Option<Timestamp>, Outage> {
        let tokens = [*token];
        let command = check::command(&self.keys, &tokens);
        let read =
            |live: &Live, answer: &Value| Ok(Reply::read(answer, &tokens, &live.connected.epoch)?.cut_off(token)?);
        self.insist(|_| Request::Command(&command), read).await
    }

    async fn revoke(&self, revocation: &Revocation) -> Result<(), Outage> {
        self.store(revocation, &log::pack(revocation)).await
    }

    /// Stores an entry, and appends it to the log as it is `packed`, unless that is nothing.
    async fn store(&self, revocation: &Revocation, packed: &[u8]) -> Result<(), Outage> {
        let live_for = revocation.until.since(self.now());
        if live_for.is_zero() {
            return Ok(());
        }
        let call = |epoch: &epoch::Epoch| {
            let mut call = self.revoke_script.key(self.keys.entry(revocation.scope, revocation.id));
            call.key(self.keys.epoch()).key(self.keys.log()).key(self.keys.longest());
            for argument in entry::arguments(&revocation.cut_off) {
                call.arg(argument);
            }
            call.arg(millis(live_for)).arg(epoch.to_text()).arg(packed);
            call
        };
        self.insist(
            |live| Request::Script(call(&live.connected.epoch)),
            |_, answer| match answer {
                Value::BulkString(_) => Ok(()),
                _ => Err(Outage::UnexpectedReply.into()),
            },
        )
        .await
    }

    /// Sends what somebody waits for, within the revocations' deadline: waits for a connection, and sends once more if the first one broke
    /// or the store turned out to have lost something. It may then have been done twice.
    async fn insist<'a, T>(
        &self,
        request: impl Fn(&Live) -> Request<'a>,
        read: impl Fn(&Live, &Value) -> Result<T, Failure>,
    ) -> Result<T, Outage> {
        let deadline = Instant::now() + self.settings.revoke_deadline;
        let mut patience = Patience::new(deadline);
        loop {
            let mut live = self.wait_for_live(deadline).await?;
            let request = request(&live);
            let outcome = match self.send(&mut live, request, deadline).await {
                Ok(answer) => read(&live, &answer).inspect_err(|failure| self.observe(&live, *failure)),
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(read) => return Ok(read),
                Err(failure) => patience.outlast(failure, self).await?,
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.settings.clock.now().into()
    }

    async fn wait_for_live(&self, deadline: Instant) -> Result<Live, Outage> {
        timeout_at(deadline, self.supervisor.wait_for_live()).await.unwrap_or(Err(Outage::NotConnected))
    }

    /// Sends a request, and tells the supervisor what became of it on this connection.
    async fn send(&self, live: &mut Live, request: Request<'_>, deadline: Instant) -> Result<Value, Failure> {
        let Ok(outcome) = timeout_at(deadline, request.send_on(&mut live.connected.connection)).await else {
            self.supervisor.timed_out(live);
            return Err(Outage::TimedOut.into());
        };
        self.supervisor.observe(live, &outcome);
        outcome.map_err(|error| {
            let failure = Failure::of(&error);
            self.observe(live, failure);
            failure
        })
    }

    /// A connection to a store that has lost something is given up: whoever dials again sees to the loss.
    fn observe(&self, live: &Live, failure: Failure) {
        if failure == Failure::Lost {
            self.supervisor.give_up(live);
        }
    }
}

/// How often and how long something is tried again within its deadline.
struct Patience {
    deadline: Instant,
    may_dial: bool,
}

impl Patience {
    /// Between two looks whether a slot has been moved.
    const PAUSE: Duration = Duration::from_millis(10);

    fn new(deadline: Instant) -> Self {
        Self { deadline, may_dial: true }
    }

    /// Returns when it is worth while to try again: once for each connection that was of no use, and while a slot is being moved.
    async fn outlast(&mut self, failure: Failure, shared: &Shared) -> Result<(), Outage> {
        match failure {
            Failure::Lost | Failure::Dropped if self.may_dial => {
                self.may_dial = false;
                shared.wait_for_live(self.deadline).await.map(drop)
            }
            Failure::Moving if Instant::now() + Self::PAUSE < self.deadline => {
                sleep(Self::PAUSE).await;
                self.may_dial = true;
                Ok(())
            }
            failure => Err(failure.into()),
        }
    }
}

impl Failure {
    fn of(error: &RedisError) -> Self {
        if error.code() == Some(entry::LOST) {
            return Self::Lost;
        }
        match error.kind() {
            _ if error.is_connection_dropped() => return Self::Dropped,
            ErrorKind::Server(ServerErrorKind::Moved) => return Self::Dropped,
            ErrorKind::Server(ServerErrorKind::Ask | ServerErrorKind::TryAgain) => return Self::Moving,
            _ => {}
        }
        // The server's word for the case (`OOM`, `NOPERM`); the rest of its text is not repeated.
        if let Some(code) = error.code() {
            tracing::debug!(code, "Redis refused a command");
        }
        Self::Outage(Outage::Failed)
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

enum Request<'a> {
    Command(&'a Cmd),
    Script(ScriptInvocation<'a>),
}

impl Request<'_> {
    async fn send_on(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(call) => call.invoke_async(connection).await,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Blocklist for RedisBlocklist {
    fn check(&self, ids: &TokenIds) -> Lookup {
        match self.0.supervisor.live() {
            Ok(_) => Lookup::waiting(Arc::clone(&self.0).check(*ids)),
            Err(outage) => Lookup::known(Err(outage)),
        }
    }
}

impl Revoke for RedisBlocklist {
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move { self.0.revoke(revocation).await.map_err(RevokeError::Outage) })
    }

    fn cut_off<'a>(&'a self, ids: &'a TokenIds) -> CutOffFuture<'a> {
        Box::pin(self.0.latest_cut_off(ids))
    }
}

impl fmt::Debug for RedisBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBlocklist").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
