//! Redis behind sentinels, and a Redis cluster, by URL.

use testkit::{RedisCluster, RedisServer, SentinelGroup};

use crate::server::Server;

async fn logs_out(redis_url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("REDIS_URL", redis_url)]).await;
    assert_eq!(server.client.sign_up("ann@example.com").await.status, 201);
    let tokens = server.client.log_in("ann@example.com").await;
    assert_eq!(server.client.get("/me", &tokens.access).await.status, 200);
    assert_eq!(server.client.get("/logout", &tokens.access).await.status, 200);
    server.client.get("/me", &tokens.access).await.is_refused("revoked");
}

#[tokio::test]
async fn the_master_of_sentinels() {
    let group = SentinelGroup::start().await;
    let hosts: Vec<_> = group.sentinels().iter().map(ToString::to_string).collect();
    logs_out(&format!("redis+sentinel://{}/{}", hosts.join(","), group.master_name())).await;
    let master = group.server(group.master().await);
    assert_ne!(master.cli(&["EXISTS", "{jwt}:epoch"]).await, "0");
}

#[tokio::test]
async fn a_cluster() {
    let cluster = RedisCluster::start().await;
    let hosts: Vec<_> = cluster.nodes().iter().map(RedisServer::addr).map(|addr| addr.to_string()).collect();
    logs_out(&format!("redis+cluster://{}", hosts.join(","))).await;
    let owner = &cluster.nodes()[cluster.owner("{jwt}").await];
    assert_ne!(owner.cli(&["EXISTS", "{jwt}:epoch"]).await, "0");
}
