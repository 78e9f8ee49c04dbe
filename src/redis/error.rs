//! The reasons that a connection, a command or a store is unusable, in words for the log and for
//! the error at startup.
//!
//! No text here repeats what a server sent, apart from its error codes (`OOM`, `NOPERM`).

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::blocklist::Outage;

/// The error code of our scripts if the store is not the one we wrote to.
pub(crate) const LOST: &str = "LOST";

/// The reason that there is no connection.
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
    Overtaken,
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

/// The reason that a command has no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The store has lost revocations. Dialing again decides what to do about it.
    Lost,
    /// The connection broke, or leads to the wrong node of a cluster.
    Dropped,
    /// The cluster is moving the slot of our keys to another node.
    Moving,
    Outage(Outage),
}

/// The reason that a store may be missing revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The store is empty and this process has seen no other state: perhaps the first start.
    Empty,
    Gone,
    AnotherEpoch,
    LogGone,
    TailGone,
    /// A process has begun to restore the revocations.
    Restoring,
}

impl DialError {
    pub(crate) fn of(error: &RedisError) -> Self {
        let error = first_of_pipeline(error.clone());
        match (error.kind(), error.code()) {
            _ if error.is_connection_refusal() => Self::Refused,
            _ if error.is_timeout() => Self::TimedOut,
            (_, Some(LOST)) => Self::Overtaken,
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

    /// The problem, and how to fix it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "nothing listens there: start Redis, or correct the host and port",
            Self::TimedOut => {
                "no answer in time: check the host and port, that Redis is running, and that both sides use TLS or neither does"
            }
            Self::LoginFailed => "the login failed: correct the user and password",
            Self::NotPermitted => {
                "the user lacks permissions: grant it `~{jwt}:* +hello +auth +select +get +set +del +mget +pttl +time +incr +hset +hdel +hgetall +evalsha +script|load +xadd +xtrim +xrange +xrevrange` (with your namespace), `+wait` for acknowledgements, `+cluster|keyslot +cluster|slots` in a cluster, `+xread +pexpire` for a mirror"
            }
            Self::NotMaster => "it is a replica, which may hold old data: connect to the master",
            Self::Loading => "it is still loading its data set",
            Self::TakesNoWrites => {
                "it rejects writes: it may be out of memory, unable to save, or without the replicas that its configuration requires"
            }
            Self::Evicts => {
                "its maxmemory-policy is not noeviction, so it may forget logouts: `CONFIG SET maxmemory-policy noeviction`"
            }
            Self::EvictionUnknown => "its maxmemory-policy cannot be read: grant the user `+info`",
            Self::Lost(loss) => loss.as_str(),
            Self::Restoring => "it has lost revocations, and waits for the processes that hold them to restore them",
            Self::Overtaken => "another process has restored the revocations meanwhile, or restores them now",
            Self::UnknownEntry => {
                "its log holds an entry that cannot be read: is a later version of this crate in use as well?"
            }
            Self::NoRandom => "the operating system has no random numbers",
            Self::OfACluster => {
                "it is a node of a cluster: use `RedisSettings::cluster`, or a URL with `redis+cluster://`"
            }
            Self::NoSentinel => "no sentinel answers: check that they run, and their ports (usually 26379)",
            Self::UnknownMaster => {
                "the sentinels know no master of that name: see `sentinel monitor` in their configuration"
            }
            Self::NoClusterNode => "no node of the cluster answers: name some that are running",
            Self::NoSlotOwner => "no node of the cluster has our slot: is the cluster complete?",
            Self::Unreachable => {
                "it cannot be reached, or closes the connection: check the host name and the network, that both sides use TLS or \
                 neither does, and that its certificate is trusted and names this host"
            }
            Self::Rejected => "it rejects the connection: check the database number, and that protected mode is off",
            Self::Other => "it does not answer as Redis 6.2 or later does",
        }
    }
}

/// A pipeline's error hides the codes of its commands. Returns the first command's error in its
/// place, and any other error unchanged.
pub(crate) fn first_of_pipeline(error: RedisError) -> RedisError {
    match error.clone().into_server_errors().as_deref() {
        Some([(_, first), ..]) => first.clone().into(),
        _ => error,
    }
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Self {
        if error.code() == Some(LOST) {
            return Self::Lost;
        }
        match error.kind() {
            _ if error.is_connection_dropped() => return Self::Dropped,
            ErrorKind::Server(ServerErrorKind::Moved) => return Self::Dropped,
            ErrorKind::Server(ServerErrorKind::Ask | ServerErrorKind::TryAgain) => return Self::Moving,
            _ => {}
        }
        // Only the server's error code: the rest of its text may repeat keys or arguments.
        if let Some(code) = error.code() {
            tracing::debug!(code, "Redis rejected a command");
        }
        Self::Outage(Outage::Failed)
    }
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

impl Loss {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "it holds nothing in this namespace: is this the first start, or was it emptied?",
            Self::Gone => "it was emptied, or restarted without its data",
            Self::AnotherEpoch => "it holds another set of revocations: another database, or an old copy?",
            Self::LogGone => "its log of revocations was deleted",
            Self::TailGone => "its latest revocations are missing: an old copy, or a replica that was behind",
            Self::Restoring => "it has lost revocations, and not all of them are restored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn g5_a_loss_that_a_script_reports_in_a_pipeline_is_a_loss() {
        let server = testkit::RedisServer::start().await;
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").cmd("EVAL").arg("return redis.error_reply('LOST another epoch')").arg(0);
        let error = pipeline.query_async::<Vec<redis::Value>>(&mut connection).await.unwrap_err();
        assert_ne!(Failure::of(&error), Failure::Lost, "the code is hidden, so the test shows something");
        assert_eq!(DialError::of(&error), DialError::Overtaken, "a member reads that the epoch is another one");
        assert_eq!(Failure::of(&first_of_pipeline(error)), Failure::Lost);
    }
}
