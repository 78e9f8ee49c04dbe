//! An in-memory replica of all live revocations in Redis, with proof that it is complete.
//!
//! - [`feed`] follows the log of revocations in Redis and proves that nothing is missing.
//! - [`replica`] has the revocations, the proof, and the answers to checks.
//! - [`compact_set`] stores the revocations in about 30 bytes each.
//! - [`restore`] writes them back when Redis has lost them.
//! - `model` searches the whole protocol for a way to break its guarantees.

mod canary;
mod compact_set;
mod feed;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(test)]
mod model;
mod progress;
mod replica;
mod restore;
mod settings;

pub use replica::{MirrorPhase, MirrorState};
pub use settings::MirrorSettings;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

use tokio::task::JoinHandle;

use crate::{
    blocklist::{Blocklist, Lookup, TokenIds},
    config_error::ConfigError,
    metrics,
    redis::{
        RedisBlocklist,
        mirror::{feed::Feed, replica::Replica},
        schema::key_names::FastapiEntries,
    },
};

/// An in-memory replica of a [`RedisBlocklist`]: checks need no network.
///
/// A check takes about a tenth of a microsecond, and up to three with ten million revocations. It
/// allocates nothing and waits for nothing. Each revocation takes about 30 bytes of memory.
///
/// # Rules
///
/// The mirror follows the log of revocations in Redis. Again and again it proves that it has all of
/// them. A check is decided by the first rule that applies:
///
/// 1. If the token's revocation is in memory, the token is rejected, always.
/// 2. If the last proof is at most [`max_staleness`](MirrorSettings::max_staleness) old, the answer
///    comes from memory: the token is not revoked. If Redis was lost and could not be restored, a
///    token issued before that loss is rejected; see [`OnLoss`](crate::redis::OnLoss).
/// 3. Otherwise the check goes to Redis, as without a mirror. If that fails too, it is an
///    [`Outage`](crate::blocklist::Outage), and the [`OutagePolicy`](crate::OutagePolicy) decides.
///
/// Rule 3 applies while the mirror loads, while it cannot reach Redis, and while it is full:
/// see [`state`](Self::state). Revoking and redeeming refresh tokens is done by the
/// `RedisBlocklist`, which passes them to the mirrors of its own process at once.
///
/// # The bound (guarantee G2)
///
/// When `revoke` has returned `Ok`, a check that starts later is rejected:
///
/// - in the process that revoked: at once;
/// - in every other process: at most `max_staleness` later, 2 seconds by default. Usually it is a
///   millisecond, because Redis delivers news at once.
///
/// A process that is cut off from Redis keeps the bound too, since its proof expires. Only a
/// failover that loses revocations can exceed it.
///
/// # When Redis loses its revocations
///
/// One mirror restores everything, and the others what they have read in the last 90 seconds.
/// Nobody is logged out; see [`OnLoss`](crate::redis::OnLoss). Every process restores what it has
/// revoked itself in that time, with or without a mirror. So a revocation is lost only if neither
/// that process nor a mirror that has read it is alive.
///
/// Meanwhile, checks that go to Redis are outages: for about a second with 100,000 revocations on a
/// fast network, and longer if a process is slow to answer.
///
/// After a failover to a replica that was behind, a mirror may lack revocations that only the old
/// master had confirmed, until they are restored.
///
/// # Caveat
///
/// Until the first proof, every check goes to Redis. Wait for [`ready`](Self::ready) before the
/// service takes requests. A mirror cannot be combined with
/// [`fastapi_entries`](crate::redis::RedisSettings::fastapi_entries).
///
/// # Example
///
/// The issuer revokes in Redis, and the layer checks in the mirror:
///
/// ```no_run
/// # use std::{sync::Arc, time::Duration};
/// use tower_jwt_blocklist::{
///     Issuer, JwtBlocklistLayer, MirrorBlocklist, RedisBlocklist,
///     redis::{MirrorSettings, RedisSettings},
/// };
/// # use tower_jwt_blocklist::{ConfigError, SigningKey, Verifier};
///
/// # async fn f(verifier: Arc<Verifier>, key: SigningKey) -> Result<(), ConfigError> {
/// let redis = RedisBlocklist::connect(RedisSettings::from_url("redis://127.0.0.1:6379")?).await?;
/// let mirror = MirrorBlocklist::start(redis.clone(), MirrorSettings::new())?;
/// if tokio::time::timeout(Duration::from_secs(10), mirror.ready()).await.is_err() {
///     eprintln!("the mirror is not complete yet: checks go to Redis");
/// }
/// let issuer = Issuer::builder(verifier.clone(), key, redis).build()?;
/// let layer = JwtBlocklistLayer::access(verifier, mirror);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MirrorBlocklist(Arc<Owner>);

struct Owner {
    replica: Arc<Replica>,
    redis: RedisBlocklist,
    feed: JoinHandle<()>,
}

/// Ends the background task when the last clone is dropped.
impl Drop for Owner {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

impl MirrorBlocklist {
    /// Starts a mirror: a background task with a connection of its own, which ends when the last
    /// clone of the mirror is dropped.
    ///
    /// Checks work at once, and go to Redis until everything was read.
    ///
    /// # Errors
    ///
    /// - `max_staleness` is not between 200 milliseconds and a minute, or the capacity is zero.
    /// - The `RedisBlocklist` has
    ///   [`fastapi_entries`](crate::redis::RedisSettings::fastapi_entries): the tutorial's
    ///   application writes no log that a mirror could follow.
    pub fn start(redis: RedisBlocklist, settings: MirrorSettings) -> Result<Self, ConfigError> {
        settings.validate()?;
        let shared = redis.shared();
        if shared.keys.fastapi_entries() == FastapiEntries::Shared {
            return Err(ConfigError::conflict(
                "a mirror cannot follow the FastAPI tutorial's entries, because no log has them: use `RedisBlocklist` alone while `fastapi_entries` is set",
            ));
        }
        let replica = Arc::new(Replica::new(&settings, Arc::clone(&shared.settings.clock)));
        let local_mirror: Weak<Replica> = Arc::downgrade(&replica);
        shared.mirrors.attach(local_mirror);
        let feed = Feed::new(Arc::clone(&replica), Arc::clone(shared), settings.pace());
        let feed = shared.runtime.spawn(feed.run());
        Ok(Self(Arc::new(Owner { replica, redis, feed })))
    }

    /// Waits until all revocations were read for the first time.
    ///
    /// It does not return while Redis cannot be reached, so put a timeout around it.
    pub async fn ready(&self) {
        self.0.replica.ready().await;
    }

    /// Returns the mirror's current state, for health checks and metrics.
    pub fn state(&self) -> MirrorState {
        self.0.replica.state()
    }
}

impl Blocklist for MirrorBlocklist {
    /// Answers from memory if the proof counts at `now`. It does not if `now` is much earlier than
    /// the proof, because entries that were alive then may have been dropped, or too much later.
    fn check(&self, ids: &TokenIds, now: SystemTime) -> Lookup {
        match self.0.replica.status(ids, now.into()) {
            Some(status) => Lookup::known(Ok(status)),
            None => {
                metrics::bypassed();
                self.0.redis.check(ids, now)
            }
        }
    }
}

impl fmt::Debug for MirrorBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorBlocklist").field("state", &self.state()).finish_non_exhaustive()
    }
}
