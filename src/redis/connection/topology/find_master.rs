//! The interface of a topology: it finds the master, and tells whether it still is the master.

use std::{fmt, pin::Pin};

use crate::{
    config_error::ConfigError,
    redis::{
        connection::host::{Connector, Host},
        error::DialError,
    },
};

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One way to find the master. `Display` shows the addresses, and no secret.
pub(crate) trait FindMaster: fmt::Display + Send + Sync {
    /// Finds the present master of this key. Called at each dial.
    fn find<'a>(&'a self, connector: &'a Connector, key: &'a str) -> Answer<'a, Result<Host, DialError>>;

    /// Whether `host` is still the master. Called at each heartbeat. A demoted master does not know
    /// it for seconds, and continues to confirm writes that will be lost.
    fn is_master<'a>(&'a self, host: &'a Host, connector: &'a Connector) -> Answer<'a, bool> {
        let _ = (host, connector);
        Box::pin(std::future::ready(true))
    }

    /// Rejects settings that cannot work. `outside_slot` says whether keys outside of the namespace
    /// are used.
    fn validate(&self, database: i64, outside_slot: bool) -> Result<(), ConfigError> {
        let _ = (database, outside_slot);
        Ok(())
    }
}

/// A single node is its own master.
impl FindMaster for Host {
    fn find<'a>(&'a self, _: &'a Connector, _: &'a str) -> Answer<'a, Result<Host, DialError>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}
