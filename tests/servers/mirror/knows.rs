//! Which revocations a mirror has, and when.

use std::sync::atomic::{AtomicUsize, Ordering};

use tower_jwt_blocklist::{Guard, NoClaims, TokenKind};

use super::*;

#[tokio::test]
async fn r48_g2_a_mirror_knows_what_was_revoked_before_it_and_after_it_and_asks_nobody() {
    let server = redis().await;
    let one = Node::start(to(&server), usual()).await;
    one.revoke("before").await;
    let other = Node::start(to(&server), usual()).await;
    assert_eq!(other.says("before"), Some(REVOKED));
    one.revoke("after").await;
    other.catches_up().await;
    let asked = server.calls("mget").await;
    for node in [&one, &other] {
        for (session, expected) in [("before", REVOKED), ("after", REVOKED), ("in", NOT_REVOKED)] {
            assert_eq!(node.says(session), Some(expected), "{session}");
        }
    }
    assert_eq!(server.calls("mget").await, asked);
    assert_eq!(other.mirror.state().entries(), 2);
}

#[tokio::test]
async fn g2_what_a_process_has_revoked_itself_it_knows_at_once() {
    let server = redis().await;
    let node = Node::start(to(&server), usual()).await;
    for number in 0..200 {
        let session = number.to_string();
        assert_eq!(node.says(&session), Some(NOT_REVOKED));
        node.revoke(&session).await;
        assert_eq!(node.says(&session), Some(REVOKED), "{session}");
    }
}

/// A guard passes on the time at which it has checked the token, also through an `Arc<dyn
/// Blocklist>`.
#[tokio::test]
async fn a_check_for_a_guard_reads_no_clock_of_its_own() {
    let server = redis().await;
    let (clock, readings) = (crate::support::clock(), Arc::new(AtomicUsize::new(0)));
    let counted = {
        let (clock, readings) = (clock.clone(), Arc::clone(&readings));
        move || {
            readings.fetch_add(1, Ordering::Relaxed);
            clock.now()
        }
    };
    let node = Node::start_with_clock(to(&server), usual(), counted).await;
    let list: Arc<dyn Blocklist> = Arc::new(node.mirror.clone());
    let guard = Guard::new(TokenKind::Access, crate::support::verifier(&clock), list);
    let token = crate::support::good_token();
    // One poll: the feed shares this thread, and cannot read the clock meanwhile.
    let once = |guard: &Guard| {
        let mut answer = pin!(guard.authenticate::<NoClaims>(&token));
        answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(|answer| answer.is_ok())
    };
    let before = readings.load(Ordering::Relaxed);
    assert_eq!(once(&guard), Poll::Ready(true));
    assert_eq!(readings.load(Ordering::Relaxed), before);
    let lookup = node.mirror.check(&super::token("in"), clock.now());
    assert_eq!(pin!(lookup).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(NOT_REVOKED));
    assert_eq!(readings.load(Ordering::Relaxed), before, "the mirror uses the caller's time");
}

#[tokio::test]
async fn r48_every_scope_and_cut_off_is_mirrored() {
    let server = redis().await;
    let node = Node::start(to(&server), usual()).await;
    let writer = RedisBlocklist::connect(to(&server)).await.unwrap();
    let until = now() + 10 * MINUTE;
    let subject = RevocationId::new(None, RevocationScope::Subject, "ann");
    let others =
        Revocation::new(RevocationScope::Subject, subject, until).issued_up_to(now()).except_session(id("kept"));
    writer.revoke(&others).await.unwrap();
    writer
        .revoke(&Revocation::new(
            RevocationScope::Token,
            RevocationId::new(None, RevocationScope::Token, "lost"),
            until,
        ))
        .await
        .unwrap();
    let issuer = Revocation::new(RevocationScope::Issuer, RevocationId::issuer(Some("theirs")), until);
    writer.revoke(&issuer).await.unwrap();
    node.catches_up().await;
    let later = token("other").with_issued_at(now() + MINUTE);
    let rows = [
        ("an earlier session", token("other"), Ok(Status::Revoked(RevocationScope::Subject))),
        ("the session that is spared", token("kept"), NOT_REVOKED),
        ("a later one", later, NOT_REVOKED),
        ("a token", TokenIds::new(None, "lost", None), Ok(Status::Revoked(RevocationScope::Token))),
        ("an issuer", TokenIds::new(Some("theirs"), "t", None), Ok(Status::Revoked(RevocationScope::Issuer))),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(soon(node.mirror.check(&ids, SystemTime::now())).await, expected, "{name}");
        assert_eq!(soon(writer.check(&ids, SystemTime::now())).await, expected, "{name}");
    }
}

