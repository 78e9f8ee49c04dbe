//! The verifier: a compact token in, verified claims out.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::CryptoProvider;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::{
    clock::{Clock, Timestamp},
    config_error::ConfigError,
    keys::{KeySet, VerifyingKey},
    token::{
        VerifyError,
        builder::VerifierBuilder,
        claims::{
            TokenKind,
            header::{Header, Typ},
            kind::KindSource,
            payload::Payload,
            rules::{Issuers, Rules},
        },
        trusted_issuers::TrustedIssuers,
    },
};

/// Decides whether a token is genuine and what it says. Built once, shared by every layer and by the
/// [`Issuer`](crate::Issuer).
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
/// Tokens of somebody else, here of an application that puts `{"user": …, "exp", "jti", "refresh": false}` into them
/// ([`fastapi_tokens`](VerifierBuilder::fastapi_tokens) is short for it):
///
/// ```
/// # use tower_jwt_blocklist::{Algorithm, KindSource, OptionalClaim, Verifier, VerifyingKey};
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
    /// For tokens whose `typ` does not tell the kind, where other rules hold for those.
    pub(crate) rules_without_typ: Option<Rules>,
    pub(crate) max_token_bytes: usize,
    pub(crate) provider: &'static CryptoProvider,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A genuine token's claims, and `X`, those of the application.
pub(crate) struct Verified<X> {
    pub(crate) kind: TokenKind,
    pub(crate) claims: RegisteredClaims,
    pub(crate) application: X,
    /// All that it says.
    pub(crate) payload: Payload,
}

/// The claims that this crate itself reads (RFC 7519 §4.1, and `sid`: one login, i.e. an access token, its refresh token and
/// their successors).
pub(crate) struct RegisteredClaims {
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) token_id: Box<str>,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) session_began: Option<Timestamp>,
    pub(crate) generation: u32,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
}

