//! An axum server over loopback, under wrk, in five forms:
//!
//! - without a layer;
//! - with a layer that does nothing;
//! - with our layer over a mirror;
//! - with our layer over Redis;
//! - as in the tutorial: decode, then one `EXISTS` per request, over a pool of connections like
//!   redis-py's. One shared connection, which redis-rs supports, is a row of its own.
//!
//! `cargo bench --bench server` needs `wrk` on the `PATH` (`apt-get install wrk`). The servers
//! share one thread and wrk has one, so two processors are enough. If threads wait for a processor,
//! a layer that is idle for half a microsecond costs as much as one that works.
//!
//! Each form takes turns with the one without a layer, and its ratio is the median of those of the
//! rounds. The ratio of the form without a layer to itself shows the noise.

#[path = "common/mod.rs"]
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use common::{
    median,
    mirror::{connect, fill, mirror},
    service::{AUDIENCE, SECRET, keys, verifier_and_tokens},
};
use redis::{RedisResult, aio::MultiplexedConnection};
use serde::Deserialize;
use testkit::RedisServer;
use tower::layer::util::Identity;
use tower_jwt_blocklist::JwtBlocklistLayer;

const ROUNDS: usize = 21;
const SECONDS: &str = "1s";
/// The number of users. With one token only, the processors would contend for its cache line.
const USERS: usize = 1000;
const CONNECTIONS: &str = "64";

/// The claims that a careful user of jsonwebtoken would read.
#[derive(Clone, Deserialize)]
struct Claims {
    #[expect(dead_code, reason = "reading it is the work")]
    sub: String,
    jti: String,
}

#[derive(Clone)]
struct Tutorial {
    key: Arc<jsonwebtoken::DecodingKey>,
    validation: Arc<jsonwebtoken::Validation>,
    redis: Connections,
}

impl Tutorial {
    async fn exists(&self, key: &str) -> RedisResult<bool> {
        let mut command = redis::cmd("EXISTS");
        command.arg(key);
        match &self.redis {
            Connections::Shared(connection) => command.query_async(&mut connection.clone()).await,
            Connections::Pool(client, idle) => {
                let taken = idle.lock().expect("no panic").pop();
                let mut connection = match taken {
                    Some(connection) => connection,
                    None => client.get_multiplexed_async_connection().await?,
                };
                let exists = command.query_async(&mut connection).await;
                idle.lock().expect("no panic").push(connection);
                exists
            }
        }
    }
}

#[derive(Clone)]
enum Connections {
    Shared(MultiplexedConnection),
    /// Each connection is used for one command at a time.
    Pool(redis::Client, Arc<Mutex<Vec<MultiplexedConnection>>>),
}

/// The tutorial's `TokenBearer`, in Rust.
async fn bearer(State(state): State<Tutorial>, mut request: Request, next: Next) -> Result<Response, StatusCode> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
    let decoded = jsonwebtoken::decode::<Claims>(token, &state.key, &state.validation);
    let claims = decoded.map_err(|_| StatusCode::UNAUTHORIZED)?.claims;
    if state.exists(&claims.jti).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)? {
        return Err(StatusCode::UNAUTHORIZED);
    }
    request.extensions_mut().insert(claims);
    Ok(next.run(request).await)
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{addr}/")
}

/// The script that makes wrk send the tokens in turn.
fn script(tokens: &[String]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("requests.lua");
    let headers = tokens.iter().map(|token| format!("wrk.format(nil, nil, {{ Authorization = 'Bearer {token}' }}),\n"));
    let script = format!(
        "function init()\nrequests = {{ {} }}\nlast = 0\nend\n\
         function request()\nlast = last % #requests + 1\nreturn requests[last]\nend\n",
        headers.collect::<String>()
    );
    fs::write(&path, script).expect("a folder of our own");
    path
}

/// Requests per second.
async fn load(url: &str, script: &Path) -> f64 {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c", CONNECTIONS, "-d", SECONDS, "-s"]).arg(script).arg(url);
    let output = tokio::task::spawn_blocking(move || wrk.output()).await.expect("no panic");
    let text = String::from_utf8(output.expect("`wrk` on the PATH: apt-get install wrk").stdout).expect("text");
    assert!(!text.contains("Non-2xx"), "{text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.unwrap_or_else(|| panic!("no rate: {text}")).trim().parse().expect("a number")
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    // jsonwebtoken's own `decode` needs a default provider if several are compiled in.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let server = RedisServer::start().await;
    let redis = connect(&server.url(), "jwt").await;
    fill(&redis, 0..100_000).await;
    let mirror = mirror(redis.clone()).await;
    let (verifier, tokens) = verifier_and_tokens(keys().swap_remove(0).signing, USERS);
    let script = script(&tokens);

    let greet = async || "hello";
    let plain = Router::new().route("/", get(greet));
    let idle = Router::new().route("/", get(greet)).route_layer(Identity::new());
    let over_redis = JwtBlocklistLayer::access(verifier.clone(), redis);
    let over_redis = Router::new().route("/", get(greet)).route_layer(over_redis);
    let over_mirror = JwtBlocklistLayer::access(verifier, mirror);
    let over_mirror = Router::new().route("/", get(greet)).route_layer(over_mirror);
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    let client = redis::Client::open(server.url()).expect("a good URL");
    let tutorial = |redis| Tutorial {
        key: Arc::new(jsonwebtoken::DecodingKey::from_secret(SECRET.as_bytes())),
        validation: Arc::new(validation.clone()),
        redis,
    };
    let like_the_tutorial =
        |redis| Router::new().route("/", get(greet)).route_layer(from_fn_with_state(tutorial(redis), bearer));
    let shared = Connections::Shared(client.get_multiplexed_async_connection().await.expect("Redis runs"));
    let pool = Connections::Pool(client, Arc::default());

    let plain = serve(plain).await;
    let servers = [
        ("no layer, again", plain.clone()),
        ("a layer that does nothing", serve(idle).await),
        ("the layer over a mirror", serve(over_mirror).await),
        ("the layer over Redis", serve(over_redis).await),
        ("decode, then EXISTS, one connection", serve(like_the_tutorial(shared)).await),
        ("decode, then EXISTS, a pool", serve(like_the_tutorial(pool)).await),
    ];
    let mut rounds = vec![Vec::new(); servers.len()];
    for round in 0..ROUNDS {
        for ((_, url), rounds) in servers.iter().zip(&mut rounds) {
            // Once before and once after the one without: a machine that slows down or speeds up
            // favors neither.
            let pair = if round % 2 == 0 { [url, &plain] } else { [&plain, url] };
            let [first, second] = [load(pair[0], &script).await, load(pair[1], &script).await];
            rounds.push(if round % 2 == 0 { [first, second] } else { [second, first] });
        }
    }
    println!("| server | requests/s | ratio to none |\n|---|---|---|");
    println!("| no layer | {:.0} | 1.00 |", median(rounds.iter().flatten().map(|[_, none]| *none)));
    for ((name, _), rounds) in servers.iter().zip(rounds) {
        let [rate, ratio] =
            [median(rounds.iter().map(|[rate, _]| *rate)), median(rounds.iter().map(|[rate, none]| rate / none))];
        println!("| {name} | {rate:.0} | {ratio:.2} |");
    }
}
