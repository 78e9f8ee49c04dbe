//! Redis loses its revocations, and mirrors restore them: no session is logged out, and no revoked
//! token is admitted.

use tower_jwt_blocklist::{blocklist::RevokeError, redis::OnLoss};

use super::*;

/// Asserts that revoked sessions stay rejected and the others admitted, until all nodes answer
/// again. Outages are allowed until then.
async fn goes_on(nodes: &[&Node], out: &[&str]) {
    let all_answer = async |asked: &dyn Fn(&Node) -> tower_jwt_blocklist::blocklist::Lookup,
                            expected: Result<Status, Outage>| {
        let mut answers = true;
        for node in nodes {
            match soon(asked(node)).await {
                Err(_) => answers = false,
                answer => assert_eq!(answer, expected),
            }
        }
        answers
    };
    eventually("all nodes answer again, and Redis too", async || {
        let mut answer = true;
        for session in out {
            answer &= all_answer(&|node| node.mirror.check(&token(session), SystemTime::now()), REVOKED).await;
            answer &= all_answer(&|node| node.redis.check(&token(session), SystemTime::now()), REVOKED).await;
        }
        answer &= all_answer(&|node| node.mirror.check(&token("in"), SystemTime::now()), NOT_REVOKED).await;
        answer & all_answer(&|node| node.redis.check(&token("in"), SystemTime::now()), NOT_REVOKED).await
    })
    .await;
}

pub(super) async fn epoch(server: &RedisServer) -> String {
    server.cli(&["GET", "{jwt}:epoch"]).await
}

async fn another_epoch_without_a_floor(server: &RedisServer, before: &str) {
    eventually("there is another epoch", async || {
        let epoch = epoch(server).await;
        epoch != before && epoch.ends_with(" 0")
    })
    .await;
}

async fn three_nodes(server: &RedisServer) -> [Node; 3] {
    let start = || Node::start(to(server), usual());
    let nodes = [start().await, start().await, start().await];
    for (number, node) in nodes.iter().enumerate() {
        node.revoke(&format!("out-{number}")).await;
    }
    for node in &nodes {
        node.catches_up().await;
    }
    nodes
}

/// Deletes, in one step, the last revocation, which is of this session, and the test entries after
/// it.
pub(super) async fn lose_last(server: &RedisServer, session: &str) {
    let lose = "for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-')) do
        redis.call('XDEL', KEYS[1], entry[1])
        if entry[2][1] == 'd' then return redis.call('DEL', KEYS[2]) end
    end";
    let key = format!("{{jwt}}:s:{}", id(session));
    assert_eq!(server.cli(&["EVAL", lose, "2", "{jwt}:log", &key]).await, "1");
}

const OUT: [&str; 3] = ["out-0", "out-1", "out-2"];

#[tokio::test]
async fn g5_r63_a_flushed_redis_gets_everything_back_and_nobody_is_logged_out() {
    let server = redis().await;
    let nodes = three_nodes(&server).await;
    let (before, log) = (epoch(&server).await, crate::support::log::record());
    server.cli(&["FLUSHALL"]).await;
    goes_on(&nodes.each_ref(), &OUT).await;
    another_epoch_without_a_floor(&server, &before).await;
    assert!(log.0.text().contains("all revocations are restored in Redis"), "{}", log.0.text());
    assert_eq!(server.cli(&["KEYS", "{jwt}:s:*"]).await.lines().count(), 3);
    // A second loss is handled like the first.
    let before = epoch(&server).await;
    nodes[0].revoke("out-3").await;
    for node in &nodes {
        node.catches_up().await;
    }
    server.cli(&["FLUSHALL"]).await;
    goes_on(&nodes.each_ref(), &[&OUT[..], &["out-3"]].concat()).await;
    another_epoch_without_a_floor(&server, &before).await;
}

/// All cut-offs are in the first page of a replica, and are more than are restored at a time.
#[tokio::test]
async fn g5_r63_a_flushed_redis_gets_many_cut_offs_back() {
    let server = redis().await;
    let node = Node::start(to(&server), usual()).await;
    for number in 0..600 {
        let subject = RevocationId::new(None, RevocationScope::Subject, &number.to_string());
        let everywhere = Revocation::new(RevocationScope::Subject, subject, now() + 10 * MINUTE).issued_up_to(now());
        node.redis.revoke(&everywhere).await.unwrap();
    }
    node.revoke("out").await;
    node.catches_up().await;
    let before = epoch(&server).await;
    server.cli(&["FLUSHALL"]).await;
    goes_on(&[&node], &["out"]).await;
    another_epoch_without_a_floor(&server, &before).await;
    assert_eq!(server.cli(&["KEYS", "{jwt}:u:*"]).await.lines().count(), 600);
}

