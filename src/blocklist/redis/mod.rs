//! The blocklist that many processes share: revocations in one Redis.

mod dial;
mod entry;
mod rotate;
mod settings;
mod supervisor;

use std::{fmt, sync::Arc, time::Duration};

use redis::{Cmd, RedisError, RedisResult, Script, ScriptInvocation, Value, aio::MultiplexedConnection};
use tokio::time::{Instant, timeout_at};

use dial::{DialError, Dialler};
pub use settings::{Eviction, RedisSettings};
use supervisor::{Live, Supervisor};

use super::{
    Blocklist, CutOff, CutOffFuture, Lookup, Outage, Revocation, RevocationId, Revoke, RevokeError, RevokeFuture,
    Scope, Status, TokenIds,
};
use crate::{clock::Timestamp, error::ConfigError};

/// Revocations in a Redis that all processes share.
///
/// A check is one `MGET` of at most four keys; a revocation is one script that only ever adds to what an entry refuses and
/// lengthens its life; a refresh token is redeemed by one script. When `revoke` has returned `Ok`, every check that starts later, in whatever process, is refused.
///
/// One connection, shared by all clones, is watched in the background and dialled again when it is lost, when answers stay out,
/// or when the server behind it is no longer a master. While there is none, checks are answered [`Outage::NotConnected`] at
/// once. The background task ends when the last clone is dropped.
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
    revoke: Script,
    rotate: Script,
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
        let connection = dialler.dial().await.map_err(|error| unusable(&settings, error))?;
        Ok(Self::supervised(settings, dialler, Some(connection)))
    }

    /// Connects in the background: until that has worked, every check is an outage and requests are answered with 503.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or this is not called within a tokio runtime.
    pub fn connect_lazy(settings: RedisSettings) -> Result<Self, ConfigError> {
        let dialler = settings.dialler()?;
        tokio::runtime::Handle::try_current().map_err(|_| {
            ConfigError::setting("`RedisBlocklist` needs a tokio runtime: call it from an async function")
        })?;
        Ok(Self::supervised(settings, dialler, None))
    }

    fn supervised(settings: RedisSettings, dialler: Dialler, first: Option<MultiplexedConnection>) -> Self {
        let supervisor = Supervisor::start(dialler, settings.shown_address(), first);
        Self(Arc::new(Shared { supervisor, settings, revoke: entry::script(), rotate: rotate::script() }))
    }
}

fn unusable(settings: &RedisSettings, error: DialError) -> ConfigError {
    ConfigError::store(format!("Redis at {} cannot be used: {}", settings.shown_address(), error.as_str()))
}

impl Shared {
    fn key(&self, scope: Scope, id: RevocationId) -> String {
        format!("{{{}}}:{}:{id}", self.settings.namespace, scope.tag() as char)
    }

    async fn ask(&self, live: Live, ids: &TokenIds, deadline: Instant) -> Result<Status, Outage> {
        let entries = self.entries(live, ids, deadline).await?;
        let refused = ids.each().zip(entries).find(|(_, entry)| entry.is_some_and(|entry| entry.refuses(ids)));
        Ok(refused.map_or(Status::NotRevoked, |((scope, _), _)| Status::Revoked(scope)))
    }

    /// The entries for all of a token's ids, in their order.
    async fn entries(&self, live: Live, ids: &TokenIds, deadline: Instant) -> Result<Vec<Option<CutOff>>, Outage> {
        let mut command = redis::cmd("MGET");
        for (scope, id) in ids.each() {
            command.arg(self.key(scope, id));
        }
        read_entries(ids.each().count(), &self.send(live, Request::Command(&command), deadline).await?)
    }

    async fn latest_cut_off(&self, ids: &TokenIds) -> Result<Option<Timestamp>, Outage> {
        let deadline = Instant::now() + self.settings.revoke_deadline;
        let entries = self.entries(self.wait_for_live(deadline).await?, ids, deadline).await?;
        Ok(entries.into_iter().flatten().map(|entry| entry.limit(ids)).max())
    }

