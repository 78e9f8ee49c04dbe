//! The way to the master: it is known, or others know it. Asked anew at each dial.

use crate::redis::connection::cluster;
use crate::redis::connection::sentinel::Sentinels;
use crate::redis::connection::{
    dial::DialError,
    host::{Connector, Host},
};

/// Who knows where the master is.
#[derive(Clone)]
pub(crate) enum Route {
    Node(Host),
    Sentinel(Sentinels),
    Cluster(Vec<Host>),
}

impl Route {
    /// Where the master of this key is now.
    pub(crate) async fn master(&self, connector: &Connector, key: &str) -> Result<Host, DialError> {
        // Only a cluster distinguishes keys.
        let _ = (connector, key);
        match self {
            Self::Node(host) => Ok(host.clone()),
            Self::Sentinel(sentinels) => sentinels.master(connector).await,
            Self::Cluster(seeds) => cluster::owner(seeds, connector, key).await,
        }
    }

    /// Whether the master is still there, as far as those know who are asked at each heartbeat. A demoted master does not know it
    /// for seconds, and goes on to confirm what will be lost.
    pub(crate) async fn still_leads_to(&self, host: &Host, connector: &Connector) -> bool {
        let _ = (host, connector);
        match self {
            Self::Sentinel(sentinels) => sentinels.still_name(host, connector).await,
            _ => true,
        }
    }

    /// What may be shown.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Node(host) => host.to_string(),
            Self::Sentinel(sentinels) => sentinels.to_string(),
            Self::Cluster(seeds) => format!("the cluster of {}", list(seeds)),
        }
    }
}

pub(crate) fn list(hosts: &[Host]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
