//! `RedisBlocklist` with a real Redis: the commands it sends, the entries it stores, and its
//! answers when Redis fails.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use crate::support::{
    log::record,
    wait::{eventually, soon},
};
use testkit::{FaultProxy, RedisServer};
use tower_jwt_blocklist::{
    RedisBlocklist,
    blocklist::{Blocklist, Outage, Revocation, RevocationId, RevocationScope, Revoke, RevokeError, Status, TokenIds},
    clock::{Clock, SystemClock},
    config_error::ConfigErrorKind,
    redis::{Eviction, RedisSettings},
};

/// The permissions in `docs/redis_in_production.md`, and `+select`.
const PERMISSIONS: &str = "+hello +auth +select +get +set +del +mget +pttl +time +incr +hset +hdel +hgetall +evalsha +script|load +xadd +xtrim +xrange +xrevrange";

/// Longer than any test waits, so an answer that arrives does not come from a deadline.
const FOREVER: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn settings(url: &str) -> RedisSettings {
    RedisSettings::from_url(url).unwrap()
}

fn through(proxy: &FaultProxy) -> RedisSettings {
    RedisSettings::new("127.0.0.1", proxy.addr().port())
}

/// A token of a login that is later than any loss in these tests.
fn ids() -> TokenIds {
    in_session("session")
}

fn in_session(session: &str) -> TokenIds {
    TokenIds::new(Some("issuer"), "token", Some(session)).with_issued_at(SystemClock.now() + MINUTE)
}

fn session() -> Revocation {
    let id = RevocationId::new(Some("issuer"), RevocationScope::Session, "session");
    Revocation::new(RevocationScope::Session, id, SystemClock.now() + MINUTE)
}

async fn works(blocklist: &RedisBlocklist) -> bool {
    blocklist.check(&ids(), SystemTime::now()).await.is_ok()
}

#[tokio::test]
async fn a_check_is_one_mget_and_a_revocation_one_script() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    // The first revocation on a new server also loads the script.
    blocklist.revoke(&session()).await.unwrap();
    let (mgets, scripts) = (server.calls("mget").await, server.calls("evalsha").await);
    for _ in 0..10 {
        assert_eq!(blocklist.check(&ids(), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
        blocklist.revoke(&session()).await.unwrap();
    }
    assert_eq!(server.calls("mget").await - mgets, 10);
    assert_eq!(server.calls("evalsha").await - scripts, 10);
}

#[tokio::test]
async fn r66_keys_hold_no_text_of_a_token() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url()).namespace("shop")).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();
    let token = RevocationId::new(Some("issuer"), RevocationScope::Token, "token");
    blocklist.revoke(&Revocation::new(RevocationScope::Token, token, session().until())).await.unwrap();
    let mut keys: Vec<_> = server.cli(&["KEYS", "*"]).await.lines().map(str::to_owned).collect();
    keys.sort();
    let entries = [format!("{{shop}}:s:{}", session().id()), format!("{{shop}}:t:{token}")];
    let ours = ["epoch", "joined", "log", "longest", "processes"].map(|key| format!("{{shop}}:{key}"));
    assert_eq!(keys, [ours.as_slice(), entries.as_slice()].concat());
}

#[tokio::test]
async fn g3_an_entry_lives_as_long_as_it_was_asked_to() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    let unix_millis = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let before = unix_millis(SystemTime::now());
    let revocation = session();
    blocklist.revoke(&revocation).await.unwrap();
    let left: u128 = server.cli(&["PTTL", &format!("{{jwt}}:s:{}", revocation.id())]).await.parse().unwrap();
    let (after, until) = (unix_millis(SystemTime::now()), unix_millis(revocation.until()));
    assert!(before + left <= until, "lives {left} ms");
    assert!(after + left >= until, "lives {left} ms");
}

