//! A browser application: the tokens are in cookies that no script of the page can read.
//!
//! Run `JWT_SECRET=$(openssl rand -hex 32) cargo run --example browser_cookies`, and open
//! `http://localhost:3000`. In the browser's console run `await fetch("/login", { method: "POST"
//! })` and reload; then do the same with `/refresh` and `/logout`.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL, header::SET_COOKIE},
    response::{self, AppendHeaders, IntoResponse},
    routing::{get, post},
};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, ConfigError, Issuer, JwtBlocklistLayer, LoggingOut, LogoutLayer, MemoryBlocklist,
    NoClaims, Require, SigningKey, TokenPair, Verifier,
    sources::{TokenCookie, TokenSources},
};

fn app(secret: &str) -> Result<Router, ConfigError> {
    let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
    let blocklist = MemoryBlocklist::new();
    let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;

    // Unsafe requests with a cookie pass only from this server's own pages. `allowed_origins` adds
    // others.
    let by_access_token = TokenSources::builder().cookie(TokenCookie::access()).build()?;
    let access = JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()).with_token_sources(by_access_token);
    // The refresh token's cookie lasts longer than the other, so the logout reads this one.
    let by_refresh_token = TokenSources::builder().cookie(TokenCookie::refresh()).build()?;
    let refresh = JwtBlocklistLayer::refresh(verifier.clone(), blocklist).with_token_sources(by_refresh_token.clone());
    let logging_out = LogoutLayer::new(verifier).with_token_sources(by_refresh_token);
    // A stranger at an unlocked screen must not be able to do this.
    let recent_login = Require::builder().max_login_age(Duration::from_secs(300)).build()?;
    let just_logged_in = access.clone().add_requirement(recent_login);

    Ok(Router::new()
        .route("/", get(home).layer(access.optional()))
        .route("/logout", post(logout).layer(logging_out))
        .route("/delete-account", post(async || "deleted\n").layer(just_logged_in))
        .route("/refresh", post(refreshed).layer(refresh))
        .route("/login", post(login))
        .with_state(issuer))
}

async fn home(user: Option<Authenticated>) -> String {
    let name = user.as_ref().and_then(|user| user.subject()).unwrap_or("stranger");
    format!("hello, {name}\n")
}

/// A real login checks a password first, and that the request comes from its own page
/// (`Sec-Fetch-Site`).
async fn login(State(issuer): State<Issuer>) -> Result<impl IntoResponse, StatusCode> {
    Ok(cookies(&issuer.login("user-1", &NoClaims {}).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?))
}

async fn refreshed(State(issuer): State<Issuer>, session: Authenticated) -> response::Result<impl IntoResponse> {
    let refreshed = issuer.refresh(&session, session.claims()).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(cookies(&refreshed.into_pair()?))
}

fn cookies(pair: &TokenPair) -> impl IntoResponse + use<> {
    let cookies = [
        TokenCookie::access().set_cookie_header(&pair.access),
        TokenCookie::refresh().set_cookie_header(&pair.refresh),
    ];
    ([(CACHE_CONTROL, "no-store")], AppendHeaders(cookies.map(|cookie| (SET_COOKIE, cookie))))
}

/// Revokes the session first: a cookie that was only removed can be sent again.
async fn logout(State(issuer): State<Issuer>, session: LoggingOut) -> Result<impl IntoResponse, StatusCode> {
    issuer.logout(&session).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let cookies = [TokenCookie::access().removal_header(), TokenCookie::refresh().removal_header()];
    Ok((AppendHeaders(cookies.map(|cookie| (SET_COOKIE, cookie))), "logged out\n"))
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

    /// Sends a request as a browser does. Returns the status, the text and the cookies that the
    /// response sets.
    async fn send(app: &Router, method: &str, path: &str, site: &str, cookies: &str) -> (u16, String, String) {
        let request =
            Request::builder().method(method).uri(path).header("Sec-Fetch-Site", site).header("Cookie", cookies);
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let set = response.headers().get_all(SET_COOKIE).iter();
        let set: Vec<&str> = set.map(|line| line.to_str().unwrap().split(';').next().unwrap()).collect();
        let (status, set) = (response.status().as_u16(), set.join("; "));
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(), set)
    }

    #[tokio::test]
    async fn cookies_work_from_our_pages_until_they_are_logged_out() {
        let app = app("3f9a7c02b1d84e65a0c7f1e2d3b49586").unwrap();
        assert_eq!(send(&app, "GET", "/", "none", "").await.1, "hello, stranger\n");
        let (_, _, cookies) = send(&app, "POST", "/login", "same-origin", "").await;
        assert_eq!(send(&app, "GET", "/", "cross-site", &cookies).await.1, "hello, user-1\n");
        assert_eq!(send(&app, "POST", "/delete-account", "same-origin", &cookies).await.0, 200);
        let (status, _, cookies) = send(&app, "POST", "/refresh", "same-origin", &cookies).await;
        assert_eq!((status, cookies.matches("_token=ey").count()), (200, 2), "both cookies are new");
        assert_eq!(send(&app, "POST", "/logout", "cross-site", &cookies).await.0, 403);
        let (status, _, removed) = send(&app, "POST", "/logout", "same-origin", &cookies).await;
        assert_eq!((status, &*removed), (200, "__Host-access_token=; __Host-refresh_token="));
        for (method, path, status) in [("GET", "/", 401), ("POST", "/refresh", 401), ("POST", "/logout", 200)] {
            assert_eq!(send(&app, method, path, "same-origin", &cookies).await.0, status, "{path}");
        }
    }
}
