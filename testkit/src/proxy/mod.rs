//! A network that fails on demand.

mod connection;
mod traffic;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use traffic::Traffic;
use traffic::{Live, Meter};

/// The current faults of the network.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    refuse: bool,
    black_hole: bool,
    delay: Duration,
    latency: Duration,
    /// Bytes per second.
    throttle: Option<NonZeroU32>,
    /// The number of times all connections were cut so far.
    cuts: u64,
    /// The number of times a black hole was opened so far.
    black_holes: u64,
}

/// A TCP proxy in front of a server, for tests of a failing network between the two.
///
/// It forwards everything until a fault is set. It ends with its owner, and so do its connections.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    faults: watch::Sender<Faults>,
    traffic: Meter,
    /// Holds the accepting task, which holds the connections: dropping this aborts all of them.
    _tasks: JoinSet<()>,
}

impl FaultProxy {
    /// Listens on its own loopback port, and connects every client to `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("the port that was bound");
        let (faults, _) = watch::channel(Faults::default());
        let traffic = Meter::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, faults.subscribe(), traffic.clone()));
        Self { addr, faults, traffic, _tasks: tasks }
    }

    /// The address for clients.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes all live connections, and admits new ones.
    pub fn cut(&self) {
        self.faults.send_modify(|faults| faults.cuts += 1);
    }

    /// Sets whether new connections are closed at once. Live ones continue.
    pub fn refuse(&self, on: bool) {
        self.faults.send_modify(|faults| faults.refuse = on);
    }

    /// Delays each chunk of the target's replies by this time.
    pub fn delay(&self, by: Duration) {
        self.faults.send_modify(|faults| faults.delay = by);
    }

    /// Makes the way this long, in each direction: a round trip takes twice the time. Unlike with
    /// [`Self::delay`], any number of bytes can be on their way.
    pub fn latency(&self, each_way: Duration) {
        self.faults.send_modify(|faults| faults.latency = each_way);
    }

    /// Limits each direction of each connection to this many bytes per second; `None` for no limit.
    pub fn throttle(&self, rate: Option<NonZeroU32>) {
        self.faults.send_modify(|faults| faults.throttle = rate);
    }

    /// Opens or closes a black hole: connections are accepted and stay open, but everything either
    /// side sends is lost.
    ///
    /// A connection that was in it stays mute for the rest of its life, even after [`Self::heal`],
    /// as behind a router that has forgotten it: TCP never delivers a stream with a gap.
    pub fn black_hole(&self, on: bool) {
        self.faults.send_modify(|faults| {
            faults.black_hole = on;
            faults.black_holes += u64::from(on);
        });
    }

    /// Ends all faults, for new connections and for those that weren't in a black hole.
    pub fn heal(&self) {
        self.faults.send_modify(|faults| {
            *faults = Faults { cuts: faults.cuts, black_holes: faults.black_holes, ..Faults::default() };
        });
    }

    /// The traffic so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.read()
    }

    /// The number of connections ever accepted, including refused ones.
    pub fn accepted(&self) -> u64 {
        self.traffic().accepted
    }

    /// The number of connections closed at once.
    pub fn refused(&self) -> u64 {
        self.traffic().refused
    }

    /// The number of connections open now.
    pub fn connections(&self) -> u64 {
        self.traffic().connections
    }

    /// The number of bytes lost in a black hole.
    pub fn bytes_swallowed(&self) -> u64 {
        self.traffic().bytes_swallowed
    }

    /// Waits until at least `count` connections are open.
    pub async fn wait_for_connections(&self, count: u64) {
        self.wait_until(|traffic| traffic.connections >= count).await;
    }

    /// Waits until the traffic meets the test's condition: `|traffic| traffic.bytes_swallowed > 0`.
    /// Panics after 30 seconds.
    pub async fn wait_until(&self, seen: impl FnMut(&Traffic) -> bool) {
        if timeout(Duration::from_secs(30), self.traffic.wait_until(seen)).await.is_err() {
            panic!("the proxy waited too long and has seen only {:?}", self.traffic());
        }
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, faults: watch::Receiver<Faults>, traffic: Meter) {
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection to accept").0,
            Some(_) = connections.join_next() => continue,
        };
        // Read here, not in the connection's task: a fault set after the accept must affect this
        // connection.
        let at_accept = *faults.borrow();
        if at_accept.refuse {
            traffic.refused();
        } else {
            let live = Live::count(&traffic);
            let carried = connection::carry(client, target, at_accept, faults.clone(), traffic.clone());
            connections.spawn(async move {
                carried.await;
                drop(live);
            });
        }
    }
}