#[tokio::test]
async fn password_database_and_namespace_keep_revocations_apart() {
    let server = RedisServer::options().password("s3cret").start().await;
    let base = RedisSettings::new("127.0.0.1", server.port()).password("s3cret").database(3);
    let blocklist = RedisBlocklist::connect(base.clone()).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();
    assert!(server.cli(&["INFO", "keyspace"]).await.contains("db3:keys=6"));

    let same = settings(&format!("redis://:s3cret@127.0.0.1:{}/3", server.port()));
    let rows = [
        ("the same by URL", same, Status::Revoked(RevocationScope::Session)),
        ("another database", base.clone().database(4), Status::NotRevoked),
        ("another namespace", base.namespace("other"), Status::NotRevoked),
    ];
    for (name, settings, expected) in rows {
        let other = RedisBlocklist::connect(settings).await.unwrap();
        assert_eq!(other.check(&ids(), SystemTime::now()).await, Ok(expected), "{name}");
    }
}

#[tokio::test]
async fn a_redis_that_cannot_be_used_is_an_error_at_start_that_says_why() {
    let server = RedisServer::options().password("s3cret").start().await;
    let master = RedisServer::start().await;
    let replica = RedisServer::start().await;
    replica.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    let mut dead = RedisServer::start().await;
    dead.kill();
    let stopped = RedisServer::start().await;
    stopped.pause();

    let wrong = RedisSettings::new("127.0.0.1", server.port()).password("wr0ng");
    let rows = [
        ("nothing listens", settings(&dead.url()), "nothing listens there"),
        ("no password", RedisSettings::new("127.0.0.1", server.port()), "login failed"),
        ("wrong password", wrong, "login failed"),
        ("a replica", settings(&replica.url()), "it is a replica"),
        ("stopped", settings(&stopped.url()), "no answer in time"),
        ("no such host", RedisSettings::new("no-such-host.invalid", 6379), "check the host name"),
        ("no such database", settings(&master.url()).database(99), "check the database number"),
    ];
    for (name, settings, expected) in rows {
        let error = soon(RedisBlocklist::connect(settings)).await.unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Store, "{name}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(!error.to_string().contains("wr0ng"), "{name}: {error}");
    }
}

