//! A logout reads its token from the same sources as other routes, with the same checks.

use http::header::*;
use serde_json::json;
use tower::{Layer, service_fn};
use tower_jwt_blocklist::{
    LogoutLayer,
    sources::{TokenCookie, TokenSources},
};

use super::{Server, bearer, line, tell};
use crate::support::{clock, good_token, token, verifier};

#[tokio::test]
async fn r37_r44_r45_the_logout_layer_has_the_same_carriers() {
    let plain = LogoutLayer::new(verifier(&clock()));
    let with_cookie =
        plain.clone().with_token_sources(TokenSources::builder().cookie(TokenCookie::refresh()).build().unwrap());
    let (plain, server) =
        (Server::serve(plain.layer(service_fn(tell))).await, Server::serve(with_cookie.layer(service_fn(tell))).await);
    let refresh = token(json!({ "typ": "rt+jwt" }), json!({}));
    let cookie = line("Cookie", format!("__Host-refresh_token={refresh}"));
    let own: &[u8] = b"Sec-Fetch-Site: same-origin";
    assert_eq!(plain.send("POST", "/", &[&cookie, own]).await.refusal(), (401, "missing_token".into()));
    let answer = server.send("POST", "/", &[&cookie, own]).await;
    assert_eq!(
        (answer.user(), answer.values(VARY)),
        ("nobody", vec!["origin", "cookie"]),
        "a logout proves no identity"
    );
    assert!(!answer.body.contains(&refresh), "{}", answer.body);
    let from_elsewhere = server.send("POST", "/", &[&cookie]).await;
    assert_eq!(from_elsewhere.refusal(), (403, "cross_site_request".into()));
    assert_eq!(server.send("POST", "/", &[&cookie, own, &bearer(&good_token())]).await.refusal().0, 400);
    let answer = server.send("POST", "/", &[&bearer(&good_token()), b"X-Forwarded-User: root"]).await;
    assert!(answer.status == 200 && !answer.body.contains("root"), "r47: {}", answer.body);
}
