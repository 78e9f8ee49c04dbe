//! The protocol of `docs/restoration.md`: which member writes what after a loss, and for whom the
//! epoch stays closed.

use tokio::task::JoinSet;

use super::{
    loss::{epoch, lose_last},
    *,
};

/// A process without a mirror.
async fn direct(server: &RedisServer) -> RedisBlocklist {
    RedisBlocklist::connect(to(server)).await.unwrap()
}

async fn revoke_many(writer: &RedisBlocklist, sessions: impl IntoIterator<Item = String>) {
    let mut tasks = JoinSet::new();
    for session in sessions {
        let writer = writer.clone();
        tasks.spawn(async move { writer.revoke(&logout(&session)).await.unwrap() });
    }
    tasks.join_all().await;
}

/// Asks Redis until it answers; outages are allowed until then.
async fn answer(list: &impl Blocklist, session: &str) -> Status {
    let mut answer = None;
    eventually("there is an answer", async || {
        answer = soon(list.check(&token(session), SystemTime::now())).await.ok();
        answer.is_some()
    })
    .await;
    answer.unwrap()
}

fn revoked() -> Status {
    Status::Revoked(RevocationScope::Session)
}

/// The near mirror restores, but lacks what was revoked while its link was dark. The far mirror has
/// read it, and needs several slow round trips to notice the loss and to write.
#[tokio::test]
async fn g2_g5_the_epoch_stays_closed_until_a_slow_helper_has_restored_what_only_it_has_read() {
    for (latency, older) in [(40, 0), (150, 0), (100, 15_000)] {
        let server = redis().await;
        let links = [FaultProxy::start(server.addr()).await, FaultProxy::start(server.addr()).await];
        let writer = RedisBlocklist::connect(to(&server).revoke_deadline(MINUTE)).await.unwrap();
        revoke_many(&writer, (0..older).map(|number| format!("older-{number}"))).await;
        let near = Node::start(through(&links[0]), usual()).await;
        links[1].latency(Duration::from_millis(latency));
        let far = Node::start(through(&links[1]), usual()).await;
        far.catches_up().await;
        near.catches_up().await;

        links[0].black_hole(true);
        let sessions: Vec<_> = (0..50).map(|number| format!("dark-{number}")).collect();
        revoke_many(&writer, sessions.clone()).await;
        eventually("the far mirror has read them", async || {
            sessions.iter().all(|session| far.says(session) == Some(REVOKED))
        })
        .await;
        assert!(sessions.iter().any(|session| near.says(session) != Some(REVOKED)), "the near mirror lacks some");
        drop(writer);
        let asked = direct(&server).await;
        server.cli(&["FLUSHALL"]).await;
        links[0].heal();
        links[0].cut();

        for session in &sessions {
            assert_eq!(answer(&asked, session).await, revoked(), "{session}, {latency} ms each way");
        }
        assert_eq!(answer(&asked, "in").await, Status::NotRevoked, "nobody was logged out");
        // Until its next proof, the near mirror may answer as before the loss.
        near.catches_up().await;
        for session in &sessions {
            assert_eq!(near.check(session).await, REVOKED, "{session}, {latency} ms each way");
        }
    }
}

/// The newest entry is replaced by another one with the same id, as by a second master.
async fn replace_last(server: &RedisServer, session: &str) {
    let replace = "local entries = redis.call('XRANGE', KEYS[1], '-', '+')
        redis.call('DEL', KEYS[1], KEYS[2])
        for number, entry in ipairs(entries) do
            local value = entry[2][2]
            if number == #entries then value = string.reverse(value) end
            redis.call('XADD', KEYS[1], entry[1], 'e', value)
        end
        return #entries";
    let key = format!("{{jwt}}:s:{}", id(session));
    assert_ne!(server.cli(&["EVAL", replace, "2", "{jwt}:log", &key]).await, "0");
}

