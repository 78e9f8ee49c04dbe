//! A failover loses revocations that were confirmed, and mirrors restore them.

use testkit::SentinelGroup;

use super::*;

/// The writer does not wait for replicas, so the old master confirms revocations that are then
/// lost.
#[tokio::test]
async fn g5_r65_what_a_failover_has_lost_is_put_back() {
    let group = SentinelGroup::start().await;
    let sentinels = group.sentinels().into_iter().map(|host| (host.ip().to_string(), host.port()));
    let settings = RedisSettings::sentinel(group.master_name(), sentinels.collect::<Vec<_>>());
    RedisBlocklist::initialize(settings.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
    let (log, _recording) = crate::support::log::record();
    let nodes = [Node::start(settings.clone(), usual()).await, Node::start(settings.clone(), usual()).await];
    let old = group.master().await;
    let mut confirmed = Vec::new();
    let writer = nodes[0].redis.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        for number in 0.. {
            if stopped.try_recv().is_ok() {
                break;
            }
            let session = number.to_string();
            if writer.revoke(&logout(&session)).await.is_ok() {
                confirmed.push(session);
            }
        }
        confirmed
    });
    let new = group.failover().await;
    assert_ne!(old, new, "there was a failover");
    eventually("the loss is noticed", async || log.text().contains("the mirrors are restoring them")).await;
    eventually("everything is restored", async || log.text().contains("all revocations are restored in Redis")).await;
    stop.send(()).unwrap();
    let confirmed = writing.await.unwrap();
    assert!(!confirmed.is_empty());
    for node in [&nodes[0], &nodes[0], &nodes[1]] {
        // The first proof finds missing entries; after the second, they are restored.
        node.catches_up().await;
    }
    let direct = RedisBlocklist::connect(settings).await.unwrap();
    let asked = group.server(new).calls("mget").await;
    for session in &confirmed {
        assert_eq!(
            soon(direct.check(&token(session), SystemTime::now())).await,
            REVOKED,
            "{session} was confirmed, and is lost"
        );
        for node in &nodes {
            assert_eq!(node.check(session).await, REVOKED, "{session}");
        }
    }
    assert!(group.server(new).calls("mget").await >= asked + u64::try_from(confirmed.len()).unwrap());
    assert_eq!(soon(direct.check(&token("in"), SystemTime::now())).await, NOT_REVOKED, "no session was logged out");
}
