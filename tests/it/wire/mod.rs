//! r35 to r47 over a real socket, byte by byte, because a client library would not send such
//! requests.

mod any_bytes;
mod cookies;
mod header;
mod hostile;
mod logout;
mod other_carriers;

use std::{convert::Infallible, error::Error, net::SocketAddr};

use crate::support::{clock, verifier, wait::soon};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::*};
use http_body::Body;
use http_body_util::Full;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_jwt_blocklist::{Authenticated, JwtBlocklistLayer, MemoryBlocklist};

fn layer() -> JwtBlocklistLayer {
    JwtBlocklistLayer::access(verifier(&clock()), MemoryBlocklist::new())
}

/// An inner service that returns all it sees, and accepts the first offered subprotocol.
async fn tell(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let user = request.extensions().get::<Authenticated>();
    let subject = user.map_or("nobody", |user| user.subject().unwrap());
    let text = format!("user={subject} uri={} headers={:?}", request.uri(), request.headers());
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if request.headers().contains_key(UPGRADE) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Some(offers) = request.headers().get(SEC_WEBSOCKET_PROTOCOL) {
            let first = offers.to_str().unwrap().split(',').next().unwrap();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, first.parse().unwrap());
        }
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.body_mut() = Full::default();
    }
    Ok(response)
}

fn without_body<B>(request: Request<B>) -> Request<Full<Bytes>> {
    request.map(|_| Full::default())
}

/// A server with [`tell`] behind a layer. It ends with the test's runtime.
struct Server(SocketAddr);

impl Server {
    async fn start(layer: JwtBlocklistLayer) -> Self {
        Self::serve(layer.layer(service_fn(tell))).await
    }

    async fn serve<S, R>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible, Future: Send>
            + Clone
            + Send
            + 'static,
        R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone().map_request(without_body));
                tokio::spawn(async move {
                    let connection = auto::Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        Self(address)
    }

    /// Sends these bytes and reads until the server closes the connection or accepts an upgrade.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        let reading = async {
            while stream.read_buf(&mut bytes).await.unwrap() > 0 {
                if bytes.starts_with(b"HTTP/1.1 101") && bytes.ends_with(b"\r\n\r\n") {
                    break;
                }
            }
        };
        soon(reading).await;
        Answer::parse(bytes)
    }

    /// A request with these header lines.
    async fn send(&self, method: &str, target: &str, lines: &[&[u8]]) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: api.example.org\r\n").into_bytes();
        if !lines.iter().any(|line| line.starts_with(b"Connection:")) {
            request.extend_from_slice(b"Connection: close\r\n");
        }
        for line in lines {
            request.extend_from_slice(line);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        self.raw(&request).await
    }

    async fn get(&self, lines: &[&[u8]]) -> Answer {
        self.send("GET", "/", lines).await
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
    all: Vec<u8>,
}

impl Answer {
    fn parse(all: Vec<u8>) -> Self {
        let text = String::from_utf8(all.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned(), all }
    }

    /// The values of a header, in the order of their lines.
    fn values(&self, name: HeaderName) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(line, _)| line.eq_ignore_ascii_case(name.as_str())).map(|(_, value)| value).collect()
    }

    /// The lines of the head without the date, sorted.
    fn lines(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.head.lines().filter(|line| !line.starts_with("date:")).collect();
        lines.sort_unstable();
        lines
    }

    fn user(&self) -> &str {
        assert_eq!(self.status, 200, "{}\n{}", self.head, self.body);
        self.body.strip_prefix("user=").unwrap().split(' ').next().unwrap()
    }

    /// The `error` of a rejection; empty if hyper itself rejected the request.
    fn refusal(&self) -> (u16, String) {
        assert!(!self.body.starts_with("user="), "the inner service was called: {}", self.body);
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        (self.status, body["error"].as_str().unwrap_or_default().to_owned())
    }
}

fn line(name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    [name.as_bytes(), b": ", value.as_ref()].concat()
}

fn bearer(token: &str) -> Vec<u8> {
    line("Authorization", format!("Bearer {token}"))
}
