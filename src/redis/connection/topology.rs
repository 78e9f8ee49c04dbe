//! The ways to find the master: its address is known, or other servers name it.
//!
//! A new topology is a file with a [`FindMaster`], a variant, and one arm in [`Topology::finder`].

use std::fmt;

use crate::{
    config_error::ConfigError,
    redis::{
        connection::{
            cluster::Cluster,
            find_master::FindMaster,
            host::{Connector, Host},
            sentinel::Sentinels,
        },
        error::DialError,
    },
};

/// The setup of Redis.
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
