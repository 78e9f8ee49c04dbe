//! No secret reaches a log at any level: each kind of secret is a canary, and all log output is
//! searched for it.

use std::{sync::Arc, time::SystemTime};

use crate::support::{
    AUDIENCE, ISSUER, NOW, SECRET, clock,
    http::{bearer, inner},
    log::{Log, record},
    settings, signing_key, token,
    wait::soon,
};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Authenticated, Guard, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims, TokenKind, Verifier,
    blocklist::{Blocklist, Rotate},
};

/// Sends one request of every outcome, a login, a refresh and a logout, and returns the log output.
async fn journey(log: &Log, blocklist: impl Blocklist + Rotate + Clone) -> String {
    let key = signing_key().with_id("key-1");
    let keys = Verifier::builder().key(key.verifying_key().unwrap()).issuer(ISSUER).audience(AUDIENCE);
    let verifier = Arc::new(keys.clock(clock().as_fn()).build().unwrap());
    let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build().unwrap();
    let pair = issuer.login("subject-c4n4ry", &json!({ "mail": "claim-c4n4ry" })).await.unwrap();

    let guard = Guard::new(TokenKind::Refresh, verifier.clone(), blocklist.clone());
    let session = guard.authenticate::<Value>(pair.refresh.as_str()).await.unwrap();
    let refreshed = issuer.refresh(&session, &json!({ "mail": "claim-c4n4ry" })).await.unwrap();
    tracing::trace!(?session, ?refreshed, "refreshed");

    let claims = json!({ "sub": "subject-c4n4ry", "jti": "token-c4n4ry", "sid": "session-c4n4ry", "x": "a\nINFO forged-c4n4ry" });
    let mut expired = claims.clone();
    expired["iat"] = json!(NOW - 20_000);
    expired["exp"] = json!(NOW - 10_000);
    let tokens = [
        pair.access.as_str().to_owned(),
        token(json!({ "kid": "key-1" }), claims.clone()),
        token(json!({ "kid": "key-1", "typ": "rt+jwt" }), claims.clone()),
        token(json!({ "kid": "kid-c4n4ry" }), claims.clone()),
        token(json!({ "kid": "key-1", "alg": "alg-c4n4ry" }), claims),
        token(json!({ "kid": "key-1" }), expired),
        "c4n4ry".into(),
        "c4n4ry.c4n4ry.c4n4ry".into(),
        "c4n4ry, c4n4ry".into(),
    ];
    let inner = inner();
    // A handler may log its request.
    let handling = tower::ServiceBuilder::new()
        .map_request(|request: Request<Empty<Bytes>>| {
            tracing::trace!(?request, "handling");
            request
        })
        .service(inner.clone());
    let service = JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()).layer(handling);
    for token in &tokens {
        soon(service.clone().oneshot(bearer(token))).await.unwrap();
    }
    let called = inner.take().expect("one of them is admitted");
    let user: Authenticated<NoClaims> = called.extensions.get().cloned().unwrap();
    let _ = soon(issuer.logout(&user)).await;
    soon(service.oneshot(bearer(&tokens[1]))).await.unwrap();
    tracing::trace!(?user, ?issuer, ?verifier, ?pair, "shown");
    for token in &tokens {
        // Neither a token nor any part of it.
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!log.text().contains(part), "{part} is in the log:\n{}", log.text());
        }
    }
    log.text()
}

fn check(log: &str) {
    for secret in ["c4n4ry", SECRET, "hunter2"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    assert!(!log.contains("INFO forged"), "{log}");
}

#[tokio::test]
async fn r75_r76_no_token_id_or_secret_is_logged_with_memory() {
    let (log, _guard) = record();
    let text = journey(&log, MemoryBlocklist::with_capacity_and_clock(10, clock().as_fn())).await;
    check(&text);
    for reason in ["expired", "wrong_kind", "unknown_key", "algorithm", "shape", "not_one_token", "session_revoked"] {
        assert!(text.contains(&format!("reason=\"{reason}\"")), "no event says {reason}:\n{text}");
    }
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn r75_no_token_id_or_secret_is_in_a_label() {
    let (counted, _recording) = crate::support::metrics::count();
    let (log, _guard) = record();
    journey(&log, MemoryBlocklist::with_capacity_and_clock(10, clock().as_fn())).await;
    let counted = format!("{:?}", counted.take());
    check(&counted);
    for outcome in ["admitted", "expired", "wrong_kind", "unknown_key", "session_revoked"] {
        assert!(counted.contains(&format!("outcome={outcome}}}")), "{outcome} is not counted: {counted}");
    }
    assert!(!counted.contains("user-1") && !counted.contains(ISSUER) && !counted.contains("key-1"), "{counted}");
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn r67_r75_no_token_id_or_secret_is_logged_with_redis_up_and_down() {
    use testkit::RedisServer;
    use tower_jwt_blocklist::{RedisBlocklist, blocklist::TokenIds, redis::RedisSettings};

    let (log, _guard) = record();
    let mut server = RedisServer::options().password("hunter2").start().await;
    let settings = RedisSettings::from_url(&server.url()).unwrap().clock(clock().as_fn());
    let blocklist = RedisBlocklist::connect(settings.clone()).await.unwrap();
    check(&journey(&log, blocklist.clone()).await);
    tracing::trace!(?settings, ?blocklist, "shown");
    server.kill();
    check(&log.text());
    let _ = soon(blocklist.check(&TokenIds::new(None, "c4n4ry", None), SystemTime::now())).await;
    let error = RedisBlocklist::connect(settings).await.unwrap_err();
    tracing::trace!(%error, ?error, "shown");
    check(&log.text());
}

#[tokio::test]
async fn r77_a_refusal_is_one_event_and_an_admission_none() {
    let (log, _guard) = record();
    let verifier = Arc::new(settings().clock(clock().as_fn()).build().unwrap());
    let service = JwtBlocklistLayer::access(verifier, MemoryBlocklist::new()).layer(inner());
    log.clear();
    service.clone().oneshot(bearer(&crate::support::good_token())).await.unwrap();
    assert_eq!(log.text(), "");
    service.oneshot(bearer("bad")).await.unwrap();
    assert_eq!(log.text().lines().count(), 1, "{}", log.text());
    assert!(log.text().contains("expected=\"access\" reason=\"shape\""), "{}", log.text());
}