/// The log is longer than a page, and grows while it is read.
#[tokio::test]
async fn r68_what_is_revoked_while_all_is_read_is_not_missed() {
    let server = redis().await;
    let patient = to(&server).revoke_deadline(10 * MINUTE);
    let writer = Arc::new(RedisBlocklist::connect(patient).await.unwrap());
    let write = async |numbers: std::ops::Range<u32>| {
        let tasks = numbers.map(|number| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.revoke(&logout(&number.to_string())).await.unwrap() })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    };
    write(0..5000).await;
    let mirror = MirrorBlocklist::start((*writer).clone(), usual()).unwrap();
    // `mirror` learns of its own process's writes at once. `stranger` learns of them through Redis
    // alone.
    let stranger = RedisBlocklist::connect(to(&server)).await.unwrap();
    let its_mirror = MirrorBlocklist::start(stranger.clone(), usual()).unwrap();
    let stranger = Node { mirror: its_mirror, redis: stranger, clock: Arc::new(SystemClock) };
    let mut next = 5000;
    while next < 6000 || stranger.mirror.state().age().is_none() {
        write(next..next + 100).await;
        next += 100;
    }
    soon(mirror.ready()).await;
    stranger.catches_up().await;
    assert!(next > 5000, "sessions were revoked meanwhile");
    for number in 0..next {
        assert_eq!(stranger.says(&number.to_string()), Some(REVOKED), "{number}");
    }
    assert_eq!(stranger.mirror.state().entries(), usize::try_from(next).unwrap());
}

#[tokio::test]
async fn r68_until_all_is_read_checks_go_to_redis() {
    let server = redis().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let node = Node::start(to(&server), usual()).await;
    node.revoke("out").await;
    proxy.refuse(true);
    let redis = RedisBlocklist::connect_lazy(through(&proxy)).unwrap();
    let mirror = MirrorBlocklist::start(redis.clone(), usual()).unwrap();
    let late = Node { mirror, redis, clock: Arc::new(SystemClock) };
    assert_eq!(late.phase(), MirrorPhase::Loading);
    assert_eq!(late.says("in"), Some(Err(Outage::NotConnected)));
    proxy.wait_until(|traffic| traffic.refused > 1).await;
    proxy.heal();
    soon(late.mirror.ready()).await;
    assert_eq!(late.says("out"), Some(REVOKED));
}

#[tokio::test]
async fn r69_at_its_bound_a_mirror_asks_redis_and_goes_on_when_there_is_room() {
    let server = redis().await;
    let node = Node::start(to(&server), strict().capacity(8)).await;
    let writer = RedisBlocklist::connect(to(&server)).await.unwrap();
    let short = |session: &str| Revocation::new(RevocationScope::Session, id(session), now() + Duration::from_secs(3));
    for number in 0..20 {
        writer.revoke(&short(&number.to_string())).await.unwrap();
    }
    writer.revoke(&logout("long")).await.unwrap();
    node.comes_to_be(MirrorPhase::Full).await;
    assert_eq!(node.mirror.state().entries(), 8);
    assert_eq!(node.says("in"), None, "the check goes to Redis");
    assert_eq!(node.check("in").await, NOT_REVOKED);
    assert_eq!(node.check("long").await, REVOKED);
    // The entries that had no room are read again, without being written again.
    node.comes_to_be(MirrorPhase::Fresh).await;
    assert_eq!((node.says("in"), node.says("long")), (Some(NOT_REVOKED), Some(REVOKED)));
}

