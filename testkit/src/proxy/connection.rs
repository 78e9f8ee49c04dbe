//! One connection through the proxy.

use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Faults;
use super::traffic::Meter;

/// Forwards bytes both ways until either side closes, or the connection is cut.
pub(super) async fn carry(
    client: TcpStream,
    target: SocketAddr,
    at_accept: Faults,
    faults: watch::Receiver<Faults>,
    traffic: Meter,
) {
    let mut cuts = faults.clone();
    let way = Way { at_accept, faults, traffic };
    tokio::select! {
        _ = cuts.wait_for(|faults| faults.cuts != at_accept.cuts) => {}
        () = way.carry(client, target) => {}
    }
}

struct Way {
    at_accept: Faults,
    faults: watch::Receiver<Faults>,
    traffic: Meter,
}

impl Way {
    async fn carry(&self, client: TcpStream, target: SocketAddr) {
        client.set_nodelay(true).ok();
        let (mut client_reads, mut client_writes) = client.into_split();
        if self.at_accept.black_hole {
            return self.swallow(&mut client_reads).await;
        }
        let Ok(server) = TcpStream::connect(target).await else { return };
        server.set_nodelay(true).ok();
        let (mut server_reads, mut server_writes) = server.into_split();
        tokio::select! {
            () = self.pass_requests(&mut client_reads, &mut server_writes) => {}
            () = self.pass_replies(&mut server_reads, &mut client_writes) => {}
        }
    }

    async fn pass_requests(&self, client: &mut OwnedReadHalf, server: &mut OwnedWriteHalf) {
        let (sender, mut chunks) = mpsc::channel(READ_AHEAD);
        let writing = async {
            while let Some(chunk) = chunks.recv().await {
                self.travel(&chunk).await;
                if self.is_mute() {
                    self.traffic.swallowed(chunk.bytes.len());
                } else if server.write_all(&chunk.bytes).await.is_err() {
                    return;
                }
            }
        };
        until_written(read(client, sender), writing).await;
    }

    async fn pass_replies(&self, server: &mut OwnedReadHalf, client: &mut OwnedWriteHalf) {
        let (sender, mut chunks) = mpsc::channel(READ_AHEAD);
        let writing = async {
            while let Some(chunk) = chunks.recv().await {
                self.travel(&chunk).await;
                self.hold_back().await;
                if self.is_mute() {
                    self.traffic.swallowed(chunk.bytes.len());
                } else if client.write_all(&chunk.bytes).await.is_err() {
                    return;
                }
            }
            // Behind a black hole the client doesn't learn that the server has closed.
            if self.is_mute() {
                pending::<()>().await;
            }
        };
        until_written(read(server, sender), writing).await;
    }

    /// Waits for the time that this chunk is on its way. Chunks travel at the same time, but only
    /// one at a time passes a throttle.
    async fn travel(&self, chunk: &Chunk) {
        let Faults { latency, throttle, .. } = *self.faults.borrow();
        let mut faults = self.faults.clone();
        if let Some(left) = latency.checked_sub(chunk.read_at.elapsed()).filter(|left| !left.is_zero()) {
            timeout(left, faults.wait_for(|now| now.latency < latency)).await.ok();
        }
        if let Some(rate) = throttle {
            let time = Duration::from_secs_f64(chunk.bytes.len() as f64 / f64::from(rate.get()));
            timeout(time, faults.wait_for(|now| now.throttle != throttle)).await.ok();
        }
    }

    /// Waits while replies are to be delayed.
    async fn hold_back(&self) {
        let delay = self.faults.borrow().delay;
        if delay > Duration::ZERO {
            let mut faults = self.faults.clone();
            timeout(delay, faults.wait_for(|now| now.delay < delay)).await.ok();
        }
    }

    async fn swallow(&self, client: &mut OwnedReadHalf) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = client.read(&mut buffer).await {
            self.traffic.swallowed(read);
        }
    }

    /// Whether a black hole has been open at any time of this connection's life.
    fn is_mute(&self) -> bool {
        self.faults.borrow().black_holes != self.at_accept.black_holes
    }
}

/// The number of chunks of one direction that can be on their way. More stay with the sender.
const READ_AHEAD: usize = 256;

/// Bytes on their way.
struct Chunk {
    bytes: Vec<u8>,
    read_at: Instant,
}

async fn read(from: &mut OwnedReadHalf, chunks: mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let chunk = Chunk { bytes: buffer[..read].to_vec(), read_at: Instant::now() };
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}

/// Ends when everything that was read is written, or cannot be.
async fn until_written(reading: impl Future<Output = ()>, writing: impl Future<Output = ()>) {
    let reading = async {
        reading.await;
        pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
