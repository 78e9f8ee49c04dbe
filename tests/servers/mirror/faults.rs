//! A mirror stops trusting its replica when its feed fails.

use testkit::ManualClock;

use super::*;

/// Starts a node behind a proxy (`far`), and one without (`near`).
async fn two_nodes(settings: MirrorSettings) -> (RedisServer, FaultProxy, Node, Node) {
    let server = redis().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let far = Node::start(through(&proxy), settings).await;
    let near = Node::start(to(&server), usual()).await;
    near.revoke("before").await;
    far.catches_up().await;
    (server, proxy, near, far)
}

/// Asserts that the node answers from memory until its bound, and reports an outage after it. A
/// revocation in memory is rejected all the time.
async fn stops_trusting_itself(node: &Node, unknown: &[&str]) {
    eventually("its proof has expired", async || {
        assert_eq!(node.says("before"), Some(REVOKED));
        node.says("in") != Some(NOT_REVOKED)
    })
    .await;
    assert_eq!(node.phase(), MirrorPhase::Stale);
    for session in unknown {
        let answer = node.check(session).await;
        assert!(matches!(answer, Err(Outage::NotConnected | Outage::TimedOut)), "{answer:?}");
    }
    assert_eq!(node.check("before").await, REVOKED);
}

async fn is_well_again(node: &Node) {
    node.catches_up().await;
    for (session, expected) in [("before", REVOKED), ("after", REVOKED), ("in", NOT_REVOKED)] {
        assert_eq!(node.says(session), Some(expected), "{session}");
    }
}

#[tokio::test]
async fn r68_g2_half_open_sockets_end_the_trust() {
    for settings in [usual(), strict()] {
        let (_server, proxy, near, far) = two_nodes(settings).await;
        proxy.black_hole(true);
        near.revoke("after").await;
        proxy.wait_until(|traffic| traffic.bytes_swallowed > 0).await;
        stops_trusting_itself(&far, &["in", "after"]).await;
        proxy.heal();
        is_well_again(&far).await;
    }
}

#[tokio::test]
async fn r68_g2_a_server_that_is_stopped_ends_the_trust() {
    let (server, _proxy, near, far) = two_nodes(usual()).await;
    server.pause();
    for node in [&near, &far] {
        stops_trusting_itself(node, &["in"]).await;
    }
    server.resume();
    near.catches_up().await;
    near.revoke("after").await;
    is_well_again(&far).await;
}

#[tokio::test]
async fn r68_g2_a_server_that_is_gone_ends_the_trust() {
    let (server, proxy, near, far) = two_nodes(usual()).await;
    proxy.refuse(true);
    proxy.cut();
    near.revoke("after").await;
    proxy.wait_until(|traffic| traffic.refused > 0).await;
    stops_trusting_itself(&far, &["in", "after"]).await;
    drop(server);
    stops_trusting_itself(&near, &["in"]).await;
    assert_eq!(near.says("after"), Some(REVOKED), "its own revocation is in memory");
}

/// The connection for direct checks works, so checks go to Redis.
#[tokio::test]
async fn r68_a_feed_that_is_not_permitted_leaves_direct_checks() {
    let server = redis().await;
    let rule = ["ACL", "SETUSER", "reader", "on", ">s3cret", "~{jwt}:*", "+@all"];
    server.cli(&rule).await;
    let node = Node::start(to(&server).username("reader").password("s3cret"), strict()).await;
    let (log, _recording) = crate::support::log::record();
    server.cli(&["ACL", "SETUSER", "reader", "-xread"]).await;
    let writer = RedisBlocklist::connect(to(&server)).await.unwrap();
    writer.revoke(&logout("out")).await.unwrap();
    node.comes_to_be(MirrorPhase::Stale).await;
    assert_eq!((node.says("out"), node.says("in")), (None, None));
    assert_eq!((node.check("out").await, node.check("in").await), (REVOKED, NOT_REVOKED));
    eventually("the missing permission is logged", async || log.text().contains("+xread")).await;
    server.cli(&["ACL", "SETUSER", "reader", "+xread"]).await;
    node.catches_up().await;
    assert_eq!((node.says("out"), node.says("in")), (Some(REVOKED), Some(NOT_REVOKED)));
}

/// The last entry that the mirror has read was trimmed because of its age. That is no loss, so no
/// session is logged out.
#[tokio::test]
async fn r68_a_log_that_was_trimmed_meanwhile_is_not_taken_for_a_loss() {
    let (server, proxy, near, far) = two_nodes(usual()).await;
    eventually("the feed waits for news", async || far.phase() == MirrorPhase::Fresh).await;
    proxy.refuse(true);
    proxy.cut();
    near.revoke("after").await;
    let trimmed = server.cli(&["XTRIM", "{jwt}:log", "MAXLEN", "1"]).await;
    assert!(trimmed.parse::<u32>().unwrap() >= 2, "{trimmed}");
    stops_trusting_itself(&far, &["in", "after"]).await;
    proxy.heal();
    is_well_again(&far).await;
    assert!(server.cli(&["GET", "{jwt}:epoch"]).await.ends_with(" 0"), "it is the same epoch, without a floor");
}

#[tokio::test]
async fn r68_a_clock_that_jumps_forgets_nothing_and_lengthens_no_trust() {
    let server = redis().await;
    let clock = ManualClock::new(SystemTime::now());
    let node = Node::start_with_clock(to(&server), usual(), clock.as_fn()).await;
    node.revoke("out").await;
    for hours in [24, 0, 48] {
        let (before, time) = (node.mirror.state().entries(), SystemTime::now() + hours * 60 * MINUTE);
        clock.set(time);
        node.catches_up().await;
        assert_eq!(node.says("out"), Some(REVOKED), "{hours}");
        assert_eq!(node.mirror.state().entries(), before, "{hours}");
    }
    clock.set(SystemTime::now() - 48 * 60 * MINUTE);
    node.catches_up().await;
    assert_eq!((node.says("out"), node.says("in")), (Some(REVOKED), Some(NOT_REVOKED)));
}

/// A mirror whose clock is ahead skips entries as expired. Once the clock is right, no such token
/// is admitted.
#[tokio::test]
async fn r68_a_clock_that_is_set_right_ends_the_trust_at_once() {
    let server = redis().await;
    RedisBlocklist::connect(to(&server)).await.unwrap().revoke(&logout("out")).await.unwrap();
    let clock = ManualClock::new(SystemTime::now() + 24 * 60 * MINUTE);
    let node = Node::start_with_clock(to(&server), usual(), clock.as_fn()).await;
    assert_eq!(
        (node.says("out"), node.mirror.state().entries()),
        (Some(NOT_REVOKED), 0),
        "it has expired by that clock"
    );
    clock.set(SystemTime::now());
    eventually("the log is read again", async || {
        let said = node.says("out");
        assert_ne!(said, Some(NOT_REVOKED));
        said == Some(REVOKED)
    })
    .await;
}
