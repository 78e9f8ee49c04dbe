//! One request through: the inner service alone, `jsonwebtoken::decode` alone, the layer over memory, the layer over Redis.
//!
//! `cargo bench` prints criterion's figures and then one table with ratios and allocations. Compare rows of one run only.

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use http::{Request, Response, header};
use http_body_util::Full;
use serde::Deserialize;
use testkit::RedisServer;
use testkit::tokens::KeyPair;
use tower::{Layer, Service, service_fn};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, Blocklist, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims, RedisBlocklist,
    RedisSettings, Revocation, RevocationId, Revoke, Scope, SigningKey, Timestamp, Verifier,
};

/// What a careful user of jsonwebtoken would read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work")]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    sid: String,
    iat: u64,
    exp: u64,
}

fn request(token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    let bearer = format!("Bearer {token}").parse().expect("a token is ASCII");
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    request
}

async fn inner(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    black_box(request.extensions().get::<Authenticated>());
    Ok(Response::new(Full::default()))
}

/// The output of a future that is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("this future waits");
    };
    output
}

/// A key pair and what jsonwebtoken needs to check its signatures.
struct Keys {
    name: &'static str,
    signing: SigningKey,
    decoding: jsonwebtoken::DecodingKey,
    algorithm: jsonwebtoken::Algorithm,
}

const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";

fn keys() -> Vec<Keys> {
    use jsonwebtoken::DecodingKey;
    let pem =
        |pair: KeyPair, algorithm: Algorithm| SigningKey::from_pem(algorithm, pair.private_pem()).expect("a good key");
    let public = |pair: KeyPair| pair.public_pem().as_bytes();
    vec![
        Keys {
            name: "HS256",
            signing: SigningKey::from_secret(Algorithm::HS256, SECRET).expect("a good secret"),
            decoding: DecodingKey::from_secret(SECRET.as_bytes()),
            algorithm: jsonwebtoken::Algorithm::HS256,
        },
        Keys {
            name: "RS256",
            signing: pem(KeyPair::rs256(), Algorithm::RS256),
            decoding: DecodingKey::from_rsa_pem(public(KeyPair::rs256())).expect("a good key"),
            algorithm: jsonwebtoken::Algorithm::RS256,
        },
        Keys {
            name: "ES256",
            signing: pem(KeyPair::es256(), Algorithm::ES256),
            decoding: DecodingKey::from_ec_pem(public(KeyPair::es256())).expect("a good key"),
            algorithm: jsonwebtoken::Algorithm::ES256,
        },
        Keys {
            name: "EdDSA",
            signing: pem(KeyPair::eddsa(), Algorithm::EdDSA),
            decoding: DecodingKey::from_ed_pem(public(KeyPair::eddsa())).expect("a good key"),
            algorithm: jsonwebtoken::Algorithm::EdDSA,
        },
    ]
}

/// One line of the table.
struct Row {
    id: String,
    /// What its time is compared with.
    baseline: Option<String>,
    allocations: u64,
}

/// As many requests as fit into the caches of a processor: one that has just come over the network is in there too.
const BATCH: BatchSize = BatchSize::NumIterations(100);

struct Bench {
    criterion: Criterion,
    rows: Vec<Row>,
}

impl Bench {
    /// Measures `work` on inputs that are made outside of the measurement.
    fn row<I, O>(
        &mut self,
        id: &str,
        baseline: Option<&str>,
        mut input: impl FnMut() -> I,
        mut work: impl FnMut(I) -> O,
    ) {
        self.criterion.bench_function(id, |bencher| bencher.iter_batched(&mut input, &mut work, BATCH));
        let once = input();
        let mut output = None;
        let allocations = allocation_counter::measure(|| output = Some(work(once))).count_total;
        self.rows.push(Row { id: id.to_owned(), baseline: baseline.map(str::to_owned), allocations });
    }

