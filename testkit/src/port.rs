//! Ports for servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use crate::random;

/// Below the ranges from which Linux and macOS take ports for outgoing connections. Inside them, a
/// client that redials a dead server can get the server's own port and connect to itself. Then the
/// server can't come back.
const SERVER_PORTS: Range<u16> = 20_000..32_000;

/// A cluster node talks to the others on a second port, this far above its own.
pub(crate) const BUS_OFFSET: u16 = 10_000;

/// The ports whose second port is also below those ranges.
const CLUSTER_PORTS: Range<u16> = 20_000..22_700;

/// Returns a loopback port that was free a moment ago. If another process takes it first, try
/// again.
pub(crate) fn free() -> u16 {
    loop {
        let port = one_of(SERVER_PORTS);
        if is_free(port) {
            return port;
        }
    }
}

/// [`free`] for a cluster node: its second port was free too.
pub(crate) fn free_with_bus() -> u16 {
    loop {
        let port = one_of(CLUSTER_PORTS);
        if is_free(port) && is_free(port + BUS_OFFSET) {
            return port;
        }
    }
}

fn one_of(ports: Range<u16>) -> u16 {
    ports.start + (random::number() % u64::from(ports.end - ports.start)) as u16
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
