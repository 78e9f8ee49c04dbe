//! The settings of a verifier, checked against each other before the first token is seen.

use std::{fmt, sync::Arc, time::Duration};

use jsonwebtoken::crypto::CryptoProvider;

use crate::{
    clock::{Clock, SystemClock},
    compat::Tutorial,
    config_error::ConfigError,
    keys::{KeySet, RsaMinimum, VerifyingKey, provider},
    revocation::MAX_LEEWAY,
    token::{
        TokenIdSource,
        claims::{
            kind::KindSource,
            rules::{Issuers, Presence, Rules},
        },
        trusted_issuers::TrustedIssuers,
        verifier::Verifier,
    },
};

/// The claims this crate reads or writes itself: no application claim may have one of these names.
pub(crate) const RESERVED_CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "cnf", SESSION_BEGAN, GENERATION];

/// A claim of this crate's own: when the session began, in milliseconds since the Unix epoch. A cut-off is compared with it, so
/// that a login is told from the "log out everywhere" just before it, and an access token that is minted just after one from a
/// refresh token of before is refused. Of a token without it, `iat` counts.
pub(crate) const SESSION_BEGAN: &str = "session_ms";

/// A claim of this crate's own, in refresh tokens: how many of its session were redeemed before it. Of one without it, none was.
pub(crate) const GENERATION: &str = "refresh_generation";

/// A claim that is required by default and need not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionalClaim {
    /// `sub`, the subject.
    Sub,
    /// `iat`, the time of issue. A token with `sid` needs it all the same: without it nobody could say for how long the
    /// session's logout must be remembered.
    Iat,
}

/// Settings of a [`Verifier`].
#[must_use = "nothing is built before `build`"]
pub struct VerifierBuilder {
    keys: Vec<VerifyingKey>,
    key_set: Option<KeySet>,
    trusted: Vec<(Box<str>, KeySet)>,
    issuers: Expected,
    audiences: Expected,
    leeway: Duration,
    max_lifetime: Duration,
    max_token_bytes: usize,
    rsa_minimum: RsaMinimum,
    subject: Presence,
    issued_at: Presence,
    session_id: Presence,
    token_id: TokenIdSource,
    kind: KindSource,
    pub(crate) tutorial: Tutorial,
    provider: Option<&'static CryptoProvider>,
    clock: Arc<dyn Clock>,
}

enum Expected {
    Unset,
    Any,
    OneOf(Vec<Box<str>>),
}