#[tokio::test]
async fn r62_a_stopped_redis_is_an_outage_at_the_deadline_and_good_again_after() {
    let server = RedisServer::start().await;
    let blocklist =
        RedisBlocklist::connect(settings(&server.url()).check_deadline(Duration::from_millis(50))).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();

    server.pause();
    // The server is stopped while this answers, so the answer is the deadline's.
    assert_eq!(soon(blocklist.check(&ids(), SystemTime::now())).await, Err(Outage::TimedOut));
    // After some of these the connection is given up, and the answer needs no waiting.
    eventually("the connection is given up", async || {
        soon(blocklist.check(&ids(), SystemTime::now())).await == Err(Outage::NotConnected)
    })
    .await;

    server.resume();
    eventually("the connection works again", async || works(&blocklist).await).await;
    assert_eq!(blocklist.check(&ids(), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
}

#[tokio::test]
async fn r60_a_dead_redis_is_an_outage_at_once_and_good_again_after_its_restart() {
    let mut server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url()).check_deadline(FOREVER)).await.unwrap();
    assert!(works(&blocklist).await);

    server.kill();
    eventually("the loss is noticed", async || {
        // With this deadline a check only returns when it has an answer of its own.
        soon(tokio::time::timeout(Duration::from_millis(20), blocklist.check(&ids(), SystemTime::now()))).await
            == Ok(Err(Outage::NotConnected))
    })
    .await;
    let revoked = blocklist.revoke(&session()).await;
    assert_eq!(revoked, Err(RevokeError::Outage(Outage::NotConnected)), "g7: nothing was stored, so it is not Ok");

    server.restart().await;
    eventually("the connection works again", async || works(&blocklist).await).await;
    blocklist.revoke(&session()).await.unwrap();
    assert_eq!(blocklist.check(&ids(), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
}

#[tokio::test]
async fn a_service_may_start_before_its_redis() {
    let mut server = RedisServer::start().await;
    server.kill();
    let blocklist = RedisBlocklist::connect_lazy(settings(&server.url())).unwrap();
    assert_eq!(soon(blocklist.check(&ids(), SystemTime::now())).await, Err(Outage::NotConnected));
    server.restart().await;
    eventually("it is connected", async || works(&blocklist).await).await;
}

#[tokio::test]
async fn a_user_without_a_password_is_refused_and_not_logged_in_as_somebody_else() {
    let error = RedisBlocklist::connect(RedisSettings::new("127.0.0.1", 6379).username("app")).await.unwrap_err();
    assert!(error.to_string().contains("password"), "{error}");
}

#[test]
fn outside_of_a_runtime_connecting_is_an_error_and_no_panic() {
    let error = RedisBlocklist::connect_lazy(RedisSettings::new("127.0.0.1", 6379)).unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[tokio::test]
async fn a_half_open_connection_is_replaced() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let blocklist = RedisBlocklist::connect(through(&proxy).check_deadline(Duration::from_millis(50))).await.unwrap();
    assert!(works(&blocklist).await);

    proxy.black_hole(true);
    assert_eq!(soon(blocklist.check(&ids(), SystemTime::now())).await, Err(Outage::TimedOut));
    assert!(proxy.bytes_swallowed() > 0);
    let dialled = proxy.accepted();
    proxy.heal();
    // The old connection never answers again: only a new one can.
    eventually("the connection works again", async || works(&blocklist).await).await;
    assert!(proxy.accepted() > dialled);
}

#[tokio::test]
async fn late_timeouts_are_charged_to_the_connection_they_happened_on() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    // Long enough for the heartbeat to find the connection dead, and for a new one to be made.
    let blocklist = RedisBlocklist::connect(through(&proxy).check_deadline(Duration::from_secs(6))).await.unwrap();
    proxy.black_hole(true);
    let in_flight: Vec<_> = (0..5).map(|_| tokio::spawn(blocklist.check(&ids(), SystemTime::now()))).collect();
    proxy.wait_until(|seen| seen.accepted > 1).await;
    proxy.heal();
    eventually("there is a new connection", async || blocklist.cut_off(ids().issuer(), None).await.is_ok()).await;
    let dialled = proxy.accepted();
    assert!(in_flight.iter().all(|check| !check.is_finished()), "the checks wait on the old connection");
    for check in in_flight {
        assert_eq!(soon(check).await.unwrap(), Err(Outage::TimedOut));
    }
    // Five timeouts in a row end a connection. These were on the old one, so the new one is kept.
    assert!(works(&blocklist).await);
    assert_eq!(proxy.accepted(), dialled);
}

#[tokio::test]
async fn g7_a_server_that_became_read_only_is_an_error_of_revoke_and_is_left() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let blocklist = RedisBlocklist::connect(through(&proxy)).await.unwrap();
    // Its master is not there, so it keeps the data it has.
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert!(server.try_cli(&["SET", "x", "y"]).await.unwrap_err().contains("READONLY"));
    // No heartbeat has run yet, so the write itself notices it.
    assert_eq!(blocklist.revoke(&session()).await, Err(RevokeError::Outage(Outage::Failed)));
    assert_eq!(
        blocklist.check(&ids(), SystemTime::now()).await,
        Err(Outage::NotConnected),
        "no check goes to it any more"
    );
}

#[test]
fn r62_the_deadlines_are_those_of_the_documentation() {
    let shown = format!("{:?}", RedisSettings::new("127.0.0.1", 6379));
    assert!(shown.contains("check_deadline: 250ms") && shown.contains("revoke_deadline: 1s"), "{shown}");
}

