//! `Authenticated` in axum handlers, over real HTTP.
#![cfg(feature = "axum")]

use crate::support::{clock, good_token, token, verifier};
use axum::{Router, routing::get};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_blocklist::{Authenticated, JwtBlocklistLayer, MemoryBlocklist};

async fn whoami(user: Authenticated) -> String {
    user.subject().unwrap_or_default().to_owned()
}

fn layer() -> JwtBlocklistLayer {
    layer_with_claims()
}

fn layer_with_claims<X>() -> JwtBlocklistLayer<X> {
    JwtBlocklistLayer::access_with_claims(verifier(&clock()), MemoryBlocklist::new())
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
    assert!(body.contains("access_with_claims::<"), "{body}");
    let right = Router::new().route("/me", get(plan)).layer(layer_with_claims::<Mine>());
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

#[tokio::test]
async fn behind_an_optional_layer_the_handler_says_whether_it_needs_somebody() {
    async fn greet(user: Option<Authenticated>) -> String {
        user.map_or_else(|| "nobody".to_owned(), |user| user.subject().unwrap_or_default().to_owned())
    }
    let app = Router::new().route("/me", get(greet)).route("/strict", get(whoami)).layer(layer().optional());
    let ask = async |path: &str, header: Option<String>| {
        let mut request = Request::get(path);
        if let Some(header) = header {
            request = request.header(header::AUTHORIZATION, header);
        }
        let response = app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let (status, challenge) = (response.status(), response.headers().contains_key(header::WWW_AUTHENTICATE));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, challenge, String::from_utf8(body.to_vec()).unwrap())
    };
    let good = || Some(format!("Bearer {}", good_token()));
    assert_eq!(ask("/me", None).await, (StatusCode::OK, false, "nobody".into()));
    assert_eq!(ask("/me", good()).await, (StatusCode::OK, false, "user-1".into()));
    assert_eq!(ask("/me", Some("Bearer bad".into())).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("/strict", good()).await, (StatusCode::OK, false, "user-1".into()));
    let (status, challenge, body) = ask("/strict", None).await;
    assert_eq!((status, challenge), (StatusCode::UNAUTHORIZED, true));
    assert!(body.contains("missing_token"), "{body}");
}

#[tokio::test]
async fn an_optional_extractor_without_the_layer_is_a_500_that_names_it() {
    #[derive(Deserialize)]
    struct Mine {}
    let app = Router::new().route("/me", get(async |_: Option<Authenticated>| "reached"));
    for (app, token) in [(app.clone(), good_token()), (app.clone(), String::new())] {
        let (status, body) = get_me(app, &token).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("`JwtBlocklistLayer`"), "{body}");
    }
    let other_claims = app.layer(layer_with_claims::<Mine>().optional());
    let request = Request::get("/me").body(axum::body::Body::empty()).unwrap();
    assert_eq!(other_claims.oneshot(request).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
}