impl VerifierBuilder {
    pub(crate) fn new() -> Self {
        Self {
            keys: Vec::new(),
            key_set: None,
            trusted: Vec::new(),
            issuers: Expected::Unset,
            audiences: Expected::Unset,
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(2 * 24 * 3600),
            max_token_bytes: 8192,
            rsa_minimum: RsaMinimum::default(),
            subject: Presence::Required,
            issued_at: Presence::Required,
            session_id: Presence::Optional,
            token_id: TokenIdSource::default(),
            kind: KindSource::default(),
            tutorial: Tutorial::Refused,
            provider: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Adds a key. Several keys need an id each, and are all secrets or all public keys: never both (RFC 8725 §3.1).
    pub fn key(mut self, key: VerifyingKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Takes its keys from a set, which can be replaced while it is used; instead of [`key`](Self::key).
    pub fn keys(mut self, keys: KeySet) -> Self {
        self.key_set = Some(keys);
        self
    }

    /// Accepts tokens of another issuer too: those whose `iss` is this, byte for byte, and that a key of this set has signed. May be
    /// called more than once; the same set for two names is one party, which speaks for both. At most 16 trusted.
    ///
    /// Keys of one issuer never prove a token of another, and two may have keys of one id. Each key needs an id. All other settings
    /// hold for everybody's tokens; an [`Issuer`](crate::Issuer) mints and revokes in the name of [`issuer`](Self::issuer) alone.
    /// By name what is another's is revoked with [`Verifier::subject_revocation`] and the like.
    pub fn trust(mut self, issuer: impl Into<Box<str>>, keys: KeySet) -> Self {
        self.trusted.push((issuer.into(), keys));
        self
    }

    /// Accepts tokens whose `iss` is this, byte for byte. May be called more than once: for one issuer under several names. Every
    /// key of [`key`](Self::key) and [`keys`](Self::keys) speaks for every such name; for another party there is
    /// [`trust`](Self::trust).
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuers.add(issuer.into());
        self
    }

    /// Accepts tokens of any issuer, also without `iss`: for keys that only one issuer can sign with. An [`Issuer`](crate::Issuer) on
    /// such a verifier can take back by name ([`logout_everywhere`](crate::Issuer::logout_everywhere) and the like) only tokens without `iss`.
    pub fn any_issuer(mut self) -> Self {
        self.issuers = Expected::Any;
        self
    }

    /// Accepts tokens whose `aud` is this or contains it, byte for byte. May be called more than once.
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.add(audience.into());
        self
    }

    /// Accepts tokens for any audience, also without `aud`: for issuers that serve only this application.
    pub fn any_audience(mut self) -> Self {
        self.audiences = Expected::Any;
        self
    }

    /// How far clocks may differ: added to `exp`, and allowed to `nbf` and `iat`. 30 seconds by default, 0 to 300 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest `exp - iat` accepted, for access and refresh tokens alike; 2 days by default, at most 10 years. Without
    /// `iat`, the longest time from now to `exp`.
    ///
    /// A session's revocation is remembered for this long: the bound is what makes forgetting it safe. Set the same value on
    /// every verifier of one set of tokens: what is revoked by one with a shorter value is forgotten while another still accepts
    /// its tokens.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.max_lifetime = max_lifetime;
        self
    }

    /// The longest token, in bytes, that is looked at; 8192 by default.
    pub fn max_token_bytes(mut self, max_token_bytes: usize) -> Self {
        self.max_token_bytes = max_token_bytes;
        self
    }

    /// How large an RSA key has to be, of whichever issuer; [`RsaMinimum::Bits2048`] by default. A smaller one fails the build. One that
    /// comes later ([`KeySet::replace`]) or from a URL verifies nothing: to tokens it is as if it were unknown.
    pub fn rsa_minimum(mut self, minimum: RsaMinimum) -> Self {
        self.rsa_minimum = minimum;
        self
    }

    /// Accepts tokens without this claim. Where it is present it must still be well-formed.
    pub fn optional(mut self, claim: OptionalClaim) -> Self {
        match claim {
            OptionalClaim::Sub => self.subject = Presence::Optional,
            OptionalClaim::Iat => self.issued_at = Presence::Optional,
        }
        self
    }

    /// Refuses tokens without `sid`. By default such a token is accepted, and logging out revokes it alone.
    pub fn require_session_id(mut self) -> Self {
        self.session_id = Presence::Required;
        self
    }

    /// Where a token's id comes from: [`TokenIdSource::Jti`] by default.
    pub fn token_id_source(mut self, source: TokenIdSource) -> Self {
        self.token_id = source;
        self
    }

    /// Where a token says whether it is access or refresh: [`KindSource::TypHeader`] by default.
    pub fn kind_source(mut self, source: KindSource) -> Self {
        self.kind = source;
        self
    }

