//! The ways to find the master: its address is known, or other servers name it.
//!
//! A new topology is a file with a [`FindMaster`], a variant, and an arm in [`Topology::finder`]
//! and in [`Topology::from_url`].

mod cluster;
mod find_master;
mod sentinel;

pub(crate) use cluster::Cluster;
pub(crate) use sentinel::Sentinels;

use std::fmt;

use redis::RedisConnectionInfo;

use crate::{
    config_error::ConfigError,
    redis::{
        connection::{
            host::{Connector, Host},
            topology::find_master::FindMaster,
        },
        error::DialError,
    },
};

/// The message for a URL of none of the forms.
pub(crate) const URL_FORMS: &str = "the Redis URL cannot be read: use redis://[user][:password@]host[:port][/database], \
    rediss:// with TLS, redis+sentinel://[user][:password@]host[:port],host…/master[/database] \
    or redis+cluster://[user][:password@]host[:port],host…, \
    with special characters in user and password percent-encoded";

/// How Redis is set up.
#[derive(Clone)]
pub(crate) enum Topology {
    Node(Host),
    Sentinel(Sentinels),
    Cluster(Cluster),
}

impl Topology {
    fn finder(&self) -> &dyn FindMaster {
        match self {
            Self::Node(host) => host,
            Self::Sentinel(sentinels) => sentinels,
            Self::Cluster(cluster) => cluster,
        }
    }

    /// Reads a URL with a login. `kind` is the end of its scheme, after `redis`, and `rest` is behind
    /// `://`.
    pub(crate) fn from_url(kind: &str, rest: &str) -> Option<(Self, RedisConnectionInfo)> {
        match kind {
            "+sentinel" => Sentinels::from_url(rest).map(|(sentinels, login)| (Self::Sentinel(sentinels), login)),
            "+cluster" => Cluster::from_url(rest).map(|(cluster, login)| (Self::Cluster(cluster), login)),
            _ => None,
        }
    }

    pub(crate) async fn find_master(&self, connector: &Connector, key: &str) -> Result<Host, DialError> {
        self.finder().find(connector, key).await
    }

    /// See [`FindMaster::is_master`].
    pub(crate) async fn is_master(&self, host: &Host, connector: &Connector) -> bool {
        self.finder().is_master(host, connector).await
    }

    pub(crate) fn validate(&self, database: i64, outside_slot: bool) -> Result<(), ConfigError> {
        self.finder().validate(database, outside_slot)
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finder().fmt(f)
    }
}
