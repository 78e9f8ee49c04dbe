//! The rules for the payload of a genuine token (RFC 7519 §4.1, RFC 8725 §3).
//!
//! A new rule is a field of [`Rules`] with its default, a check in [`Rules::check`], and a
//! [`ClaimError`].

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    json::{Member, read_members},
    token::claims::{
        kind::{TokenKind, Typ},
        kind_source::KindSource,
        registered::{GENERATION, RegisteredClaims, SESSION_BEGAN},
        values::{date, millis, text, whole},
    },
};

const MAX_ID_BYTES: usize = 256;
const MAX_SUBJECT_BYTES: usize = 1024;

/// The source of the id by which a single token is revoked.
///
/// Set it with
/// [`VerifierBuilder::token_id_source`](crate::token::VerifierBuilder::token_id_source).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenIdSource {
    /// The `jti` claim (RFC 7519 §4.1.7), a string of 1 to 256 bytes. A token without it is
    /// rejected. The default.
    #[default]
    Jti,
    /// The `jti` claim; for a token without it, the SHA-256 of the signed text (`header.payload`).
    ///
    /// For issuers that set no `jti`. Equal tokens, minted twice in one second, then have one id.
    JtiOrHash,
}

/// The claims that one [`Verifier`](crate::Verifier) requires.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) issuers: Issuers,
    /// Empty for any audience, including none.
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) audience: Presence,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) subject: Presence,
    pub(crate) issued_at: Presence,
    pub(crate) session_id: Presence,
    pub(crate) token_id: TokenIdSource,
    pub(crate) kind: KindSource,
}

impl Default for Rules {
    /// Accepts no issuer and no audience.
    fn default() -> Self {
        Self {
            issuers: Issuers::OneOf(Vec::new()),
            audiences: Vec::new(),
            audience: Presence::Required,
            leeway: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(2 * 24 * 3600),
            subject: Presence::Required,
            issued_at: Presence::Required,
            session_id: Presence::Optional,
            token_id: TokenIdSource::default(),
            kind: KindSource::default(),
        }
    }
}

/// The issuers whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Issuers {
    Any,
    /// Tokens with one of these `iss`; `None` is a token without `iss`.
    OneOf(Vec<Option<Box<str>>>),
}

impl Issuers {
    /// Compares byte for byte (RFC 7519 §4.1.1).
    pub(crate) fn accept(&self, issuer: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(accepted) => accepted.iter().any(|accepted| accepted.as_deref() == issuer),
        }
    }

    /// Those that have a name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let accepted = match self {
            Self::Any => [].as_slice(),
            Self::OneOf(accepted) => accepted,
        };
        accepted.iter().flatten().map(|name| &**name)
    }
}

/// Whether a token must have a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

impl Presence {
    /// Fails if a required claim is absent.
    fn require<T>(self, value: Option<T>) -> Result<Option<T>, ()> {
        if value.is_none() && self == Self::Required { Err(()) } else { Ok(value) }
    }
}

/// The rule that the claims of a token break. A closed set, like
/// [`VerifyError`](crate::token::VerifyError): it holds no text of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimError {
    Payload,
    Confirmation,
    Issuer,
    Subject,
    Audience,
    TokenId,
    SessionId,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    Lifetime,
    Kind,
    Generation,
    Expired,
}

impl ClaimError {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Confirmation => "cnf",
            Self::Issuer => "iss",
            Self::Subject => "sub",
            Self::Audience => "aud",
            Self::TokenId => "jti",
            Self::SessionId => "sid",
            Self::ExpiresAt => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
            Self::Lifetime => "lifetime",
            Self::Kind => "kind",
            Self::Generation => "refresh_generation",
            Self::Expired => "expired",
        }
    }
}

/// A token whose signature is proven.
pub(crate) struct Presented<'t> {
    pub(crate) typ: Typ,
    pub(crate) payload: &'t str,
    /// The text that is signed: header and payload, encoded.
    pub(crate) signed: &'t str,
}