#[tokio::test]
async fn g5_another_entry_with_the_id_of_the_last_one_is_a_loss() {
    let server = redis().await;
    let process = direct(&server).await;
    process.revoke(&logout("out")).await.unwrap();
    replace_last(&server, "out").await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    eventually("the loss is noticed", async || {
        process.check(&token("in"), SystemTime::now()).await == Ok(Status::BeforeLoss)
    })
    .await;
}

/// The same in a fleet: nobody is logged out.
#[tokio::test]
async fn g5_r65_a_mirror_restores_what_a_second_master_has_replaced() {
    let server = redis().await;
    let (node, process) = (Node::start(to(&server), usual()).await, direct(&server).await);
    process.revoke(&logout("out")).await.unwrap();
    node.catches_up().await;
    let before = epoch(&server).await;
    drop(process);
    replace_last(&server, "out").await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    eventually("another epoch is open", async || {
        let epoch = epoch(&server).await;
        epoch != before && epoch.ends_with(" 0")
    })
    .await;
    let asked = direct(&server).await;
    assert_eq!((answer(&asked, "out").await, answer(&asked, "in").await), (revoked(), Status::NotRevoked));
}

/// No mirror has read what was lost, so only the process that stored it notices.
#[tokio::test]
async fn g5_a_process_that_alone_has_seen_the_lost_tail_logs_nobody_out() {
    let server = redis().await;
    server.cli(&["ACL", "SETUSER", "app", "on", ">s3cret", "~{jwt}:*", "+@all"]).await;
    let settings = || to(&server).username("app").password("s3cret");
    let nodes = [Node::start(settings(), usual()).await, Node::start(settings(), usual()).await];
    let process = direct(&server).await;
    let before = epoch(&server).await;
    server.cli(&["ACL", "SETUSER", "app", "-xread"]).await;
    for node in &nodes {
        node.comes_to_be(MirrorPhase::Stale).await;
    }
    process.revoke(&logout("own")).await.unwrap();
    lose_last(&server, "own").await;
    server.cli(&["ACL", "SETUSER", "app", "+xread"]).await;
    eventually("it is restored in another epoch", async || {
        epoch(&server).await != before && process.check(&token("own"), SystemTime::now()).await == REVOKED
    })
    .await;
    assert!(epoch(&server).await.ends_with(" 0"), "there is no floor");
    assert_eq!(answer(&process, "in").await, Status::NotRevoked);
}

#[tokio::test]
async fn g5_a_process_that_starts_right_after_a_loss_waits_for_mirrors_that_it_does_not_know() {
    let server = redis().await;
    let node = Node::start(to(&server), usual()).await;
    node.revoke("out").await;
    for delay in (0..=150).step_by(30) {
        node.catches_up().await;
        server.cli(&["FLUSHALL"]).await;
        // This chooses the moment of the start. It waits for nothing.
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let late = direct(&server).await;
        assert_eq!((answer(&late, "out").await, answer(&late, "in").await), (revoked(), Status::NotRevoked));
        assert!(epoch(&server).await.ends_with(" 0"), "there is no floor");
    }
}

