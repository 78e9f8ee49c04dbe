//! The PostgreSQL server is real.

use testkit::PostgresServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The message that requests TLS: its length, and a number in place of a protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

#[tokio::test]
async fn speaks_postgresql_and_is_gone_when_dropped() {
    let server = PostgresServer::start().await;
    let addr = server.addr();
    assert_eq!(server.url(), format!("postgres://postgres@127.0.0.1:{}/postgres", server.port()));

    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(&SSL_REQUEST).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'N');

    // With an open connection, like an application's pool.
    drop(server);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn lets_its_user_in_without_a_password() {
    let mut server = PostgresServer::start().await;
    let mut client = TcpStream::connect(server.addr()).await.unwrap();
    client.write_all(&startup_message()).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'R', "an answer about authentication");
    assert_eq!(client.read_u32().await.unwrap(), 8);
    assert_eq!(client.read_u32().await.unwrap(), 0, "authentication is done");

    server.kill();
    assert!(TcpStream::connect(server.addr()).await.is_err());
}

/// Protocol 3.0, with names and values that each end in a zero.
fn startup_message() -> Vec<u8> {
    let settings = b"user\0postgres\0database\0postgres\0\0";
    let mut message = (8 + settings.len() as u32).to_be_bytes().to_vec();
    message.extend([0, 3, 0, 0]);
    message.extend(settings);
    message
}
