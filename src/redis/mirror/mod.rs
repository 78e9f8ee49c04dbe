//! Every live revocation in the memory of this process, and proof that it is all of them.

mod calendar;
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
mod state;

pub use settings::MirrorSettings;
pub use state::{MirrorPhase, MirrorState};

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use tokio::task::JoinHandle;

use crate::{
    blocklist::{Blocklist, Lookup, Revocation, TokenIds},
    config_error::ConfigError,
    metrics,
    redis::{
        RedisBlocklist,
        mirror::{feed::Feed, replica::Replica},
        schema::key_names::FastapiEntries,
    },
};

/// All revocations of a [`RedisBlocklist`], held in memory: a check asks nobody, and takes a tenth of a microsecond, with ten million of them up to three.
///
/// **The guarantee (G2).** When `revoke` has returned `Ok`, on whatever node, a check that starts later than
/// [`max_staleness`](MirrorSettings::max_staleness) after it is refused on every node; at the node that has revoked, every check that
/// starts later. A node that is cut off from Redis is no exception: what a mirror holds counts only for as long as it is
/// *proven* that nothing is missing. Past that, a check goes to Redis itself, as without a mirror; and where that fails, it is an
/// [`Outage`](crate::Outage), and the [`OutagePolicy`](crate::OutagePolicy) decides. What is known to be revoked is refused always.
///
/// It can only be asked. Revoking, and redeeming refresh tokens, is the `RedisBlocklist`'s, which tells its mirrors:
///
/// ```no_run
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{Issuer, JwtBlocklistLayer, MirrorBlocklist, MirrorSettings, RedisBlocklist, RedisSettings};
/// # use tower_jwt_blocklist::{ConfigError, SigningKey, Verifier};
///
/// # async fn f(verifier: Arc<Verifier>, key: SigningKey) -> Result<(), ConfigError> {
/// let redis = RedisBlocklist::connect(RedisSettings::from_url("redis://127.0.0.1:6379")?).await?;
/// let mirror = MirrorBlocklist::start(redis.clone(), MirrorSettings::new())?;
/// let issuer = Issuer::builder(verifier.clone(), key, redis).build()?;
/// let layer = JwtBlocklistLayer::access(verifier, mirror);
/// # Ok(())
/// # }
/// ```
///
/// The mirror follows the log of revocations in Redis over a connection of its own, in a background task that ends when the last clone
/// of the mirror is dropped. Until it has read the log once, checks go to Redis; [`ready`](Self::ready) waits for that.
///
/// **When Redis has lost its revocations**, mirrors put them back, and nobody is logged out: see [`OnLoss`](crate::OnLoss). What is
/// missing then is what was revoked in the last moment before the loss, was read by no mirror yet, and came from a process
/// that has no mirror, or is gone.
///
/// Some 30 bytes an entry. A check allocates nothing and does not wait; only where a name is perhaps revoked does it take a lock, which
/// nobody holds for long.
#[derive(Clone)]
pub struct MirrorBlocklist(Arc<Owner>);

struct Owner {
    holding: Arc<Replica>,
    redis: RedisBlocklist,
    feed: JoinHandle<()>,
}

/// The background task ends with its owner.
impl Drop for Owner {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

impl MirrorBlocklist {
    /// Begins to read. Checks work at once, and go to Redis until all is read.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or the `RedisBlocklist` has
    /// [`fastapi_entries`](crate::RedisSettings::fastapi_entries): the tutorial's application writes no log.
    pub fn start(redis: RedisBlocklist, settings: MirrorSettings) -> Result<Self, ConfigError> {
        settings.validate()?;
        if redis.0.keys.tutorial() == FastapiEntries::Shared {
            return Err(ConfigError::setting(
                "a mirror cannot hold the tutorial's entries, which are in no log: use `RedisBlocklist` as long as `fastapi_entries` is set",
            ));
        }
        let holding = Arc::new(Replica::new(&settings, Arc::clone(&redis.0.settings.clock)));
        redis.0.mirrors.attach(&holding);
        let feed = Feed::new(Arc::clone(&holding), Arc::clone(&redis.0), settings.pace());
        let feed = redis.0.runtime.spawn(feed.run());
        Ok(Self(Arc::new(Owner { holding, redis, feed })))
    }

    /// Returns when all revocations were read for the first time. Without end, as long as Redis cannot be reached: put a time-out around it.
    pub async fn ready(&self) {
        self.0.holding.ready().await;
    }

    /// How it is now.
    pub fn state(&self) -> MirrorState {
        self.0.holding.state()
    }
}

impl Blocklist for MirrorBlocklist {
    /// Trusts what is held unless `now` is so much earlier than the proof that what is alive by it may be forgotten, or so much later that
    /// nothing is proven of it.
    fn check(&self, ids: &TokenIds, now: SystemTime) -> Lookup {
        match self.0.holding.status(ids, now.into()) {
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

/// The mirrors of this process, which learn of its own revocations at once.
#[derive(Default)]
pub(crate) struct Mirrors {
    all: RwLock<Vec<Weak<Replica>>>,
    /// How often it was begun to put back what they hold.
    restorations: AtomicUsize,
}

impl Mirrors {
    fn attach(&self, holding: &Arc<Replica>) {
        let mut mirrors = self.all.write().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|mirror| mirror.strong_count() > 0);
        mirrors.push(Arc::downgrade(holding));
    }

    /// To be asked before something is stored.
    pub(crate) fn restorations(&self) -> usize {
        self.restorations.load(Ordering::SeqCst)
    }

    /// To be told before anything is put back.
    fn restore(&self) {
        self.restorations.fetch_add(1, Ordering::SeqCst);
    }

    /// Of what is stored now; whether it may have been stored where it is lost since. It was confirmed late then, and has to be stored
    /// again: it may have come too late to be put back with all the rest.
    pub(crate) fn tell(&self, revocation: &Revocation, restorations_before: usize) -> AfterRestore {
        let mirrors = self.all.read().unwrap_or_else(PoisonError::into_inner);
        mirrors.iter().filter_map(Weak::upgrade).for_each(|mirror| mirror.merge_own(revocation));
        if self.restorations() == restorations_before { AfterRestore::Stored } else { AfterRestore::PerhapsLost }
    }
}

/// What mirrors know of a revocation that was just confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRestore {
    Stored,
    PerhapsLost,
}
