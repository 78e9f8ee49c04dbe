//! The connection to a master: finding it, dialing, watching it, and sending commands.

pub(crate) mod dial;
pub(crate) mod host;
pub(crate) mod send;
pub(crate) mod supervisor;
pub(crate) mod tls;
pub(crate) mod topology;
