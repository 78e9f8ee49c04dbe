//! One connection to Redis, or the reason why there is none.

use std::{collections::HashMap, sync::Arc, time::Duration};

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    clock::{Clock, Timestamp},
    redis::{
        connection::{
            host::{Connector, Host},
            send::Failure,
            topology::Route,
        },
        loss::recover,
        schema::{
            epoch::{self, ConfirmedWrites, Epoch, KnownMirrors, Loss, Seen},
            key_names::KeyNames,
        },
        settings::{Eviction, OnLoss},
    },
};

/// How long dialling, logging in and asking the role may take together.
pub(crate) const DIAL_DEADLINE: Duration = Duration::from_secs(1);

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Dialler {
    pub(crate) route: Route,
    pub(crate) connector: Connector,
    pub(crate) keys: KeyNames,
    pub(crate) eviction: Eviction,
    pub(crate) on_loss: OnLoss,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) promises: Arc<ConfirmedWrites>,
    pub(crate) holders: Arc<KnownMirrors>,
}

/// A connection to a master that holds the revocations of this epoch.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) epoch: Epoch,
    host: Host,
}

/// Why there is no connection: words for the log and for the error at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialError {
    Refused,
    TimedOut,
    LoginFailed,
    NotPermitted,
    NotMaster,
    Loading,
    TakesNoWrites,
    Evicts,
    EvictionUnknown,
    Lost(Loss),
    Restoring,
    UnknownEntry,
    NoRandom,
    OfACluster,
    NoSentinel,
    UnknownMaster,
    NoClusterNode,
    NoSlotOwner,
    Unreachable,
    Rejected,
    Other,
}

impl Dialler {
    /// Connects, logs in, and makes sure that a master answers which holds the revocations.
    pub(crate) async fn dial(&self, seen: &mut Seen) -> Result<Connected, DialError> {
        let dialling = async {
            let (host, mut connection) = self.connect().await?;
            self.check_eviction(&mut connection).await?;
            seen.remember(&self.promises);
            let now = || self.now();
            let epoch = recover::reconcile(&mut connection, &self.keys, seen, self.on_loss, &self.holders, now).await?;
            Ok(Connected { connection, epoch, host })
        };
        timeout(DIAL_DEADLINE, dialling).await.unwrap_or(Err(DialError::TimedOut))
    }

    /// Begins an epoch, whatever is there.
    pub(crate) async fn initialize(&self, floor: Timestamp) -> Result<(), DialError> {
        let writing = async {
            let (_, mut connection) = self.connect().await?;
            let begun = Epoch::begin(self.now(), floor)?;
            recover::begin(&mut connection, &self.keys, begun).await
        };
        timeout(DIAL_DEADLINE, writing).await.unwrap_or(Err(DialError::TimedOut))
    }

    pub(crate) async fn connect(&self) -> Result<(Host, MultiplexedConnection), DialError> {
        let host = self.route.master(&self.connector, &self.keys.epoch()).await?;
        let connecting = self.connector.connect(&host);
        let mut connection = connecting.await.map_err(|error| DialError::of(&error))?;
        check_role(&redis::cmd("HELLO").query_async(&mut connection).await.map_err(|error| DialError::of(&error))?)?;
        Ok((host, connection))
    }

