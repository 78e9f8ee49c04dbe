//! Two processes with one Redis, each with a mirror: the time that a logout at one takes to reach
//! the other.
//!
//! Run `JWT_SECRET=… REDIS_URL=redis://127.0.0.1:6379 cargo run --example two_servers`. The program
//! is one server, and starts itself again as the other. They share the secret and Redis, and
//! nothing more.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, Issuer, JwtBlocklistLayer, MirrorBlocklist, NoClaims, RedisBlocklist, SigningKey,
    Verifier,
    redis::{MirrorSettings, RedisSettings},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Set in the environment of the second process.
const SECOND: &str = "TWO_SERVERS_SECOND";

/// Serves in this process, and returns the address. Both processes run it.
async fn serve(secret: &str, url: &str) -> Result<SocketAddr, Error> {
    let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
    // The issuer writes to Redis; the layer reads the mirror.
    let redis = RedisBlocklist::connect(RedisSettings::from_url(url)?).await?;
    let mirror = MirrorBlocklist::start(redis.clone(), MirrorSettings::new())?;
    let issuer = Issuer::builder(verifier.clone(), key, redis).build()?;
    mirror.ready().await;

    let app = Router::new()
        .route("/me", get(async |user: Authenticated| user.subject().unwrap_or_default().to_owned()))
        .route("/logout", post(log_out))
        .route_layer(JwtBlocklistLayer::access(verifier, mirror))
        .route("/login", post(log_in))
        .with_state(issuer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

async fn log_in(State(issuer): State<Issuer>) -> Result<String, StatusCode> {
    let pair = issuer.login("user-1", &NoClaims {}).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(pair.access.into_string())
}

async fn log_out(State(issuer): State<Issuer>, user: Authenticated) -> Result<&'static str, StatusCode> {
    issuer.logout(&user).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok("logged out\n")
}

/// Runs the second process until its input ends, which it does even if the first one is killed.
async fn second(secret: &str, url: &str) -> Result<(), Error> {
    println!("http://{}", serve(secret, url).await?);
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    Ok(())
}

/// Starts the second process and waits until it serves. Dropping the `Child` ends it.
async fn start_second(arguments: &[&str], secret: &str, url: &str) -> Result<(Child, SocketAddr), Error> {
    let mut program = Command::new(std::env::current_exe()?);
    program.args(arguments).env(SECOND, "").env("JWT_SECRET", secret).env("REDIS_URL", url);
    let mut process = program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once("http://") {
            return Ok((process, address.parse()?));
        }
    }
    Err("the second server did not start".into())
}

/// Sends one request on its own connection. Returns status and body.
async fn send(server: SocketAddr, method: &str, path: &str, token: &str) -> Result<(StatusCode, String), Error> {
    let mut stream = TcpStream::connect(server).await?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    stream.write_all(format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok((head.split(' ').nth(1).ok_or("no status")?.parse()?, body.to_owned()))
}

/// Measures the time from the response to a logout at one until the other rejects the token.
async fn measure(one: SocketAddr, other: SocketAddr) -> Result<Duration, Error> {
    let (_, token) = send(one, "POST", "/login", "").await?;
    for server in [one, other] {
        assert_eq!(send(server, "GET", "/me", &token).await?, (StatusCode::OK, "user-1".to_owned()));
    }
    assert_eq!(send(one, "POST", "/logout", &token).await?.0, StatusCode::OK);
    let logged_out = Instant::now();
    while send(other, "GET", "/me", &token).await?.0 != StatusCode::UNAUTHORIZED {}
    Ok(logged_out.elapsed())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (secret, url) = (std::env::var("JWT_SECRET")?, std::env::var("REDIS_URL")?);
    if std::env::var_os(SECOND).is_some() {
        return second(&secret, &url).await;
    }
    let one = serve(&secret, &url).await?;
    let (_process, other) = start_second(&[], &secret, &url).await?;
    for _ in 0..5 {
        println!("the other server rejected the token after {:?}", measure(one, other).await?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use testkit::RedisServer;

    use super::*;

    /// The second process is this test, started again.
    #[tokio::test]
    async fn a_logout_at_one_reaches_the_other() {
        if std::env::var_os(SECOND).is_some() {
            let of = |name| std::env::var(name).unwrap();
            return second(&of("JWT_SECRET"), &of("REDIS_URL")).await.unwrap();
        }
        let redis = RedisServer::start().await;
        let this_test = ["tests::a_logout_at_one_reaches_the_other", "--exact", "--nocapture"];
        let all = async {
            let secret = "3f9a7c02b1d84e65a0c7f1e2d3b49586";
            let one = serve(secret, &redis.url()).await.unwrap();
            let (process, other) = start_second(&this_test, secret, &redis.url()).await.unwrap();
            for (from, to) in [(one, other), (other, one)] {
                measure(from, to).await.unwrap();
            }
            drop(process);
            while TcpStream::connect(other).await.is_ok() {}
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    }
}
