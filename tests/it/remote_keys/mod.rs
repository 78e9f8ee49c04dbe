//! r72, r73: keys from the URL of a real HTTPS server that sends wrong answers, stalls, rotates its
//! keys and fails.
#![cfg(all(feature = "jwks", any(feature = "aws_lc_rs", feature = "rust_crypto")))]

mod requests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    AUDIENCE, clock, header, log, payload,
    wait::{eventually, soon},
};
use serde_json::json;
use testkit::{TlsCertificates, tokens::KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tower_jwt_blocklist::{
    Algorithm, Guard, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier, VerifyingKey,
    keys::{KeySet, RemoteKeys},
};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);
const KEYS: &str = "/keys";
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// The server's reaction to a request.
#[derive(Clone)]
enum Answer {
    /// 200 with this text and a `Cache-Control`.
    Text(String, &'static str),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then silence.
    Stall(Vec<u8>),
}

impl Answer {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into(), "no-store")
    }

    fn raw(text: impl Into<String>) -> Self {
        Self::Raw(text.into().into_bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) | Self::Stall(bytes) => bytes.clone(),
            Self::Text(text, caching) => {
                let length = text.len();
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nCache-Control: {caching}\r\n\r\n{text}").into()
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

/// A login service's web server.
struct Server {
    origin: String,
    certificates: TlsCertificates,
    shared: Arc<Mutex<Shared>>,
    task: AbortHandle,
}

impl Server {
    async fn start() -> Self {
        Self::with(TlsCertificates::new()).await
    }

    async fn with(certificates: TlsCertificates) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certificates.server.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (acceptor, shared) = (TlsAcceptor::from(Arc::new(config)), Arc::new(Mutex::new(Shared::default())));
        let state = shared.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, state) = (acceptor.clone(), state.clone());
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    let answer = {
                        let mut state = state.lock().unwrap();
                        state.asked.push(path.clone());
                        state.answers.get(&path).cloned()
                    };
                    let answer = answer.unwrap_or_else(|| Answer::raw("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
                    let _ = stream.write_all(&answer.bytes()).await;
                    let _ = stream.flush().await;
                    match answer {
                        Answer::Stall(_) => std::future::pending().await,
                        _ => drop(stream.shutdown().await),
                    }
                });
            }
        })
        .abort_handle();
        Self { origin, certificates, shared, task }
    }

    fn answer(&self, path: &str, answer: Answer) {
        self.shared.lock().unwrap().answers.insert(path.into(), answer);
    }

    fn publish(&self, keys: &[(KeyPair, &str)]) {
        self.answer(KEYS, Answer::text(document(keys)));
    }

    /// The number of requests for this path.
    fn asked(&self, path: &str) -> usize {
        self.shared.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }

    /// The keys at a path, with intervals longer than any test.
    fn keys_at(&self, path: &str) -> RemoteKeys {
        self.trusted(RemoteKeys::at(&format!("{}{path}", self.origin)).unwrap())
    }

    fn discovered(&self) -> RemoteKeys {
        self.trusted(RemoteKeys::discover(&self.origin).unwrap())
    }

    fn trusted(&self, keys: RemoteKeys) -> RemoteKeys {
        keys.tls_roots(&self.certificates.authority).refresh_every(HOUR).cooldown(SHORT)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn document(keys: &[(KeyPair, &str)]) -> String {
    let keys = keys.iter().map(|(pair, id)| {
        let algorithm: Algorithm = pair.alg().parse().unwrap();
        SigningKey::from_pem(algorithm, pair.private_pem()).unwrap().with_id(*id).verifying_key().unwrap()
    });
    KeySet::new(keys).unwrap().to_jwks()
}

fn configuration(issuer: &str, uri: &str) -> Answer {
    Answer::text(json!({ "issuer": issuer, "jwks_uri": uri, "response_types_supported": ["code"] }).to_string())
}

/// A guard that trusts one issuer.
fn guard(issuer: &str, keys: KeySet) -> Guard {
    let settings = Verifier::builder().trust(issuer, keys).audience(AUDIENCE).clock(clock().as_fn());
    Guard::new(TokenKind::Access, Arc::new(settings.build().unwrap()), MemoryBlocklist::new())
}

fn token(pair: KeyPair, id: &str, issuer: &str) -> String {
    pair.sign(&header(json!({ "alg": pair.alg(), "kid": id })), &payload(json!({ "iss": issuer })))
}

/// The reason for the rejection, or `None`. The decision never waits.
fn refused(guard: &Guard, token: &str) -> Option<&'static str> {
    use std::{future::Future, pin::pin, task};
    let mut context = task::Context::from_waker(task::Waker::noop());
    match pin!(guard.authenticate::<NoClaims>(token)).poll(&mut context) {
        task::Poll::Ready(decided) => decided.err().map(|rejection| rejection.reason()),
        task::Poll::Pending => panic!("this future is not ready"),
    }
}

