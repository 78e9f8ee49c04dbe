//! The Redis server is real, and can be broken.

use std::time::Duration;

use testkit::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn answers() {
    let server = RedisServer::start().await;
    assert_eq!(server.cli(&["PING"]).await, "PONG");
    assert_eq!(server.cli(&["RPUSH", "list", "a", "b"]).await, "2");
    assert_eq!(server.cli(&["LRANGE", "list", "0", "-1"]).await, "a\nb");
    assert_eq!(server.cli(&["GET", "nothing"]).await, "");
    assert_eq!(server.try_cli(&["GET", "list"]).await.unwrap_err().split(' ').next(), Some("WRONGTYPE"));
}

#[tokio::test]
async fn counts_calls() {
    let server = RedisServer::start().await;
    assert_eq!(server.calls("mget").await, 0);
    server.cli(&["MGET", "a", "b"]).await;
    server.cli(&["MGET", "a", "b"]).await;
    server.cli(&["MEMORY", "USAGE", "nothing"]).await;
    assert_eq!(server.calls("mget").await, 2);
    assert_eq!(server.calls("memory|usage").await, 1);
}

#[tokio::test]
async fn takes_settings_and_a_password() {
    let server = RedisServer::options().arg("maxmemory", &["3mb"]).password("open-sesame").start().await;
    assert_eq!(server.cli(&["CONFIG", "GET", "maxmemory"]).await, "maxmemory\n3145728");

    let mut stranger = TcpStream::connect(server.addr()).await.unwrap();
    assert!(ping(&mut stranger).await.starts_with("-NOAUTH"));
}

#[tokio::test]
async fn is_gone_when_dropped() {
    let server = RedisServer::start().await;
    let addr = server.addr();
    drop(server);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn is_gone_when_killed_and_empty_when_restarted() {
    let mut server = RedisServer::start().await;
    server.cli(&["SET", "key", "value"]).await;
    server.kill();
    assert!(TcpStream::connect(server.addr()).await.is_err());

    let url = server.url();
    server.restart().await;
    assert_eq!(server.url(), url);
    assert_eq!(server.cli(&["GET", "key"]).await, "");

    server.cli(&["SET", "key", "value"]).await;
    server.restart().await;
    assert_eq!(server.cli(&["GET", "key"]).await, "");
}

#[tokio::test]
async fn accepts_and_stays_silent_when_paused() {
    let server = RedisServer::start().await;
    server.pause();
    let mut client = TcpStream::connect(server.addr()).await.unwrap();
    assert!(timeout(Duration::from_millis(200), ping(&mut client)).await.is_err());

    server.resume();
    let mut late = [0; 7];
    client.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"+PONG\r\n");
}

#[tokio::test]
async fn is_gone_when_dropped_while_paused() {
    let server = RedisServer::start().await;
    server.pause();
    let addr = server.addr();
    drop(server);
    assert!(TcpStream::connect(addr).await.is_err());
}

async fn ping(client: &mut TcpStream) -> String {
    client.write_all(b"PING\r\n").await.unwrap();
    let mut reply = [0; 256];
    let length = client.read(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply[..length]).into_owned()
}
