//! A failover loses revocations that were confirmed, and mirrors restore them.

use testkit::SentinelGroup;

use super::*;

/// Logs out one session after the other in the background.
struct Writing {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Writing {
    fn start(writer: RedisBlocklist) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut confirmed = Vec::new();
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
        Self { stop, task }
    }

    /// The confirmed logouts, of which there is at least one.
    async fn end(self) -> Vec<String> {
        self.stop.send(()).unwrap();
        let confirmed = self.task.await.unwrap();
        assert!(!confirmed.is_empty());
        confirmed
    }
}

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
    let writing = Writing::start(nodes[0].redis.clone());
    let new = group.failover().await;
    assert_ne!(old, new, "there was a failover");
    eventually("the loss is noticed", async || log.text().contains("the mirrors are restoring them")).await;
    eventually("everything is restored", async || log.text().contains("all revocations are restored in Redis")).await;
    let confirmed = writing.end().await;
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

/// The mirrors cannot read what the old master confirms at last. Only the process that revokes, and
/// has no mirror, knows of it.
#[tokio::test]
async fn g5_r65_what_a_failover_has_lost_is_put_back_by_a_process_without_a_mirror() {
    let group = SentinelGroup::start().await;
    for server in group.servers() {
        server.cli(&["ACL", "SETUSER", "mirror", "on", ">s3cret", "~{jwt}:*", "+@all"]).await;
    }
    let sentinels = group.sentinels().into_iter().map(|host| (host.ip().to_string(), host.port()));
    let settings = RedisSettings::sentinel(group.master_name(), sentinels.collect::<Vec<_>>());
    RedisBlocklist::initialize(settings.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
    let of_mirrors = || settings.clone().username("mirror").password("s3cret");
    let nodes = [Node::start(of_mirrors(), strict()).await, Node::start(of_mirrors(), strict()).await];
    let process = RedisBlocklist::connect(settings.clone()).await.unwrap();
    let old = group.master().await;
    group.server(old).cli(&["ACL", "SETUSER", "mirror", "-xread"]).await;
    for node in &nodes {
        node.comes_to_be(MirrorPhase::Stale).await;
    }
    let (log, _recording) = crate::support::log::record();
    let writing = Writing::start(process.clone());
    let new = group.failover().await;
    assert_ne!(old, new, "there was a failover");
    eventually("the new master lacks revocations, and they are restored", async || {
        let text = log.text();
        text.contains("all revocations are restored in Redis")
            || text.contains("revocations of this process were missing in Redis")
    })
    .await;
    let confirmed = writing.end().await;
    // Another process's view, after the last heartbeat that can restore something.
    let asked = RedisBlocklist::connect(settings).await.unwrap();
    eventually("every confirmed logout is rejected", async || {
        for session in &confirmed {
            match soon(asked.check(&token(session), SystemTime::now())).await {
                REVOKED | Ok(Status::BeforeLoss) => {}
                _ => return false,
            }
        }
        true
    })
    .await;
    for node in &nodes {
        node.catches_up().await;
        for session in &confirmed {
            assert!(matches!(node.check(session).await, REVOKED | Ok(Status::BeforeLoss)), "{session}");
        }
    }
}