#[tokio::test]
async fn an_idle_half_open_connection_is_found_by_the_heartbeat() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let _blocklist = RedisBlocklist::connect(through(&proxy)).await.unwrap();
    proxy.black_hole(true);
    // No check is under way, and yet a new connection is made.
    proxy.wait_until(|seen| seen.accepted > 1 && seen.bytes_swallowed > 0).await;
}

#[tokio::test]
async fn a_check_survives_a_connection_that_breaks_under_it() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let blocklist = RedisBlocklist::connect(through(&proxy).check_deadline(FOREVER)).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();

    proxy.delay(FOREVER);
    let check = tokio::spawn(blocklist.check(&ids(), SystemTime::now()));
    eventually("Redis has the question", async || server.calls("mget").await == 1).await;
    proxy.cut();
    // Answers may pass only after a new connection attempt: by then the client has seen the old
    // connection break.
    proxy.wait_until(|seen| seen.accepted > 1).await;
    proxy.heal();
    assert_eq!(soon(check).await.unwrap(), Ok(Status::Revoked(RevocationScope::Session)));
    // The new connection also verifies the revocation of this process.
    assert_eq!(server.calls("mget").await, 3, "it was asked again, on another connection");
}

#[tokio::test]
async fn r62_checks_given_up_never_cross_the_answers_of_others() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let blocklist = RedisBlocklist::connect(through(&proxy).check_deadline(FOREVER)).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();
    let (mine, other) = (ids(), in_session("another session"));

    proxy.delay(Duration::from_millis(1));
    for round in 0..100 {
        let sent = server.calls("mget").await;
        let given_up = tokio::spawn(blocklist.check(if round % 2 == 0 { &mine } else { &other }, SystemTime::now()));
        // Some before the question is sent, and some after.
        if round % 4 < 2 {
            eventually("it is sent", async || server.calls("mget").await > sent).await;
        }
        given_up.abort();
        let (revoked, clear) =
            tokio::join!(blocklist.check(&mine, SystemTime::now()), blocklist.check(&other, SystemTime::now()));
        assert_eq!(
            (revoked, clear),
            (Ok(Status::Revoked(RevocationScope::Session)), Ok(Status::NotRevoked)),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn g7_a_redis_out_of_memory_is_an_error_of_revoke() {
    let server = RedisServer::options().arg("maxmemory-policy", &["noeviction"]).start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(server.try_cli(&["SET", "x", "y"]).await.unwrap_err().contains("OOM"));

    let id = RevocationId::new(None, RevocationScope::Token, "new");
    let revocation = Revocation::new(RevocationScope::Token, id, session().until());
    assert_eq!(blocklist.revoke(&revocation).await, Err(RevokeError::Outage(Outage::Failed)));
    assert_eq!(
        blocklist.check(&ids(), SystemTime::now()).await,
        Ok(Status::Revoked(RevocationScope::Session)),
        "the earlier entry is still stored"
    );
}

#[tokio::test]
async fn r64_a_redis_that_may_forget_is_said_loudly_or_refused() {
    let server = RedisServer::options().arg("maxmemory-policy", &["allkeys-lru"]).start().await;
    let (log, _recording) = record();
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    assert!(log.text().contains("WARN") && log.text().contains("policy=\"allkeys-lru\""), "{}", log.text());

    let strict = settings(&server.url()).eviction(Eviction::Rejected);
    let error = RedisBlocklist::connect(strict.clone()).await.unwrap_err();
    assert!(error.to_string().contains("CONFIG SET maxmemory-policy noeviction"), "{error}");
    let lazy = RedisBlocklist::connect_lazy(strict.clone()).unwrap();
    assert_eq!(soon(lazy.check(&ids(), SystemTime::now())).await, Err(Outage::NotConnected));

    // This is the reason: a server that is short of memory evicts what it has confirmed. Here it
    // evicts everything, and that is noticed.
    blocklist.revoke(&session()).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    server.try_cli(&["SET", "another", "x"]).await.ok();
    assert_eq!(server.cli(&["DBSIZE"]).await, "0", "evicted");
    let before = TokenIds::new(Some("issuer"), "token", None).with_issued_at(SystemClock.now());
    assert_ne!(blocklist.check(&before, SystemTime::now()).await, Ok(Status::NotRevoked));

    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    eventually("the strict setting connects", async || works(&lazy).await).await;
    log.clear();
    assert!(works(&RedisBlocklist::connect(strict.clone()).await.unwrap()).await);
    assert!(!log.text().contains("may forget"), "{}", log.text());

    // A client without the permission cannot tell, which is accepted only if the setting is not
    // strict.
    let rule = ["ACL", "SETUSER", "blocklist", "on", ">pw", "~{jwt}:*", "-@all", "+hello", "+auth", "+get", "+mget"];
    let rule = [rule.as_slice(), &["+xrange", "+xrevrange"]].concat();
    server.cli(&rule).await;
    let login = |settings: RedisSettings| settings.username("blocklist").password("pw");
    assert!(works(&RedisBlocklist::connect(login(settings(&server.url()))).await.unwrap()).await);
    let error = RedisBlocklist::connect(login(strict)).await.unwrap_err();
    assert!(error.to_string().contains("+info"), "{error}");
}

#[tokio::test]
async fn g7_a_user_without_permission_is_an_error_of_revoke_and_of_check() {
    let server = RedisServer::start().await;
    let reader = ["ACL", "SETUSER", "reader", "on", ">pw", "~{jwt}:*", "-@all", "+hello", "+auth", "+get", "+mget"];
    server.cli(&[reader.as_slice(), &["+xrange", "+xrevrange"]].concat()).await;
    server.cli(&["ACL", "SETUSER", "nobody", "on", ">pw", "+hello", "+auth"]).await;
    let login = |user: &str| settings(&server.url()).username(user).password("pw");

    // A read-only client cannot begin an epoch, so a writer has to come first.
    let error = RedisBlocklist::connect(login("reader")).await.unwrap_err();
    assert!(error.to_string().contains("grant it"), "{error}");
    RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    let reader = RedisBlocklist::connect(login("reader")).await.unwrap();
    assert_eq!(reader.check(&ids(), SystemTime::now()).await, Ok(Status::NotRevoked));
    assert_eq!(reader.revoke(&session()).await, Err(RevokeError::Outage(Outage::Failed)));
    let error = RedisBlocklist::connect(login("nobody")).await.unwrap_err();
    assert!(error.to_string().contains("grant it"), "{error}");

    // A permission that is removed later makes the checks an outage.
    server.cli(&["ACL", "SETUSER", "reader", "-mget"]).await;
    assert!(reader.check(&ids(), SystemTime::now()).await.is_err());
}

#[tokio::test]
async fn r67_the_documented_permissions_are_enough() {
    let server = RedisServer::start().await;
    server.cli(&["SCRIPT", "FLUSH"]).await;
    let mut rule = vec!["ACL", "SETUSER", "blocklist", "on", ">pw", "~{jwt}:*", "-@all"];
    rule.extend(PERMISSIONS.split(' '));
    server.cli(&rule).await;
    let blocklist = RedisBlocklist::connect(settings(&server.url()).username("blocklist").password("pw").database(3))
        .await
        .unwrap();
    blocklist.revoke(&session()).await.unwrap();
    assert_eq!(blocklist.check(&ids(), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
}

#[tokio::test]
async fn r65_a_master_that_was_demoted_is_not_asked_any_more() {
    let (server, other) = (RedisServer::start().await, RedisServer::start().await);
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    assert!(works(&blocklist).await);
    server.cli(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).await;
    assert!(server.cli(&["INFO", "replication"]).await.contains("role:slave"));
    // Its connections stay open, and it would go on to answer reads with what it has.
    eventually("the demotion is noticed", async || {
        blocklist.check(&ids(), SystemTime::now()).await == Err(Outage::NotConnected)
    })
    .await;
    assert!(blocklist.revoke(&session()).await.is_err());

    server.cli(&["REPLICAOF", "NO", "ONE"]).await;
    eventually("the connection works again", async || works(&blocklist).await).await;
}

#[tokio::test]
async fn g7_a_key_that_somebody_else_made_is_an_error_of_revoke() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    // MGET answers nil for a list, so a revocation that kept the list would have no effect.
    server.cli(&["RPUSH", &format!("{{jwt}}:s:{}", session().id()), "x"]).await;
    assert_eq!(blocklist.check(&ids(), SystemTime::now()).await, Ok(Status::NotRevoked));
    assert_eq!(blocklist.revoke(&session()).await, Err(RevokeError::Outage(Outage::Failed)));
}

#[tokio::test]
async fn the_background_task_ends_with_its_last_owner() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let blocklist = RedisBlocklist::connect(through(&proxy)).await.unwrap();
    let clone = blocklist.clone();
    drop(blocklist);
    assert!(works(&clone).await);
    drop(clone);
    proxy.wait_until(|seen| seen.connections == 0).await;
}

#[tokio::test]
async fn many_checks_share_round_trips_and_each_gets_its_own_answer() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url()).check_deadline(FOREVER)).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();
    let before = server.calls("mget").await;
    let others = (0..1000).map(|number| if number % 3 == 0 { ids() } else { in_session(&number.to_string()) });
    let checks: Vec<_> = others.map(|ids| tokio::spawn(blocklist.check(&ids, SystemTime::now()))).collect();
    for (number, check) in checks.into_iter().enumerate() {
        let expected = if number % 3 == 0 { Status::Revoked(RevocationScope::Session) } else { Status::NotRevoked };
        assert_eq!(soon(check).await.unwrap(), Ok(expected), "{number}");
    }
    let round_trips = server.calls("mget").await - before;
    assert!(round_trips < 20, "{round_trips}");
}

