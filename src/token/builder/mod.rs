//! The settings of a verifier.

mod accepted;
mod build;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, SystemClock},
    config_error::ConfigError,
    keys::{CryptoProvider, KeySet, RsaMinimum, VerifyingKey},
    token::{
        builder::accepted::Accepted,
        claims::{KindSource, Presence, Rules, TokenIdSource},
        verifier::Verifier,
    },
};

/// A claim that is required by default and can be made optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionalClaim {
    /// `sub`, the subject (RFC 7519 §4.1.2).
    Sub,
    /// `iat`, the time of issue (RFC 7519 §4.1.6).
    ///
    /// A token with `sid` needs it even so. Without it, there would be no bound on how long the
    /// logout of the session must be remembered.
    Iat,
}

/// Settings of a [`Verifier`]; see [`Verifier::builder`].
///
/// A setter replaces an earlier value. [`key`](Self::key), [`issuer`](Self::issuer),
/// [`audience`](Self::audience), [`trust`](Self::trust) and [`optional`](Self::optional) append.
/// All errors are reported by [`build`](Self::build).
#[must_use = "nothing is built before `build`"]
pub struct VerifierBuilder {
    pub(super) keys: Vec<VerifyingKey>,
    pub(super) key_set: Option<KeySet>,
    pub(super) trusted: Vec<(Box<str>, KeySet)>,
    pub(super) issuers: Accepted,
    pub(super) audiences: Accepted,
    /// All rules but those for issuers and audiences, which `build` sets.
    pub(super) rules: Rules,
    pub(super) max_token_bytes: usize,
    pub(super) rsa_minimum: RsaMinimum,
    /// Derives the rules for tokens whose `typ` does not name a kind, if other rules hold for those. It may
    /// change the rules for all other tokens too.
    pub(crate) rules_without_typ: Option<DeriveRules>,
    pub(super) provider: Option<CryptoProvider>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Derives rules from those of the settings.
type DeriveRules = fn(&mut Rules) -> Result<Rules, ConfigError>;

impl Verifier {
    /// Starts building a verifier. Required are a key, and an issuer and an audience or
    /// [`any_issuer`](VerifierBuilder::any_issuer) and
    /// [`any_audience`](VerifierBuilder::any_audience).
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder {
            keys: Vec::new(),
            key_set: None,
            trusted: Vec::new(),
            issuers: Accepted::Unset,
            audiences: Accepted::Unset,
            rules: Rules::default(),
            max_token_bytes: 8192,
            rsa_minimum: RsaMinimum::default(),
            rules_without_typ: None,
            provider: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl VerifierBuilder {
    /// Appends a key. Several keys need an id each. All are secrets or all are public keys, never
    /// both (RFC 8725 §3.1).
    pub fn key(mut self, key: VerifyingKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Uses the keys of a set, which can be replaced while it is used. Instead of
    /// [`key`](Self::key).
    pub fn keys(mut self, keys: KeySet) -> Self {
        self.key_set = Some(keys);
        self
    }

    /// Accepts tokens of another issuer too: those with this `iss`, byte for byte, that a key of
    /// this set has signed. At most 16 issuers; two names with the same set count as one issuer,
    /// which speaks for both.
    ///
    /// A key of one issuer never proves a token of another, and keys of two issuers may have the
    /// same id. Each key needs an id. All other settings hold for the tokens of all issuers.
    ///
    /// An [`Issuer`](crate::Issuer) mints and revokes in the name of [`issuer`](Self::issuer) only.
    /// To revoke tokens of a trusted issuer, use [`Verifier::subject_revocation`] and its siblings.
    pub fn trust(mut self, issuer: impl Into<Box<str>>, keys: KeySet) -> Self {
        self.trusted.push((issuer.into(), keys));
        self
    }

    /// Accepts tokens with this `iss`, byte for byte (RFC 7519 §4.1.1). Several calls name one
    /// issuer in several ways.
    ///
    /// Every key of [`key`](Self::key) and [`keys`](Self::keys) speaks for every such name. For
    /// another issuer use [`trust`](Self::trust).
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuers.add(issuer.into());
        self
    }

    /// Accepts tokens of any issuer, also without `iss`. Only for keys with which just one issuer
    /// signs.
    ///
    /// An [`Issuer`](crate::Issuer) of such a verifier can revoke by name only tokens without
    /// `iss`, for example with [`logout_everywhere`](crate::Issuer::logout_everywhere).
    pub fn any_issuer(mut self) -> Self {
        self.issuers = Accepted::Any;
        self
    }

    /// Accepts tokens whose `aud` is this or contains it, byte for byte (RFC 7519 §4.1.3). Several
    /// calls accept several audiences.
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.add(audience.into());
        self
    }

    /// Accepts tokens for any audience, also without `aud`. Only for issuers that serve just this
    /// application.
    pub fn any_audience(mut self) -> Self {
        self.audiences = Accepted::Any;
        self
    }

    /// Sets how far clocks may differ: added to `exp`, and allowed to `nbf` and `iat`. 30 seconds
    /// by default, 0 to 300 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self
    }

    /// Sets the longest accepted `exp - iat`, for access and refresh tokens alike; 2 days by
    /// default, at most 10 years. For a token without `iat`, it is the longest time from now to
    /// `exp`.
    ///
    /// The revocation of a session is remembered for this long, so the bound makes it safe to
    /// forget it. Set the same value on every verifier of the same tokens. A revocation by a
    /// verifier with a shorter value would be forgotten while another still accepts the tokens.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.rules.max_lifetime = max_lifetime;
        self
    }

    /// Sets the longest accepted token, in bytes; 8192 by default.
    pub fn max_token_bytes(mut self, max_token_bytes: usize) -> Self {
        self.max_token_bytes = max_token_bytes;
        self
    }

    /// Sets the smallest accepted RSA key, of all issuers; [`RsaMinimum::Bits2048`] by default.
    ///
    /// A smaller key fails the build. One that comes later, by [`KeySet::replace`] or from a URL,
    /// verifies nothing: its tokens are rejected as those of an unknown key.
    pub fn rsa_minimum(mut self, minimum: RsaMinimum) -> Self {
        self.rsa_minimum = minimum;
        self
    }

    /// Accepts tokens without this claim. If it is present, it must still be well-formed.
    pub fn optional(mut self, claim: OptionalClaim) -> Self {
        match claim {
            OptionalClaim::Sub => self.rules.subject = Presence::Optional,
            OptionalClaim::Iat => self.rules.issued_at = Presence::Optional,
        }
        self
    }

    /// Rejects tokens without `sid`. By default such a token is accepted, and a logout revokes it
    /// alone.
    pub fn require_session_id(mut self) -> Self {
        self.rules.session_id = Presence::Required;
        self
    }

    /// Sets the source of a token's id; [`TokenIdSource::Jti`] by default.
    pub fn token_id_source(mut self, source: TokenIdSource) -> Self {
        self.rules.token_id = source;
        self
    }

    /// Sets where a token names its kind; [`KindSource::typ_header`] by default.
    pub fn kind_source(mut self, source: KindSource) -> Self {
        self.rules.kind = source;
        self
    }

    /// Uses this cryptography, instead of the default of [`CryptoProvider`].
    pub fn crypto_provider(mut self, provider: CryptoProvider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Uses this clock, instead of the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("keys", &self.keys)
            .field("key_set", &self.key_set)
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}
