//! Ports for servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use crate::random;

/// Below the ranges that Linux and macOS take ports for outgoing connections from. Inside them, a client that redials a
/// server that is down can be given the server's own port and connect to itself, and the server can't come back.
const SERVER_PORTS: Range<u16> = 20_000..32_000;

/// A loopback port that was free a moment ago. Somebody may be faster: try another one then.
pub(crate) fn free() -> u16 {
    loop {
        let port = SERVER_PORTS.start + (random::number() % u64::from(SERVER_PORTS.end - SERVER_PORTS.start)) as u16;
        if TcpListener::bind(loopback(port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