#[tokio::test]
async fn r62_over_the_bound_a_check_is_refused_at_once() {
    let server = RedisServer::start().await;
    let settings = settings(&server.url()).check_deadline(FOREVER).max_checks(5);
    let blocklist = RedisBlocklist::connect(settings).await.unwrap();
    server.pause();
    let under_way: Vec<_> = (0..5).map(|_| tokio::spawn(blocklist.check(&ids(), SystemTime::now()))).collect();
    // Lets them begin: there is one thread.
    tokio::task::yield_now().await;
    assert_eq!(soon(blocklist.check(&ids(), SystemTime::now())).await, Err(Outage::Overloaded));
    assert!(under_way.iter().all(|check| !check.is_finished()));
    server.resume();
    for check in under_way {
        assert_eq!(soon(check).await.unwrap(), Ok(Status::NotRevoked));
    }
    assert!(works(&blocklist).await, "finished checks make room");
}

#[tokio::test]
async fn r62_checks_that_wait_for_their_turn_are_not_lost_with_the_one_before_them() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url()).check_deadline(FOREVER)).await.unwrap();
    server.pause();
    let checks: Vec<_> = (0..20).map(|_| tokio::spawn(blocklist.check(&ids(), SystemTime::now()))).collect();
    tokio::task::yield_now().await;
    // The checks that were sent; the others have been collected meanwhile.
    let (sent, collected) = checks.split_at(2);
    sent.iter().for_each(|check| check.abort());
    server.resume();
    for check in collected {
        eventually("it is answered", async || check.is_finished()).await;
    }
    for check in checks.into_iter().skip(2) {
        assert_eq!(check.await.unwrap(), Ok(Status::NotRevoked));
    }
}