#[tokio::test]
async fn r73_keys_are_discovered_and_verify_tokens_of_that_issuer_alone() {
    let server = Server::start().await;
    server.answer(CONFIGURATION, configuration(&server.origin, &format!("{}{KEYS}", server.origin)));
    server.publish(&[(KeyPair::es256(), "a"), (KeyPair::rs256(), "b")]);
    let guard = guard(&server.origin, soon(server.discovered().fetch()).await.unwrap());
    for (pair, id) in [(KeyPair::es256(), "a"), (KeyPair::rs256(), "b")] {
        assert_eq!(refused(&guard, &token(pair, id, &server.origin)), None);
        assert_eq!(refused(&guard, &token(pair, id, "https://elsewhere")), Some("iss"));
    }
    assert_eq!((server.asked(CONFIGURATION), server.asked(KEYS)), (1, 1));
}

#[tokio::test]
async fn r73_a_server_that_lies_or_stalls_gives_no_keys() {
    let server = Server::start().await;
    let (origin, good) = (server.origin.clone(), document(&[(KeyPair::es256(), "a")]));
    let at = |path: &str| format!("{origin}{path}");
    let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(256 * 1024));
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len());
    let redirect =
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: {}\r\n\r\n{good}", at("/good"), good.len());
    let key: serde_json::Value = serde_json::from_str(&good).unwrap();
    let many = json!({ "keys": vec![key["keys"][0].clone(); 101] }).to_string();
    let cut_off = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", good.len(), &good[..good.len() / 2]);
    server.answer("/good", Answer::text(&good));
    let rows = [
        ("a page", Answer::text("<html>"), "content"),
        ("nothing", Answer::text(""), "content"),
        ("another JSON", Answer::text("{}"), "content"),
        ("101 keys", Answer::text(many), "content"),
        ("no key", Answer::text(r#"{"keys":[]}"#), "no_key"),
        ("a bad key", Answer::text(good.replace("P-256", "P-384")), "no_key"),
        ("too long", Answer::text(&huge), "too_long"),
        ("too long, in chunks", Answer::raw(chunked), "too_long"),
        ("a redirect", Answer::raw(redirect), "status"),
        ("not found", Answer::raw("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), "status"),
        ("an error", Answer::raw(format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{good}", good.len())), "status"),
        ("cut off", Answer::raw(cut_off), "connection"),
        ("no HTTP", Answer::raw("220 smtp.example.org ESMTP\r\n"), "connection"),
        ("a head without end", Answer::raw(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000))), "connection"),
        ("silence", Answer::Stall(Vec::new()), "timed_out"),
        ("half a head", Answer::Stall(b"HTTP/1.1 200 OK\r\n".to_vec()), "timed_out"),
        ("half a body", Answer::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()), "timed_out"),
    ];
    for (name, answer, reason) in rows {
        let deadline = if reason == "timed_out" { SHORT } else { HOUR };
        server.answer(KEYS, answer);
        let error = soon(server.keys_at(KEYS).deadline(deadline).fetch()).await.expect_err(name).to_string();
        assert!(error.contains(&format!("({reason})")), "{name}: {error}");
    }
    assert_eq!(server.asked("/good"), 0, "no redirect is followed");

    for (name, answer, reason) in [
        ("another issuer", configuration("https://login.example.org", &at("/good")), "issuer"),
        ("a slash more", configuration(&format!("{origin}/"), &at("/good")), "issuer"),
        ("no issuer", Answer::text(json!({ "jwks_uri": at("/good") }).to_string()), "issuer"),
        ("issuers", Answer::text(json!({ "issuer": [origin], "jwks_uri": at("/good") }).to_string()), "issuer"),
        ("no jwks_uri", Answer::text(json!({ "issuer": origin }).to_string()), "content"),
        ("keys in clear", configuration(&origin, &at("/good").replace("https:", "http:")), "content"),
        ("keys in a file", configuration(&origin, "file:///etc/passwd"), "content"),
        (
            "two issuers",
            Answer::text(format!(r#"{{"issuer":"x","issuer":"{origin}","jwks_uri":"{}"}}"#, at("/good"))),
            "content",
        ),
        ("no configuration", Answer::text("<html>"), "content"),
    ] {
        server.answer(CONFIGURATION, answer);
        let error = soon(server.discovered().fetch()).await.expect_err(name).to_string();
        assert!(error.contains(&format!("({reason})")), "{name}: {error}");
    }
    assert_eq!(server.asked("/good"), 0, "a wrong configuration is not followed");
    soon(server.keys_at("/good").fetch()).await.unwrap();
}

#[tokio::test]
async fn r73_only_a_server_that_proves_its_name_is_believed() {
    let (server, elsewhere) =
        (Server::start().await, Server::with(TlsCertificates::for_hosts(&["other.example"])).await);
    server.publish(&[(KeyPair::es256(), "a")]);
    elsewhere.publish(&[(KeyPair::es256(), "a")]);
    let url = format!("{}{KEYS}", server.origin);
    let untrusted = RemoteKeys::at(&url).unwrap();
    let other_roots = untrusted.clone().tls_roots(&elsewhere.certificates.authority);
    for (name, keys) in
        [("webpki's roots", untrusted), ("other roots", other_roots), ("another name", elsewhere.keys_at(KEYS))]
    {
        let error = soon(keys.fetch()).await.expect_err(name).to_string();
        assert!(error.contains("(connection)"), "{name}: {error}");
    }
    assert_eq!((server.asked(KEYS), elsewhere.asked(KEYS)), (0, 0));
    soon(server.keys_at(KEYS).fetch()).await.unwrap();

    for bad in ["http://127.0.0.1/keys", "https://user:hunter2@localhost/keys", "localhost", ""] {
        let error = RemoteKeys::at(bad).unwrap_err().to_string();
        assert!(error.contains("`https://`") && !error.contains("hunter2"), "{error}");
    }
    for bad in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(RemoteKeys::at(&url).unwrap().tls_roots(bad).fetch_in_background().is_err(), "{bad}");
    }
    assert!(RemoteKeys::at(&url).unwrap().cooldown(Duration::from_millis(99)).fetch_in_background().is_err());
}

/// Only a token with an unknown key causes a fetch here, because an hour lies between two regular
/// fetches.
#[tokio::test]
async fn r72_an_unknown_key_is_fetched_for_the_next_request_and_a_removed_one_is_refused() {
    let server = Server::start().await;
    let issuer = &server.origin;
    server.publish(&[(KeyPair::es256(), "old")]);
    let keys = soon(server.keys_at(KEYS).fetch()).await.unwrap();
    assert!(keys.replace([]).unwrap_err().to_string().contains("fetched from a URL"));
    let guard = guard(issuer, keys);
    let (old, new) = (token(KeyPair::es256(), "old", issuer), token(KeyPair::eddsa(), "new", issuer));
    assert_eq!(refused(&guard, &new), Some("unknown_key"));

    server.publish(&[(KeyPair::es256(), "old"), (KeyPair::eddsa(), "new")]);
    eventually("the new key is accepted", async || refused(&guard, &new).is_none()).await;
    assert_eq!(refused(&guard, &old), None);

    server.publish(&[(KeyPair::eddsa(), "new")]);
    let asked = || refused(&guard, &token(KeyPair::es384(), "third", issuer));
    eventually("the old key is rejected", async || {
        assert_eq!(asked(), Some("unknown_key"));
        refused(&guard, &old) == Some("unknown_key")
    })
    .await;
    assert_eq!(refused(&guard, &new), None);
}

/// Another issuer has a key of that id. Its signature does not match, but the newest key of this
/// issuer might.
#[tokio::test]
async fn r72_a_new_key_is_found_also_where_another_party_has_one_of_its_name() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "1")]);
    let theirs = soon(server.keys_at(KEYS).fetch()).await.unwrap();
    let pair = KeyPair::es384();
    let ours = VerifyingKey::from_pem(Algorithm::ES384, pair.public_pem()).unwrap().with_id("2");
    let settings = Verifier::builder().key(ours).issuer("ours").trust(&*server.origin, theirs);
    let verifier = Arc::new(settings.audience(AUDIENCE).clock(clock().as_fn()).build().unwrap());
    let guard = Guard::new(TokenKind::Access, verifier, MemoryBlocklist::new());
    let new = token(KeyPair::eddsa(), "2", &server.origin);
    assert_eq!(refused(&guard, &new), Some("algorithm"));
    server.publish(&[(KeyPair::eddsa(), "2")]);
    eventually("the key is accepted", async || refused(&guard, &new).is_none()).await;
    assert_eq!(refused(&guard, &token(pair, "2", "ours")), None);
}

