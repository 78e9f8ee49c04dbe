//! The README's quickstart in full: log in, use the token, log out, see the token rejected.
//!
//! Run `JWT_SECRET=$(openssl rand -hex 32) cargo run --example quickstart`. Then get the tokens
//! with `curl -X POST localhost:3000/login`, and use one with `curl -H "Authorization: Bearer
//! $TOKEN" localhost:3000/me`. Log out with the same header and `-X POST …/logout`, and call `/me`
//! again.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{self, IntoResponse},
    routing::{get, post},
};
use serde_json::json;
use tower_jwt_blocklist::{
    Algorithm, Authenticated, ConfigError, Issuer, JwtBlocklistLayer, LoggingOut, LogoutLayer, MemoryBlocklist,
    NoClaims, SigningKey, TokenPair, Verifier,
};

fn app(secret: &str) -> Result<Router, ConfigError> {
    let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
    let blocklist = MemoryBlocklist::new(); // or RedisBlocklist::connect(RedisSettings::from_url(url)?).await?
    let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;

    let access = JwtBlocklistLayer::access(verifier.clone(), blocklist.clone());
    let refresh_only = JwtBlocklistLayer::refresh(verifier.clone(), blocklist);
    Ok(Router::new()
        .route("/login", post(login))
        .route("/me", get(me).route_layer(access))
        .route("/refresh", post(refresh).route_layer(refresh_only))
        .route("/logout", post(logout).route_layer(LogoutLayer::new(verifier)))
        .with_state(issuer))
}

/// A real one checks a password first: see the `axum-logout` application.
async fn login(State(issuer): State<Issuer>) -> response::Result<impl IntoResponse> {
    let pair = issuer.login("user-1", &NoClaims {}).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(tokens(&pair))
}

/// Each refresh token is good for one refresh. The client keeps the newest.
async fn refresh(State(issuer): State<Issuer>, session: Authenticated) -> response::Result<impl IntoResponse> {
    let refreshed = issuer.refresh(&session, session.claims()).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(tokens(&refreshed.into_pair()?))
}

fn tokens(pair: &TokenPair) -> impl IntoResponse + use<> {
    let tokens = json!({ "access_token": pair.access.as_str(), "refresh_token": pair.refresh.as_str() });
    ([(CACHE_CONTROL, "no-store")], Json(tokens))
}

async fn me(user: Authenticated) -> String {
    format!("hello, {}\n", user.subject().unwrap_or("nobody"))
}

/// With either token, also an expired one, and as often as the client likes.
async fn logout(State(issuer): State<Issuer>, session: LoggingOut) -> response::Result<&'static str> {
    issuer.logout(&session).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok("logged out\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET, for instance to `openssl rand -hex 32`")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app(&secret)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn send(app: &Router, method: &str, path: &str, token: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("Authorization", format!("Bearer {token}"));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn tokens_work_until_they_are_logged_out() {
        let app = app("3f9a7c02b1d84e65a0c7f1e2d3b49586").unwrap();
        let tokens: serde_json::Value = serde_json::from_str(&send(&app, "POST", "/login", "").await.1).unwrap();
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        assert_eq!(send(&app, "GET", "/me", access).await, (200, "hello, user-1\n".into()));
        let (status, next) = send(&app, "POST", "/refresh", refresh).await;
        assert_eq!(status, 200);
        let next: serde_json::Value = serde_json::from_str(&next).unwrap();
        let (next_access, next_refresh) =
            (next["access_token"].as_str().unwrap(), next["refresh_token"].as_str().unwrap());
        assert_ne!(next_refresh, refresh);
        assert_eq!(send(&app, "GET", "/me", next_access).await.0, 200);
        for token in [access, access, next_refresh] {
            assert_eq!(send(&app, "POST", "/logout", token).await.0, 200);
        }
        for token in [access, next_access] {
            assert_eq!(send(&app, "GET", "/me", token).await.0, 401);
        }
        for token in [refresh, next_refresh] {
            assert_eq!(send(&app, "POST", "/refresh", token).await.0, 401);
        }
    }
}