#[tokio::test]
async fn r62_checks_that_nobody_polls_any_more_do_not_hold_up_the_others() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url()).check_deadline(FOREVER)).await.unwrap();
    let mut left_alone: Vec<_> = (0..10).map(|_| Box::pin(blocklist.check(&ids(), SystemTime::now()))).collect();
    for check in &mut left_alone {
        assert!(futures_now(check.as_mut()).is_pending());
    }
    assert!(soon(async { works(&blocklist).await }).await);
    for check in left_alone {
        assert_eq!(soon(check).await, Ok(Status::NotRevoked), "the unpolled checks have their answers");
    }
}

/// Polls a future once.
fn futures_now<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_session_that_is_logged_out_again_and_again_is_one_entry_of_the_log() {
    use std::sync::Arc;
    use tower_jwt_blocklist::{Guard, Issuer, NoClaims, TokenKind};

    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    let verifier = Arc::new(crate::support::settings().build().unwrap());
    let issuer = Issuer::builder(verifier.clone(), crate::support::signing_key(), blocklist.clone()).build().unwrap();
    let pair = issuer.login("ann", &NoClaims {}).await.unwrap();
    let guard = Guard::new(TokenKind::Access, verifier, blocklist);
    let user = guard.authenticate::<NoClaims>(pair.access.as_str()).await.unwrap();
    let before: usize = server.cli(&["XLEN", "{jwt}:log"]).await.parse().unwrap();
    for _ in 0..200 {
        issuer.logout(&user).await.unwrap();
    }
    let entries = server.cli(&["XLEN", "{jwt}:log"]).await.parse::<usize>().unwrap() - before;
    // There are two if an hour ends meanwhile.
    assert!((1..=2).contains(&entries), "{entries}");
}

