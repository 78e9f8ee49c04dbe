//! Makes connections to a master that holds the revocations.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    clock::{Clock, Timestamp},
    redis::{
        connection::{
            host::{Connector, Host},
            topology::Topology,
        },
        error::{DialError, Failure},
        loss::{
            detect::{self, LastKnown},
            own_writes::Verified,
            process::Process,
            recover::{self, Recovery},
        },
        policy::{Eviction, OnLoss},
        schema::{epoch::Epoch, key_names::KeyNames},
    },
};

/// The time limit for connecting and logging in: up to four round trips with TLS.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// The time limit for one question about the state of the server.
const QUERY_DEADLINE: Duration = Duration::from_secs(1);

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) topology: Topology,
    pub(crate) connector: Connector,
    pub(crate) keys: KeyNames,
    pub(crate) eviction: Eviction,
    pub(crate) on_loss: OnLoss,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) process: Arc<Process>,
}

/// A connection to a master whose revocations belong to this epoch.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) epoch: Epoch,
    verified: Verified,
    host: Host,
}

impl Dialer {
    /// Connects, logs in, and makes sure that the server is a master and has lost nothing.
    pub(crate) async fn dial(&self, last_known: &mut LastKnown) -> Result<Connected, DialError> {
        let (host, mut connection) = self.connect().await?;
        within(QUERY_DEADLINE, self.check_eviction(&mut connection)).await?;
        last_known.remember(&self.process.confirmed_writes);
        let (keys, process) = (&self.keys, &*self.process);
        let recovery = Recovery { keys, process, on_loss: self.on_loss, now: || self.now() };
        let asked = Instant::now();
        let epoch = recovery.run(&mut connection, last_known).await?;
        let mut verified = Verified::default();
        process.verify_own(&mut connection, &mut verified, keys, epoch, asked, self.now()).await?;
        Ok(Connected { connection, epoch, verified, host })
    }

    /// Begins a new epoch in place of any other.
    pub(crate) async fn initialize(&self, floor: Timestamp) -> Result<(), DialError> {
        let (_, mut connection) = self.connect().await?;
        let begun = Epoch::begin(self.now(), floor)?;
        recover::initialize(&mut connection, &self.keys, begun).await
    }

    /// Connects to the master, and logs in. Does not check the state of the store.
    pub(crate) async fn connect(&self) -> Result<(Host, MultiplexedConnection), DialError> {
        let epoch_key = self.keys.epoch();
        let host = within(CONNECT_DEADLINE, self.topology.find_master(&self.connector, &epoch_key)).await?;
        let connecting = async { self.connector.connect(&host).await.map_err(|error| DialError::of(&error)) };
        let mut connection = within(CONNECT_DEADLINE, connecting).await?;
        let asking = async {
            let hello = redis::cmd("HELLO").query_async(&mut connection).await;
            check_role(&hello.map_err(|error| DialError::of(&error))?)
        };
        within(QUERY_DEADLINE, asking).await?;
        Ok((host, connection))
    }

    /// Asks the server for its role and for the state of the store.
    pub(crate) async fn heartbeat(
        &self,
        connected: &mut Connected,
        last_known: &mut LastKnown,
    ) -> Result<(), DialError> {
        last_known.remember(&self.process.confirmed_writes);
        let (connection, keys, process) = (&mut connected.connection, &self.keys, &*self.process);
        let mut pipeline = redis::pipe();
        pipeline.cmd("HELLO");
        detect::query_epoch(&mut pipeline, keys, last_known);
        let (asked, sent) = (Instant::now(), self.now());
        let answer = timeout(QUERY_DEADLINE, pipeline.query_async(connection)).await;
        let replies: Vec<Value> = match answer.map_err(|_| DialError::TimedOut)? {
            Ok(replies) => replies,
            Err(error) if Failure::of(&error) == Failure::Moving => return Ok(()),
            Err(error) => return Err(DialError::of(&error)),
        };
        let (role, rest) = replies.split_first().ok_or(DialError::Other)?;
        check_role(role)?;
        let observed = detect::parse_observed(last_known, rest).ok_or(DialError::Other)?;
        last_known.confirm(connected.epoch, &observed, sent).map_err(DialError::Lost)?;
        within(QUERY_DEADLINE, process.keep_up(connection, keys, observed.joined)).await?;
        let verifying = process.verify_own(connection, &mut connected.verified, keys, connected.epoch, asked, sent);
        within(QUERY_DEADLINE, verifying).await?;
        let is_master = async { Ok(self.topology.is_master(&connected.host, &self.connector).await) };
        if within(QUERY_DEADLINE, is_master).await? { Ok(()) } else { Err(DialError::NotMaster) }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Looks at the `maxmemory-policy`: unless it is `noeviction`, the server may forget a
    /// revocation that it has confirmed.
    async fn check_eviction(&self, connection: &mut MultiplexedConnection) -> Result<(), DialError> {
        let answer: RedisResult<String> = redis::cmd("INFO").arg("memory").query_async(connection).await;
        let policy = answer
            .as_ref()
            .ok()
            .and_then(|facts| facts.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")));
        match (policy, self.eviction) {
            (Some("noeviction"), _) => Ok(()),
            (Some(_), Eviction::Rejected) => Err(DialError::Evicts),
            (None, Eviction::Rejected) => Err(DialError::EvictionUnknown),
            (Some(policy), Eviction::Warned) => {
                tracing::warn!(policy, "this Redis may forget logouts: set its maxmemory-policy to noeviction");
                Ok(())
            }
            (None, Eviction::Warned) => {
                tracing::debug!("cannot read the maxmemory-policy of this Redis: grant the user `+info`");
                Ok(())
            }
        }
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, DialError>>) -> Result<T, DialError> {
    timeout(limit, step).await.unwrap_or(Err(DialError::TimedOut))
}

/// Rejects a server that is not a master, by its reply to `HELLO` without arguments, which needs no
/// dangerous permission.
///
/// A replica may hold old data, and a demoted master keeps its connections open.
pub(crate) fn check_role(hello: &Value) -> Result<(), DialError> {
    let facts: HashMap<String, Value> = redis::from_redis_value_ref(hello).map_err(|_| DialError::Other)?;
    match facts.get("role") {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        Some(Value::SimpleString(role)) if role == "master" => Ok(()),
        _ => Err(DialError::NotMaster),
    }
}
