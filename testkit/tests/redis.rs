//! The Redis server is real, and can be broken.

use std::time::Duration;

use testkit::{RedisServer, redis_versions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
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
    if redis_versions()[0].release() >= (7, 0) {
        assert_eq!(server.calls("memory|usage").await, 1);
    }
}

#[tokio::test]
async fn takes_settings_and_a_password() {
    let server = RedisServer::options().arg("maxmemory", &["3mb"]).password("open-sesame").start().await;
    assert_eq!(server.cli(&["CONFIG", "GET", "maxmemory"]).await, "maxmemory\n3145728");

    let mut stranger = TcpStream::connect(server.addr()).await.unwrap();
    assert!(ping(&mut stranger).await.starts_with("-NOAUTH"));
}

#[tokio::test]
async fn takes_users() {
    let user = ["reader", "on", ">s3cret", "~mine:*", "resetchannels", "-@all", "+get"];
    let server = RedisServer::options().arg("user", &user).start().await;
    server.cli(&["SET", "mine:key", "value"]).await;

    let mut reader = TcpStream::connect(server.addr()).await.unwrap();
    assert_eq!(send(&mut reader, "AUTH reader s3cret").await, "+OK\r\n");
    assert_eq!(send(&mut reader, "GET mine:key").await, "$5\r\nvalue\r\n");
    assert!(send(&mut reader, "GET other:key").await.starts_with("-NOPERM"));
    assert!(send(&mut reader, "DEL mine:key").await.starts_with("-NOPERM"));
}

#[tokio::test]
async fn listens_on_a_unix_socket_as_well() {
    let server = RedisServer::options().unix_socket().password("open-sesame").start().await;
    let mut local = UnixStream::connect(server.unix_socket()).await.unwrap();
    assert!(ping(&mut local).await.starts_with("-NOAUTH"));
    let mut remote = TcpStream::connect(server.addr()).await.unwrap();
    assert!(ping(&mut remote).await.starts_with("-NOAUTH"));
    assert_eq!(server.cli(&["PING"]).await, "PONG");
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

async fn ping(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    send(client, "PING").await
}

async fn send(client: &mut (impl AsyncRead + AsyncWrite + Unpin), command: &str) -> String {
    client.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut reply = [0; 256];
    let length = client.read(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply[..length]).into_owned()
}