    /// Asks a connection that has been silent for its role, and for what the store holds.
    pub(crate) async fn heartbeat(&self, connected: &mut Connected, seen: &mut Seen) -> Result<(), DialError> {
        let beat = async {
            seen.remember(&self.promises);
            let mut pipeline = redis::pipe();
            pipeline.cmd("HELLO");
            epoch::ask(&mut pipeline, &self.keys, seen);
            let sent = self.now();
            let replies: Vec<Value> = match pipeline.query_async(&mut connected.connection).await {
                Ok(replies) => replies,
                Err(error) if Failure::of(&error) == Failure::Moving => return Ok(()),
                Err(error) => return Err(DialError::of(&error)),
            };
            let (role, rest) = replies.split_first().ok_or(DialError::Other)?;
            check_role(role)?;
            let found = epoch::read(seen, rest).ok_or(DialError::Other)?;
            seen.confirm(connected.epoch, found, sent, &self.holders).map_err(DialError::Lost)?;
            if self.route.still_leads_to(&connected.host, &self.connector).await {
                Ok(())
            } else {
                Err(DialError::NotMaster)
            }
        };
        timeout(DIAL_DEADLINE, beat).await.unwrap_or(Err(DialError::TimedOut))
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
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
pub(crate) fn check_role(hello: &Value) -> Result<(), DialError> {
    let facts: HashMap<String, Value> = redis::from_redis_value_ref(hello).map_err(|_| DialError::Other)?;
    match facts.get("role") {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        Some(Value::SimpleString(role)) if role == "master" => Ok(()),
        _ => Err(DialError::NotMaster),
    }
}

impl DialError {
    pub(crate) fn of(error: &RedisError) -> Self {
        match (error.kind(), error.code()) {
            _ if error.is_connection_refusal() => Self::Refused,
            _ if error.is_timeout() => Self::TimedOut,
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => Self::LoginFailed,
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => Self::NotPermitted,
            (ErrorKind::Server(ServerErrorKind::Moved), _) => Self::OfACluster,
            (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => Self::Loading,
            (_, Some("OOM" | "MISCONF" | "NOREPLICAS")) => Self::TakesNoWrites,
            (ErrorKind::Io, _) => Self::Unreachable,
            (_, Some(_)) => Self::Rejected,
            _ => Self::Other,
        }
    }

    /// What is wrong and what to do about it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "nothing listens there: start Redis, or correct host and port",
            Self::TimedOut => {
                "no answer within 1 second: is it the right host and port, is Redis running and not stopped, and TLS on both sides or none?"
            }
            Self::LoginFailed => "the login failed: correct user and password",
            Self::NotPermitted => {
                "the user may not do all that is needed: grant it `~{jwt}:* +hello +auth +select +get +set +mget +pttl +time +evalsha +script|load +xadd +xtrim +xrange +xrevrange` (with your namespace), `+wait` for acknowledgements, `+cluster|keyslot +cluster|slots` in a cluster, `+xread` for a mirror"
            }
            Self::NotMaster => "it is a replica, which may hold old data: connect to the master",
            Self::Loading => "it is still loading its data set",
            Self::TakesNoWrites => {
                "it takes no writes: is it out of memory, unable to save, or without the replicas that its settings ask for?"
            }
            Self::Evicts => {
                "its maxmemory-policy is not noeviction, so it may forget logouts: `CONFIG SET maxmemory-policy noeviction`"
            }
            Self::Lost(loss) => loss.as_str(),
            Self::Restoring => "it has lost revocations, and waits for the processes that hold them to put them back",
            Self::UnknownEntry => {
                "its log holds an entry that cannot be read: is a later version of this crate in use beside?"
            }
            Self::OfACluster => {
                "it is a node of a cluster: use `RedisSettings::cluster`, or a URL with `redis+cluster://`"
            }
            Self::NoSentinel => "no sentinel answers: are they running, and on these ports (usually 26379)?",
            Self::UnknownMaster => {
                "the sentinels know no master of that name: see `sentinel monitor` in their configuration"
            }
            Self::NoClusterNode => "no node of the cluster answers: name some that are running",
            Self::NoSlotOwner => "no node of the cluster has our slot: is the cluster complete?",
            Self::NoRandom => "the operating system has no random numbers",
            Self::EvictionUnknown => "its maxmemory-policy cannot be asked: grant the user `+info`",
            Self::Unreachable => {
                "it cannot be reached, or closes the connection: is the host name right, the network open, and TLS on both sides or \
                 none, with a certificate for this name that is trusted?"
            }
            Self::Rejected => {
                "it refuses the connection: is there a database of that number, and is it not in protected mode?"
            }
            Self::Other => "it does not answer as Redis 6.2 or later does",
        }
    }
}
