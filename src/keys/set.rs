//! The keys of one party, which can be replaced as a whole while they are used.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;

use crate::{
    config_error::ConfigError,
    keys::{
        jwk,
        key::{MAX_KEY_ID_BYTES, VerifyingKey},
    },
    swap::Swap,
};

/// The keys of one party: given to a [`Verifier`](crate::Verifier), and [replaced](Self::replace) whenever they change. A clone is
/// the same set.
///
/// ```
/// use tower_jwt_blocklist::{Algorithm, KeySet, Verifier, VerifyingKey};
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// # let (old, new) = ("3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998", "0c7f1e2d3b4958677665544332211000f");
/// let key = |id: &str, secret| VerifyingKey::from_secret(Algorithm::HS256, secret).map(|key| key.with_id(id));
/// let keys = KeySet::new([key("2025", old)?])?;
/// let verifier = Verifier::builder().keys(keys.clone()).issuer("my-app").audience("my-app").build()?;
///
/// // Later, without a restart: from here on tokens of both are accepted …
/// keys.replace([key("2026", new)?, key("2025", old)?])?;
/// // … and when the last token of the old key has ended, only those of the new.
/// keys.replace([key("2026", new)?])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeySet(pub(crate) Arc<Shared>);

/// The same for the task that keeps it fresh, which must not keep it alive.
#[cfg(feature = "jwks")]
pub(crate) struct WeakKeySet(pub(crate) std::sync::Weak<Shared>);

pub(crate) struct Shared {
    keys: Swap<Vec<VerifyingKey>>,
    /// How often the keys were replaced.
    generation: AtomicU64,
    /// Whoever fetches them, where they are somebody else's.
    #[cfg(feature = "jwks")]
    refresher: std::sync::OnceLock<super::remote::refresh::Refresher>,
}

impl KeySet {
    /// A set of these keys: one, or several with an id each; all of them secrets, or all public.
    ///
    /// # Errors
    ///
    /// Without a key; with two keys of one id, a key without an id beside others, an id that is empty or over 256 bytes, or secrets
    /// beside public keys.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, ConfigError> {
        Ok(Self::unchecked(checked(keys)?))
    }

    fn unchecked(keys: Vec<VerifyingKey>) -> Self {
        Self(Arc::new(Shared {
            keys: Swap::new(keys),
            generation: AtomicU64::new(0),
            #[cfg(feature = "jwks")]
            refresher: std::sync::OnceLock::new(),
        }))
    }

    /// Replaces all keys at once. A request that begins after the return is judged by these alone: tokens of a key that is gone
    /// are refused, also where they were accepted before.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and when the keys are fetched from a URL; then they are as they were.
    pub fn replace(&self, keys: impl IntoIterator<Item = VerifyingKey>) -> Result<(), ConfigError> {
        if self.is_remote() {
            return Err(ConfigError::setting("these keys are fetched from a URL: the next fetch would undo it"));
        }
        self.put(keys)
    }

    pub(crate) fn put(&self, keys: impl IntoIterator<Item = VerifyingKey>) -> Result<(), ConfigError> {
        self.0.keys.store(checked(keys)?);
        // After the keys: what is found with the old ones is never kept under the new number.
        self.0.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The public keys as a JWKS document (RFC 7517 §5), for others to check tokens with: what `/.well-known/jwks.json` answers.
    /// Secrets are not in it.
    pub fn to_jwks(&self) -> String {
        let keys: Vec<_> = self.load().iter().filter_map(jwk::public_jwk).collect();
        json!({ "keys": keys }).to_string()
    }

    pub(crate) fn load(&self) -> Arc<Vec<VerifyingKey>> {
        self.0.keys.load()
    }

    pub(crate) fn version(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Somebody asked for a key that is not here.
    pub(crate) fn missed(&self) {
        #[cfg(feature = "jwks")]
        if let Some(refresher) = self.0.refresher.get() {
            refresher.missed();
        }
    }

    /// Whether somebody else says which keys these are.
    pub(crate) fn is_remote(&self) -> bool {
        #[cfg(feature = "jwks")]
        return self.0.refresher.get().is_some();
        #[cfg(not(feature = "jwks"))]
        false
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(feature = "jwks")]
impl KeySet {
    /// Anonymous's keys, until they are fetched.
    pub(crate) fn empty() -> Self {
        Self::unchecked(Vec::new())
    }

    pub(crate) fn downgrade(&self) -> WeakKeySet {
        WeakKeySet(Arc::downgrade(&self.0))
    }

    /// The set owns whoever keeps it fresh.
    pub(crate) fn keep_fresh(&self, refresher: super::remote::refresh::Refresher) {
        // A new set has none yet.
        let _ = self.0.refresher.set(refresher);
    }
}

fn checked(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Vec<VerifyingKey>, ConfigError> {
    let keys: Vec<_> = keys.into_iter().collect();
    let complaint = if keys.is_empty() {
        "no key is set: call `key(…)`"
    } else if keys.len() > 1 && keys.iter().any(|key| key.id.is_none()) {
        "of several keys each needs an id: call `with_id(…)` with the `kid` of its tokens"
    } else if keys.iter().any(|key| key.id().is_some_and(|id| id.is_empty() || id.len() > MAX_KEY_ID_BYTES)) {
        "a key's id is 1 to 256 bytes long"
    } else if keys.iter().enumerate().any(|(index, key)| keys[..index].iter().any(|earlier| earlier.id == key.id)) {
        "two keys have one id: a token could not say which it means"
    } else if keys.iter().any(|key| key.algorithm.is_symmetric() != keys[0].algorithm.is_symmetric()) {
        "secrets and public keys are in one set: use a verifier for each, or a public key may be taken for a secret"
    } else {
        return Ok(keys);
    };
    Err(ConfigError::setting(complaint))
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.load()).finish()
    }
}