#[tokio::test]
async fn g5_r63_a_redis_that_comes_back_empty_gets_everything_back() {
    let mut server = redis().await;
    let nodes = three_nodes(&server).await;
    server.restart().await;
    goes_on(&nodes.each_ref(), &OUT).await;
    another_epoch_without_a_floor(&server, "").await;
    assert_eq!(server.cli(&["KEYS", "{jwt}:s:*"]).await.lines().count(), 3);
}

#[tokio::test]
async fn g5_a_log_deleted_alone_is_written_anew() {
    let server = redis().await;
    let nodes = three_nodes(&server).await;
    let before = epoch(&server).await;
    server.cli(&["DEL", "{jwt}:log"]).await;
    another_epoch_without_a_floor(&server, &before).await;
    goes_on(&nodes.each_ref(), &OUT).await;
    let late = Node::start(to(&server), usual()).await;
    assert_eq!((late.says("out-0"), late.mirror.state().entries()), (Some(REVOKED), 3), "the log is complete");
}

/// The mirror that had begun to write the log again has died. All entries are there, and only their
/// log is missing.
#[tokio::test]
async fn g5_a_log_that_somebody_has_written_by_half_is_written_in_full() {
    let server = redis().await;
    let node = Node::start(to(&server), usual()).await;
    node.revoke("out").await;
    let half = epoch(&server).await.replacen(|_: char| true, "f", 1) + " restoring lost 1-0:0";
    let script = "redis.call('DEL', KEYS[1]) redis.call('XADD', KEYS[1], '*', 'e', ARGV[1]) \
                  redis.call('SET', KEYS[2], ARGV[1]) redis.call('SET', KEYS[3], '', 'PX', 1000)";
    server.cli(&["EVAL", script, "3", "{jwt}:log", "{jwt}:epoch", "{jwt}:claim", &half]).await;
    another_epoch_without_a_floor(&server, &half).await;
    let late = Node::start(to(&server), usual()).await;
    assert_eq!((late.says("out"), late.mirror.state().entries()), (Some(REVOKED), 1), "the log is complete");
}

/// A promoted replica that was behind looks like this: the mirrors' cursors are ahead of its log.
#[tokio::test]
async fn g5_a_replica_that_was_behind_gets_the_rest() {
    let server = redis().await;
    let nodes = three_nodes(&server).await;
    let before = epoch(&server).await;
    lose_last(&server, "out-2").await;
    another_epoch_without_a_floor(&server, &before).await;
    // Redis cannot tell that it lost an entry, so direct checks may have been wrong for a moment.
    goes_on(&nodes.each_ref(), &OUT).await;
}

/// No feed has read it. Only the process that has stored it has it in memory.
#[tokio::test]
async fn g5_what_only_the_revoker_knows_is_put_back_too() {
    let server = redis().await;
    server.cli(&["ACL", "SETUSER", "app", "on", ">s3cret", "~{jwt}:*", "+@all"]).await;
    let settings = || to(&server).username("app").password("s3cret");
    let nodes = [Node::start(settings(), strict()).await, Node::start(settings(), strict()).await];
    nodes[0].revoke("read").await;
    nodes[1].catches_up().await;
    server.cli(&["ACL", "SETUSER", "app", "-xread"]).await;
    for node in &nodes {
        node.comes_to_be(MirrorPhase::Stale).await;
    }
    nodes[0].revoke("own").await;
    assert_eq!((nodes[0].says("own"), nodes[1].says("own")), (Some(REVOKED), None));
    server.cli(&["FLUSHALL"]).await;
    server.cli(&["ACL", "SETUSER", "app", "+xread"]).await;
    goes_on(&nodes.each_ref(), &["read", "own"]).await;
    another_epoch_without_a_floor(&server, "").await;
}

/// No feed has read it, so no log shows that it is lost. The process that got the confirmation
/// notices.
#[tokio::test]
async fn g5_what_only_the_revoker_knows_to_be_lost_logs_nobody_out() {
    let server = redis().await;
    server.cli(&["ACL", "SETUSER", "app", "on", ">s3cret", "~{jwt}:*", "+@all"]).await;
    let node = Node::start(to(&server).username("app").password("s3cret"), strict()).await;
    let before = epoch(&server).await;
    server.cli(&["ACL", "SETUSER", "app", "-xread"]).await;
    node.comes_to_be(MirrorPhase::Stale).await;
    node.revoke("own").await;
    lose_last(&server, "own").await;
    server.cli(&["ACL", "SETUSER", "app", "+xread"]).await;
    another_epoch_without_a_floor(&server, &before).await;
    goes_on(&[&node], &["own"]).await;
}

