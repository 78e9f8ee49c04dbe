//! Sign up, log in, refresh, log out: the whole journey, on both databases and both blocklists.

use reqwest::Method;
use serde_json::json;
use sqlx::Connection;
use testkit::{PostgresServer, RedisServer};
use tokio::join;

use crate::{
    client::{Client, PASSWORD, Tokens},
    server::Server,
};

#[tokio::test]
async fn on_sqlite_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("RUST_LOG", "trace")]).await;
    journey(&server).await;
}

#[tokio::test]
async fn on_postgres_and_redis() {
    let folder = tempfile::tempdir().unwrap();
    let (postgres, redis) = (PostgresServer::start().await, RedisServer::options().password("s3cret").start().await);
    let settings = [
        ("DATABASE_URL", &*postgres.url()),
        ("REDIS_URL", &*redis.url()),
        ("JWT_SECRET", "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c"),
        ("JWT_ALGORITHM", "HS512"),
        ("RUST_LOG", "trace"),
    ];
    let server = Server::start(folder.path(), &settings).await;
    journey(&server).await;
    assert!(!server.output().contains("s3cret"));
    assert!(!server.output().contains("9f8a7c6b"));
    assert!(!folder.path().join(".env").exists(), "a given secret is used, and none is made");
}

/// Her token is valid, but the user no longer exists.
#[tokio::test]
async fn a_user_who_is_gone_is_404() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    server.client.sign_up("ann@example.com").await;
    let tokens = server.client.log_in("ann@example.com").await;

    let database = format!("sqlite:{}", folder.path().join("axum-logout.db").display());
    let mut database = sqlx::SqliteConnection::connect(&database).await.unwrap();
    sqlx::query("DELETE FROM users").execute(&mut database).await.unwrap();

    let me = server.client.get("/me", &tokens.access).await;
    assert_eq!((me.status.as_u16(), me.text("error")), (404, "user_gone".to_owned()));
}

async fn journey(server: &Server) {
    let client = &server.client;
    sign_up(client).await;
    bad_input(client).await;
    wrong_routes(client).await;
    let tokens = log_in(client).await;
    let refreshed = refresh(client, &tokens).await;
    log_out(client, &tokens, &refreshed).await;
    steal(client).await;
    log_out_elsewhere(client).await;

    let output = server.output();
    assert!(output.contains("/api/v1/auth/logout"), "requests are logged");
    for secret in [PASSWORD, &tokens.access, &tokens.refresh, &refreshed.access, &refreshed.refresh] {
        assert!(!output.contains(secret), "secrets are not logged");
    }
}

async fn sign_up(client: &Client) {
    let body = json!({ "email": "Ann@Example.com", "password": PASSWORD, "username": "ann", "first_name": "Ann" });
    let answer = client.post("/signup", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.text("uid").len(), 36);
    assert!(answer.text("created_at").ends_with('Z'));
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["created_at", "email", "first_name", "last_name", "uid", "username"]);
    assert_eq!((&answer.body["email"], &answer.body["last_name"]), (&json!("ann@example.com"), &json!(null)));

    let again = client.sign_up("ANN@example.com").await;
    assert_eq!(again.status, 409);
    assert_eq!(again.body["error"], "email_taken");

    let (one, other) = join!(client.sign_up("cat@example.com"), client.sign_up("cat@example.com"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort();
    assert_eq!(statuses, [201, 409], "one of two concurrent sign-ups fails");
}

async fn bad_input(client: &Client) {
    let answer = client.post("/signup", &json!({ "email": "ann", "password": "short", "username": 1 })).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.body["error"], "invalid_input");
    let fields: Vec<_> = answer.body["fields"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["email", "password", "username"]);

    let json = "application/json";
    for (content_type, body, status) in [
        (json, format!("{{\"password\": \"{PASSWORD}\""), 400),
        (json, format!("\"{PASSWORD}\""), 422),
        ("text/plain", PASSWORD.to_owned(), 415),
        (json, format!("{{\"password\": \"{}\"}}", "a".repeat(20_000)), 413),
    ] {
        let answer = client.post_text("/login", content_type, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.body["error"], "invalid_body");
        assert!(!answer.body.to_string().contains(PASSWORD), "a password is not sent back");
    }
}

async fn wrong_routes(client: &Client) {
    for (path, status) in [("/nothing", 404), ("/login", 405)] {
        let answer = client.with("none", Method::PUT, path).await;
        assert_eq!((answer.status.as_u16(), answer.text("error")), (status, "no_such_route".to_owned()));
    }
}

