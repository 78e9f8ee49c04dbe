//! The connection to a master: finding it, dialing, watching it, and sending commands.

pub(crate) mod cluster;
pub(crate) mod dial;
pub(crate) mod find_master;
pub(crate) mod host;
pub(crate) mod send;
pub(crate) mod sentinel;
pub(crate) mod supervisor;
pub(crate) mod tls;
pub(crate) mod topology;
