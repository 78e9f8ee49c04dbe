//! Revocations in a Redis that all processes share, and an in-memory replica in front of it.
//!
//! [`RedisBlocklist`] stores revocations and redeemed refresh tokens in Redis or Valkey, 6.2 or
//! later. [`MirrorBlocklist`] answers checks from the memory of the process.
//!
//! # Rules
//!
//! - After `revoke` has returned `Ok`, every check that starts later is rejected, in every process.
//! - A check that Redis does not answer in time and in full is an
//!   [`Outage`](crate::blocklist::Outage), never "not revoked". The
//!   [`OutagePolicy`](crate::OutagePolicy) decides about the request.
//! - A revocation only adds to what an entry rejects, and only makes the entry live longer.
//! - A Redis that has lost revocations is noticed: see [`OnLoss`].
//!
//! # Caveat
//!
//! By default a failover of Redis may lose revocations that were confirmed in the moments before
//! it. The processes that have seen them notice that when they connect to the new master. Mirrors
//! and the processes that revoked then restore them; without a mirror, [`OnLoss`] applies. Until
//! then, other processes admit these tokens. [`RedisSettings::replica_acks`] prevents the loss if
//! every replica must acknowledge.
//!
//! Set `maxmemory-policy` to `noeviction`: a Redis that evicts may forget a logout (see
//! [`Eviction`]).
//!
//! # Examples
//!
//! A token is admitted before its logout and rejected after it:
//!
//! ```no_run
//! use tower_jwt_blocklist::blocklist::{Blocklist, Revocation, Revoke, Status, TokenIds};
//! use tower_jwt_blocklist::{RedisBlocklist, redis::RedisSettings};
//!
//! # async fn f(ids: TokenIds, logout: Revocation) -> Result<(), Box<dyn std::error::Error>> {
//! let settings = RedisSettings::from_url("redis://127.0.0.1:6379")?;
//! let blocklist = RedisBlocklist::connect(settings).await?;
//! assert_eq!(blocklist.check(&ids, std::time::SystemTime::now()).await, Ok(Status::NotRevoked));
//! blocklist.revoke(&logout).await?;
//! assert!(matches!(blocklist.check(&ids, std::time::SystemTime::now()).await, Ok(Status::Revoked(_))));
//! # Ok(())
//! # }
//! ```

mod commands;
mod connection;
mod error;
mod local_mirrors;
mod loss;
mod mirror;
mod policy;
mod schema;
mod settings;
mod shared;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use mirror::fuzzing;
pub use mirror::{MirrorBlocklist, MirrorPhase, MirrorSettings, MirrorState};
pub use policy::{Eviction, OnLoss};
pub use settings::RedisSettings;

use std::{fmt, sync::Arc, time::SystemTime};

use tokio::runtime::Handle;

use crate::{
    blocklist::{
        Blocklist, CutOffFuture, Lookup, Redemption, Revocation, RevocationId, Revoke, RevokeFuture, Rotate,
        RotateFuture, TokenIds,
    },
    config_error::ConfigError,
    redis::{
        commands::{audit::Auditor, check::Checker, revoke::Revoker, rotate},
        connection::dial::{Connected, Dialer},
        error::DialError,
        loss::detect::LastKnown,
        shared::Shared,
    },
};

/// Revocations in a Redis that all processes share.
///
/// A check is one `MGET`, and concurrent checks share it. A revocation is one script, and so is the
/// redemption of a refresh token. After `revoke` has returned `Ok`, every check that starts later
/// is rejected, in every process.
///
/// All clones share one connection. A background task watches it, and dials again after it is lost,
/// after repeated timeouts, or when the server is no longer a master. Without a connection, checks
/// are answered [`Outage::NotConnected`](crate::blocklist::Outage::NotConnected) at once. The task
/// ends when the last clone is dropped.
///
/// A Redis that has lost revocations is noticed: it was emptied, restarted without its data, is
/// another database, or is a replica that was behind. It is never read as "nothing is revoked": see
/// [`OnLoss`].
///
/// ```no_run
/// use tower_jwt_blocklist::{RedisBlocklist, redis::RedisSettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let blocklist = RedisBlocklist::connect(RedisSettings::from_url("redis://127.0.0.1:6379")?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisBlocklist {
    shared: Arc<Shared>,
    checker: Arc<Checker>,
    revoker: Arc<Revoker>,
    _auditor: Arc<Auditor>,
}