/// Its mirror has read a log without the tail, so it stops answering when the others say so. A dead
/// member keeps the epoch closed meanwhile.
#[tokio::test]
async fn g2_a_mirror_of_a_lossy_log_stops_trusting_itself_when_the_epoch_is_closed() {
    let server = redis().await;
    let link = FaultProxy::start(server.addr()).await;
    let complete = Node::start(through(&link), usual()).await;
    let dead = Node::start(to(&server), MirrorSettings::new().max_staleness(Duration::from_secs(3))).await;
    dead.catches_up().await;
    direct(&server).await.revoke(&logout("out")).await.unwrap();
    complete.catches_up().await;
    drop(dead);
    link.black_hole(true);
    lose_last(&server, "out").await;
    // It may only read, so it is not the restorer.
    let permissions = "+hello +auth +get +mget +hgetall +xrange +xrevrange +xread";
    let user = ["ACL", "SETUSER", "reader", "on", ">s3cret", "~{jwt}:*"];
    server.cli(&[&user[..], &permissions.split(' ').collect::<Vec<_>>()].concat()).await;
    let trusting = MirrorSettings::new().max_staleness(MINUTE);
    let lossy = Node::start(to(&server).username("reader").password("s3cret"), trusting).await;
    assert_eq!(lossy.says("out"), Some(NOT_REVOKED), "it cannot know better");
    link.heal();
    link.cut();
    let is_closed = async || epoch(&server).await.contains(" restoring kept ");
    eventually("the epoch is closed", is_closed).await;
    eventually("it does not answer from memory any more", async || lossy.says("out") != Some(NOT_REVOKED)).await;
    assert!(is_closed().await, "it stopped before anything was restored");
    eventually("it follows the new epoch", async || {
        let answer = lossy.says("out");
        assert_ne!(answer, Some(NOT_REVOKED), "it does not trust itself again before it has read what is restored");
        answer == Some(REVOKED)
    })
    .await;
    assert_eq!(lossy.says("in"), Some(NOT_REVOKED));
}

/// One mirror writes everything, and the others only what is recent.
#[tokio::test]
async fn g5_the_bulk_is_written_once_and_a_dead_member_is_waited_for_no_longer_than_its_patience() {
    let server = redis().await;
    let writer = RedisBlocklist::connect(to(&server).revoke_deadline(MINUTE)).await.unwrap();
    revoke_many(&writer, (0..3000).map(|number| number.to_string())).await;
    drop(writer);
    let start = || Node::start(to(&server), usual());
    let nodes = [start().await, start().await, start().await, start().await];
    for node in &nodes {
        node.catches_up().await;
    }
    let [dead, alive @ ..] = nodes;
    drop(dead);
    let (log, _recording) = crate::support::log::record();
    server.cli(&["FLUSHALL"]).await;
    server.cli(&["CONFIG", "RESETSTAT"]).await;
    eventually("it is restored", async || log.text().contains("all revocations are restored in Redis")).await;
    assert!(!log.text().contains("silent=0"), "{}", log.text());
    // The others are for epochs and claims.
    let written = server.calls("set").await;
    assert!((3000..4000).contains(&written), "{written} calls for 3000 entries");
    for node in &alive {
        node.catches_up().await;
        assert_eq!(node.check("2999").await, REVOKED);
    }
}

/// Another process opens the epoch while this mirror's recent revocations are on their way.
#[tokio::test]
async fn g5_a_helper_that_finds_the_epoch_opened_says_so_and_stays_connected() {
    let server = redis().await;
    let link = FaultProxy::start(server.addr()).await;
    direct(&server).await.revoke(&logout("out")).await.unwrap();
    let helper = Node::start(through(&link), usual()).await;
    helper.catches_up().await;
    link.latency(Duration::from_millis(250));
    let (log, _recording) = crate::support::log::record();
    let before = epoch(&server).await;
    let digit = if before.starts_with('f') { "e" } else { "f" };
    let open = before.replacen(|_: char| true, digit, 1);
    let compared = server.calls("mget").await;
    let close = "redis.call('SET', KEYS[2], '', 'PX', 60000) redis.call('SET', KEYS[1], ARGV[1])";
    let closed = format!("{open} restoring kept 1-0:0");
    server.cli(&["EVAL", close, "2", "{jwt}:epoch", "{jwt}:claim", &closed]).await;
    eventually("it compares its revocations with Redis", async || server.calls("mget").await > compared).await;
    server.cli(&["SET", "{jwt}:epoch", &open]).await;
    eventually("it says that another process was faster", async || {
        log.text().contains("another process has restored the revocations meanwhile")
    })
    .await;
    helper.catches_up().await;
    for wrong in ["does not answer as Redis", "the mirror cannot follow Redis"] {
        assert!(!log.text().contains(wrong), "{}", log.text());
    }
    assert_eq!((helper.says("out"), helper.says("in")), (Some(REVOKED), Some(NOT_REVOKED)));
}