    /// Uses this cryptography instead of the compiled-in one.
    pub fn crypto_provider(mut self, provider: &'static CryptoProvider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Uses this clock instead of the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings against each other and every key against the cryptography.
    ///
    /// # Errors
    ///
    /// Without a key, an issuer or an audience; with two keys of one id, a key without an id beside others, or secrets beside
    /// public keys in one set; with trusted issuers that have no name, are named twice or are more than 16, or beside
    /// [`any_issuer`](Self::any_issuer) or the tutorial's tokens; with an RSA key smaller than
    /// [`rsa_minimum`](Self::rsa_minimum); with a leeway over 300 seconds or a maximum lifetime that is zero or over 10 years; with a kind
    /// source that cannot tell, or not beside the tutorial's tokens; when no cryptography is
    /// compiled in, or it refuses a key.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let own = match (self.key_set, self.keys.is_empty()) {
            (Some(_), false) => {
                return Err(ConfigError::setting("both `key` and `keys` are set: put all keys into the set"));
            }
            (Some(keys), true) => Some(keys),
            (None, true) if !self.trusted.is_empty() => None,
            (None, _) => Some(KeySet::new(self.keys)?),
        };
        let issuers = self.issuers.of(own.is_some(), &self.trusted)?;
        if !self.trusted.is_empty() && self.tutorial == Tutorial::Beside {
            return Err(ConfigError::setting(
                "the tutorial's tokens name no issuer, so other issuers' keys could speak for them: use a verifier for each",
            ));
        }
        let audiences = self
            .audiences
            .list("no audience is set: call `audience(…)` with the `aud` of the tokens, or `any_audience()`")?;
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::setting("the leeway is over 300 seconds: synchronize the clocks (NTP) instead"));
        }
        if self.max_lifetime.is_zero() || self.max_lifetime > Duration::from_secs(10 * 366 * 24 * 3600) {
            return Err(ConfigError::setting("the maximum lifetime must be more than zero and at most 10 years"));
        }
        if self.kind.claim().is_some_and(|claim| RESERVED_CLAIMS.contains(&claim)) {
            return Err(ConfigError::setting("the kind of a token cannot be read from a registered claim"));
        }
        if matches!(&self.kind, KindSource::Value { access, refresh, .. } if access == refresh) {
            return Err(ConfigError::setting("access and refresh tokens must differ in the claim that tells the kind"));
        }
        let mut rules = Rules {
            issuers,
            audiences,
            audience: Presence::Required,
            leeway: self.leeway,
            max_lifetime: self.max_lifetime,
            subject: self.subject,
            issued_at: self.issued_at,
            session_id: self.session_id,
            token_id: self.token_id,
            kind: self.kind,
        };
        let verifier = Verifier {
            trusted: TrustedIssuers::new(own, self.trusted, self.rsa_minimum)?,
            rules_without_typ: self.tutorial.rules(&mut rules)?,
            rules,
            max_token_bytes: self.max_token_bytes,
            provider: self.provider.map_or_else(provider::compiled_in, Ok)?,
            clock: self.clock,
        };
        verifier.self_test()?;
        Ok(verifier)
    }
}

impl Expected {
    fn add(&mut self, name: Box<str>) {
        match self {
            Self::OneOf(names) => names.push(name),
            Self::Unset | Self::Any => *self = Self::OneOf(vec![name]),
        }
    }

    /// Whose tokens the verifier's own keys speak for.
    fn of(self, has_keys: bool, trusted: &[(Box<str>, KeySet)]) -> Result<Issuers, ConfigError> {
        if !has_keys {
            return match self {
                Self::Unset => Ok(Issuers::OneOf(Vec::new())),
                _ => Err(ConfigError::setting(
                    "an issuer is set, and no key of it: call `key(…)`, or name it in `trust(…)` only",
                )),
            };
        }
        if matches!(self, Self::Any) && !trusted.is_empty() {
            return Err(ConfigError::setting(
                "`any_issuer` would let these keys speak for the trusted issuers too: call `issuer(…)` with their own `iss`",
            ));
        }
        let names = self.list("no issuer is set: call `issuer(…)` with the `iss` of the tokens, or `any_issuer()`")?;
        if names.iter().any(|name| trusted.iter().any(|(other, _)| other == name)) {
            return Err(ConfigError::setting("one issuer is trusted with two sets of keys: put its keys into one"));
        }
        Ok(if names.is_empty() { Issuers::Any } else { Issuers::OneOf(names) })
    }

    fn list(self, unset: &'static str) -> Result<Vec<Box<str>>, ConfigError> {
        match self {
            Self::Unset => Err(ConfigError::setting(unset)),
            Self::Any => Ok(Vec::new()),
            Self::OneOf(names) if names.iter().any(|name| name.is_empty()) => {
                Err(ConfigError::setting("an issuer or audience is empty: a token that names nobody would match it"))
            }
            Self::OneOf(names) => Ok(names),
        }
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