#[tokio::test]
async fn the_background_task_ends_with_the_last_clone() {
    let server = redis().await;
    let clients =
        async || server.cli(&["CLIENT", "LIST"]).await.lines().filter(|line| line.contains("cmd=xread")).count();
    let node = Node::start(to(&server), usual()).await;
    let clone = node.mirror.clone();
    drop(node);
    eventually("the feed waits for news", async || clients().await == 1).await;
    drop(clone);
    eventually("its connection is closed", async || clients().await == 0).await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_an_error() {
    let server = redis().await;
    let redis = RedisBlocklist::connect(to(&server)).await.unwrap();
    let millis = Duration::from_millis;
    for settings in [usual().max_staleness(millis(199)), usual().max_staleness(millis(60_001)), usual().capacity(0)] {
        assert!(MirrorBlocklist::start(redis.clone(), settings).is_err());
    }
    #[cfg(feature = "compat")]
    {
        let shared = RedisBlocklist::connect(to(&server).fastapi_entries()).await.unwrap();
        let error = MirrorBlocklist::start(shared, usual()).unwrap_err();
        assert!(error.to_string().contains("tutorial"), "{error}");
    }
}

#[tokio::test]
async fn test_entries_of_mirrors_stay_out_of_the_log_and_expire() {
    let server = redis().await;
    let nodes = [
        Node::start(to(&server), usual()).await,
        Node::start(to(&server), usual()).await,
        Node::start(to(&server), usual()).await,
    ];
    for node in &nodes {
        eventually("the propagation is measured", async || node.mirror.state().propagation().is_some()).await;
    }
    assert_eq!(server.cli(&["XLEN", "{jwt}:log"]).await, "1", "only the entry of the epoch");
    let streams = server.cli(&["KEYS", "{jwt}:canary:*"]).await;
    assert_eq!(streams.lines().count(), nodes.len());
    for stream in streams.lines() {
        assert_eq!(server.cli(&["XLEN", stream]).await, "1");
        let left: u64 = server.cli(&["PTTL", stream]).await.parse().unwrap();
        assert!(left <= 300_000, "{left} ms");
    }
}

/// The permissions in `docs/redis_in_production.md`, with those for a mirror.
#[tokio::test]
async fn r67_the_documented_permissions_are_enough_for_a_mirror() {
    let server = redis().await;
    let permissions = "+hello +auth +get +set +del +mget +pttl +time +incr +hset +hdel +hgetall +evalsha +script|load +xadd +xtrim +xrange +xrevrange";
    let mut rule = vec!["ACL", "SETUSER", "app", "on", ">s3cret", "~{jwt}:*", "-@all", "+xread", "+pexpire"];
    rule.extend(permissions.split(' '));
    server.cli(&rule).await;
    let settings = to(&server).username("app").password("s3cret").audit_every(Duration::from_millis(50));
    let node = Node::start(settings, usual()).await;
    eventually("the propagation is measured", async || node.mirror.state().propagation().is_some()).await;
    node.revoke("out").await;
    node.catches_up().await;
    assert_eq!(node.says("out"), Some(REVOKED));
    eventually("the log is audited and trimmed", async || server.calls("xtrim").await >= 2).await;
}

/// Nothing would delete the stream after the mirror has ended.
#[tokio::test]
async fn r68_a_mirror_that_may_not_let_its_test_entries_expire_sends_none() {
    let server = redis().await;
    server.cli(&["ACL", "SETUSER", "app", "on", ">s3cret", "~{jwt}:*", "+@all", "-pexpire"]).await;
    let node = Node::start(to(&server).username("app").password("s3cret"), strict()).await;
    eventually("it was denied", async || server.cli(&["ACL", "LOG"]).await.contains("pexpire")).await;
    node.revoke("out").await;
    node.catches_up().await;
    assert_eq!((node.says("out"), node.says("in")), (Some(REVOKED), Some(NOT_REVOKED)));
    assert_eq!(node.mirror.state().propagation(), None);
    assert_eq!(server.cli(&["KEYS", "{jwt}:canary:*"]).await, "");
}