#[tokio::test]
async fn r73_max_age_makes_the_next_fetch_earlier_and_not_later_than_it_is_set() {
    let server = Server::start().await;
    let (one, two) = (document(&[(KeyPair::es256(), "one")]), document(&[(KeyPair::eddsa(), "two")]));
    server.answer("/early", Answer::Text(one.clone(), "public, max-age=0"));
    server.answer("/late", Answer::Text(one, "max-age=86400"));
    let early = guard(&server.origin, soon(server.keys_at("/early").fetch()).await.unwrap());
    let late = guard(&server.origin, soon(server.keys_at("/late").refresh_every(SHORT).fetch()).await.unwrap());
    for path in ["/early", "/late"] {
        server.answer(path, Answer::text(&*two));
    }
    for guard in [early, late] {
        let removed = token(KeyPair::es256(), "one", &server.origin);
        eventually("the keys are fetched again", async || refused(&guard, &removed).is_some()).await;
        assert_eq!(refused(&guard, &token(KeyPair::eddsa(), "two", &server.origin)), None);
    }
}

#[tokio::test]
async fn r73_keys_stay_while_fetching_fails_and_are_new_when_it_works_again() {
    let server = Server::start().await;
    let issuer = &server.origin;
    server.publish(&[(KeyPair::es256(), "old")]);
    let keys = server.keys_at(KEYS).refresh_every(SHORT).deadline(Duration::from_secs(3));
    let guard = guard(issuer, soon(keys.fetch()).await.unwrap());
    let (old, new) = (token(KeyPair::es256(), "old", issuer), token(KeyPair::eddsa(), "new", issuer));
    let (log, _recording) = log::record();
    for answer in [
        Answer::raw("HTTP/1.1 500 No\r\n\r\n"),
        Answer::raw(""),
        Answer::text("<html>"),
        Answer::text(r#"{"keys":[]}"#),
        Answer::text("x".repeat(300_000)),
        Answer::Stall(Vec::new()),
    ] {
        let enough = if matches!(answer, Answer::Stall(_)) { 1 } else { 3 };
        server.answer(KEYS, answer);
        let before = server.asked(KEYS);
        eventually("the fetch is retried", async || server.asked(KEYS) >= before + enough).await;
        assert_eq!(refused(&guard, &old), None);
    }
    server.publish(&[(KeyPair::eddsa(), "new")]);
    eventually("it works again", async || refused(&guard, &new).is_none()).await;
    assert_eq!(refused(&guard, &old), Some("unknown_key"));
    let text = log.text();
    assert_eq!(text.matches("published keys cannot be fetched").count(), 1, "{text}");
    assert_eq!(text.matches("published keys are fetched again").count(), 1, "{text}");
}

#[tokio::test]
async fn r73_a_server_that_dies_takes_no_key_with_it_and_one_that_is_late_is_waited_for() {
    let server = Server::start().await;
    let issuer = server.origin.clone();
    // The server is not ready yet: it answers 404 for this path.
    let late = guard(&issuer, server.keys_at(KEYS).fetch_in_background().unwrap());
    let token = token(KeyPair::es256(), "a", &issuer);
    eventually("the server was asked for the missing path", async || {
        assert_eq!(refused(&late, &token), Some("unknown_key"));
        server.asked(KEYS) > 1
    })
    .await;
    server.publish(&[(KeyPair::es256(), "a")]);
    eventually("the key is accepted", async || refused(&late, &token).is_none()).await;

    let (log, _recording) = log::record();
    let dying = guard(&issuer, soon(server.keys_at(KEYS).refresh_every(SHORT).fetch()).await.unwrap());
    drop(server);
    eventually("its death is noticed", async || log.text().contains("published keys cannot be fetched")).await;
    for guard in [&late, &dying] {
        assert_eq!(refused(guard, &token), None);
    }
}

/// The number of requests for one path is compared with a path that is fetched constantly.
#[tokio::test]
async fn r73_a_flood_of_unknown_keys_is_one_fetch_a_cooldown() {
    let server = Server::start().await;
    for path in [KEYS, "/often"] {
        server.answer(path, Answer::text(document(&[(KeyPair::es256(), "a")])));
    }
    let guard = guard(&server.origin, soon(server.keys_at(KEYS).cooldown(HOUR).fetch()).await.unwrap());
    let _often = soon(server.keys_at("/often").refresh_every(SHORT).fetch()).await.unwrap();
    eventually("the other path is fetched", async || {
        for n in 0..100 {
            assert_eq!(refused(&guard, &token(KeyPair::es256(), &n.to_string(), &server.origin)), Some("unknown_key"));
        }
        server.asked("/often") > 3
    })
    .await;
    assert_eq!(server.asked(KEYS), 1);
}

/// While a fetch hangs, there is one connection however many requests come, and requests are
/// answered.
#[tokio::test]
async fn r73_one_fetch_at_a_time_and_no_request_waits_for_it() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "a")]);
    let guard = guard(&server.origin, soon(server.keys_at(KEYS).deadline(HOUR).fetch()).await.unwrap());
    server.answer(KEYS, Answer::Stall(Vec::new()));
    server.answer("/often", Answer::text(document(&[(KeyPair::es256(), "a")])));
    let unknown = token(KeyPair::es256(), "b", &server.origin);
    eventually("a fetch hangs", async || {
        assert_eq!(refused(&guard, &unknown), Some("unknown_key"));
        server.asked(KEYS) == 2
    })
    .await;
    let _often = soon(server.keys_at("/often").refresh_every(SHORT).fetch()).await.unwrap();
    eventually("the other path is fetched", async || {
        assert_eq!(refused(&guard, &unknown), Some("unknown_key"));
        assert_eq!(refused(&guard, &token(KeyPair::es256(), "a", &server.origin)), None);
        server.asked("/often") > 3
    })
    .await;
    assert_eq!(server.asked(KEYS), 2);
}

