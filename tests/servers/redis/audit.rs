//! The audit trims the log, also if nobody revokes any more.

use std::time::{Duration, SystemTime};

use crate::support::wait::{eventually, soon};
use testkit::RedisServer;
use tower_jwt_blocklist::{
    MirrorBlocklist, RedisBlocklist,
    blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds},
    clock::{Clock, SystemClock},
    redis::{MirrorSettings, RedisSettings},
};

const MINUTE: Duration = Duration::from_secs(60);
/// How far the clock of a writer is behind, so that what it writes has expired long ago.
const AGO: Duration = Duration::from_secs(10 * 60);
/// Redis trims whole blocks of so many entries.
const BLOCK: usize = 100;

async fn redis() -> RedisServer {
    let server = RedisServer::start().await;
    RedisBlocklist::initialize(to(&server), SystemTime::UNIX_EPOCH).await.unwrap();
    server
}

fn to(server: &RedisServer) -> RedisSettings {
    RedisSettings::new("127.0.0.1", server.port())
}

/// A process that revokes, and its clock.
struct Writer {
    redis: RedisBlocklist,
    ago: Duration,
}

impl Writer {
    async fn start(server: &RedisServer, ago: Duration) -> Self {
        let settings = to(server).clock(move || SystemClock.now() - ago);
        Self { redis: RedisBlocklist::connect(settings).await.unwrap(), ago }
    }

    async fn revoke(&self, name: &str, life: Duration) {
        let id = RevocationId::new(None, RevocationScope::Token, name);
        let until = SystemClock.now() - self.ago + life;
        self.redis.revoke(&Revocation::new(RevocationScope::Token, id, until)).await.unwrap();
    }
}

async fn auditor(server: &RedisServer) -> RedisBlocklist {
    RedisBlocklist::connect(to(server).audit_every(Duration::from_millis(50))).await.unwrap()
}

async fn length(server: &RedisServer) -> usize {
    server.cli(&["XLEN", "{jwt}:log"]).await.parse().unwrap()
}

/// The long life is the first of all, and keeps all younger ones from being trimmed by age.
#[tokio::test]
async fn expired_revocations_leave_the_log_although_one_had_a_long_life_and_nobody_revokes() {
    let server = redis().await;
    let writer = Writer::start(&server, AGO).await;
    writer.revoke("long", AGO - 2 * MINUTE).await;
    for number in 0..1000 {
        writer.revoke(&number.to_string(), MINUTE).await;
    }
    drop(writer);
    assert_eq!(length(&server).await, 1002, "with the entry of the epoch");
    let redis = auditor(&server).await;
    eventually("they are trimmed", async || length(&server).await <= BLOCK).await;
    assert!(length(&server).await > 0, "the last entry stays: an empty log is a loss");
    let ids = TokenIds::new(None, "other", None);
    assert_eq!(redis.check(&ids, SystemTime::now()).await, Ok(Status::NotRevoked));
}

#[tokio::test]
async fn expired_revocations_leave_the_log_before_one_with_a_long_life() {
    let server = redis().await;
    let (past, present) = (Writer::start(&server, AGO).await, Writer::start(&server, Duration::ZERO).await);
    for number in 0..1000 {
        past.revoke(&number.to_string(), MINUTE).await;
    }
    present.revoke("long", 10 * MINUTE).await;
    let _redis = auditor(&server).await;
    eventually("they are trimmed", async || length(&server).await <= BLOCK + 1).await;
}

/// Many are appended between the reading and the trimming of an audit.
#[tokio::test]
async fn g3_no_live_revocation_leaves_the_log_while_it_is_audited() {
    let server = redis().await;
    let (past, present) = (Writer::start(&server, AGO).await, Writer::start(&server, Duration::ZERO).await);
    for number in 0..1000 {
        past.revoke(&format!("old {number}"), MINUTE).await;
    }
    let redis = auditor(&server).await;
    let mut lives = 0;
    eventually("some are trimmed while others are appended", async || {
        present.revoke(&format!("live {lives}"), 10 * MINUTE).await;
        past.revoke(&format!("expired {lives}"), MINUTE).await;
        lives += 1;
        // Without the old ones, all others stay after the first that is alive.
        lives > 20 && length(&server).await <= BLOCK + 2 * lives
    })
    .await;
    let mirror = MirrorBlocklist::start(redis, MirrorSettings::new()).unwrap();
    soon(mirror.ready()).await;
    assert_eq!(mirror.state().entries(), lives);
    for live in 0..lives {
        let ids = TokenIds::new(None, &format!("live {live}"), None);
        let answer = mirror.check(&ids, SystemTime::now()).await;
        assert_eq!(answer, Ok(Status::Revoked(RevocationScope::Token)), "{live}");
    }
}

/// A process whose clock is ahead must not trim what is alive by the clock of Redis.
#[tokio::test]
async fn g3_an_auditor_whose_clock_is_ahead_trims_no_live_revocation() {
    let server = redis().await;
    let (past, present) = (Writer::start(&server, AGO).await, Writer::start(&server, Duration::ZERO).await);
    for number in 0..300 {
        present.revoke(&format!("live {number}"), 10 * MINUTE).await;
    }
    let ahead = to(&server).audit_every(Duration::from_millis(50)).clock(|| SystemClock.now() + 60 * MINUTE);
    let _redis = RedisBlocklist::connect(ahead).await.unwrap();
    let audits = server.calls("xtrim").await;
    past.revoke("expired", MINUTE).await;
    eventually("two audits have ended", async || server.calls("xtrim").await >= audits + 3).await;
    assert_eq!(length(&server).await, 302);
}
