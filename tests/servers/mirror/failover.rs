//! A failover that loses what was confirmed, while mirrors hold it.

use testkit::SentinelGroup;

use super::*;

/// Anonymous waits for replicas, and the old master goes on to confirm what will be lost. Those that hold it put it back.
#[tokio::test]
async fn g5_r65_what_a_failover_has_lost_is_put_back() {
    let group = SentinelGroup::start().await;
    let sentinels = group.sentinels().into_iter().map(|host| (host.ip().to_string(), host.port()));
    let settings = RedisSettings::sentinel(group.master_name(), sentinels.collect::<Vec<_>>()).unwrap();
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
    eventually("it was found to have lost something", async || log.text().contains("they are put back")).await;
    eventually("and has it back", async || log.text().contains("Redis holds the revocations again")).await;
    stop.send(()).unwrap();
    let confirmed = writing.await.unwrap();
    assert!(!confirmed.is_empty());
    for node in [&nodes[0], &nodes[0], &nodes[1]] {
        // The second proof comes after what the first found missing was written.
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
    assert_eq!(soon(direct.check(&token("in"), SystemTime::now())).await, NOT_REVOKED, "nobody was logged out");
}
