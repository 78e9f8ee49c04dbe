//! One connection to Redis, or the reason why there is none.

use std::{collections::HashMap, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use tokio::time::timeout;

use super::settings::Eviction;

/// How long dialling, logging in and asking the role may take together.
const DIAL_DEADLINE: Duration = Duration::from_secs(1);

/// Makes connections.
pub(super) struct Dialler {
    pub(super) client: Client,
    pub(super) eviction: Eviction,
}

/// Why there is no connection: words for the log and for the error at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DialError {
    Refused,
    TimedOut,
    LoginFailed,
    NotPermitted,
    NotMaster,
    Loading,
    Evicts,
    EvictionUnknown,
    Unreachable,
    Rejected,
    Other,
}

impl Dialler {
    /// Connects, logs in, and makes sure that a master answers.
    pub(super) async fn dial(&self) -> Result<MultiplexedConnection, DialError> {
        let dialling = async {
            // Deadlines are ours: a second one inside would only decide which of the two errors comes first.
            let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
            let mut connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .map_err(|error| DialError::of(&error))?;
            check_role(&mut connection).await?;
            self.check_eviction(&mut connection).await?;
            Ok(connection)
        };
        timeout(DIAL_DEADLINE, dialling).await.unwrap_or(Err(DialError::TimedOut))
    }

    /// A server with another `maxmemory-policy` than `noeviction` says `OK` to a revocation and may forget it.
    async fn check_eviction(&self, connection: &mut MultiplexedConnection) -> Result<(), DialError> {
        let answer: RedisResult<String> = redis::cmd("INFO").arg("memory").query_async(connection).await;
        let policy = answer
            .as_ref()
            .ok()
            .and_then(|facts| facts.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")));
        match (policy, self.eviction) {
            (Some("noeviction"), _) => Ok(()),
            (Some(_), Eviction::Refused) => Err(DialError::Evicts),
            (None, Eviction::Refused) => Err(DialError::EvictionUnknown),
            (Some(policy), Eviction::Warned) => {
                tracing::warn!(policy, "this Redis may forget logouts: set its maxmemory-policy to noeviction");
                Ok(())
            }
            (None, Eviction::Warned) => {
                tracing::debug!("the maxmemory-policy of this Redis is unknown: grant `+info` to have it checked");
                Ok(())
            }
        }
    }
}

/// `HELLO` without arguments tells the role, and needs no dangerous permission. A replica may hold old data, and a master that
/// was demoted becomes one without closing its connections.
pub(super) async fn check_role(connection: &mut MultiplexedConnection) -> Result<(), DialError> {
    let hello = redis::cmd("HELLO");
    let answer = timeout(DIAL_DEADLINE, hello.query_async::<HashMap<String, Value>>(connection));
    let facts = answer.await.map_err(|_| DialError::TimedOut)?.map_err(|error| DialError::of(&error))?;
    match facts.get("role") {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        Some(Value::SimpleString(role)) if role == "master" => Ok(()),
        _ => Err(DialError::NotMaster),
    }
}

impl DialError {
    fn of(error: &RedisError) -> Self {
        match (error.kind(), error.code()) {
            _ if error.is_connection_refusal() => Self::Refused,
            _ if error.is_timeout() => Self::TimedOut,
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => Self::LoginFailed,
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => Self::NotPermitted,
            (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => Self::Loading,
            (ErrorKind::Io, _) => Self::Unreachable,
            (_, Some(_)) => Self::Rejected,
            _ => Self::Other,
        }
    }

    /// What is wrong and what to do about it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "nothing listens there: start Redis, or correct host and port",
            Self::TimedOut => "no answer within 1 second: is it the right host, and is Redis running and not stopped?",
            Self::LoginFailed => "the login failed: correct user and password",
            Self::NotPermitted => {
                "the user may not say HELLO: grant it `~{jwt}:* +hello +auth +select +mget +evalsha +script|load +get +pttl +set +time`"
            }
            Self::NotMaster => "it is a replica, which may hold old data: connect to the master",
            Self::Loading => "it is still loading its data set",
            Self::Evicts => {
                "its maxmemory-policy is not noeviction, so it may forget logouts: `CONFIG SET maxmemory-policy noeviction`"
            }
            Self::EvictionUnknown => "its maxmemory-policy cannot be asked: grant the user `+info`",
            Self::Unreachable => {
                "it cannot be reached, or closes the connection: is the host name right, and the network open?"
            }
            Self::Rejected => {
                "it refuses the connection: is there a database of that number, and is it not in protected mode?"
            }
            Self::Other => "it does not answer as Redis 6.2 or later does",
        }
    }
}
