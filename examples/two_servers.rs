//! Two servers with one Redis, each with a mirror: a logout at one of them, and how long it takes to the other.
//!
//! `JWT_SECRET=… REDIS_URL=redis://127.0.0.1:6379 cargo run --example two_servers`. Both are in one process here, and share
//! nothing but Redis; in two processes it is the same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    routing::{get, post},
};
use tower::ServiceExt;
use tower_jwt_blocklist::{
    Algorithm, Authenticated, Issuer, JwtBlocklistLayer, MirrorBlocklist, MirrorSettings, NoClaims, RedisBlocklist,
    RedisSettings, SigningKey, Verifier,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// One of the servers.
struct Server {
    app: Router,
    issuer: Issuer,
    mirror: MirrorBlocklist,
}

impl Server {
    async fn start(secret: &str, url: &str) -> Result<Self, Error> {
        let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
        let verifier =
            Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
        // The issuer tells Redis, the layer asks the mirror.
        let redis = RedisBlocklist::connect(RedisSettings::from_url(url)?).await?;
        let mirror = MirrorBlocklist::start(redis.clone(), MirrorSettings::new())?;
        let issuer = Issuer::builder(verifier.clone(), key, redis).build()?;
        mirror.ready().await;

        let app = Router::new()
            .route("/me", get(async |user: Authenticated| user.subject().unwrap_or_default().to_owned()))
            .route("/logout", post(logout))
            .route_layer(JwtBlocklistLayer::access(verifier, mirror.clone()))
            .with_state(issuer.clone());
        Ok(Self { app, issuer, mirror })
    }

    async fn send(&self, method: &str, path: &str, token: &str) -> Result<StatusCode, Error> {
        let request = Request::builder().method(method).uri(path).header("Authorization", format!("Bearer {token}"));
        Ok(self.app.clone().oneshot(request.body(Body::empty())?).await?.status())
    }
}

async fn logout(State(issuer): State<Issuer>, user: Authenticated) -> Result<&'static str, StatusCode> {
    issuer.logout(&user).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok("logged out\n")
}

/// How long it takes from the answer to a logout at one until the other refuses the token.
async fn measure(one: &Server, other: &Server) -> Result<Duration, Error> {
    let token = one.issuer.login("user-1", &NoClaims {}).await?.access.into_string();
    for server in [one, other] {
        assert_eq!(server.send("GET", "/me", &token).await?, StatusCode::OK);
    }
    assert_eq!(one.send("POST", "/logout", &token).await?, StatusCode::OK);
    let logged_out = Instant::now();
    assert_eq!(one.send("GET", "/me", &token).await?, StatusCode::UNAUTHORIZED, "at once at the same server");
    while other.send("GET", "/me", &token).await? != StatusCode::UNAUTHORIZED {
        tokio::task::yield_now().await;
    }
    Ok(logged_out.elapsed())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (secret, url) = (std::env::var("JWT_SECRET")?, std::env::var("REDIS_URL")?);
    let (one, other) = (Server::start(&secret, &url).await?, Server::start(&secret, &url).await?);
    for _ in 0..5 {
        println!("the other server knew after {:?}", measure(&one, &other).await?);
    }
    println!("its mirror: {:?}", other.mirror.state());
    Ok(())
}

#[cfg(test)]
mod tests {
    use testkit::RedisServer;

    use super::*;

    #[tokio::test]
    async fn a_logout_at_one_reaches_the_other() {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let start = || Server::start("3f9a7c02b1d84e65a0c7f1e2d3b49586", &url);
        let (one, other) = (start().await.unwrap(), start().await.unwrap());
        for (from, to) in [(&one, &other), (&other, &one)] {
            tokio::time::timeout(Duration::from_secs(30), measure(from, to)).await.unwrap().unwrap();
        }
    }
}
