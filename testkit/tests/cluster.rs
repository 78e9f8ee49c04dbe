//! The cluster is real, and its slots move.

use std::time::Duration;

use testkit::{RedisCluster, RedisServer};
use tokio::time::timeout;

#[tokio::test]
async fn every_slot_has_an_owner_and_every_master_a_third_of_them() {
    let cluster = RedisCluster::start().await;
    assert_eq!(cluster.nodes().len(), 3);
    for node in cluster.nodes() {
        let state = node.cli(&["CLUSTER", "INFO"]).await;
        assert!(state.lines().any(|line| line == "cluster_slots_ok:16384"), "{state}");
    }
    for (slot, owner) in [(0, 0), (5460, 0), (5461, 1), (10_921, 1), (10_922, 2), (16_383, 2)] {
        assert_eq!(cluster.owner_of_slot(slot).await, owner, "{slot}");
    }
}

#[tokio::test]
async fn a_node_sends_strangers_to_the_owner() {
    let cluster = RedisCluster::start().await;
    assert_eq!(cluster.slot("{tag}key").await, cluster.slot("tag").await);

    let owner = cluster.owner("key").await;
    let stranger = &cluster.nodes()[(owner + 1) % 3];
    let refusal = stranger.try_cli(&["SET", "key", "value"]).await.unwrap_err();
    let (slot, addr) = (cluster.slot("key").await, cluster.nodes()[owner].addr());
    assert!(refusal.ends_with(&format!("{slot} {addr}")), "{refusal}");
    assert_eq!(cluster.nodes()[owner].cli(&["SET", "key", "value"]).await, "OK");
}

#[tokio::test]
async fn a_slot_is_moved_step_by_step() {
    let cluster = RedisCluster::start().await;
    let (from, slot) = (cluster.owner("key").await, cluster.slot("key").await);
    let to = (from + 1) % 3;
    let (old, new) = (&cluster.nodes()[from], &cluster.nodes()[to]);
    old.cli(&["SET", "key", "value"]).await;

    cluster.begin_migration(slot, from, to).await;
    assert_eq!(old.cli(&["GET", "key"]).await, "value");
    let refusal = old.try_cli(&["GET", "{key}that-is-not-there"]).await.unwrap_err();
    assert!(refusal.ends_with(&format!("{slot} {}", new.addr())), "{refusal}");

    cluster.migrate_keys(slot).await;
    assert!(old.try_cli(&["GET", "key"]).await.is_err());
    assert_eq!(cluster.owner("key").await, from);

    cluster.finish_migration(slot).await;
    assert_eq!(cluster.owner("key").await, to);
    assert_eq!(new.cli(&["GET", "key"]).await, "value");
}

#[tokio::test]
async fn a_slot_full_of_keys_is_moved_behind_a_password() {
    let cluster = RedisCluster::options().servers(RedisServer::options().password("open-sesame")).start().await;
    let (from, slot) = (cluster.owner("tag").await, cluster.slot("tag").await);
    let keys: Vec<String> = (0..250).map(|number| format!("{{tag}}{number}")).collect();
    let command: Vec<&str> = ["MSET"].into_iter().chain(keys.iter().flat_map(|key| [key, "value"])).collect();
    cluster.nodes()[from].cli(&command).await;

    let to = (from + 2) % 3;
    cluster.migrate(slot, to).await;
    assert_eq!(cluster.owner("tag").await, to);
    assert_eq!(cluster.nodes()[to].cli(&["DBSIZE"]).await, "250");
    assert_eq!(cluster.nodes()[from].cli(&["DBSIZE"]).await, "0");
}

#[tokio::test]
async fn a_replica_takes_over_from_a_dead_master_which_comes_back_as_its_replica() {
    let mut cluster = RedisCluster::options().replicas(1).start().await;
    let dead = cluster.owner("key").await;
    cluster.node_mut(dead).kill();
    let heir = cluster.new_owner("key", dead).await;
    cluster.nodes()[heir].cli(&["SET", "key", "value"]).await;

    cluster.node_mut(dead).restart().await;
    let follows =
        async { while cluster.nodes()[dead].info("replication", "role").await.as_deref() != Some("slave") {} };
    timeout(Duration::from_secs(30), follows).await.expect("the old master follows the new one");
    cluster.settled().await;
    assert_eq!(cluster.nodes()[dead].cli(&["DBSIZE"]).await, "1");

    let (slot, to) = (cluster.slot("key").await, (dead + 1) % 3);
    cluster.migrate(slot, to).await;
    assert_eq!(cluster.nodes()[to].cli(&["GET", "key"]).await, "value");
}
