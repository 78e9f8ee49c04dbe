//! Several processes with one Redis and one database act as one application.

use testkit::{PostgresServer, RedisServer};
use tokio::join;

use crate::server::Server;

#[tokio::test]
async fn a_logout_at_one_is_a_logout_at_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (postgres, redis) = (PostgresServer::start().await, RedisServer::start().await);
    let port = redis.port().to_string();
    let settings = [
        ("DATABASE_URL", &*postgres.url()),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &*port),
        ("JWT_SECRET", "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c"),
    ];
    // Started at once, so that both find an empty database and run their migrations.
    let (one, other) = join!(Server::start(folder.path(), &settings), Server::start(folder.path(), &settings));

    assert_eq!(one.client.sign_up("ann@example.com").await.status, 201);
    assert_eq!(other.client.sign_up("ann@example.com").await.status, 409);
    let tokens = other.client.log_in("ann@example.com").await;
    assert_eq!(one.client.get("/me", &tokens.access).await.status, 200);
    assert_eq!(other.client.get("/me", &tokens.access).await.status, 200);

    assert_eq!(one.client.get("/logout", &tokens.access).await.status, 200);
    // Immediately where the logout happened, and within a moment at the other.
    one.client.get("/me", &tokens.access).await.is_refused("revoked");
    other.client.wait_for_refusal("/me", &tokens.access).await;
    for client in [&one.client, &other.client] {
        client.get("/me", &tokens.access).await.is_refused("revoked");
        client.get("/refresh_token", &tokens.refresh).await.is_refused("revoked");
    }
}

/// The defaults are for one process. Still, a second one in the same folder must not break the
/// first.
#[tokio::test]
async fn first_starts_at_once_share_the_secret_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::start(folder.path(), &[]);
    let (a, b, c) = join!(start(), start(), start());

    assert_eq!(a.client.sign_up("ann@example.com").await.status, 201);
    let tokens = b.client.log_in("ann@example.com").await;
    assert_eq!(c.client.get("/me", &tokens.access).await.status, 200);
}