impl Verifier {
    /// Starts building. A key, and an issuer and an audience (or [`any_issuer`](VerifierBuilder::any_issuer),
    /// [`any_audience`](VerifierBuilder::any_audience)) must be set.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::new()
    }

    /// Whether a token is genuine and good now.
    pub(crate) fn verify<X: DeserializeOwned>(&self, token: &str, now: Timestamp) -> Result<Verified<X>, VerifyError> {
        self.verify_within(Duration::ZERO, token, now)
    }

    /// The same, also of a token whose time is over: by no more than the longest lifetime of any.
    pub(crate) fn verify_ended<X: DeserializeOwned>(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<X>, VerifyError> {
        self.verify_within(self.rules.max_lifetime, token, now)
    }

    /// Cheap checks first (RFC 8725 §3): nothing of the payload is read before the signature is proven.
    fn verify_within<X: DeserializeOwned>(
        &self,
        overtime: Duration,
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
        if !rules.kind.can_tell(header.typ) {
            return Err(VerifyError::Kind);
        }
        let signature = decode(signature)?;
        self.trusted.decide(&header, |party, key| {
            self.check_signature(key, signed, &signature)?;

            let payload = decode_text(payload).ok_or(VerifyError::Payload)?;
            let issuers = party.issuers.as_ref();
            let (kind, claims) = rules.check(header.typ, &payload, issuers, || hash_of(signed), overtime, now)?;
            let application = serde_json::from_str(&payload).map_err(|_| VerifyError::ApplicationClaims)?;
            Ok(Verified { kind, claims, application, payload: Payload::new(payload) })
        })
    }

    /// What [`verify`](Self::verify) finds out that time can change, asked again of a token that it has accepted before.
    pub(crate) fn check_times(&self, claims: &RegisteredClaims, now: Timestamp) -> Result<(), VerifyError> {
        // The leeway and the longest lifetime are those of all rules.
        self.rules.check_times(claims.issued_at, claims.not_before, claims.expires_at, Duration::ZERO, now)
    }

    fn rules_for(&self, typ: Typ) -> &Rules {
        match typ {
            Typ::Untold => self.rules_without_typ.as_ref().unwrap_or(&self.rules),
            Typ::Of(_) => &self.rules,
        }
    }

    pub(crate) fn check_signature(
        &self,
        key: &VerifyingKey,
        signed: &str,
        signature: &Vec<u8>,
    ) -> Result<(), VerifyError> {
        let verifier = (self.provider.verifier_factory)(&key.algorithm.to_jsonwebtoken(), &key.key)
            .map_err(|_| VerifyError::Signature)?;
        verifier.verify(signed.as_bytes(), signature).map_err(|_| VerifyError::Signature)
    }

    /// Every key is loaded by the provider once, and must refuse a signature that is none.
    pub(crate) fn self_test(&self) -> Result<(), ConfigError> {
        for key in self.trusted.iter().flat_map(|party| party.keys.load().to_vec()) {
            (self.provider.verifier_factory)(&key.algorithm.to_jsonwebtoken(), &key.key).map_err(|_| {
                ConfigError::provider(format!("the cryptography in use cannot load this {} key", key.algorithm))
            })?;
            if self.check_signature(&key, "self-test", &vec![0; 64]).is_ok() {
                return Err(ConfigError::provider("the cryptography in use accepts a signature that is none"));
            }
        }
        Ok(())
    }

    /// The verifier's own public keys as a JWKS document: see [`KeySet::to_jwks`](crate::KeySet::to_jwks). Those of trusted issuers
    /// are not in it, for they do not sign for this one.
    pub fn to_jwks(&self) -> String {
        self.trusted.own().map_or_else(|| r#"{"keys":[]}"#.to_owned(), KeySet::to_jwks)
    }

    /// Which keys there are: another number once any of them is another. Whoever keeps what came of a token asks before it is
    /// verified, and again before it is used.
    pub fn key_version(&self) -> u64 {
        self.trusted.version()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    pub(crate) fn max_lifetime(&self) -> Duration {
        self.rules.max_lifetime
    }

    /// Whether a token with this `exp` is accepted no more.
    pub(crate) fn is_over(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        now >= expires_at + self.rules.leeway
    }

    /// The latest `iat` accepted now, or a second from now: that is as fine as `iat` can say it.
    pub(crate) fn latest_issue(&self) -> Timestamp {
        self.now() + self.rules.leeway.max(Duration::from_secs(1))
    }

    /// Every name of the issuer whose keys these are, and `None` where its tokens without a name are accepted. Not those of others
    /// that are trusted.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = Option<&str>> {
        let nameless = self.rules.issuers == Issuers::Any || self.rules_without_typ.is_some();
        let names = self.rules.issuers.names().iter().map(|issuer| Some(&**issuer));
        nameless.then_some(None).into_iter().chain(names)
    }

    /// Whether there are tokens of this issuer that are accepted, its own or another's.
    pub(crate) fn accepts_issuer(&self, issuer: Option<&str>) -> bool {
        let own =
            [Some(&self.rules), self.rules_without_typ.as_ref()].into_iter().flatten().map(|rules| &rules.issuers);
        own.chain(self.trusted.iter().filter_map(|party| party.issuers.as_ref())).any(|issuers| issuers.accept(issuer))
    }

    pub(crate) fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// The issuer, of several the first, that tokens minted for this verifier name.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.rules.issuers.names().first().map(|issuer| &**issuer)
    }

    /// The audience, of several the first, that tokens minted for this verifier name.
    pub(crate) fn audience(&self) -> Option<&str> {
        self.rules.audiences.first().map(|audience| &**audience)
    }

    pub(crate) fn kind_source(&self) -> &KindSource {
        &self.rules.kind
    }
}

/// Strict base64url without padding (RFC 7515 §2): other alphabets, padding, blanks and stray trailing bits are refused.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Shape)
}

fn decode_text(part: &str) -> Option<String> {
    String::from_utf8(decode(part).ok()?).ok()
}

/// The id of a token without `jti`. The signature has no part in it: ECDSA has two for one text.
fn hash_of(signed: &str) -> Box<str> {
    URL_SAFE_NO_PAD.encode(Sha256::digest(signed)).into()
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
            .field("also_without_typ", &self.rules_without_typ.is_some())
            .finish_non_exhaustive()
    }
}
