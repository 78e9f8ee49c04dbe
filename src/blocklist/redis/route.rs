//! The way to the master: it is known, or others know it. Asked anew at each dial.

#[cfg(feature = "cluster")]
use super::cluster;
#[cfg(feature = "sentinel")]
use super::sentinel::Sentinels;
use super::{
    dial::DialError,
    host::{Connector, Host},
};

/// Who knows where the master is.
#[derive(Clone)]
pub(super) enum Route {
    Node(Host),
    #[cfg(feature = "sentinel")]
    Sentinel(Sentinels),
    #[cfg(feature = "cluster")]
    Cluster(Vec<Host>),
}

impl Route {
    /// Where the master of this key is now.
    pub(super) async fn master(&self, connector: &Connector, key: &str) -> Result<Host, DialError> {
        // Only a cluster distinguishes keys.
        let _ = (connector, key);
        match self {
            Self::Node(host) => Ok(host.clone()),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(sentinels) => sentinels.master(connector).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(seeds) => cluster::owner(seeds, connector, key).await,
        }
    }

    /// Whether the master is still there, as far as those know who are asked at each heartbeat. A demoted master does not know it
    /// for seconds, and goes on to confirm what will be lost.
    pub(super) async fn still_leads_to(&self, host: &Host, connector: &Connector) -> bool {
        let _ = (host, connector);
        match self {
            #[cfg(feature = "sentinel")]
            Self::Sentinel(sentinels) => sentinels.still_name(host, connector).await,
            _ => true,
        }
    }

    /// What may be shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Node(host) => host.to_string(),
            #[cfg(feature = "sentinel")]
            Self::Sentinel(sentinels) => sentinels.to_string(),
            #[cfg(feature = "cluster")]
            Self::Cluster(seeds) => format!("the cluster of {}", list(seeds)),
        }
    }
}

#[cfg(any(feature = "sentinel", feature = "cluster"))]
pub(super) fn list(hosts: &[Host]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
