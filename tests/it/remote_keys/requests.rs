//! r5, r30, r72: requests to a service whose keys another server publishes.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use testkit::tokens::KeyPair;
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Guard, JwtBlocklistLayer, MemoryBlocklist, TokenKind, Verifier,
    keys::{KeySet, RsaMinimum},
};

use super::{Answer, KEYS, Server, document, guard, refused, token};
use crate::support::{
    AUDIENCE, clock, header,
    http::{bearer, inner},
    payload,
    wait::{eventually, soon},
};

fn verifier(issuer: &str, keys: KeySet, minimum: RsaMinimum) -> Arc<Verifier> {
    let settings = Verifier::builder().trust(issuer, keys).audience(AUDIENCE).clock(clock().as_fn());
    Arc::new(settings.rsa_minimum(minimum).build().unwrap())
}

/// Keys are fetched only from the configured URL, also by a program that fetches keys.
#[tokio::test]
async fn r5_a_url_in_a_token_is_not_fetched() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "ours")]);
    server.answer("/theirs", Answer::text(document(&[(KeyPair::eddsa(), "theirs")])));
    let guard = guard(&server.origin, soon(server.keys_at(KEYS).fetch()).await.unwrap());
    let theirs = format!("{}/theirs", server.origin);
    for name in ["jku", "x5u", "kid", "iss"] {
        let mut head = header(json!({ "alg": "EdDSA", "kid": "theirs" }));
        head[name] = json!(theirs);
        let forged = KeyPair::eddsa().sign(&head, &payload(json!({ "iss": theirs })));
        assert_eq!(refused(&guard, &forged), Some("unknown_key"), "{name}");
    }
    // The unknown key caused another fetch of our own URL. Its keys are not searched for elsewhere.
    eventually("it was fetched again", async || server.asked(KEYS) > 1).await;
    assert_eq!(refused(&guard, &token(KeyPair::eddsa(), "theirs", &server.origin)), Some("unknown_key"));
    assert_eq!(refused(&guard, &token(KeyPair::es256(), "ours", &server.origin)), None);
    assert_eq!(server.asked("/theirs"), 0);
}

/// Another server's keys cannot prevent this program from starting.
#[tokio::test]
async fn r30_a_small_key_of_somebody_else_is_left_alone_and_the_others_are_used() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::rs256(), "small"), (KeyPair::es256(), "ec")]);
    for (minimum, expected) in [(RsaMinimum::Bits2048, None), (RsaMinimum::Bits3072, Some("unknown_key"))] {
        let keys = soon(server.keys_at(KEYS).fetch()).await.unwrap();
        let verifier = verifier(&server.origin, keys, minimum);
        let guard = Guard::new(TokenKind::Access, verifier, MemoryBlocklist::new());
        assert_eq!(refused(&guard, &token(KeyPair::rs256(), "small", &server.origin)), expected, "{minimum:?}");
        assert_eq!(refused(&guard, &token(KeyPair::es256(), "ec", &server.origin)), None, "{minimum:?}");
    }
}

#[tokio::test]
async fn r72_a_key_that_is_published_no_more_ends_the_tokens_that_a_layer_has_seen() {
    let server = Server::start().await;
    server.publish(&[(KeyPair::es256(), "old"), (KeyPair::eddsa(), "new")]);
    let keys = soon(server.keys_at(KEYS).fetch()).await.unwrap();
    let verifier = verifier(&server.origin, keys, RsaMinimum::default());
    let layer = JwtBlocklistLayer::access(verifier.clone(), MemoryBlocklist::new());
    let service = layer.layer(inner());
    let ask = async |token: &str| service.clone().oneshot(bearer(token)).await.unwrap().status();
    let (old, new) = (token(KeyPair::es256(), "old", &server.origin), token(KeyPair::eddsa(), "new", &server.origin));
    for _ in 0..2 {
        assert_eq!((ask(&old).await, ask(&new).await), (StatusCode::OK, StatusCode::OK));
    }
    server.publish(&[(KeyPair::eddsa(), "new")]);
    let before = verifier.key_version();
    let of_nobody = token(KeyPair::es384(), "third", &server.origin);
    eventually("the keys are the current ones", async || {
        assert_eq!(ask(&of_nobody).await, StatusCode::UNAUTHORIZED);
        verifier.key_version() != before
    })
    .await;
    assert_eq!((ask(&old).await, ask(&new).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
}
