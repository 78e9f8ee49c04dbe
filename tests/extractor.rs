//! `Authenticated` in axum handlers, over real HTTP.
#![cfg(feature = "axum")]

mod support;

use axum::{Router, routing::get};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use support::{clock, good_token, token, verifier};
use tower::ServiceExt;
use tower_jwt_blocklist::{Authenticated, JwtBlocklistLayer, MemoryBlocklist};

async fn whoami(user: Authenticated) -> String {
    user.subject().unwrap_or_default().to_owned()
}

fn layer() -> JwtBlocklistLayer {
    JwtBlocklistLayer::access(verifier(&clock()), MemoryBlocklist::new())
}

async fn get_me(app: Router, token: &str) -> (StatusCode, String) {
    let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = app.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn a_handler_behind_the_layer_gets_the_user() {
    for app in [
        Router::new().route("/me", get(whoami)).layer(layer()),
        Router::new().route("/me", get(whoami)).route_layer(layer()),
        Router::new().route("/me", get(whoami).layer(layer())),
    ] {
        assert_eq!(get_me(app.clone(), &good_token()).await, (StatusCode::OK, "user-1".into()));
        assert_eq!(get_me(app, "bad").await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_missing_layer_is_a_500_that_names_it_also_for_a_good_token() {
    let app = Router::new().route("/me", get(whoami));
    let (status, body) = get_me(app, &good_token()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("`JwtBlocklistLayer`"), "{body}");
}

#[tokio::test]
async fn a_layer_with_other_claims_than_the_handler_asks_for_is_a_500_that_says_so() {
    #[derive(Deserialize)]
    struct Mine {
        plan: String,
    }
    async fn plan(user: Authenticated<Mine>) -> String {
        user.claims().plan.clone()
    }
    let token = token(json!({}), json!({ "plan": "free" }));
    let mistaken = Router::new().route("/me", get(plan)).layer(layer());
    let (status, body) = get_me(mistaken, &token).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains(".claims::<"), "{body}");
    let right = Router::new().route("/me", get(plan)).layer(layer().claims::<Mine>());
    assert_eq!(get_me(right, &token).await, (StatusCode::OK, "free".into()));
}

#[tokio::test]
async fn behind_axum_head_gets_the_headers_of_get_and_no_body() {
    let app = Router::new().route("/me", get(whoami)).layer(layer());
    let request = Request::head("/me").body(axum::body::Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}
