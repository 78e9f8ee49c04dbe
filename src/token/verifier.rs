//! The verifier: turns a compact token into verified claims.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;

use crate::{
    clock::{Clock, Timestamp},
    config_error::ConfigError,
    keys::{CryptoProvider, KeySet, VerifyingKey},
    token::{
        claims::{
            ClaimError, Header, Issuers, KindSource, Payload, Presented, RegisteredClaims, Rules, TokenKind, Typ,
        },
        trusted_issuers::TrustedIssuers,
        verify_error::VerifyError,
    },
};

/// Decides whether a token is genuine, and what it says. Built once, and shared by every layer and
/// by the [`Issuer`](crate::Issuer).
///
/// ```
/// use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey};
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let secret = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
/// let verifier = Verifier::builder()
///     .key(VerifyingKey::from_secret(Algorithm::HS256, secret)?)
///     .issuer("https://login.example.org")
///     .audience("https://api.example.org")
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// A verifier for tokens of another form, here `{"user": …, "exp", "jti", "refresh": false}`:
///
/// ```
/// use tower_jwt_blocklist::{
///     Algorithm, Verifier, VerifyingKey, token::{KindSource, OptionalClaim},
/// };
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// # let secret = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
/// let verifier = Verifier::builder()
///     .key(VerifyingKey::from_secret(Algorithm::HS256, secret)?)
///     .any_issuer()
///     .any_audience()
///     .optional(OptionalClaim::Sub)
///     .optional(OptionalClaim::Iat)
///     .kind_source(KindSource::flag("refresh"))
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct Verifier {
    pub(crate) trusted: TrustedIssuers,
    pub(crate) rules: Rules,
    /// The rules for tokens whose `typ` does not name a kind, if other rules hold for those.
    pub(crate) rules_without_typ: Option<Rules>,
    pub(crate) max_token_bytes: usize,
    pub(crate) provider: CryptoProvider,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The claims of a genuine token, and `X`, those of the application.
pub(crate) struct Verified<X> {
    pub(crate) kind: TokenKind,
    pub(crate) claims: RegisteredClaims,
    pub(crate) application: X,
    /// All claims, as text.
    pub(crate) payload: Payload,
}

impl Verifier {
    /// Verifies a token that must not have expired.
    pub(crate) fn verify<X: DeserializeOwned>(&self, token: &str, now: Timestamp) -> Result<Verified<X>, VerifyError> {
        self.verify_within(Duration::ZERO, token, now)
    }

    /// Verifies a token that may have expired, but no longer ago than the longest lifetime of any
    /// token.
    pub(crate) fn verify_ended<X: DeserializeOwned>(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<X>, VerifyError> {
        self.verify_within(self.rules.max_lifetime, token, now)
    }

    /// The cheap checks come first (RFC 8725 §3). Nothing of the payload is read before the
    /// signature is proven.
    fn verify_within<X: DeserializeOwned>(
        &self,
        accepted_after_expiry: Duration,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<X>, VerifyError> {
        if token.len() > self.max_token_bytes {
            return Err(VerifyError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::Shape)?;
        if [header, payload, signature].iter().any(|part| part.is_empty() || part.contains('.')) {
            return Err(VerifyError::Shape);
        }
        let header = Header::parse(&decode_text(header).ok_or(VerifyError::Header)?)?;
        let rules = self.rules_for(header.typ);
        if !rules.kind.can_name_kind(header.typ) {
            return Err(ClaimError::Kind.into());
        }
        let signature = decode(signature)?;
        self.trusted.verify_with_key_of(&header, |trusted, key| {
            self.check_signature(key, signed, &signature)?;

            let payload = decode_text(payload).ok_or(ClaimError::Payload)?;
            let presented = Presented { typ: header.typ, payload: &payload, signed };
            let (kind, claims) = rules.check(&presented, trusted.issuers.as_ref(), accepted_after_expiry, now)?;
            let application = serde_json::from_str(&payload).map_err(|_| VerifyError::ApplicationClaims)?;
            Ok(Verified { kind, claims, application, payload: Payload::new(payload) })
        })
    }

    /// Repeats the checks of [`verify`](Self::verify) whose result changes with time, for a token
    /// that it has accepted before.
    pub(crate) fn check_times(&self, claims: &RegisteredClaims, now: Timestamp) -> Result<(), VerifyError> {
        // All rules of a verifier have the same leeway and the same longest lifetime.
        let (issued_at, not_before) = (claims.issued_at, claims.not_before);
        Ok(self.rules.check_times(issued_at, not_before, claims.expires_at, Duration::ZERO, now)?)
    }

    fn rules_for(&self, typ: Typ) -> &Rules {
        match typ {
            Typ::Unspecified => self.rules_without_typ.as_ref().unwrap_or(&self.rules),
            Typ::Of(_) => &self.rules,
        }
    }

    pub(crate) fn check_signature(
        &self,
        key: &VerifyingKey,
        signed: &str,
        signature: &Vec<u8>,
    ) -> Result<(), VerifyError> {
        if key.verifies(self.provider, signed.as_bytes(), signature) { Ok(()) } else { Err(VerifyError::Signature) }
    }

    /// Checks that the cryptography loads every key, and rejects a signature that is invalid.
    pub(crate) fn self_test(&self) -> Result<(), ConfigError> {
        for key in self.trusted.iter().flat_map(|trusted| trusted.keys.load().to_vec()) {
            if !key.loads(self.provider) {
                let message = format!("the cryptography in use cannot load this {} key", key.algorithm());
                return Err(ConfigError::provider(message));
            }
            if self.check_signature(&key, "self-test", &vec![0; 64]).is_ok() {
                return Err(ConfigError::provider("the cryptography in use accepts an invalid signature"));
            }
        }
        Ok(())
    }

    /// Returns the verifier's own public keys as a JWKS document: see
    /// [`KeySet::to_jwks`](crate::keys::KeySet::to_jwks). The keys of trusted issuers are not in
    /// it, because they do not sign for this one.
    pub fn to_jwks(&self) -> String {
        self.trusted.own().map_or_else(|| r#"{"keys":[]}"#.to_owned(), KeySet::to_jwks)
    }

    /// Returns a number that changes with every change of a key, and never returns to an earlier
    /// one.
    ///
    /// To cache what was made of a token, read this number before the token is verified, and
    /// compare it before the result is used.
    pub fn key_version(&self) -> u64 {
        self.trusted.key_version()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.system_time().into()
    }

    /// The clock's time as a store takes it. [`now`](Self::now) is the same in milliseconds.
    pub(crate) fn system_time(&self) -> SystemTime {
        self.clock.now()
    }

    pub(crate) fn max_lifetime(&self) -> Duration {
        self.rules.max_lifetime
    }

    /// Whether a token with this `exp` is no longer accepted.
    pub(crate) fn is_over(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        now >= expires_at + self.rules.leeway
    }

    /// The latest `iat` that is accepted now, but at least a second from now, because `iat` has
    /// whole seconds.
    pub(crate) fn latest_issue(&self) -> Timestamp {
        self.now() + self.rules.leeway.max(Duration::from_secs(1))
    }

    /// Every name of the verifier's own issuer, and `None` if its tokens without `iss` are
    /// accepted. Trusted issuers are not among them.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = Option<&str>> {
        let accepts_nameless = self.own_rules().any(|rules| rules.issuers.accept(None));
        let names = self.rules.issuers.names().map(Some);
        accepts_nameless.then_some(None).into_iter().chain(names)
    }

    /// Whether tokens of this issuer are accepted, of the verifier's own or of a trusted one.
    pub(crate) fn accepts_issuer(&self, issuer: Option<&str>) -> bool {
        let own = self.own_rules().map(|rules| &rules.issuers);
        let trusted = self.trusted.iter().filter_map(|trusted| trusted.issuers.as_ref());
        own.chain(trusted).any(|issuers: &Issuers| issuers.accept(issuer))
    }

    fn own_rules(&self) -> impl Iterator<Item = &Rules> {
        std::iter::once(&self.rules).chain(&self.rules_without_typ)
    }

    pub(crate) fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// The issuer that minted tokens name; the first of several.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.rules.issuers.names().next()
    }

    /// The audience that minted tokens name; the first of several.
    pub(crate) fn audience(&self) -> Option<&str> {
        self.rules.audiences.first().map(|audience| &**audience)
    }

    pub(crate) fn kind_source(&self) -> &KindSource {
        &self.rules.kind
    }
}

/// Strict base64url without padding (RFC 7515 §2). Other alphabets, padding, blanks and stray
/// trailing bits are rejected.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Shape)
}

fn decode_text(part: &str) -> Option<String> {
    String::from_utf8(decode(part).ok()?).ok()
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("trusted", &self.trusted)
            .field("issuers", &self.rules.issuers)
            .field("audiences", &self.rules.audiences)
            .field("leeway", &self.rules.leeway)
            .field("max_lifetime", &self.rules.max_lifetime)
            .field("kind", &self.rules.kind)
            .field("has_rules_without_typ", &self.rules_without_typ.is_some())
            .finish_non_exhaustive()
    }
}