/// An unchanged document is not a new set of keys, so cached results stay valid.
#[tokio::test]
async fn r72_the_generation_changes_with_the_keys_alone() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "a")]);
    let keys = soon(server.keys_at(KEYS).refresh_every(SHORT).fetch()).await.unwrap();
    let verifier = Verifier::builder().trust(&*server.origin, keys).audience(AUDIENCE).build().unwrap();
    let first = verifier.key_version();
    eventually("it is fetched again", async || server.asked(KEYS) > 3).await;
    assert_eq!(verifier.key_version(), first);
    server.publish(&[(KeyPair::eddsa(), "b")]);
    eventually("the key set has changed", async || verifier.key_version() > first).await;
}

#[tokio::test]
async fn the_task_ends_with_the_last_owner_of_the_keys() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "a")]);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let keys = soon(server.keys_at(KEYS).fetch()).await.unwrap();
    let guard = guard(&server.origin, keys.clone());
    drop(keys);
    server.publish(&[(KeyPair::es256(), "a"), (KeyPair::eddsa(), "b")]);
    let new = token(KeyPair::eddsa(), "b", &server.origin);
    eventually("the guard's clone keeps it", async || refused(&guard, &new).is_none()).await;
    assert!(tasks() > before);
    drop(guard);
    eventually("the task has ended", async || tasks() <= before).await;
}

