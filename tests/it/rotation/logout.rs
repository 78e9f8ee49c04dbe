//! Logging out works with an expired token, and works twice. It proves nothing else.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_blocklist::{
    Authenticated, LoggingOut, LogoutLayer, Rejection, TokenKind, guard::Revocable, reject::RejectionKind,
};

use super::MILLISECOND;
use crate::support::{NOW, header as token_header, http::inner, payload, rotation::DAY, token, world::World};

/// The response of a logout route to this token.
async fn log_out(world: &World, authorization: Option<&str>) -> Response<Bytes> {
    let issuer = world.issuer().clone();
    let inner = service_fn(move |request: Request<Empty<Bytes>>| {
        let issuer = issuer.clone();
        async move {
            assert!(request.extensions().get::<Authenticated>().is_none(), "a logout proves no identity");
            let proof = request.extensions().get::<LoggingOut>().expect("called without proof");
            issuer.logout(proof).await.unwrap();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("logged out"))))
        }
    });
    let mut request = Request::post("/logout");
    if let Some(line) = authorization {
        request = request.header(header::AUTHORIZATION, line);
    }
    let layer = LogoutLayer::new(world.verifier.clone());
    let response = layer.layer(inner).oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn r57_logging_out_again_and_again_is_200_with_either_token() {
    let world = World::new();
    let first = world.login("ann").await;
    let second = world.renew(&first).await;
    for token in [&first.access, &first.refresh, &second.access, &second.refresh] {
        for _ in 0..2 {
            assert_eq!(log_out(&world, Some(&bearer(token.as_str()))).await.status(), StatusCode::OK);
        }
    }
    for pair in [&first, &second] {
        assert_eq!(world.refused(pair).await, Some("session_revoked"));
    }
    assert_eq!(world.refused(&world.login("ann").await).await, None);
}

#[tokio::test]
async fn r57_an_expired_access_token_ends_the_session_that_lives_on() {
    let world = World::new();
    let pair = world.login("ann").await;
    let proof = world.proof(&pair).await;
    world.clock.advance(Duration::from_secs(3600 + 31));
    let expired = world.ask(TokenKind::Access, pair.access.as_str()).await.unwrap_err();
    assert_eq!(expired.kind(), RejectionKind::Expired);
    world.proof(&pair).await;

    assert_eq!(log_out(&world, Some(&bearer(pair.access.as_str()))).await.status(), StatusCode::OK);
    let refresh = world.ask(TokenKind::Refresh, pair.refresh.as_str()).await;
    assert_eq!(refresh.unwrap_err().reason(), "session_revoked");
    assert_eq!(world.redeem(&proof).await.into_pair().unwrap_err().reason(), "session_revoked");
}

/// An expired access token logs its session out just after a refresh. The new tokens are never
/// accepted.
#[tokio::test]
async fn g3_a_late_logout_is_remembered_as_long_as_any_token_of_the_session_could_live() {
    let world = World::new();
    let first = world.login("ann").await;
    world.clock.advance(2 * DAY - Duration::from_secs(1));
    let second = world.renew(&first).await;
    assert_eq!(log_out(&world, Some(&bearer(first.access.as_str()))).await.status(), StatusCode::OK);
    for _ in 0..400 {
        assert!(world.ask(TokenKind::Access, second.access.as_str()).await.is_err());
        assert!(world.ask(TokenKind::Refresh, second.refresh.as_str()).await.is_err(), "{:?}", world.clock.now());
        world.clock.advance(Duration::from_secs(500));
        world.issuer().revoke_token("another", world.clock.now()).await.unwrap();
    }
}

#[tokio::test]
async fn r57_a_token_counts_for_as_long_after_its_end_as_any_may_live() {
    let world = World::new();
    let pair = world.login("ann").await;
    let end = pair.access.expires_at() + Duration::from_secs(30) + 2 * DAY;
    world.clock.set(end - MILLISECOND);
    assert_eq!(log_out(&world, Some(&bearer(pair.access.as_str()))).await.status(), StatusCode::OK);
    world.clock.set(end);
    let refused = log_out(&world, Some(&bearer(pair.access.as_str()))).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.extensions().get(), Some(&RejectionKind::Expired));
}

