//! Makes connections to a master that holds the revocations.

use std::{collections::HashMap, sync::Arc, time::Duration};

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
            detect::{self, ConfirmedWrites, KnownMirrors, LastKnown},
            recover,
        },
        policy::{Eviction, OnLoss},
        schema::{epoch::Epoch, key_names::KeyNames},
    },
};

/// The time limit for dialing, logging in and the checks at the beginning together.
pub(crate) const DIAL_DEADLINE: Duration = Duration::from_secs(1);

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) topology: Topology,
    pub(crate) connector: Connector,
    pub(crate) keys: KeyNames,
    pub(crate) eviction: Eviction,
    pub(crate) on_loss: OnLoss,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) confirmed_writes: Arc<ConfirmedWrites>,
    pub(crate) known_mirrors: Arc<KnownMirrors>,
}

/// A connection to a master whose revocations belong to this epoch.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) epoch: Epoch,
    host: Host,
}

impl Dialer {
    /// Connects, logs in, and makes sure that the server is a master and has lost nothing.
    pub(crate) async fn dial(&self, last_known: &mut LastKnown) -> Result<Connected, DialError> {
        let dialling = async {
            let (host, mut connection) = self.connect().await?;
            self.check_eviction(&mut connection).await?;
            last_known.remember(&self.confirmed_writes);
            let (keys, mirrors) = (&self.keys, &*self.known_mirrors);
            let epoch =
                recover::recover(&mut connection, keys, last_known, self.on_loss, mirrors, || self.now()).await?;
            Ok(Connected { connection, epoch, host })
        };
        timeout(DIAL_DEADLINE, dialling).await.unwrap_or(Err(DialError::TimedOut))
    }

    /// Begins a new epoch in place of any other.
    pub(crate) async fn initialize(&self, floor: Timestamp) -> Result<(), DialError> {
        let writing = async {
            let (_, mut connection) = self.connect().await?;
            let begun = Epoch::begin(self.now(), floor)?;
            recover::initialize(&mut connection, &self.keys, begun).await
        };
        timeout(DIAL_DEADLINE, writing).await.unwrap_or(Err(DialError::TimedOut))
    }

    /// Connects to the master, and logs in. Does not check the state of the store.
    pub(crate) async fn connect(&self) -> Result<(Host, MultiplexedConnection), DialError> {
        let host = self.topology.find_master(&self.connector, &self.keys.epoch()).await?;
        let connecting = self.connector.connect(&host);
        let mut connection = connecting.await.map_err(|error| DialError::of(&error))?;
        check_role(&redis::cmd("HELLO").query_async(&mut connection).await.map_err(|error| DialError::of(&error))?)?;
        Ok((host, connection))
    }

    /// Asks the server for its role and for the state of the store.
    pub(crate) async fn heartbeat(
        &self,
        connected: &mut Connected,
        last_known: &mut LastKnown,
    ) -> Result<(), DialError> {
        let beat = async {
            last_known.remember(&self.confirmed_writes);
            let mut pipeline = redis::pipe();
            pipeline.cmd("HELLO");
            detect::query_epoch(&mut pipeline, &self.keys, last_known);
            let sent = self.now();
            let replies: Vec<Value> = match pipeline.query_async(&mut connected.connection).await {
                Ok(replies) => replies,
                Err(error) if Failure::of(&error) == Failure::Moving => return Ok(()),
                Err(error) => return Err(DialError::of(&error)),
            };
            let (role, rest) = replies.split_first().ok_or(DialError::Other)?;
            check_role(role)?;
            let observed = detect::parse_observed(last_known, rest).ok_or(DialError::Other)?;
            last_known.confirm(connected.epoch, &observed, sent, &self.known_mirrors).map_err(DialError::Lost)?;
            if self.topology.is_master(&connected.host, &self.connector).await {
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