impl RedisBlocklist {
    /// Connects. Later losses of the connection are repaired in the background.
    ///
    /// A service that must start before its Redis uses [`connect_lazy`](Self::connect_lazy).
    ///
    /// # Errors
    ///
    /// If the settings cannot work, or Redis cannot be reached within two seconds, or lost
    /// revocations are still being restored after three.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn connect(settings: RedisSettings) -> Result<Self, ConfigError> {
        let dialer = settings.dialer()?;
        let mut last_known = LastKnown::default();
        let first = dialer.dial(&mut last_known).await.map_err(|error| unusable(&settings, error))?;
        Ok(Self::start(settings, dialer, last_known, Some(first), Handle::current()))
    }

    /// Connects in the background. Until that succeeds, every check is an outage (503).
    ///
    /// # Errors
    ///
    /// If the settings cannot work, or the call is outside of a tokio runtime.
    pub fn connect_lazy(settings: RedisSettings) -> Result<Self, ConfigError> {
        let dialer = settings.dialer()?;
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::unsupported("`RedisBlocklist` needs a tokio runtime: call it from an async function")
        })?;
        Ok(Self::start(settings, dialer, LastKnown::default(), None, runtime))
    }

    /// Declares that a Redis holds all existing revocations, and disconnects.
    ///
    /// Call it once, when setting up Redis, and not at every start:
    ///
    /// - before the first start, if existing tokens shall stay valid. Otherwise the first start
    ///   rejects tokens issued before it, because it cannot know that it is the first (see
    ///   [`OnLoss`]);
    /// - after a loss under [`OnLoss::Deny`], where an operator decides.
    ///
    /// Tokens issued up to `floor` are rejected. Use `SystemTime::now()` for all tokens,
    /// `SystemTime::UNIX_EPOCH` for none, and the time of a backup after restoring one.
    ///
    /// # Errors
    ///
    /// If the settings cannot work, or Redis cannot be reached or written to.
    pub async fn initialize(settings: RedisSettings, floor: SystemTime) -> Result<(), ConfigError> {
        let dialer = settings.dialer()?;
        dialer.initialize(floor.into()).await.map_err(|error| unusable(&settings, error))
    }

    fn start(
        settings: RedisSettings,
        dialer: Dialer,
        last_known: LastKnown,
        first: Option<Connected>,
        runtime: Handle,
    ) -> Self {
        let shared = Arc::new(Shared::start(settings, dialer, last_known, first, runtime));
        Self {
            checker: Arc::new(Checker::new(Arc::clone(&shared))),
            revoker: Arc::new(Revoker::new(Arc::clone(&shared))),
            _auditor: Arc::new(Auditor::start(&shared)),
            shared,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

fn unusable(settings: &RedisSettings, error: DialError) -> ConfigError {
    ConfigError::store(format!("cannot use the Redis at {}: {}", settings.shown_address(), error.as_str()))
}

impl Blocklist for RedisBlocklist {
    fn check(&self, ids: &TokenIds, _now: SystemTime) -> Lookup {
        match self.shared.reader.outage() {
            None => Lookup::waiting(Arc::clone(&self.checker).check(*ids)),
            Some(outage) => Lookup::known(Err(outage)),
        }
    }
}

impl Revoke for RedisBlocklist {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(self.revoker.revoke(revocation))
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        Box::pin(self.checker.latest_cut_off(issuer, subject))
    }
}

impl Rotate for RedisBlocklist {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        Box::pin(rotate::rotate(&self.shared, &self.revoker, redemption))
    }
}

impl fmt::Debug for RedisBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBlocklist").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}
