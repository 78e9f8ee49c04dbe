//! A migration from the FastAPI tutorial's application that logs nobody out.
//!
//! 1. **Side by side.** `Verifier::builder().key(key).fastapi_tokens()` reads the old application's
//!    tokens: a proxy sends some routes to the new server, and the login stays. An `Issuer` on that
//!    verifier mints tokens of the old form. Both applications accept them, if the claims have the
//!    `user`.
//! 2. **Replaced**: this file. When every route has moved, the login moves too, to tokens of the
//!    new form, which the old application rejects. With `also_fastapi_tokens()` the old ones are
//!    accepted as well, and `/refresh_token` exchanges an old refresh token for a session of the
//!    new form, once.
//! 3. **Finished.** Two days after the last login at the old application, all its tokens have
//!    expired. Delete `also_fastapi_tokens()` and the `if` in `refresh`.
//!
//! With one Redis and `fastapi_entries()`, each application rejects tokens that the other has
//! logged out. Old tokens do not state when they were minted. So the first start must declare that
//! this Redis has lost nothing, once: `RedisBlocklist::initialize` with a floor of zero.
//!
//! Caveats:
//! - The secret is the old `JWT_SECRET`. One under 32 bytes, or a published one, is an error at
//!   startup. With a new secret all users log in again.
//! - An old token names no session, so its logout revokes it alone, as before. Let clients revoke
//!   their refresh token too (`DELETE /refresh_token`).
//! - An old token has no `sub` and no `iat`: `logout_everywhere` does not reach it. `revoke_all`
//!   does, and also revokes those that the old application mints in the days after it.
//! - An old server whose clock is set east of UTC minted tokens that live some hours longer: raise
//!   `max_lifetime` by as many.
//!
//! Run it with `JWT_SECRET=… REDIS_URL=redis://127.0.0.1:6379 cargo run --example
//! tutorial_side_by_side first` once, and without `first` from then on.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_jwt_blocklist::{
    Algorithm, Authenticated, ConfigError, Issuer, JwtBlocklistLayer, RedisBlocklist, SigningKey, Verifier,
    blocklist::{Blocklist, Rotate},
    redis::RedisSettings,
};

/// The claims in the tokens of both applications.
#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    user: User,
}

#[derive(Clone, Serialize, Deserialize)]
struct User {
    email: String,
    user_uid: String,
}

fn app(secret: &str, blocklist: impl Blocklist + Rotate + Clone) -> Result<Router, ConfigError> {
    let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    let verifier = Verifier::builder().key(key.verifying_key()?).issuer("bookly").audience("bookly");
    let verifier = Arc::new(verifier.also_fastapi_tokens().build()?);
    let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;

    let with_any_access_token = Router::new()
        .route("/me", get(me))
        .route("/logout", get(logout))
        .route_layer(JwtBlocklistLayer::access_with_claims::<Claims>(verifier.clone(), blocklist.clone()));
    let with_any_refresh_token = Router::new()
        .route("/refresh_token", get(refresh).delete(logout))
        .route_layer(JwtBlocklistLayer::refresh_with_claims::<Claims>(verifier, blocklist));
    Ok(with_any_access_token.merge(with_any_refresh_token).with_state(issuer))
}

async fn me(user: Authenticated<Claims>) -> Json<User> {
    Json(user.claims().user.clone())
}

async fn refresh(State(issuer): State<Issuer>, token: Authenticated<Claims>) -> Result<impl IntoResponse, Response> {
    let unavailable = |_| StatusCode::SERVICE_UNAVAILABLE.into_response();
    let pair = if token.issuer().is_none() {
        // Exchanges an old token for one session of the new form. Revokes it last, so that a client
        // that gets 503 can try again with it.
        let pair = issuer.login(&token.claims().user.user_uid, token.claims()).await.map_err(unavailable)?;
        issuer.logout(&token).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())?;
        pair
    } else {
        let refreshed = issuer.refresh(&token, token.claims()).await.map_err(unavailable)?;
        refreshed.into_pair().map_err(IntoResponse::into_response)?
    };
    let tokens = json!({ "access_token": pair.access.as_str(), "refresh_token": pair.refresh.as_str() });
    Ok(([(CACHE_CONTROL, "no-store")], Json(tokens)))
}

async fn logout(State(issuer): State<Issuer>, token: Authenticated<Claims>) -> Result<&'static str, StatusCode> {
    issuer.logout(&token).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok("logged out\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (secret, url) = (std::env::var("JWT_SECRET")?, std::env::var("REDIS_URL")?);
    let settings = RedisSettings::from_url(&url)?.fastapi_entries();
    if std::env::args().nth(1).as_deref() == Some("first") {
        RedisBlocklist::initialize(settings.clone(), std::time::UNIX_EPOCH).await?;
    }
    let blocklist = RedisBlocklist::connect(settings).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app(&secret, blocklist)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;
    use tower_jwt_blocklist::MemoryBlocklist;

    use super::*;

    const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b49586";

    /// Mints a token as the tutorial does.
    fn old(id: &str, refresh: bool) -> String {
        let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
        let user = json!({ "email": "ada@example.org", "user_uid": "7b3c5a52" });
        let payload = json!({ "user": user, "exp": exp, "jti": id, "refresh": refresh });
        testkit::tokens::sign_hs256(SECRET.as_bytes(), &json!({ "alg": "HS256", "typ": "JWT" }), &payload)
    }

    async fn send(app: &Router, method: &str, path: &str, token: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("Authorization", format!("Bearer {token}"));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn old_tokens_work_until_they_are_logged_out_or_turned_into_new_ones() {
        let app = app(SECRET, MemoryBlocklist::new()).unwrap();
        let (access, refresh) = (old("1", false), old("2", true));
        assert_eq!(send(&app, "GET", "/me", &access).await.1["email"], "ada@example.org");
        assert_eq!(send(&app, "GET", "/me", &refresh).await.0, 401);
        assert_eq!(send(&app, "GET", "/logout", &access).await.0, 200);
        assert_eq!(send(&app, "GET", "/me", &access).await.0, 401);

        let (status, pair) = send(&app, "GET", "/refresh_token", &refresh).await;
        assert_eq!(status, 200);
        assert_eq!(send(&app, "GET", "/refresh_token", &refresh).await.0, 401, "only once");
        let (access, refresh) = (pair["access_token"].as_str().unwrap(), pair["refresh_token"].as_str().unwrap());
        assert_eq!(send(&app, "GET", "/me", access).await.1["user_uid"], "7b3c5a52");
        let (_, again) = send(&app, "GET", "/refresh_token", refresh).await;
        assert_eq!(send(&app, "GET", "/me", again["access_token"].as_str().unwrap()).await.0, 200);
        assert_eq!(send(&app, "DELETE", "/refresh_token", refresh).await.0, 200);
        assert_eq!(send(&app, "GET", "/me", access).await.0, 401, "a session of the new form is revoked as a whole");
    }
}
