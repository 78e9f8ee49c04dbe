//! The way to a master: how it is found, dialed, watched, and how a command is sent to it.

pub(crate) mod cluster;
pub(crate) mod dial;
pub(crate) mod host;
pub(crate) mod send;
pub(crate) mod sentinel;
pub(crate) mod supervisor;
pub(crate) mod tls;
pub(crate) mod topology;