async fn log_in(client: &Client) -> Tokens {
    let wrong = client.post("/login", &json!({ "email": "ann@example.com", "password": "not hers" })).await;
    let unknown = client.post("/login", &json!({ "email": "bob@example.com", "password": PASSWORD })).await;
    assert_eq!((wrong.status.as_u16(), unknown.status.as_u16()), (401, 401));
    assert_eq!(wrong.body, unknown.body);

    let answer = client.post("/login", &json!({ "email": " ANN@example.com", "password": PASSWORD })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.body["user"]["email"], "ann@example.com");
    assert!(answer.body["message"].is_string());
    let tokens = Tokens { access: answer.text("access_token"), refresh: answer.text("refresh_token") };

    let me = client.get("/me", &tokens.access).await;
    assert_eq!(me.status, 200, "{}", me.body);
    assert_eq!((&me.body["uid"], &me.body["username"]), (&answer.body["user"]["uid"], &json!("ann")));
    let head = client.with(&tokens.access, Method::HEAD, "/me").await;
    assert_eq!((head.status.as_u16(), head.body), (200, json!(null)));
    tokens
}

/// Exchanges the refresh token. Two concurrent calls, as a client may make, still get one
/// successor.
async fn refresh(client: &Client, tokens: &Tokens) -> Tokens {
    client.get("/me", &tokens.refresh).await.is_refused("refresh");
    client.get("/refresh_token", &tokens.access).await.is_refused("access");

    let mut pairs = Vec::new();
    for method in [Method::GET, Method::POST] {
        let answer = client.with(&tokens.refresh, method, "/refresh_token").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let pair = Tokens { access: answer.text("access_token"), refresh: answer.text("refresh_token") };
        assert_eq!(client.get("/me", &pair.access).await.status, 200);
        pairs.push(pair);
    }
    let [first, again] = pairs.try_into().ok().unwrap();
    assert_ne!(first.refresh, tokens.refresh, "the refresh token is new");
    assert_eq!(first.refresh, again.refresh, "the retry gets the same refresh token");
    assert!(first.access != tokens.access && first.access != again.access);
    assert_eq!(client.get("/me", &tokens.access).await.status, 200, "a refresh revokes no access token");
    again
}

async fn log_out(client: &Client, tokens: &Tokens, refreshed: &Tokens) {
    let elsewhere = client.log_in("ann@example.com").await;
    for token in [&tokens.access, &refreshed.access, &tokens.access, &refreshed.refresh] {
        let answer = client.get("/logout", token).await;
        assert_eq!(answer.status, 200, "also the second time: {}", answer.body);
        assert!(answer.body["message"].is_string());
    }

    for Tokens { access, refresh } in [tokens, refreshed] {
        client.get("/me", access).await.is_refused("revoked");
        client.get("/refresh_token", refresh).await.is_refused("revoked");
    }

    assert_eq!(client.get("/me", &elsewhere.access).await.status, 200, "her other session continues");
    assert_eq!(client.with(&elsewhere.access, Method::POST, "/logout").await.status, 200);
    client.get("/me", &elsewhere.access).await.is_refused("revoked");
    client.get("/logout", "forged").await.is_refused("not valid");
    assert_eq!(
        client.get("/me", &client.log_in("ann@example.com").await.access).await.status,
        200,
        "she can log in again"
    );
}

/// A thief has the first refresh token, and uses it late.
async fn steal(client: &Client) {
    let stolen = client.log_in("ann@example.com").await;
    let mut newest = stolen.refresh.clone();
    let mut access = stolen.access;
    for _ in 0..2 {
        let answer = client.get("/refresh_token", &newest).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        (access, newest) = (answer.text("access_token"), answer.text("refresh_token"));
    }
    client.get("/refresh_token", &stolen.refresh).await.is_refused("revoked");
    client.get("/me", &access).await.is_refused("revoked");
    client.get("/refresh_token", &newest).await.is_refused("revoked");
}

async fn log_out_elsewhere(client: &Client) {
    let (phone, desk) = (client.log_in("ann@example.com").await, client.log_in("ann@example.com").await);
    assert_eq!(client.get("/logout_others", &phone.access).await.status, 405, "only by POST");
    assert_eq!(client.with(&phone.access, Method::POST, "/logout_others").await.status, 200);
    assert_eq!(client.get("/me", &phone.access).await.status, 200, "this session continues");
    assert_eq!(client.get("/refresh_token", &phone.refresh).await.status, 200);
    client.get("/me", &desk.access).await.is_refused("revoked");
    client.get("/refresh_token", &desk.refresh).await.is_refused("revoked");

    let desk = client.log_in("ann@example.com").await;
    assert_eq!(client.with(&phone.access, Method::POST, "/logout_everywhere").await.status, 200);
    for session in [&phone, &desk] {
        client.get("/me", &session.access).await.is_refused("revoked");
        client.get("/refresh_token", &session.refresh).await.is_refused("revoked");
    }
    let back = client.log_in("ann@example.com").await;
    assert_eq!(client.get("/me", &back.access).await.status, 200, "she can log in again at once");
}