#[tokio::test]
async fn r76_a_bad_key_is_a_warning_and_the_others_are_used() {
    let server = Server::start().await;
    let good = document(&[(KeyPair::es256(), "good"), (KeyPair::eddsa(), "bad\r\nERROR forged")]);
    server.answer(KEYS, Answer::text(good.replace("Ed25519", "X25519")));
    let (log, _recording) = log::record();
    let guard = guard(&server.origin, soon(server.keys_at(KEYS).fetch()).await.unwrap());
    assert_eq!(refused(&guard, &token(KeyPair::es256(), "good", &server.origin)), None);
    let text = log.text();
    assert!(text.contains("a published key is not used") && text.contains("`kty` and `crv`"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("ERROR forged")), "{text}");
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn r73_each_fetch_is_counted_by_what_became_of_it() {
    let (counted, _recording) = crate::support::metrics::count();
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "a")]);
    let _keys = soon(server.keys_at(KEYS).refresh_every(SHORT).fetch()).await.unwrap();
    let name = |outcome: &str| format!("jwt_blocklist_key_fetches_total{{outcome={outcome}}}");
    assert_eq!(counted.take(), BTreeMap::from([(name("changed"), 1)]));
    eventually("it is the same", async || counted.take().contains_key(&name("unchanged"))).await;
    server.answer(KEYS, Answer::text("<html>"));
    eventually("it is none", async || counted.take().contains_key(&name("content"))).await;
}
