//! The keys of one issuer, which can be replaced as a whole while they are used.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;

use crate::{
    config_error::ConfigError,
    keys::{
        jwk,
        verifying_key::{MAX_KEY_ID_BYTES, VerifyingKey},
    },
    swap::Swap,
};

/// The keys of one issuer: given to a [`Verifier`](crate::Verifier), and [replaced](Self::replace)
/// when they change. A clone is the same set.
///
/// ```
/// use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey, keys::KeySet};
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// # let (old, new) = ("3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998", "0c7f1e2d3b4958677665544332211000f");
/// let key = |id: &str, secret| VerifyingKey::from_secret(Algorithm::HS256, secret).map(|key| key.with_id(id));
/// let keys = KeySet::new([key("2025", old)?])?;
/// let verifier = Verifier::builder().keys(keys.clone()).issuer("my-app").audience("my-app").build()?;
///
/// // Later, without a restart: from here on tokens of both keys are accepted …
/// keys.replace([key("2026", new)?, key("2025", old)?])?;
/// // … and when the last token of the old key has expired, only those of the new.
/// keys.replace([key("2026", new)?])?;
///
/// // A set in which a token could not name its key is rejected, and the keys stay.
/// assert!(keys.replace([key("2026", old)?, key("2026", new)?]).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeySet {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    keys: Swap<Vec<VerifyingKey>>,
    /// The number of replacements.
    version: AtomicU64,
    /// Set for keys that another issuer publishes.
    refresher: OnceLock<Box<dyn Refresher>>,
}

/// The owner of the task that keeps published keys fresh. Dropping it ends the task.
pub(crate) trait Refresher: Send + Sync {
    /// Asks for a fetch, because a token has named a key that is not there. Any number of calls
    /// before the next fetch are one.
    fn key_missed(&self);
}

impl KeySet {
    /// Makes a set of these keys: one, or several with an id each. All are secrets, or all are
    /// public.
    ///
    /// # Errors
    ///
    /// If there is no key. If two keys have the same id, one of several has none, or an id is empty
    /// or over 256 bytes. If there are both secrets and public keys (RFC 8725 §3.1).
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, ConfigError> {
        Ok(Self::unchecked(checked(keys)?))
    }

    fn unchecked(keys: Vec<VerifyingKey>) -> Self {
        let (keys, version, refresher) = (Swap::new(keys), AtomicU64::new(0), OnceLock::new());
        Self { shared: Arc::new(Shared { keys, version, refresher }) }
    }

    /// Replaces all keys at once.
    ///
    /// Requests that begin after the return are checked with these keys only. Tokens of a removed
    /// key are rejected, even if they were accepted before.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and if the keys are fetched from a URL. The keys then stay as
    /// they were.
    pub fn replace(&self, keys: impl IntoIterator<Item = VerifyingKey>) -> Result<(), ConfigError> {
        if self.is_remote() {
            return Err(ConfigError::conflict("these keys are fetched from a URL: the next fetch would undo it"));
        }
        self.put(keys)
    }

    /// Replaces all keys, also those of a URL.
    pub(crate) fn put(&self, keys: impl IntoIterator<Item = VerifyingKey>) -> Result<(), ConfigError> {
        self.shared.keys.store(checked(keys)?);
        // After the keys: a result of the old keys is never cached under the new number.
        self.shared.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Returns the public keys as a JWKS document (RFC 7517 §5): the body of
    /// `/.well-known/jwks.json`. Secrets are not in it.
    pub fn to_jwks(&self) -> String {
        let keys: Vec<_> = self.load().iter().filter_map(jwk::public_jwk).collect();
        json!({ "keys": keys }).to_string()
    }

    pub(crate) fn load(&self) -> Arc<Vec<VerifyingKey>> {
        self.shared.keys.load()
    }

    /// Another number after each replacement.
    pub(crate) fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Notes that a token has named a key that is not here.
    pub(crate) fn key_missed(&self) {
        if let Some(refresher) = self.shared.refresher.get() {
            refresher.key_missed();
        }
    }

    /// Whether another issuer publishes these keys.
    pub(crate) fn is_remote(&self) -> bool {
        self.shared.refresher.get().is_some()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// The part for keys that are fetched.
#[cfg(feature = "jwks")]
impl KeySet {
    /// Creates a set without keys, until they are fetched.
    pub(crate) fn empty() -> Self {
        Self::unchecked(Vec::new())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Makes the set the owner of its refresher.
    pub(crate) fn keep_fresh(&self, refresher: impl Refresher + 'static) {
        // A new set has none yet.
        let _ = self.shared.refresher.set(Box::new(refresher));
    }
}

/// The keys, if they can be one set.
fn checked(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Vec<VerifyingKey>, ConfigError> {
    let keys: Vec<_> = keys.into_iter().collect();
    let is_symmetric = |key: &VerifyingKey| key.algorithm().is_symmetric();
    if keys.is_empty() {
        Err(ConfigError::missing("no key is set: call `key(…)`"))
    } else if keys.len() > 1 && keys.iter().any(|key| key.id().is_none()) {
        Err(ConfigError::key_id("each of several keys needs an id: call `with_id(…)` with the `kid` of its tokens"))
    } else if keys.iter().any(|key| key.id().is_some_and(|id| id.is_empty() || id.len() > MAX_KEY_ID_BYTES)) {
        Err(ConfigError::key_id("a key's id must have 1 to 256 bytes"))
    } else if keys.iter().enumerate().any(|(index, key)| keys[..index].iter().any(|earlier| earlier.id() == key.id())) {
        Err(ConfigError::key_id("two keys have the same id: a token could not say which it means"))
    } else if keys.iter().any(|key| is_symmetric(key) != is_symmetric(&keys[0])) {
        Err(ConfigError::conflict(
            "secrets and public keys are in one set: use a verifier for each, or a public key may be taken for a secret",
        ))
    } else {
        Ok(keys)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.load()).finish()
    }
}
