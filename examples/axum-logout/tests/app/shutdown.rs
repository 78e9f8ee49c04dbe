//! On a signal to stop, the program finishes the requests it has begun.
#![cfg(unix)]

use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{client::PASSWORD, server::Server};

#[tokio::test]
async fn sigterm_finishes_requests_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]).await;
    let address = server.client.url.strip_prefix("http://").unwrap().to_owned();

    // `Expect` makes the server say when it begins to read the body: from then on the request is in
    // flight.
    let body = json!({ "email": "ann@example.com", "password": PASSWORD }).to_string();
    let head = format!(
        "POST /api/v1/auth/signup HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(&address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    server.signal(Signal::TERM);
    server.wait_for("stopping").await;
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");

    let (code, output) = server.ended().await;
    assert_eq!(code, Some(0), "{output}");
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn ctrl_c_stops_an_idle_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    assert_eq!(server.client.health().await.status, 200);
    // The client keeps its connection open. An idle connection must not delay the shutdown.
    server.signal(Signal::INT);
    let (code, output) = server.ended().await;
    assert_eq!(code, Some(0), "{output}");
}