/// An expired token without `sid` leaves nothing to log out.
#[tokio::test]
async fn r57_a_token_without_a_session_dies_alone() {
    let world = World::new();
    let [one, other] = ["a", "b"].map(|jti| token(json!({}), json!({ "sid": null, "jti": jti })));
    assert_eq!(log_out(&world, Some(&bearer(&one))).await.status(), StatusCode::OK);
    assert_eq!(world.ask(TokenKind::Access, &one).await.unwrap_err().reason(), "token_revoked");
    world.ask(TokenKind::Access, &other).await.unwrap();
    world.clock.advance(DAY);
    let entries = world.store.len();
    assert_eq!(log_out(&world, Some(&bearer(&other))).await.status(), StatusCode::OK);
    assert!(world.store.len() <= entries);
}

#[tokio::test]
async fn r57_what_is_not_genuine_logs_nobody_out() {
    let world = World::new();
    let pair = world.login("ann").await;
    let forged = testkit::tokens::sign_hs256(
        b"another secret of the right length, 32 B",
        &token_header(json!({})),
        &payload(json!({})),
    );
    let foreign = token(json!({}), json!({ "aud": "another" }));
    let early = token(json!({}), json!({ "nbf": NOW + 3600 }));
    let rows = [
        ("no token", None, RejectionKind::Missing, 401),
        ("two words", Some("Bearer a b".to_owned()), RejectionKind::Malformed, 400),
        ("forged", Some(bearer(&forged)), RejectionKind::Invalid, 401),
        ("for another audience", Some(bearer(&foreign)), RejectionKind::Invalid, 401),
        ("not yet good", Some(bearer(&early)), RejectionKind::Invalid, 401),
        ("no token at all", Some(bearer("abc")), RejectionKind::Invalid, 401),
    ];
    for (name, line, kind, status) in rows {
        let answer = log_out(&world, line.as_deref()).await;
        assert_eq!((answer.status().as_u16(), answer.extensions().get()), (status, Some(&kind)), "{name}");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store", "{name}");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(body["resolution"].is_string(), "{name}");
    }
    assert!(world.store.is_empty());
    assert_eq!(world.refused(&pair).await, None);
}

#[tokio::test]
async fn r57_both_proofs_end_the_same_login() {
    let world = World::new();
    let pair = world.login("ann").await;
    let authenticated = world.ask(TokenKind::Access, pair.access.as_str()).await.unwrap();
    let logging_out = LoggingOut::verify(&world.verifier, pair.access.as_str()).unwrap();
    assert_eq!(Revocable::revocation(&authenticated), logging_out.revocation());
    let shown = format!("{logging_out:?}");
    assert!(!shown.contains(authenticated.session_id().unwrap()) && !shown.contains("ann"), "{shown}");
}

#[tokio::test]
async fn r57_the_renderer_is_the_one_that_was_set() {
    let world = World::new();
    let layer = LogoutLayer::new(world.verifier.clone()).with_renderer(|rejection: &Rejection| {
        let mut response = Response::new(Bytes::from(rejection.reason()));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let inner = inner();
    let response = layer.layer(inner.clone()).oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no_token");
    assert_eq!(inner.calls(), 0);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_logout_handler_behind_the_wrong_layer_is_a_500_that_names_the_right_one() {
    use axum::{Router, body::Body, extract::State, routing::post};
    use tower_jwt_blocklist::{Issuer, JwtBlocklistLayer};

    async fn logout(State(issuer): State<Issuer>, session: LoggingOut) -> &'static str {
        issuer.logout(&session).await.unwrap();
        "logged out"
    }
    let world = World::new();
    let pair = world.login("ann").await;
    let routes = || Router::new().route("/logout", post(logout)).with_state(world.issuer().clone());
    let request = || {
        let request = Request::post("/logout").header(header::AUTHORIZATION, bearer(pair.access.as_str()));
        request.body(Body::empty()).unwrap()
    };
    let wrong = routes().layer(JwtBlocklistLayer::access(world.verifier.clone(), world.store.clone()));
    let response = wrong.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("`LogoutLayer`"), "{body:?}");
    let right = routes().layer(LogoutLayer::new(world.verifier.clone()));
    for _ in 0..2 {
        assert_eq!(right.clone().oneshot(request()).await.unwrap().status(), StatusCode::OK);
    }
}