    async fn store(&self, revocation: &Revocation) -> Result<(), Outage> {
        let live_for = revocation.until.since(Timestamp::from(self.settings.clock.now()));
        if live_for.is_zero() {
            return Ok(());
        }
        let mut call = self.revoke.key(self.key(revocation.scope, revocation.id));
        for argument in entry::arguments(&revocation.cut_off) {
            call.arg(argument);
        }
        call.arg(millis(live_for));
        let deadline = Instant::now() + self.settings.revoke_deadline;
        let answer = self.send(self.wait_for_live(deadline).await?, Request::Script(&call), deadline).await?;
        if answer == Value::Int(1) { Ok(()) } else { Err(Outage::UnexpectedReply) }
    }

    async fn wait_for_live(&self, deadline: Instant) -> Result<Live, Outage> {
        timeout_at(deadline, self.supervisor.wait_for_live()).await.ok().flatten().ok_or(Outage::NotConnected)
    }

    /// Sends a request, and once more if the connection broke under it: it may then have been done twice.
    async fn send(&self, mut live: Live, request: Request<'_>, deadline: Instant) -> Result<Value, Outage> {
        let mut outcome = self.send_on(&mut live, request, deadline).await?;
        if outcome.as_ref().is_err_and(RedisError::is_connection_dropped) {
            live = self.wait_for_live(deadline).await?;
            outcome = self.send_on(&mut live, request, deadline).await?;
        }
        outcome.map_err(|error| {
            // The server's word for the case (`OOM`, `NOPERM`); the rest of its text is not repeated.
            if let Some(code) = error.code() {
                tracing::debug!(code, "Redis refused a command");
            }
            Outage::Failed
        })
    }

    /// Sends a request, and tells the supervisor what became of it on this connection.
    async fn send_on(
        &self,
        live: &mut Live,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<RedisResult<Value>, Outage> {
        let Ok(outcome) = timeout_at(deadline, request.send_on(&mut live.connection)).await else {
            self.supervisor.timed_out(live);
            return Err(Outage::TimedOut);
        };
        self.supervisor.observe(live, &outcome);
        Ok(outcome)
    }
}

#[derive(Clone, Copy)]
enum Request<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Request<'_> {
    async fn send_on(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(call) => call.invoke_async(connection).await,
        }
    }
}

/// Everything that is not the expected answer is an outage.
fn read_entries(asked: usize, reply: &Value) -> Result<Vec<Option<CutOff>>, Outage> {
    let Value::Array(values) = reply else { return Err(Outage::UnexpectedReply) };
    if values.len() != asked {
        return Err(Outage::UnexpectedReply);
    }
    let read = |value: &Value| match value {
        Value::Nil => Ok(None),
        Value::BulkString(entry) => Ok(Some(entry::parse(entry))),
        _ => Err(Outage::UnexpectedReply),
    };
    values.iter().map(read).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Blocklist for RedisBlocklist {
    fn check(&self, ids: &TokenIds) -> Lookup {
        let Some(live) = self.0.supervisor.live() else { return Lookup::known(Err(Outage::NotConnected)) };
        let (shared, ids) = (Arc::clone(&self.0), *ids);
        let deadline = Instant::now() + shared.settings.check_deadline;
        Lookup::waiting(async move { shared.ask(live, &ids, deadline).await })
    }
}

impl Revoke for RedisBlocklist {
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move { self.0.store(revocation).await.map_err(RevokeError::Outage) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_a_reply_of_another_form_is_an_outage() {
        let (nil, entry) = (Value::Nil, Value::BulkString(b"1 0 ".to_vec()));
        let up_to = Some(CutOff::up_to(Timestamp::from_millis(1)));
        let rows = [
            (Value::Array(vec![nil.clone(), nil.clone()]), Ok(vec![None, None])),
            (Value::Array(vec![entry.clone(), nil.clone()]), Ok(vec![up_to, None])),
            (Value::Array(vec![nil.clone(), entry.clone()]), Ok(vec![None, up_to])),
            (Value::Array(vec![nil.clone()]), Err(Outage::UnexpectedReply)),
            (Value::Array(vec![nil.clone(), nil.clone(), nil.clone()]), Err(Outage::UnexpectedReply)),
            (Value::Array(vec![nil.clone(), Value::Int(0)]), Err(Outage::UnexpectedReply)),
            (Value::Array(vec![]), Err(Outage::UnexpectedReply)),
            (nil, Err(Outage::UnexpectedReply)),
            (Value::Okay, Err(Outage::UnexpectedReply)),
        ];
        for (reply, expected) in rows {
            assert_eq!(read_entries(2, &reply), expected, "{reply:?}");
        }
    }
}
