//! Each fault takes effect when it is set, and the proxy counts it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use testkit::{FaultProxy, Traffic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far longer than anything here takes: for events that must happen.
const EVER: Duration = Duration::from_secs(30);

/// Many times as long as a reply takes: for events that must not happen.
const A_MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn passes_everything_on() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut client = connect(&proxy).await;
    assert!(echoes(&mut client).await);
    proxy.wait_for_connections(1).await;
    assert_eq!((proxy.accepted(), proxy.connections(), proxy.bytes_swallowed()), (1, 1, 0));

    drop(client);
    proxy.wait_until(|traffic| traffic.connections == 0).await;
}

#[tokio::test]
async fn cut_closes_live_connections_only() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut old = connect(&proxy).await;
    assert!(echoes(&mut old).await);

    proxy.cut();
    assert!(is_closed(&mut old).await);
    proxy.wait_until(|traffic| traffic.connections == 0).await;
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn cut_closes_a_connection_that_was_just_accepted() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut client = connect(&proxy).await;
    proxy.wait_for_connections(1).await;
    proxy.cut();
    assert!(is_closed(&mut client).await);
}

#[tokio::test]
async fn refuse_closes_new_connections_only() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut old = connect(&proxy).await;
    assert!(echoes(&mut old).await);

    proxy.refuse(true);
    assert!(is_closed(&mut connect(&proxy).await).await);
    assert_eq!((proxy.accepted(), proxy.refused(), proxy.connections()), (2, 1, 1));
    assert!(echoes(&mut old).await);

    proxy.refuse(false);
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn delay_holds_back_replies() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut client = connect(&proxy).await;
    proxy.delay(A_MOMENT);
    let start = Instant::now();
    assert!(echoes(&mut client).await);
    assert!(start.elapsed() >= A_MOMENT);
}

#[tokio::test]
async fn latency_lengthens_both_ways() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut client = connect(&proxy).await;
    proxy.latency(A_MOMENT);
    let start = Instant::now();
    assert!(echoes(&mut client).await);
    assert!(start.elapsed() >= 2 * A_MOMENT);
}

#[tokio::test]
async fn throttle_limits_the_rate() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut client = connect(&proxy).await;
    proxy.throttle(NonZeroU32::new(100_000));
    let (sent, start) = (vec![b'x'; 20_000], Instant::now());
    client.write_all(&sent).await.unwrap();
    let mut received = vec![0; sent.len()];
    client.read_exact(&mut received).await.unwrap();
    assert_eq!(received, sent);
    assert!(start.elapsed() >= A_MOMENT);
}

#[tokio::test]
async fn heal_releases_what_is_on_its_way() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut client = connect(&proxy).await;
    assert!(echoes(&mut client).await);
    proxy.latency(EVER * 2);
    let (answered, ()) = tokio::join!(echoes(&mut client), async { proxy.heal() });
    assert!(answered);
}

#[tokio::test]
async fn black_hole_mutes_old_and_new() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut old = connect(&proxy).await;
    assert!(echoes(&mut old).await);

    proxy.black_hole(true);
    assert!(is_mute(&mut old).await);
    let mut new = connect(&proxy).await;
    assert!(is_mute(&mut new).await);
    proxy.wait_until(|traffic| traffic.bytes_swallowed == 8).await;
    assert_eq!(proxy.connections(), 2);

    // Healed for new connections. No connection gets a stream with a gap.
    proxy.heal();
    assert!(is_mute(&mut old).await);
    assert!(is_mute(&mut new).await);
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn black_hole_swallows_a_reply_that_is_on_its_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).await;
    proxy.delay(A_MOMENT);
    let mut client = connect(&proxy).await;
    let (mut target, _) = listener.accept().await.unwrap();
    target.write_all(b"pong").await.unwrap();

    proxy.black_hole(true);
    proxy.wait_until(|traffic| traffic.bytes_swallowed == 4).await;
    assert!(is_mute(&mut client).await);
}

#[tokio::test]
async fn black_hole_hides_the_end_of_the_target() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).await;
    let mut client = connect(&proxy).await;
    let (target, _) = listener.accept().await.unwrap();

    proxy.black_hole(true);
    drop(target);
    assert!(is_mute(&mut client).await);
}

#[tokio::test]
async fn heal_ends_every_fault() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut delayed = connect(&proxy).await;
    proxy.delay(Duration::from_secs(3600));
    assert!(is_mute(&mut delayed).await);
    proxy.heal();
    assert!(echoes(&mut delayed).await);

    proxy.refuse(true);
    proxy.delay(Duration::from_secs(3600));
    proxy.black_hole(true);
    proxy.heal();
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn a_target_that_is_down_looks_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).await;
    drop(listener);
    assert!(is_closed(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn ends_with_its_owner() {
    let proxy = FaultProxy::start(echo().await).await;
    let addr = proxy.addr();
    let mut client = connect(&proxy).await;
    assert!(echoes(&mut client).await);

    drop(proxy);
    assert!(is_closed(&mut client).await);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn traffic_starts_at_nothing() {
    let proxy = FaultProxy::start(echo().await).await;
    assert_eq!(proxy.traffic(), Traffic::default());
}

/// A server that sends back what it receives.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reads, mut writes) = client.split();
                tokio::io::copy(&mut reads, &mut writes).await.ok();
            });
        }
    });
    addr
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(proxy.addr()).await.unwrap()
}

async fn echoes(client: &mut TcpStream) -> bool {
    client.write_all(b"ping").await.unwrap();
    let mut reply = [0; 4];
    matches!(timeout(EVER, client.read_exact(&mut reply)).await, Ok(Ok(_))) && &reply == b"ping"
}

/// Whether there is no reply, and no end of the connection either.
async fn is_mute(client: &mut TcpStream) -> bool {
    client.write_all(b"ping").await.unwrap();
    timeout(A_MOMENT, client.read(&mut [0; 1])).await.is_err()
}

async fn is_closed(client: &mut TcpStream) -> bool {
    matches!(timeout(EVER, client.read(&mut [0; 1])).await, Ok(Ok(0) | Err(_)))
}
