//! The settings of an issuer, and the proof that its verifier accepts what it mints.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::Rotate,
    config_error::ConfigError,
    issuer::{Issuer, Shared, mint::Mint},
    keys::SigningKey,
    swap::Swap,
    token::{NoClaims, Signer, Verifier},
};

/// The settings of an [`Issuer`].
#[must_use = "nothing is built until `build` is called"]
pub struct IssuerBuilder {
    verifier: Arc<Verifier>,
    key: SigningKey,
    store: Arc<dyn Rotate>,
    access_lifetime: Duration,
    refresh_lifetime: Duration,
    session_lifetime: Duration,
    rotation_grace: Duration,
}

impl Issuer {
    /// Starts building an issuer of tokens that `verifier` accepts. They are signed with `key`, and
    /// redeemed and revoked in `store`.
    pub fn builder(verifier: Arc<Verifier>, key: SigningKey, store: impl Rotate) -> IssuerBuilder {
        IssuerBuilder {
            verifier,
            key,
            store: Arc::new(store),
            access_lifetime: Duration::from_secs(3600),
            refresh_lifetime: Duration::from_secs(2 * 24 * 3600),
            session_lifetime: Duration::from_secs(30 * 24 * 3600),
            rotation_grace: Duration::from_secs(10),
        }
    }

    /// Signs with this key from now on, in all clones, without a restart.
    ///
    /// The verifier must know the key already: add it to the verifier's
    /// [`KeySet`](crate::keys::KeySet) first, next to the old one. Remove the old one when the last
    /// of its tokens has expired.
    ///
    /// # Errors
    ///
    /// If the verifier does not accept what the key signs. Then the old key stays in use.
    pub fn sign_with(&self, key: SigningKey) -> Result<(), ConfigError> {
        let trial = self.mint().with_key(key);
        self_test(&trial)?;
        self.mint().signer.store(trial.signer);
        Ok(())
    }
}

impl IssuerBuilder {
    /// Sets how long an access token is valid; 1 hour by default. Fractions of a second are
    /// ignored.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_lifetime = lifetime;
        self
    }

    /// Sets how long a refresh token is valid; 2 days by default. Fractions of a second are
    /// ignored.
    ///
    /// Each refresh gives a new one that is valid for this long. So a session expires if it is not
    /// used for this long.
    pub fn refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_lifetime = lifetime;
        self
    }

    /// Sets the longest duration of a session, however often it is refreshed; 30 days by default.
    ///
    /// None of its tokens expires later than this after the login. It must not be shorter than the
    /// lifetime of a refresh token.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// Sets for how long after a refresh the same refresh token gets the same successor again; 10
    /// seconds by default.
    ///
    /// It is for clients that lost the response, and for those that send two requests at once. With
    /// zero, every second use ends the session: a client whose connection breaks before the
    /// response arrives is logged out, like a thief.
    ///
    /// The grace has a cost. A thief who is as quick gets the successor too, and is detected only
    /// when one of the two uses it again later.
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.rotation_grace = grace;
        self
    }

    /// Checks the settings, and lets the verifier verify a token of each kind.
    ///
    /// # Errors
    ///
    /// - A lifetime is under one second, or over the verifier's
    ///   [`max_lifetime`](crate::token::VerifierBuilder::max_lifetime).
    /// - The session's lifetime is shorter than the refresh token's.
    /// - The verifier does not accept what the key signs.
    pub fn build(self) -> Result<Issuer, ConfigError> {
        let allowed = Duration::from_secs(1)..=self.verifier.max_lifetime();
        if !allowed.contains(&self.access_lifetime) || !allowed.contains(&self.refresh_lifetime) {
            return Err(ConfigError::out_of_range(
                "a token's lifetime is under one second, or over the verifier's `max_lifetime` (2 days by default): raise the latter",
            ));
        }
        if self.session_lifetime < self.refresh_lifetime {
            return Err(ConfigError::conflict(
                "`session_lifetime` (30 days by default) is shorter than `refresh_lifetime`: a refresh token never outlives its session",
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
        let retention = mint.verifier.retention();
        let shared = Shared { mint, store: self.store, rotation_grace: self.rotation_grace, retention };
        Ok(Issuer { shared: Arc::new(shared), reason: None })
    }
}

/// Proves that the verifier accepts a token of each kind.
fn self_test(mint: &Mint) -> Result<(), ConfigError> {
    let refused = |why: &dyn fmt::Display| {
        ConfigError::conflict(format!(
            "the verifier does not accept what this key signs ({why}): give it `SigningKey::verifying_key` of the same key, and \
             raise `max_token_bytes` if the token is too long"
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
