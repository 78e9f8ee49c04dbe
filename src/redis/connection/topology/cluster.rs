//! Redis Cluster: finds the node that has our slot.
//!
//! All our keys have one hash tag, so there is one slot, and one node to talk to.

use std::{fmt, time::Duration};

use redis::{RedisConnectionInfo, RedisResult, Value};
use tokio::time::timeout;

use crate::{
    config_error::ConfigError,
    redis::{
        connection::{
            host::{Connector, Host, list, parse_list, require_one},
            topology::find_master::{Answer, FindMaster},
        },
        error::DialError,
    },
};

const USUAL_PORT: u16 = 6379;

/// How long one node may take to name the owner of the slot. A slower node is left out.
const PATIENCE: Duration = Duration::from_millis(300);

/// Some nodes of a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    seeds: Vec<Host>,
}

impl Cluster {
    pub(crate) fn new(seeds: Vec<Host>) -> Self {
        Self { seeds }
    }

    /// Reads `[user][:password@]host[:port],host…`.
    pub(super) fn from_url(rest: &str) -> Option<(Self, RedisConnectionInfo)> {
        let (hosts, login) = parse_list(rest.strip_suffix('/').unwrap_or(rest), "", USUAL_PORT)?;
        Some((Self::new(hosts), login))
    }

    /// The master that has the slot of this key, according to the first node that answers.
    async fn owner(&self, connector: &Connector, key: &str) -> Result<Host, DialError> {
        let mut error = DialError::NoClusterNode;
        for seed in &self.seeds {
            match timeout(PATIENCE, query_owner(seed, connector, key)).await {
                Ok(Ok(Some(owner))) => return Ok(owner),
                Ok(Ok(None)) => error = DialError::NoSlotOwner,
                Ok(Err(refusal)) => error = DialError::of(&refusal),
                Err(_) => {}
            }
        }
        Err(error)
    }
}

impl FindMaster for Cluster {
    fn find<'a>(&'a self, connector: &'a Connector, key: &'a str) -> Answer<'a, Result<Host, DialError>> {
        Box::pin(self.owner(connector, key))
    }

    fn validate(&self, database: i64, outside_slot: bool) -> Result<(), ConfigError> {
        require_one(&self.seeds)?;
        if database != 0 {
            return Err(ConfigError::conflict("a Redis cluster has only database 0: leave the database out"));
        }
        if outside_slot {
            return Err(ConfigError::conflict(
                "`fastapi_entries` does not work in a Redis cluster: the keys of those entries are in other slots than ours",
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cluster of {}", list(&self.seeds))
    }
}

async fn query_owner(seed: &Host, connector: &Connector, key: &str) -> RedisResult<Option<Host>> {
    let mut connection = connector.connect(seed).await?;
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLUSTER").arg("KEYSLOT").arg(key);
    pipeline.cmd("CLUSTER").arg("SLOTS");
    let (slot, ranges): (u16, Vec<Value>) = pipeline.query_async(&mut connection).await?;
    Ok(ranges.iter().find_map(|range| master_of(range, slot, seed)))
}

/// Reads a range of slots: `[first, last, [name, port, ..] of its master, ..]`.
fn master_of(range: &Value, slot: u16, asked: &Host) -> Option<Host> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = range.as_slice() else { return None };
    if !(*first..=*last).contains(&i64::from(slot)) {
        return None;
    }
    let [name, Value::Int(port), ..] = master.as_slice() else { return None };
    let port = u16::try_from(*port).ok()?;
    match (name, asked) {
        (Value::BulkString(name), _) if !name.is_empty() && name != b"?" => {
            Some(Host::tcp(String::from_utf8(name.clone()).ok()?, port))
        }
        // Only the queried node leaves its own name out.
        (_, Host::Tcp { name, .. }) => Some(Host::tcp(name.clone(), port)),
        (_, Host::Unix(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_read_from_the_range_of_the_slot() {
        let text = |text: &str| Value::BulkString(text.into());
        let range = |first, last, name: Value| {
            let master = Value::Array(vec![name, Value::Int(7001), text("id"), Value::Array(vec![])]);
            let replica = Value::Array(vec![text("replica"), Value::Int(7002), text("id")]);
            Value::Array(vec![Value::Int(first), Value::Int(last), master, replica])
        };
        let seed = Host::tcp("seed", 7000);
        let rows = [
            ("inside", range(5, 9, text("node")), Some(Host::tcp("node", 7001))),
            ("its first", range(7, 9, text("node")), Some(Host::tcp("node", 7001))),
            ("its last", range(5, 7, text("node")), Some(Host::tcp("node", 7001))),
            ("before", range(8, 9, text("node")), None),
            ("after", range(5, 6, text("node")), None),
            ("without a name", range(5, 9, text("")), Some(Host::tcp("seed", 7001))),
            ("with nil for a name", range(5, 9, Value::Nil), Some(Host::tcp("seed", 7001))),
            ("with an unknown name", range(5, 9, text("?")), Some(Host::tcp("seed", 7001))),
            ("something else", Value::Okay, None),
        ];
        for (name, range, expected) in rows {
            assert_eq!(master_of(&range, 7, &seed), expected, "{name}");
        }
    }
}
