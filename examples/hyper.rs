//! The layer without a framework: tower and hyper only.
//!
//! `JWT_SECRET=… cargo run --example hyper` prints a token. Send it with `curl -H "Authorization:
//! Bearer …" localhost:3000/`, and log out with `curl -X DELETE …`.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims, SigningKey, Verifier,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The application. Any tower service of HTTP requests works.
async fn handle<B>(issuer: Issuer, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = |text: String| Response::new(Full::new(Bytes::from(text)));
    // Always present: the layer inserts it before it calls this service.
    let Some(user) = request.extensions().get::<Authenticated>() else {
        return Ok(status(StatusCode::INTERNAL_SERVER_ERROR));
    };
    Ok(match *request.method() {
        Method::DELETE => match issuer.logout(user).await {
            Ok(()) => text("logged out\n".into()),
            Err(_) => status(StatusCode::SERVICE_UNAVAILABLE),
        },
        _ => text(format!("hello, {}\n", user.subject().unwrap_or("nobody"))),
    })
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

async fn serve(listener: TcpListener, issuer: Issuer, layer: JwtBlocklistLayer) -> Result<(), Error> {
    let service =
        ServiceBuilder::new().layer(layer).service(service_fn(move |request| handle(issuer.clone(), request)));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}

fn parts(secret: &str) -> Result<(Issuer, JwtBlocklistLayer), Error> {
    let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
    let blocklist = MemoryBlocklist::new();
    let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
    Ok((issuer, JwtBlocklistLayer::access(verifier, blocklist)))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let secret = std::env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET, for instance to `openssl rand -hex 32`")?;
    let (issuer, layer) = parts(&secret)?;
    println!("{}", issuer.login("user-1", &NoClaims {}).await?.access.as_str());
    serve(TcpListener::bind("127.0.0.1:3000").await?, issuer, layer).await
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn send(address: std::net::SocketAddr, method: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("{method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_token_works_until_it_is_logged_out() {
        let (issuer, layer) = parts("3f9a7c02b1d84e65a0c7f1e2d3b49586").unwrap();
        let token = issuer.login("user-1", &NoClaims {}).await.unwrap().access.into_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, issuer, layer));
        assert_eq!(send(address, "GET", &token).await, "HTTP/1.1 200 OK");
        assert_eq!(send(address, "DELETE", &token).await, "HTTP/1.1 200 OK");
        assert_eq!(send(address, "GET", &token).await, "HTTP/1.1 401 Unauthorized");
    }
}