impl Rules {
    /// Checks the claims of a token.
    ///
    /// `issuers` are those that the key speaks for; `None` for those of the rules. A token is
    /// accepted until its `exp`, the leeway and `accepted_after_expiry` have passed.
    pub(crate) fn check(
        &self,
        token: &Presented<'_>,
        issuers: Option<&Issuers>,
        accepted_after_expiry: Duration,
        now: Timestamp,
    ) -> Result<(TokenKind, RegisteredClaims), ClaimError> {
        let claims = read_members!(token.payload => {
            issuer: "iss", subject: "sub", audience: "aud",
            expires_at: "exp", not_before: "nbf", issued_at: "iat", session_began: SESSION_BEGAN,
            token_id: "jti", session_id: "sid", generation: GENERATION, confirmation: "cnf",
            // Without a claim for the kind, this one is read and not used.
            kind: self.kind.claim().unwrap_or("typ"),
        });
        let claims = claims.map_err(|_| ClaimError::Payload)?;

        // Such a token is bound to a key, and nothing here proves its possession (RFC 7800 §3.1).
        if claims.confirmation.is_some() {
            return Err(ClaimError::Confirmation);
        }
        let issuer = text(claims.issuer, usize::MAX).map_err(|()| ClaimError::Issuer)?;
        if !issuers.unwrap_or(&self.issuers).accept(issuer.as_deref()) {
            return Err(ClaimError::Issuer);
        }
        self.check_audience(claims.audience)?;

        let subject = text(claims.subject, MAX_SUBJECT_BYTES)
            .and_then(|subject| self.subject.require(subject))
            .map_err(|()| ClaimError::Subject)?;
        let session_id = text(claims.session_id, MAX_ID_BYTES)
            .and_then(|id| self.session_id.require(id))
            .map_err(|()| ClaimError::SessionId)?;
        let token_id = self.token_id(claims.token_id, token.signed)?;

        let expires_at = date(claims.expires_at).ok().flatten().ok_or(ClaimError::ExpiresAt)?;
        let not_before = date(claims.not_before).map_err(|()| ClaimError::NotBefore)?;
        // The logout of a session is remembered for the longest lifetime. That suffices only if its tokens
        // say when they were issued.
        let presence = if session_id.is_some() { Presence::Required } else { self.issued_at };
        let issued_at = date(claims.issued_at)
            .and_then(|issued_at| presence.require(issued_at))
            .map_err(|()| ClaimError::IssuedAt)?;
        let kind = self.kind.read(token.typ, claims.kind.as_ref()).ok_or(ClaimError::Kind)?;
        self.check_times(issued_at, not_before, expires_at, accepted_after_expiry, now)?;

        let session_began = millis(claims.session_began)
            .and_then(|began| not_after_issue(began, issued_at))
            .map_err(|()| ClaimError::IssuedAt)?;
        let generation = whole(claims.generation).map_err(|()| ClaimError::Generation)?.unwrap_or(0);

        let claims = RegisteredClaims {
            issuer,
            subject,
            token_id,
            session_id,
            issued_at,
            session_began,
            generation,
            not_before,
            expires_at,
        };
        Ok((kind, claims))
    }

    /// One string or a list of strings, one of which is ours (RFC 7519 §4.1.3).
    fn check_audience(&self, audience: Option<Member<'_>>) -> Result<(), ClaimError> {
        let ours = |name: &str| self.audiences.iter().any(|ours| **ours == *name);
        let accepted = match audience {
            None => self.audience == Presence::Optional,
            Some(Member::Text(name)) => ours(&name),
            Some(Member::Texts(names)) => names.iter().any(|name| ours(name)),
            Some(_) => return Err(ClaimError::Audience),
        };
        if accepted || self.audiences.is_empty() { Ok(()) } else { Err(ClaimError::Audience) }
    }

    fn token_id(&self, id: Option<Member<'_>>, signed: &str) -> Result<Box<str>, ClaimError> {
        let id = text(id, MAX_ID_BYTES).map_err(|()| ClaimError::TokenId)?;
        match (id, self.token_id) {
            (Some(id), _) => Ok(id),
            // Without the signature: ECDSA has two of them for one text.
            (None, TokenIdSource::JtiOrHash) => Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(signed)).into()),
            (None, TokenIdSource::Jti) => Err(ClaimError::TokenId),
        }
    }

    /// Checks the rules whose result changes with time (RFC 7519 §4.1.4 to §4.1.6). The leeway is
    /// in favor of the token.
    ///
    /// `max_lifetime` bounds how long a revocation must be remembered. A token without `iat` is
    /// measured from now, so that it cannot escape the bound.
    pub(crate) fn check_times(
        &self,
        issued_at: Option<Timestamp>,
        not_before: Option<Timestamp>,
        expires_at: Timestamp,
        accepted_after_expiry: Duration,
        now: Timestamp,
    ) -> Result<(), ClaimError> {
        let latest_start = now + self.leeway;
        if issued_at.is_some_and(|issued_at| issued_at > latest_start) {
            return Err(ClaimError::IssuedAt);
        }
        let start = issued_at.unwrap_or(latest_start);
        if issued_at.is_some_and(|issued_at| issued_at > expires_at) || expires_at > start + self.max_lifetime {
            return Err(ClaimError::Lifetime);
        }
        if not_before.is_some_and(|not_before| not_before > latest_start) {
            return Err(ClaimError::NotBefore);
        }
        if now >= expires_at + self.leeway + accepted_after_expiry { Err(ClaimError::Expired) } else { Ok(()) }
    }
}

/// A session cannot begin after the second in which its token was issued.
fn not_after_issue(began: Option<Timestamp>, issued_at: Option<Timestamp>) -> Result<Option<Timestamp>, ()> {
    match (began, issued_at) {
        (None, _) => Ok(None),
        (Some(began), Some(issued_at)) if began.as_seconds() <= issued_at.as_seconds() => Ok(Some(began)),
        (Some(_), _) => Err(()),
    }
}
