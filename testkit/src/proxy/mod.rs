//! A network that fails on demand.

mod connection;
mod traffic;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use traffic::Traffic;
use traffic::{Live, Meter};

/// What is wrong with the network at the moment.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    refuse: bool,
    black_hole: bool,
    delay: Duration,
    /// How often all connections were cut so far.
    cuts: u64,
    /// How often a black hole was opened so far.
    black_holes: u64,
}

/// A TCP proxy in front of a server, for tests of what happens when the network between the two fails.
///
/// It passes everything on until it's told otherwise. It ends with its owner, and so do its connections.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    faults: watch::Sender<Faults>,
    traffic: Meter,
    /// Holds the accepting task, which holds the connections: all are aborted when this is dropped.
    _tasks: JoinSet<()>,
}

impl FaultProxy {
    /// Listens on a loopback port of its own, and connects every client to `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("the port that was bound");
        let (faults, _) = watch::channel(Faults::default());
        let traffic = Meter::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, faults.subscribe(), traffic.clone()));
        Self { addr, faults, traffic, _tasks: tasks }
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes all live connections, and lets new ones through.
    pub fn cut(&self) {
        self.faults.send_modify(|faults| faults.cuts += 1);
    }

    /// Whether new connections are closed at once. Live ones go on.
    pub fn refuse(&self, on: bool) {
        self.faults.send_modify(|faults| faults.refuse = on);
    }

    /// Holds back each chunk of the target's replies for this long.
    pub fn delay(&self, by: Duration) {
        self.faults.send_modify(|faults| faults.delay = by);
    }

    /// Opens or closes a black hole: connections are accepted and stay open, but all that either side sends vanishes.
    ///
    /// A connection that was in it stays mute for the rest of its life, also after [`Self::heal`], as behind a router
    /// that has forgotten it: a stream with bytes missing in its middle is something that TCP never delivers.
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

    /// What has come through so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.read()
    }

    /// Connections that were ever accepted, refused ones among them.
    pub fn accepted(&self) -> u64 {
        self.traffic().accepted
    }

    /// Connections that were closed at once.
    pub fn refused(&self) -> u64 {
        self.traffic().refused
    }

    /// Connections that are open now.
    pub fn connections(&self) -> u64 {
        self.traffic().connections
    }

    /// Bytes that vanished in a black hole.
    pub fn bytes_swallowed(&self) -> u64 {
        self.traffic().bytes_swallowed
    }

    /// Waits until at least `count` connections are open.
    pub async fn wait_for_connections(&self, count: u64) {
        self.wait_until(|traffic| traffic.connections >= count).await;
    }

    /// Waits until the traffic is as the test wants it: `|traffic| traffic.bytes_swallowed > 0`. Panics after 30
    /// seconds.
    pub async fn wait_until(&self, seen: impl FnMut(&Traffic) -> bool) {
        if timeout(Duration::from_secs(30), self.traffic.wait_until(seen)).await.is_err() {
            panic!("the proxy waited in vain, it has seen only {:?}", self.traffic());
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
        // Read here, not in the connection's task: a fault that comes after the accept must meet this connection.
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
