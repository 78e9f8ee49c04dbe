//! A Redis with revocations in it, and mirrors of them.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use tokio::task::JoinSet;
use tower_jwt_blocklist::{
    MirrorBlocklist, RedisBlocklist,
    blocklist::{Revocation, RevocationId, RevocationScope, Revoke},
    redis::{MirrorSettings, RedisSettings},
};

/// Connects, and declares that this Redis has lost nothing.
pub(crate) async fn connect(url: &str, namespace: &str) -> RedisBlocklist {
    let patience = Duration::from_secs(10);
    let settings = RedisSettings::from_url(url).expect("a good URL").namespace(namespace);
    let settings = settings.check_deadline(patience).revoke_deadline(patience);
    RedisBlocklist::initialize(settings.clone(), SystemTime::UNIX_EPOCH).await.expect("Redis runs");
    RedisBlocklist::connect(settings).await.expect("Redis runs")
}

/// Starts a mirror and waits until it has read everything. If it isn't polled, it stays trusted for
/// a minute.
pub(crate) async fn mirror(redis: RedisBlocklist) -> MirrorBlocklist {
    let settings = MirrorSettings::new().max_staleness(Duration::from_secs(60)).capacity(20_000_000);
    let mirror = MirrorBlocklist::start(redis, settings).expect("good settings");
    mirror.ready().await;
    mirror
}

pub(crate) fn session(name: &str) -> Revocation {
    let until = SystemTime::now() + Duration::from_secs(24 * 3600);
    Revocation::new(RevocationScope::Session, RevocationId::new(None, RevocationScope::Session, name), until)
}

/// Revokes the sessions of these numbers.
pub(crate) async fn fill(redis: &RedisBlocklist, numbers: Range<usize>) {
    const TASKS: usize = 256;
    let mut running = JoinSet::new();
    for task in 0..TASKS {
        let (redis, numbers) = (redis.clone(), numbers.clone().skip(task).step_by(TASKS));
        running.spawn(async move {
            for number in numbers {
                redis.revoke(&session(&number.to_string())).await.expect("there is room");
            }
        });
    }
    running.join_all().await;
}
