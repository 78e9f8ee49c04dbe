//! The sentinels are real, and move the master.

use std::time::Duration;

use testkit::{RedisServer, SentinelGroup};
use tokio::time::timeout;

#[tokio::test]
async fn all_know_each_other_and_replicate() {
    let group = SentinelGroup::options().replicas(2).start().await;
    let master = group.master().await;
    assert_eq!(group.sentinels().len(), 3);
    for sentinel in group.sentinels() {
        let seen = group.server(sentinel).info("sentinel", "master0").await.unwrap();
        let expected = format!("name={},status=ok,address={master},slaves=2,sentinels=3", group.master_name());
        assert_eq!(seen, expected);
    }

    group.server(master).cli(&["SET", "key", "value"]).await;
    let replicas = group.replicas().await;
    assert_eq!(replicas.len(), 2);
    for replica in replicas {
        let copied = async { while replica.cli(&["GET", "key"]).await != "value" {} };
        timeout(Duration::from_secs(30), copied).await.expect("the replica gets the key");
        assert!(replica.try_cli(&["SET", "key", "other"]).await.unwrap_err().starts_with("READONLY"));
    }
}

#[tokio::test]
async fn a_failover_moves_the_master_and_another_one_moves_it_back() {
    let group = SentinelGroup::start().await;
    let first = group.master().await;
    let second = group.failover().await;
    assert_ne!(second, first);
    assert_eq!(group.master().await, second);
    group.server(second).cli(&["SET", "key", "value"]).await;

    group.settled().await;
    assert_eq!(group.server(first).cli(&["GET", "key"]).await, "value");
    assert_eq!(group.failover().await, first);
}

#[tokio::test]
async fn a_dead_master_is_replaced_and_takes_its_place_as_a_replica() {
    let mut group = SentinelGroup::start().await;
    let dead = group.master().await;
    group.server_mut(dead).kill();
    let new = group.new_master(dead).await;
    group.server(new).cli(&["SET", "key", "value"]).await;

    group.server_mut(dead).restart().await;
    group.settled().await;
    assert_eq!(group.server(dead).cli(&["GET", "key"]).await, "value");
}

#[tokio::test]
async fn two_sentinels_are_enough() {
    let mut group = SentinelGroup::start().await;
    let (first, one) = (group.master().await, group.sentinels()[0]);
    group.server_mut(one).kill();
    let second = group.failover().await;

    group.server_mut(one).restart().await;
    group.settled().await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn the_servers_may_have_a_password() {
    let group = SentinelGroup::options().servers(RedisServer::options().password("open-sesame")).start().await;
    let master = group.failover().await;
    assert!(group.server(master).url().contains("open-sesame"));
    group.settled().await;
}