/// It sends heartbeats all the time, so it notices the loss first.
#[tokio::test]
async fn g5_a_process_without_a_mirror_leaves_it_to_those_that_have_one() {
    let server = redis().await;
    let nodes = three_nodes(&server).await;
    let plain = RedisBlocklist::connect(to(&server)).await.unwrap();
    let heartbeats = server.calls("hello").await;
    eventually("it has read that there are mirrors", async || server.calls("hello").await > heartbeats + 20).await;
    server.cli(&["FLUSHALL"]).await;
    eventually("it answers again", async || {
        let (out, inside) = (
            soon(plain.check(&token("out-1"), SystemTime::now())).await,
            soon(plain.check(&token("in"), SystemTime::now())).await,
        );
        assert!(out.is_err() || out == REVOKED, "{out:?}");
        assert!(inside.is_err() || inside == NOT_REVOKED, "{inside:?}");
        out.is_ok() && inside.is_ok()
    })
    .await;
    goes_on(&nodes.each_ref(), &OUT).await;
}

/// A mirror that lacks the revocations of the last minutes raises the floor, and still restores its
/// entries.
#[tokio::test]
async fn g5_a_mirror_that_was_cut_off_for_long_does_not_vouch_for_the_floor_of_before() {
    let server = redis().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let clock = testkit::ManualClock::new(SystemTime::now());
    let node = Node::start_with_clock(through(&proxy), usual(), clock.as_fn()).await;
    node.revoke("out").await;
    proxy.refuse(true);
    proxy.cut();
    clock.advance(5 * MINUTE);
    node.comes_to_be(MirrorPhase::Stale).await;
    server.cli(&["FLUSHALL"]).await;
    proxy.heal();
    eventually("there is a floor", async || {
        let answer = node.check("in").await;
        assert_ne!(answer, NOT_REVOKED);
        answer == Ok(Status::BeforeLoss)
    })
    .await;
    eventually("its entries are restored", async || {
        soon(node.redis.check(&token("out"), SystemTime::now())).await == REVOKED
    })
    .await;
    eventually("the mirror knows the floor", async || node.says("in") == Some(Ok(Status::BeforeLoss))).await;
}

/// The mirror that had begun to restore has died.
#[tokio::test]
async fn g5_an_epoch_that_nobody_opens_is_taken_over() {
    let server = redis().await;
    let node = Node::start(to(&server), usual()).await;
    node.revoke("out").await;
    let half = epoch(&server).await.replacen(|_: char| true, "f", 1) + " restoring kept 1-0:0";
    server.cli(&["FLUSHALL"]).await;
    server.cli(&["SET", "{jwt}:claim", "", "PX", "1000"]).await;
    server.cli(&["SET", "{jwt}:epoch", &half]).await;
    goes_on(&[&node], &["out"]).await;
    another_epoch_without_a_floor(&server, &half).await;
}

#[tokio::test]
async fn g5_where_a_person_should_decide_there_is_nothing_to_decide_if_a_mirror_holds_all() {
    let server = redis().await;
    let node = Node::start(to(&server).on_loss(OnLoss::Deny), usual()).await;
    node.revoke("out").await;
    server.cli(&["FLUSHALL"]).await;
    goes_on(&[&node], &["out"]).await;
    another_epoch_without_a_floor(&server, "").await;
}

/// Every revocation that is confirmed meanwhile is in the epoch that is then opened.
#[tokio::test]
async fn g7_what_is_confirmed_while_redis_is_restored_is_stored() {
    let server = redis().await;
    let nodes = three_nodes(&server).await;
    let before = epoch(&server).await;
    server.cli(&["FLUSHALL"]).await;
    let (mut confirmed, mut refused) = (Vec::new(), 0);
    let mut number = 0;
    eventually("it is restored", async || {
        number += 1;
        let session = format!("meanwhile-{number}");
        match nodes[number % 3].redis.revoke(&logout(&session)).await {
            Ok(()) => confirmed.push(session),
            Err(RevokeError::Outage(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        let epoch = epoch(&server).await;
        epoch != before && epoch.ends_with(" 0") && !confirmed.is_empty()
    })
    .await;
    for node in &nodes {
        node.catches_up().await;
    }
    let confirmed: Vec<_> = confirmed.iter().map(String::as_str).collect();
    goes_on(&nodes.each_ref(), &[&OUT[..], &confirmed].concat()).await;
}