#[tokio::test]
async fn g7_a_redis_that_cannot_save_is_an_error_of_revoke() {
    let folder = std::env::temp_dir().join(format!("no-longer-there-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let server = RedisServer::options().arg("save", &["3600 1"]).arg("dir", &[folder.to_str().unwrap()]).start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    blocklist.revoke(&session()).await.unwrap();
    std::fs::remove_dir(&folder).unwrap();
    server.cli(&["BGSAVE"]).await;
    eventually("writes are rejected", async || {
        server.try_cli(&["SET", "x", "y"]).await.is_err_and(|error| error.contains("MISCONF"))
    })
    .await;
    let other = Revocation::new(
        RevocationScope::Token,
        RevocationId::new(None, RevocationScope::Token, "new"),
        session().until(),
    );
    assert_eq!(blocklist.revoke(&other).await, Err(RevokeError::Outage(Outage::Failed)));
    assert_eq!(
        blocklist.check(&ids(), SystemTime::now()).await,
        Ok(Status::Revoked(RevocationScope::Session)),
        "the earlier entry is still stored"
    );
}

#[tokio::test]
async fn a_reason_ends_up_in_both_logs() {
    let server = RedisServer::start().await;
    let blocklist = RedisBlocklist::connect(settings(&server.url())).await.unwrap();
    let (log, _recording) = record();
    blocklist.revoke(&session()).await.unwrap();
    assert!(!log.text().contains("revoked"), "{}", log.text());
    let other = Revocation::new(
        RevocationScope::Token,
        RevocationId::new(None, RevocationScope::Token, "new"),
        session().until(),
    );
    blocklist.revoke(&other.with_reason("password_changed")).await.unwrap();
    let last = server.cli(&["XREVRANGE", "{jwt}:log", "+", "-", "COUNT", "1"]).await;
    assert!(last.ends_with("r\npassword_changed"), "{last:?}");
    let line = log.text().lines().find(|line| line.contains("revoked")).unwrap().to_owned();
    for part in ["INFO", "scope=\"token\"", "reason=\"password_changed\"", "outcome=\"stored\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
    server.pause();
    assert!(blocklist.revoke(&other.with_reason("stolen")).await.is_err());
    assert!(log.text().contains("reason=\"stolen\" outcome=\"timed_out\""), "{}", log.text());
}