    fn table(&self) {
        // Told to measure nothing or only some rows, criterion has not written all that the table needs.
        if !self.rows.iter().all(|row| estimates(&row.id).exists()) {
            return println!("no table: not every row was measured");
        }
        println!("\n| row | median | ratio | allocations |\n|---|---|---|---|");
        for row in &self.rows {
            let (median, base) = (median(&row.id), row.baseline.as_deref().map(median));
            let ratio = base.map_or("-".into(), |base| format!("{:.2}", median / base));
            println!("| {} | {median:.0} ns | {ratio} | {} |", row.id, row.allocations);
        }
    }
}

/// The median that criterion has just written, in nanoseconds.
fn median(id: &str) -> f64 {
    let estimates = std::fs::read(estimates(id)).expect("criterion has written its estimates");
    let estimates: serde_json::Value = serde_json::from_slice(&estimates).expect("estimates are JSON");
    estimates["median"]["point_estimate"].as_f64().expect("a median is a number")
}

fn estimates(id: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("criterion").join(id.replace(':', "_")).join("new/estimates.json")
}

/// A hundred thousand other sessions, so that the list is not empty.
async fn fill(blocklist: &impl Revoke) {
    let until = Timestamp::from(std::time::SystemTime::now()) + Duration::from_secs(3600);
    for number in 0..100_000_u32 {
        let id = RevocationId::new(None, Scope::Session, &number.to_string());
        blocklist.revoke(&Revocation::new(Scope::Session, id, until)).await.expect("there is room");
    }
}

fn main() {
    // jsonwebtoken's own `decode` needs a default provider when several are compiled in.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = runtime.block_on(RedisServer::start());
    let memory = MemoryBlocklist::new();
    runtime.block_on(fill(&memory));
    let redis = runtime.block_on(async {
        let settings = RedisSettings::from_url(&server.url()).expect("a good URL");
        RedisBlocklist::connect(settings.check_deadline(Duration::from_secs(10))).await.expect("Redis runs")
    });

    let criterion = Criterion::default().configure_from_args().measurement_time(Duration::from_secs(3));
    let mut bench = Bench { criterion, rows: Vec::new() };
    for Keys { name, signing, decoding, algorithm } in keys() {
        let verifying = signing.verifying_key().expect("a good key");
        let verifier =
            Verifier::builder().key(verifying).issuer("https://login.example.org").audience("https://api.example.org");
        let verifier = Arc::new(verifier.build().expect("good settings"));
        let issuer = Issuer::builder(verifier.clone(), signing, memory.clone()).build().expect("good settings");
        let token = runtime.block_on(issuer.login("user-1", &NoClaims {})).expect("a token").access.into_string();

        let mut validation = jsonwebtoken::Validation::new(algorithm);
        validation.set_issuer(&["https://login.example.org"]);
        validation.set_audience(&["https://api.example.org"]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decode = format!("{name} jsonwebtoken::decode alone");
        bench.row(
            &decode,
            None,
            || (),
            |()| jsonwebtoken::decode::<Claims>(&token, &decoding, &validation).expect("a good token"),
        );

        if name == "HS256" {
            let mut alone = service_fn(inner);
            bench.row("inner service alone", Some(&decode), || request(&token), |request| now(alone.call(request)));
        }
        let with = |blocklist: Arc<dyn Blocklist>| {
            JwtBlocklistLayer::access(verifier.clone(), blocklist).layer(service_fn(inner))
        };
        let over_memory = || with(Arc::new(memory.clone()));
        // A service that has seen nothing yet for each request: what is kept of the first token is in the measurement.
        bench.row(
            &format!("{name} layer over memory, first sight"),
            Some(&decode),
            || (over_memory(), request(&token)),
            |(mut service, request)| (now(service.call(request)), service),
        );
        let mut seen = over_memory();
        drop(now(seen.call(request(&token))));
        let id = format!("{name} layer over memory, token seen before");
        bench.row(&id, Some(&decode), || request(&token), |request| now(seen.call(request)));
        if name == "HS256" {
            let mut over_redis = with(Arc::new(redis.clone()));
            let id = format!("{name} layer over Redis on loopback, token seen before");
            bench.row(&id, Some(&decode), || request(&token), |request| runtime.block_on(over_redis.call(request)));
        }
    }
    bench.table();
}
