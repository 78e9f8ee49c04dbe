//! Many processes notice in the same moment that Redis is empty, and one of them begins the epoch.

use std::time::{Duration, SystemTime};

use super::loss::{MINUTE, logout, now};
use crate::support::{
    log::record,
    metrics,
    wait::{eventually, soon},
};
use testkit::{FaultProxy, RedisServer};
use tower_jwt_blocklist::{
    RedisBlocklist,
    blocklist::{Blocklist, RevocationScope, Revoke, Status, TokenIds},
    redis::RedisSettings,
};

/// Many processes start at once on an empty Redis, and agree on one epoch.
#[tokio::test]
async fn g5_processes_that_start_at_once_begin_one_epoch() {
    let server = RedisServer::start().await;
    let (log, _recording) = record();
    let settings = RedisSettings::new("127.0.0.1", server.port());
    for _ in 0..3 {
        server.cli(&["FLUSHALL"]).await;
        log.clear();
        let starts = (0..8).map(|_| tokio::spawn(RedisBlocklist::connect(settings.clone())));
        let mut nodes = Vec::new();
        for start in starts.collect::<Vec<_>>() {
            nodes.push(start.await.unwrap().unwrap());
        }
        assert_eq!(server.cli(&["XLEN", "{jwt}:log"]).await, "1");
        let floors = log.text().matches("does not hold the revocations").count();
        assert_eq!(floors, 1, "a process that lost the race has set no floor, so it says nothing");
        nodes[0].revoke(&logout("out")).await.unwrap();
        for node in &nodes {
            let ids = TokenIds::new(None, "token", Some("out")).with_issued_at(now() + MINUTE);
            assert_eq!(node.check(&ids, SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
        }
    }
}

/// Each process looks at Redis before another one's answer has arrived, so they race for the floor,
/// and one of them sets it.
#[tokio::test]
async fn g5_processes_that_notice_a_loss_at_once_set_and_count_one_floor() {
    let server = RedisServer::start().await;
    let link = FaultProxy::start(server.addr()).await;
    link.latency(Duration::from_millis(50));
    let settings = RedisSettings::new("127.0.0.1", link.addr().port());
    RedisBlocklist::initialize(settings.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(RedisBlocklist::connect(settings.clone()).await.unwrap());
    }
    let ((log, _recording), (counted, _counting)) = (record(), metrics::count());
    for _ in 0..3 {
        let earlier = TokenIds::new(None, "token", Some("in")).with_issued_at(now());
        server.cli(&["FLUSHALL"]).await;
        eventually("all processes reject what was issued before", async || {
            let mut reject = true;
            for node in &nodes {
                reject &= soon(node.check(&earlier, SystemTime::now())).await == Ok(Status::BeforeLoss);
            }
            reject
        })
        .await;
        assert_eq!(log.text().matches("does not hold the revocations").count(), 1, "{}", log.text());
        assert_eq!(counted.take().get("jwt_blocklist_losses_total{}"), Some(&1));
        log.clear();
    }
}
