//! A request with a known token, through this crate's layer and through those of peers, in one run.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` prints one table. Compare rows of
//! one algorithm. The peers bring their own cryptography, which the table names; for RS256 and
//! ES256 it is most of their cost.
//!
//! All of them get the same token and the same key, check the signature, `exp`, `iss` and `aud`,
//! and leave the claims for the service behind them. Peers that would fetch a JWKS get it as text:
//! a request whose key they have fetches nothing.
//!
//! The last column comes from a trial: the token is logged out, and every layer is called once
//! more.

mod middleware;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use testkit::tokens::{KeyPair, encode};
use tower_jwt_blocklist::{Algorithm, Guard, Issuer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier};

const ISSUER: &str = "https://login.example.org";
const AUDIENCE: &str = "https://api.example.org";
const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
const KEY_ID: &str = "key-1";

/// As many requests as fit into the processor caches, where a request from the network also is.
const BATCH: usize = 100;
const ROUNDS: usize = 200;

/// A service, alone or behind some middleware.
type Service = Box<dyn FnMut(Request<Full<Bytes>>) -> StatusCode>;

/// A token, and the values needed to verify and revoke it.
struct Login {
    algorithm: Algorithm,
    token: String,
    /// The key, as a JWK Set.
    jwks: String,
    verifier: Arc<Verifier>,
    blocklist: MemoryBlocklist,
    issuer: Issuer,
}

impl Login {
    fn new(signing: SigningKey) -> Self {
        let signing = signing.with_id(KEY_ID);
        let algorithm = signing.algorithm();
        let verifying = signing.verifying_key().expect("a good key");
        let verifier = Verifier::builder().key(verifying).issuer(ISSUER).audience(AUDIENCE).build();
        let verifier = Arc::new(verifier.expect("good settings"));
        let jwks = match algorithm {
            Algorithm::HS256 => {
                format!(r#"{{"keys":[{{"kty":"oct","alg":"HS256","kid":"{KEY_ID}","k":"{}"}}]}}"#, encode(SECRET))
            }
            _ => verifier.to_jwks(),
        };
        let blocklist = MemoryBlocklist::new();
        let issuer = Issuer::builder(verifier.clone(), signing, blocklist.clone()).build().expect("good settings");
        let token = now(issuer.login("user-1", &NoClaims {})).expect("a token").access.into_string();
        Self { algorithm, token, jwks, verifier, blocklist, issuer }
    }

    fn log_out(&self) {
        let guard = Guard::new(TokenKind::Access, self.verifier.clone(), self.blocklist.clone());
        let session = now(guard.authenticate::<NoClaims>(&self.token)).expect("a good token");
        now(self.issuer.logout(&session)).expect("room in the list");
    }

    /// A token with a changed payload and the old signature.
    fn forged(&self) -> String {
        let (signed, signature) = self.token.rsplit_once('.').expect("a token has three pieces");
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{signed}.{first}{}", &signature[1..])
    }
}

/// One line of the table.
struct Row {
    middleware: &'static str,
    algorithm: Option<Algorithm>,
    token: String,
    service: Service,
    /// The time of a request in each round, in nanoseconds.
    rounds: Vec<f64>,
    refuses_logged_out: bool,
}

impl Row {
    fn new(middleware: &'static str, login: &Login, mut service: Service) -> Self {
        let status = service(request(&login.token));
        assert_eq!(status, StatusCode::OK, "{middleware} lets a good token through");
        let status = service(request(&login.forged()));
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{middleware} refuses a forged token");
        Self { algorithm: Some(login.algorithm), ..Self::alone(middleware, login, service) }
    }

    fn alone(middleware: &'static str, login: &Login, service: Service) -> Self {
        let (token, rounds) = (login.token.clone(), Vec::new());
        Self { middleware, algorithm: None, token, service, rounds, refuses_logged_out: false }
    }

    fn measure(&mut self) {
        let requests: Vec<_> = (0..BATCH).map(|_| request(&self.token)).collect();
        let start = Instant::now();
        for request in requests {
            assert_eq!((self.service)(request), StatusCode::OK);
        }
        self.rounds.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
    }

    /// The median, so that a moment in which the machine had other work does not count.
    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }

    fn print(&self, inner: f64) {
        let (name, median) = (self.middleware, self.median());
        let Some(algorithm) = self.algorithm else {
            return println!("| {name} | - | {median:.0} ns | - | - |");
        };
        let refuses = if self.refuses_logged_out { "yes" } else { "no" };
        println!("| {name} | {algorithm} | {median:.0} ns | {:.0} ns | {refuses} |", median - inner);
    }
}

fn request(token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    let bearer = format!("Bearer {token}").parse().expect("a token is ASCII");
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    request
}

/// The output of a future that is ready at once, as all of them are without a fetch.
fn now<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("this future waits");
    };
    output
}

fn main() {
    let pem =
        |algorithm, pair: KeyPair| SigningKey::from_pem(algorithm, pair.private_pem()).expect("a good private key");
    let secret = SigningKey::from_secret(Algorithm::HS256, SECRET).expect("a good secret");
    let logins =
        [secret, pem(Algorithm::RS256, KeyPair::rs256()), pem(Algorithm::ES256, KeyPair::es256())].map(Login::new);

    let mut rows = vec![Row::alone("the inner service alone", &logins[0], middleware::none())];
    for login in &logins {
        rows.extend(middleware::all(login).into_iter().map(|(name, service)| Row::new(name, login, service)));
    }
    for _ in 0..ROUNDS {
        rows.iter_mut().for_each(Row::measure);
    }
    logins.iter().for_each(Login::log_out);
    for row in &mut rows {
        row.refuses_logged_out = (row.service)(request(&row.token)) == StatusCode::UNAUTHORIZED;
    }

    println!("| middleware | algorithm | a request | over the inner service | refuses a logged-out token |");
    println!("|---|---|---|---|---|");
    let inner = rows[0].median();
    rows.iter().for_each(|row| row.print(inner));
}
