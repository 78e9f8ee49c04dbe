//! If Redis or the database doesn't answer: 503 and not 401, and normal service once they answer
//! again.

use testkit::{PostgresServer, RedisServer};

use crate::server::Server;

#[tokio::test]
async fn a_stalled_redis_is_an_outage_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start().await;
    let server = Server::start(folder.path(), &[("REDIS_URL", &redis.url())]).await;
    let client = &server.client;
    client.sign_up("ann@example.com").await;
    let (tokens, gone) = (client.log_in("ann@example.com").await, client.log_in("ann@example.com").await);
    assert_eq!(client.get("/logout", &gone.access).await.status, 200);
    let health = client.health().await;
    assert_eq!(health.status, 200);
    assert!(health.body["mirror"]["age_ms"].is_u64() && health.body["mirror"]["entries"] == 1, "{}", health.body);

    redis.pause();
    let health = client.wait_for_health(503).await;
    assert_eq!((&health.body["database"], &health.body["blocklist"]), (&"ok".into(), &"unavailable".into()));
    assert_eq!(health.body["mirror"]["state"], "stale");
    for path in ["/me", "/logout"] {
        client.get(path, &tokens.access).await.is_unavailable();
    }
    client.get("/logout", &gone.access).await.is_unavailable();
    client.get("/me", &gone.access).await.is_refused("revoked");
    client.get("/refresh_token", &tokens.refresh).await.is_unavailable();

    redis.resume();
    client.wait_for_health(200).await;
    assert_eq!(client.get("/me", &tokens.access).await.status, 200, "an unstored logout revokes nothing");
    client.get("/me", &gone.access).await.is_refused("revoked");
}

#[tokio::test]
async fn a_dead_redis_is_an_outage_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = RedisServer::start().await;
    let server = Server::start(folder.path(), &[("REDIS_URL", &redis.url())]).await;
    server.client.sign_up("ann@example.com").await;
    let tokens = server.client.log_in("ann@example.com").await;

    redis.kill();
    server.client.wait_for_health(503).await;
    server.client.get("/me", &tokens.access).await.is_unavailable();

    redis.restart().await;
    server.client.wait_for_health(200).await;
}

#[tokio::test]
async fn a_dead_database_is_named_by_the_health_and_is_a_503() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = PostgresServer::start().await;
    let server = Server::start(folder.path(), &[("DATABASE_URL", &postgres.url())]).await;
    assert_eq!(server.client.sign_up("ann@example.com").await.status, 201);
    let tokens = server.client.log_in("ann@example.com").await;

    postgres.kill();
    let health = server.client.wait_for_health(503).await;
    assert_eq!((&health.body["database"], &health.body["blocklist"]), (&"unavailable".into(), &"ok".into()));
    server.client.get("/me", &tokens.access).await.is_unavailable();
    server.client.sign_up("bob@example.com").await.is_unavailable();
    assert_eq!(server.client.get("/logout", &tokens.access).await.status, 200, "a logout needs no database");
}
