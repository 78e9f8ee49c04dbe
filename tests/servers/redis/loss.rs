//! Guarantee G5: a loss of revocations in Redis is noticed, and never read as "nothing is revoked".

use std::time::{Duration, SystemTime};

use crate::support::{
    log::record,
    wait::{eventually, soon},
};
use testkit::{ManualClock, RedisServer};
use tower_jwt_blocklist::{
    RedisBlocklist,
    blocklist::{Blocklist, Outage, Revocation, RevocationId, RevocationScope, Revoke, RevokeError, Status, TokenIds},
    clock::{Clock, SystemClock},
    redis::{OnLoss, RedisSettings},
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A Redis in use: one session was logged out, another was not.
struct Store {
    server: RedisServer,
    settings: RedisSettings,
    node: RedisBlocklist,
    logged_in_at: SystemTime,
}

impl Store {
    async fn start(on_loss: OnLoss) -> Self {
        let server = RedisServer::start().await;
        let settings = RedisSettings::new("127.0.0.1", server.port()).on_loss(on_loss);
        let logged_in_at = now();
        RedisBlocklist::initialize(settings.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
        let node = RedisBlocklist::connect(settings.clone()).await.unwrap();
        let store = Self { server, settings, node, logged_in_at };
        store.node.revoke(&logout("out")).await.unwrap();
        assert_eq!(
            store.node.check(&store.earlier("out"), SystemTime::now()).await,
            Ok(Status::Revoked(RevocationScope::Session))
        );
        assert_eq!(store.node.check(&store.earlier("in"), SystemTime::now()).await, Ok(Status::NotRevoked));
        store
    }

    /// A token of a login before the loss.
    fn earlier(&self, session: &str) -> TokenIds {
        TokenIds::new(None, "token", Some(session)).with_issued_at(self.logged_in_at)
    }

    /// A token of a login as `Issuer` mints it: issued after every cut-off.
    async fn login(&self, session: &str) -> TokenIds {
        let cut_off = self.node.cut_off(RevocationId::issuer(None), None).await.unwrap();
        TokenIds::new(None, "token", Some(session))
            .with_issued_at(cut_off.map_or(now(), |cut_off| (cut_off + Duration::from_millis(1)).max(now())))
    }

    /// Asserts that no process admits a token from before the loss, and that later logins work.
    async fn refuses_the_earlier_and_heals(&self) {
        let never_passes = async |node: &RedisBlocklist, session: &str| {
            let answer = soon(node.check(&self.earlier(session), SystemTime::now())).await;
            assert_ne!(answer, Ok(Status::NotRevoked), "{session}");
            answer
        };
        eventually("it answers again", async || never_passes(&self.node, "in").await == Ok(Status::BeforeLoss)).await;
        let _ = never_passes(&self.node, "out").await;
        let session = self.login("new").await;
        assert_eq!(self.node.check(&session, SystemTime::now()).await, Ok(Status::NotRevoked));
        self.node.revoke(&logout("new")).await.unwrap();
        assert_eq!(self.node.check(&session, SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
        // One that knows nothing of the past does the same.
        let other = RedisBlocklist::connect(self.settings.clone()).await.unwrap();
        assert_eq!(never_passes(&other, "in").await, Ok(Status::BeforeLoss));
        let _ = never_passes(&other, "out").await;
        assert_eq!(other.check(&self.login("newer").await, SystemTime::now()).await, Ok(Status::NotRevoked));
    }
}

pub(super) fn now() -> SystemTime {
    SystemClock.now()
}

pub(super) fn logout(session: &str) -> Revocation {
    Revocation::new(
        RevocationScope::Session,
        RevocationId::new(None, RevocationScope::Session, session),
        now() + 10 * MINUTE,
    )
}

#[tokio::test]
async fn g5_a_flushed_redis_refuses_what_was_issued_before() {
    let store = Store::start(OnLoss::Floor).await;
    let (log, _recording) = record();
    store.server.cli(&["FLUSHALL"]).await;
    store.refuses_the_earlier_and_heals().await;
    assert!(log.text().contains("does not hold the revocations"), "{}", log.text());
}

#[tokio::test]
async fn g5_a_redis_that_comes_back_empty_refuses_what_was_issued_before() {
    let mut store = Store::start(OnLoss::Floor).await;
    store.server.restart().await;
    assert_eq!(store.server.cli(&["EXISTS", "{jwt}:log"]).await.len(), 1);
    store.refuses_the_earlier_and_heals().await;
}

#[tokio::test]
async fn g5_a_swapped_database_refuses_what_was_issued_before() {
    let store = Store::start(OnLoss::Floor).await;
    store.server.cli(&["SWAPDB", "0", "1"]).await;
    store.refuses_the_earlier_and_heals().await;
}

/// The other database is in use under the same namespace, and its epoch began earlier than clocks
/// can differ.
#[tokio::test]
async fn g5_another_set_of_revocations_is_not_taken_for_ours() {
    let store = Store::start(OnLoss::Floor).await;
    let clock = ManualClock::new(SystemTime::now() - 10 * MINUTE);
    let other = store.settings.clone().database(1).clock(clock.as_fn());
    RedisBlocklist::initialize(other, SystemTime::UNIX_EPOCH).await.unwrap();
    store.server.cli(&["SWAPDB", "0", "1"]).await;
    assert!(store.server.cli(&["GET", "{jwt}:epoch"]).await.ends_with(" 0"), "its floor rejects nothing");
    store.refuses_the_earlier_and_heals().await;
}

#[tokio::test]
async fn g5_a_log_deleted_alone_is_a_loss() {
    let store = Store::start(OnLoss::Floor).await;
    store.server.cli(&["DEL", "{jwt}:log"]).await;
    // The entries are still there, so checks are right until the heartbeat finds out.
    eventually("it is noticed", async || {
        store.node.check(&store.earlier("in"), SystemTime::now()).await == Ok(Status::BeforeLoss)
    })
    .await;
    store.refuses_the_earlier_and_heals().await;
}

#[tokio::test]
async fn g7_a_revocation_that_finds_the_log_gone_is_stored_in_the_new_epoch_or_an_error() {
    for key in ["{jwt}:log", "{jwt}:longest", "{jwt}:epoch"] {
        let store = Store::start(OnLoss::Floor).await;
        store.server.cli(&["DEL", key]).await;
        eventually("it is stored", async || store.node.revoke(&logout("later")).await.is_ok()).await;
        assert_ne!(store.server.cli(&["XLEN", "{jwt}:log"]).await, "0", "{key}");
        assert_eq!(
            store.node.check(&store.login("later").await, SystemTime::now()).await,
            Ok(Status::Revoked(RevocationScope::Session)),
            "{key}"
        );
        store.refuses_the_earlier_and_heals().await;
    }
}

impl Store {
    /// Simulates a promoted replica without the last entry, or a server that stopped before saving
    /// it: the same epoch, a shorter log, another connection.
    async fn lose_the_last_entry(&self) {
        let last = self.server.cli(&["XREVRANGE", "{jwt}:log", "+", "-", "COUNT", "1"]).await;
        assert_eq!(self.server.cli(&["XDEL", "{jwt}:log", last.lines().next().unwrap()]).await, "1");
        self.server.cli(&["DEL", &format!("{{jwt}}:s:{}", logout("out").id())]).await;
        self.server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }

    async fn notices(&self) {
        // The session `out` is rejected for its own sake: its process has restored it.
        let refused = async || self.node.check(&self.earlier("in"), SystemTime::now()).await == Ok(Status::BeforeLoss);
        eventually("it is noticed", refused).await;
        self.refuses_the_earlier_and_heals().await;
    }
}

/// The process that got the confirmation notices.
#[tokio::test]
async fn g5_a_logout_that_was_lost_right_after_it_was_confirmed_is_missed() {
    let store = Store::start(OnLoss::Floor).await;
    store.lose_the_last_entry().await;
    store.notices().await;
}

/// Another process, which had seen the entry, notices.
#[tokio::test]
async fn g5_a_replica_that_was_behind_is_a_loss() {
    let mut store = Store::start(OnLoss::Floor).await;
    store.node = RedisBlocklist::connect(store.settings.clone()).await.unwrap();
    let heartbeats = async || store.server.calls("xrevrange").await;
    let before = heartbeats().await;
    eventually("the last entry was seen", async || heartbeats().await > before + 3).await;
    store.lose_the_last_entry().await;
    store.notices().await;
}

#[tokio::test]
async fn initialising_does_not_lower_a_floor() {
    let store = Store::start(OnLoss::Floor).await;
    store.server.cli(&["FLUSHALL"]).await;
    store.notices().await;
    RedisBlocklist::initialize(store.settings.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
    let other = RedisBlocklist::connect(store.settings.clone()).await.unwrap();
    assert_eq!(other.check(&store.earlier("in"), SystemTime::now()).await, Ok(Status::BeforeLoss));
}

#[tokio::test]
async fn g5_denying_waits_for_a_person() {
    let store = Store::start(OnLoss::Deny).await;
    store.server.cli(&["FLUSHALL"]).await;
    eventually("it is noticed", async || {
        soon(store.node.check(&store.earlier("in"), SystemTime::now())).await == Err(Outage::Lost)
    })
    .await;
    assert_eq!(store.node.revoke(&logout("x")).await, Err(RevokeError::Outage(Outage::Lost)));
    let error = RedisBlocklist::connect(store.settings.clone()).await.unwrap_err();
    assert!(error.to_string().contains("lost revocations"), "{error}");

    // A server that does not answer either is still reported as lost.
    store.server.pause();
    for _ in 0..5 {
        assert_eq!(soon(store.node.check(&store.earlier("in"), SystemTime::now())).await, Err(Outage::Lost));
        tokio::task::yield_now().await;
    }
    store.server.resume();

    RedisBlocklist::initialize(store.settings.clone(), SystemTime::now()).await.unwrap();
    eventually("the operator's decision counts", async || {
        let answer = soon(store.node.check(&store.earlier("in"), SystemTime::now())).await;
        assert_ne!(answer, Ok(Status::NotRevoked));
        answer == Ok(Status::BeforeLoss)
    })
    .await;
}

#[tokio::test]
async fn g5_a_first_start_refuses_what_is_older_unless_asked_for() {
    let server = RedisServer::start().await;
    let settings = RedisSettings::new("127.0.0.1", server.port());
    let older = TokenIds::new(None, "token", None).with_issued_at(now());
    let (log, _recording) = record();
    let unasked = RedisBlocklist::connect(settings.clone()).await.unwrap();
    assert_eq!(unasked.check(&older, SystemTime::now()).await, Ok(Status::BeforeLoss));
    assert!(log.text().contains("is this the first start"), "{}", log.text());

    let asked = settings.namespace("asked");
    RedisBlocklist::initialize(asked.clone(), SystemTime::UNIX_EPOCH).await.unwrap();
    log.clear();
    let asked = RedisBlocklist::connect(asked).await.unwrap();
    assert_eq!(asked.check(&older, SystemTime::now()).await, Ok(Status::NotRevoked));
    assert!(!log.text().contains("first start"), "{}", log.text());
    // Not even a token that does not tell its time is refused then.
    assert_eq!(asked.check(&TokenIds::new(None, "token", None), SystemTime::now()).await, Ok(Status::NotRevoked));
}

#[tokio::test]
async fn g5_deleted_entries_that_the_log_has_are_put_back() {
    let server = RedisServer::start().await;
    let settings = RedisSettings::new("127.0.0.1", server.port()).audit_every(Duration::from_millis(50));
    let node = RedisBlocklist::connect(settings.clone()).await.unwrap();
    // Another process, because each process verifies its own revocations anyway.
    let writer = RedisBlocklist::connect(settings.audit_every(MINUTE)).await.unwrap();
    let ids = |session| TokenIds::new(None, "token", Some(session)).with_subject("ann").with_issued_at(now() + MINUTE);
    let subject = RevocationId::new(None, RevocationScope::Subject, "ann");
    let others =
        Revocation::new(RevocationScope::Subject, subject, now() + 10 * MINUTE).issued_up_to(now() + 2 * MINUTE);
    writer.revoke(&others.except_session(RevocationId::new(None, RevocationScope::Session, "kept"))).await.unwrap();
    writer.revoke(&logout("out")).await.unwrap();
    drop(writer);
    let (log, _recording) = record();
    let deleted = [format!("{{jwt}}:s:{}", logout("out").id()), format!("{{jwt}}:u:{subject}")];
    assert_eq!(server.cli(&["DEL", &deleted[0], &deleted[1]]).await, "2");
    eventually("they are restored", async || server.cli(&["EXISTS", &deleted[0], &deleted[1]]).await == "2").await;
    let logged_out = TokenIds::new(None, "token", Some("out")).with_issued_at(now() + MINUTE);
    assert_eq!(node.check(&logged_out, SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
    assert_eq!(node.check(&ids("other"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Subject)));
    assert_eq!(node.check(&ids("kept"), SystemTime::now()).await, Ok(Status::NotRevoked));
    eventually("it is said", async || log.text().contains("were missing in Redis")).await;
    assert_eq!(server.cli(&["XLEN", "{jwt}:log"]).await, "3", "the log has them already");
}

#[tokio::test]
async fn the_log_holds_every_live_revocation_and_is_trimmed_by_age_alone() {
    let server = RedisServer::start().await;
    let node = RedisBlocklist::connect(RedisSettings::new("127.0.0.1", server.port())).await.unwrap();
    let revoke = async |number: usize, duration| {
        let id = RevocationId::new(None, RevocationScope::Token, &number.to_string());
        node.revoke(&Revocation::new(RevocationScope::Token, id, now() + duration)).await.unwrap();
    };
    for number in 0..1000 {
        revoke(number, Duration::from_millis(50)).await;
    }
    assert_eq!(
        server.cli(&["GET", "{jwt}:longest"]).await.len(),
        2,
        "the longest life so far has two digits of milliseconds"
    );
    // Redis trims whole blocks of 100, so some expired entries stay for a while.
    eventually("expired entries are trimmed", async || {
        revoke(1000, Duration::from_millis(50)).await;
        server.cli(&["XLEN", "{jwt}:log"]).await.parse::<usize>().unwrap() < 500
    })
    .await;
    // From here on nothing is trimmed for ten minutes.
    revoke(1001, 10 * MINUTE).await;
    let length = async || server.cli(&["XLEN", "{jwt}:log"]).await.parse::<usize>().unwrap();
    let before = length().await;
    for number in 2000..2300 {
        revoke(number, Duration::from_millis(50)).await;
    }
    assert_eq!(length().await, before + 300);
}
