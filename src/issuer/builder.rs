//! The settings of an issuer, tried out on its verifier before the first login.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::Rotate,
    config_error::ConfigError,
    issuer::{Issuer, Shared, mint::Mint},
    keys::SigningKey,
    swap::Swap,
    token::{NoClaims, Signer, Verifier},
};

/// Settings of an [`Issuer`].
#[must_use = "nothing is built before `build`"]
pub struct IssuerBuilder {
    verifier: Arc<Verifier>,
    key: SigningKey,
    store: Arc<dyn Rotate>,
    access_lifetime: Duration,
    refresh_lifetime: Duration,
    session_lifetime: Duration,
    rotation_grace: Duration,
}

impl IssuerBuilder {
    pub(crate) fn new(verifier: Arc<Verifier>, key: SigningKey, store: impl Rotate) -> Self {
        Self {
            verifier,
            key,
            store: Arc::new(store),
            access_lifetime: Duration::from_secs(3600),
            refresh_lifetime: Duration::from_secs(2 * 24 * 3600),
            session_lifetime: Duration::from_secs(30 * 24 * 3600),
            rotation_grace: Duration::from_secs(10),
        }
    }

    /// How long an access token lives; 1 hour by default. Whole seconds count.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_lifetime = lifetime;
        self
    }

    /// How long a refresh token lives; 2 days by default. Whole seconds count. Each refresh gives one that lives so long from
    /// then on: a session that is not used for this long is over.
    pub fn refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_lifetime = lifetime;
        self
    }

    /// How long a session can go on, however often it is refreshed; 30 days by default, at least the lifetime of a refresh token.
    /// None of its tokens ends later than this after the login.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// For how long after a refresh the same refresh token gets the same successor again; 10 seconds by default. It is for
    /// clients that lost the answer, and for those that ask twice at once.
    ///
    /// Zero means that every second use ends the session: a client whose connection breaks before the answer has come is logged
    /// out, as a thief would be. What the grace costs: a thief who is as quick gets the successor too, and is found out only when
    /// one of the two uses it again later.
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.rotation_grace = grace;
        self
    }

    /// Checks the settings, and mints a token of each kind for the verifier to accept.
    ///
    /// # Errors
    ///
    /// When a lifetime is under a second or over the verifier's
    /// [`max_lifetime`](crate::VerifierBuilder::max_lifetime), or the session's is under the refresh token's, or the verifier does
    /// not accept what the key signs.
    pub fn build(self) -> Result<Issuer, ConfigError> {
        let allowed = Duration::from_secs(1)..=self.verifier.max_lifetime();
        if !allowed.contains(&self.access_lifetime) || !allowed.contains(&self.refresh_lifetime) {
            return Err(ConfigError::out_of_range(
                "a token's lifetime is under a second or over the verifier's `max_lifetime` (2 days by default): raise that one",
            ));
        }
        if self.session_lifetime < self.refresh_lifetime {
            return Err(ConfigError::conflict(
                "`session_lifetime` (30 days by default) is under `refresh_lifetime`: a refresh token never outlives its session",
            ));
        }
        let signer = Swap::new(Signer::new(self.key, &self.verifier));
        let mint = Mint {
            verifier: self.verifier,
            signer,
            access_lifetime: self.access_lifetime,
            refresh_lifetime: self.refresh_lifetime,
            session_lifetime: self.session_lifetime,
        };
        self_test(&mint)?;
        Ok(Issuer(Arc::new(Shared { mint, store: self.store, rotation_grace: self.rotation_grace }), None))
    }
}

/// The verifier accepts a token of each kind.
pub(crate) fn self_test(mint: &Mint) -> Result<(), ConfigError> {
    let refused = |why: &dyn fmt::Display| {
        ConfigError::conflict(format!(
            "the verifier does not accept what this key signs ({why}): give it `SigningKey::verifying_key` of the same key, and \
             room for a token of this size"
        ))
    };
    let pair = mint
        .first_pair("self-test", "self-test", mint.verifier.now(), &NoClaims {})
        .map_err(|error| refused(&error))?;
    for token in [pair.access, pair.refresh] {
        let verified = mint.verifier.verify::<NoClaims>(token.as_str(), mint.verifier.now());
        verified.map_err(|error| refused(&error.as_str()))?;
    }
    Ok(())
}

impl fmt::Debug for IssuerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerBuilder").field("key", &self.key).finish_non_exhaustive()
    }
}
