//! This crate and the FastAPI tutorial's application share a Redis: each rejects the tokens that
//! the other has logged out.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use testkit::RedisServer;
use tower_jwt_blocklist::{
    Algorithm, Authenticated, Guard, Issuer, NoClaims, RedisBlocklist, SigningKey, TokenKind, Verifier,
    blocklist::Revoke, redis::RedisSettings, reject::RejectionKind,
};

const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b49586";
const JTI: &str = "8f14e45f-ceea-467f-a1d0-7b3c5a529c11";

/// A token as the tutorial mints it: with PyJWT, and with `str(uuid.uuid4())` as its id.
fn old(jti: &str) -> String {
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
    let user = json!({ "email": "ada@example.org", "user_uid": "7b3c5a52" });
    let payload = json!({ "user": user, "exp": exp, "jti": jti, "refresh": false });
    testkit::tokens::sign_hs256(SECRET.as_bytes(), &json!({ "alg": "HS256", "typ": "JWT" }), &payload)
}

struct Beside {
    server: RedisServer,
    blocklist: RedisBlocklist,
    guard: Guard,
    issuer: Issuer,
}

impl Beside {
    async fn start(settings: impl FnOnce(RedisSettings) -> RedisSettings) -> Self {
        let server = RedisServer::start().await;
        let settings = settings(RedisSettings::new("127.0.0.1", server.port()));
        // The old tokens have no `iat`.
        RedisBlocklist::initialize(settings.clone(), UNIX_EPOCH).await.unwrap();
        let blocklist = RedisBlocklist::connect(settings).await.unwrap();
        let key = SigningKey::from_secret(Algorithm::HS256, SECRET).unwrap();
        let builder = Verifier::builder().key(key.verifying_key().unwrap()).issuer("bookly").audience("bookly");
        let verifier = Arc::new(builder.also_fastapi_tokens().build().unwrap());
        let guard = Guard::new(TokenKind::Access, verifier.clone(), blocklist.clone());
        let issuer = Issuer::builder(verifier, key, blocklist.clone()).build().unwrap();
        Self { server, blocklist, guard, issuer }
    }

    async fn check(&self, token: &str) -> Result<Authenticated, RejectionKind> {
        self.guard.authenticate::<NoClaims>(token).await.map_err(|rejection| rejection.kind())
    }

    async fn life_of(&self, key: &str) -> Duration {
        Duration::from_millis(self.server.cli(&["PTTL", key]).await.parse().expect("the key expires"))
    }
}

#[tokio::test]
async fn what_the_tutorial_blocks_is_refused_here_in_the_same_round_trip() {
    let beside = Beside::start(RedisSettings::fastapi_entries).await;
    let (blocked, other) = (old(JTI), old("8f14e45f-ceea-467f-a1d0-7b3c5a529c12"));
    assert!(beside.check(&blocked).await.is_ok());
    // `await token_blocklist.set(name=jti, value="", ex=JTI_EXPIRY)`
    beside.server.cli(&["SET", JTI, "", "EX", "3600"]).await;
    let before = beside.server.calls("mget").await;
    assert_eq!(beside.check(&blocked).await.unwrap_err(), RejectionKind::Revoked);
    assert!(beside.check(&other).await.is_ok());
    assert_eq!(beside.server.calls("mget").await - before, 2);

    // The same for a token of the new form.
    let pair = beside.issuer.login("7b3c5a52", &NoClaims {}).await.unwrap();
    let user = beside.check(pair.access.as_str()).await.unwrap();
    beside.server.cli(&["SET", user.token_id(), "", "EX", "3600"]).await;
    assert_eq!(beside.check(pair.access.as_str()).await.unwrap_err(), RejectionKind::Revoked);
}

#[tokio::test]
async fn what_is_logged_out_here_the_tutorial_finds_where_it_looks() {
    let beside = Beside::start(RedisSettings::fastapi_entries).await;
    let pair = beside.issuer.login("7b3c5a52", &NoClaims {}).await.unwrap();
    for token in [old(JTI), pair.access.as_str().to_owned()] {
        let user = beside.check(&token).await.unwrap();
        assert_eq!(beside.server.cli(&["EXISTS", user.token_id()]).await, "0");
        beside.issuer.logout(&user).await.unwrap();
        // `jti = await token_blocklist.get(jti); return jti is not None`
        assert_eq!(beside.server.cli(&["EXISTS", user.token_id()]).await, "1");
        assert_eq!(beside.server.cli(&["GET", user.token_id()]).await, "");
        let ends_in = user.expires_at().duration_since(SystemTime::now()).unwrap();
        assert!(beside.life_of(user.token_id()).await > ends_in, "g3: it outlives the token");
        assert_eq!(beside.check(&token).await.unwrap_err(), RejectionKind::Revoked);
    }
}

#[tokio::test]
async fn g4_an_entry_of_the_tutorial_is_never_shortened() {
    let beside = Beside::start(RedisSettings::fastapi_entries).await;
    let user = beside.check(&old(JTI)).await.unwrap();
    beside.server.cli(&["SET", JTI, "", "EX", "1000000"]).await;
    beside.issuer.logout(&user).await.unwrap();
    assert!(beside.life_of(JTI).await > Duration::from_secs(900_000));
    beside.server.cli(&["PERSIST", JTI]).await;
    beside.blocklist.revoke(&user.token_revocation()).await.unwrap();
    assert_eq!(beside.server.cli(&["PTTL", JTI]).await, "-1");
    // The tutorial keeps this entry too short; this crate keeps it as long as the token lives.
    beside.server.cli(&["SET", JTI, "", "EX", "10"]).await;
    beside.issuer.logout(&user).await.unwrap();
    assert!(beside.life_of(JTI).await > Duration::from_secs(3600));
}

#[tokio::test]
async fn without_the_setting_bare_keys_mean_nothing_and_are_not_written() {
    let beside = Beside::start(|settings| settings).await;
    beside.server.cli(&["SET", JTI, "", "EX", "3600"]).await;
    let user = beside.check(&old(JTI)).await.unwrap();
    beside.server.cli(&["DEL", JTI]).await;
    beside.issuer.logout(&user).await.unwrap();
    assert_eq!(beside.server.cli(&["EXISTS", JTI]).await, "0");
}

#[tokio::test]
async fn r66_an_id_of_another_form_is_never_a_key() {
    let beside = Beside::start(RedisSettings::fastapi_entries).await;
    // The first logout also writes the process into the roster.
    let first = beside.check(&old("first")).await.unwrap();
    beside.issuer.logout(&first).await.unwrap();
    for jti in ["{jwt}:epoch", "*", "some id", "8F14E45F-CEEA-467F-A1D0-7B3C5A529C11"] {
        let keys = beside.server.cli(&["DBSIZE"]).await.parse::<u32>().unwrap();
        let user = beside.check(&old(jti)).await.unwrap();
        beside.issuer.logout(&user).await.unwrap();
        assert_eq!(beside.server.cli(&["DBSIZE"]).await.parse::<u32>().unwrap(), keys + 1, "{jti}");
        assert_eq!(beside.check(&old(jti)).await.unwrap_err(), RejectionKind::Revoked, "{jti}");
    }
}
