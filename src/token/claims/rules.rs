//! What a verified payload must say (RFC 7519 §4.1, RFC 8725 §3): one small function a rule.

use std::{str::FromStr, time::Duration};

use crate::{
    clock::Timestamp,
    json::{self, Member},
    token::{
        TokenIdSource, VerifyError,
        builder::{GENERATION, SESSION_BEGAN},
        claims::{TokenKind, header::Typ, kind::KindSource},
        verifier::RegisteredClaims,
    },
};

const MAX_ID_BYTES: usize = 256;
const MAX_SUBJECT_BYTES: usize = 1024;

/// The policy of one [`Verifier`](super::Verifier) about claims.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) issuers: Issuers,
    /// Empty: any audience, also none.
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

/// Whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Issuers {
    /// Whoever is named, and also where nobody is.
    Any,
    /// Only tokens with one of these names.
    OneOf(Vec<Box<str>>),
    /// Only tokens without a name.
    Anonymous,
}

impl Issuers {
    /// RFC 7519 §4.1.1: compared byte for byte.
    pub(crate) fn accept(&self, issuer: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(names) => issuer.is_some_and(|issuer| names.iter().any(|ours| **ours == *issuer)),
            Self::Anonymous => issuer.is_none(),
        }
    }

    pub(crate) fn names(&self) -> &[Box<str>] {
        match self {
            Self::OneOf(names) => names,
            Self::Any | Self::Anonymous => &[],
        }
    }
}

/// Whether a token must have a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

impl Rules {
    /// Checks the payload of a token whose signature is proven; `issuers` is whose tokens the key speaks for, where it does not
    /// speak for those of the rules. `fallback_id` is asked for a token without `jti` where the
    /// policy allows one; a token that has ended passes for so much `overtime`.
    pub(crate) fn check(
        &self,
        typ: Typ,
        payload: &str,
        issuers: Option<&Issuers>,
        fallback_id: impl FnOnce() -> Box<str>,
        overtime: Duration,
        now: Timestamp,
    ) -> Result<(TokenKind, RegisteredClaims), VerifyError> {
        let kind_claim = self.kind.claim().unwrap_or("typ");
        let wanted =
            ["iss", "sub", "aud", "exp", "nbf", "iat", SESSION_BEGAN, GENERATION, "jti", "sid", "cnf", kind_claim];
        let [iss, sub, aud, exp, nbf, iat, began, generation, jti, sid, cnf, kind] =
            json::members(payload, wanted).map_err(|_| VerifyError::Payload)?;

        // RFC 7800 §3.1: the token is bound to a key whose possession nobody has proven here.
        if cnf.is_some() {
            return Err(VerifyError::Confirmation);
        }
        let issuer = text(iss, usize::MAX).map_err(|()| VerifyError::Issuer)?;
        if !issuers.unwrap_or(&self.issuers).accept(issuer.as_deref()) {
            return Err(VerifyError::Issuer);
        }
        self.check_audience(aud)?;

        let subject =
            text(sub, MAX_SUBJECT_BYTES).and_then(|sub| self.subject.of(sub)).map_err(|()| VerifyError::Subject)?;
        let session_id =
            text(sid, MAX_ID_BYTES).and_then(|sid| self.session_id.of(sid)).map_err(|()| VerifyError::SessionId)?;
        let token_id = match (text(jti, MAX_ID_BYTES).map_err(|()| VerifyError::TokenId)?, self.token_id) {
            (Some(jti), _) => jti,
            (None, TokenIdSource::JtiOrHash) => fallback_id(),
            (None, TokenIdSource::Jti) => return Err(VerifyError::TokenId),
        };

        let expires_at = date(exp).ok().flatten().ok_or(VerifyError::ExpiresAt)?;
        let not_before = date(nbf).map_err(|()| VerifyError::NotBefore)?;
        // A logout is remembered for the longest lifetime: that is enough only of a session whose tokens say when theirs began.
        let issued_at_presence = if session_id.is_some() { Presence::Required } else { self.issued_at };
        let issued_at = date(iat).and_then(|iat| issued_at_presence.of(iat)).map_err(|()| VerifyError::IssuedAt)?;
        let kind = self.kind.read(typ, kind.as_ref())?;
        self.check_times(issued_at, not_before, expires_at, overtime, now)?;
        let session_began = session_began(began, issued_at).map_err(|()| VerifyError::IssuedAt)?;
        let generation = count(generation).map_err(|()| VerifyError::Generation)?;

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

    /// RFC 7519 §4.1.3: one string or a list of strings, one of which is ours.
    fn check_audience(&self, audience: Option<Member<'_>>) -> Result<(), VerifyError> {
        let ours = |name: &str| self.audiences.iter().any(|ours| **ours == *name);
        let accepted = match audience {
            None => self.audience == Presence::Optional,
            Some(Member::Text(name)) => ours(&name),
            Some(Member::Texts(names)) => names.iter().any(|name| ours(name)),
            Some(_) => return Err(VerifyError::Audience),
        };
        if accepted || self.audiences.is_empty() { Ok(()) } else { Err(VerifyError::Audience) }
    }

    /// The rules whose answer changes with the time: RFC 7519 §4.1.4 to §4.1.6, with the leeway on the side of the token.
    /// `max_lifetime` bounds how long a revocation must be remembered; a token without `iat` is measured from now, so that it
    /// cannot escape the bound.
    pub(crate) fn check_times(
        &self,
        issued_at: Option<Timestamp>,
        not_before: Option<Timestamp>,
        expires_at: Timestamp,
        overtime: Duration,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let latest_start = now + self.leeway;
        if issued_at.is_some_and(|issued_at| issued_at > latest_start) {
            return Err(VerifyError::IssuedAt);
        }
        let start = issued_at.unwrap_or(latest_start);
        if issued_at.is_some_and(|issued_at| issued_at > expires_at) || expires_at > start + self.max_lifetime {
            return Err(VerifyError::Lifetime);
        }
        if not_before.is_some_and(|not_before| not_before > latest_start) {
            return Err(VerifyError::NotBefore);
        }
        if now >= expires_at + self.leeway + overtime { Err(VerifyError::Expired) } else { Ok(()) }
    }
}

impl Presence {
    fn of<T>(self, value: Option<T>) -> Result<Option<T>, ()> {
        if value.is_none() && self == Self::Required { Err(()) } else { Ok(value) }
    }
}

/// A claim that, where it is present, is a string of 1 to `max_bytes` bytes.
fn text(value: Option<Member<'_>>, max_bytes: usize) -> Result<Option<Box<str>>, ()> {
    match value {
        None => Ok(None),
        Some(Member::Text(text)) if !text.is_empty() && text.len() <= max_bytes => Ok(Some(text.into())),
        Some(_) => Err(()),
    }
}

/// A claim that, where it is present, is a `NumericDate` (RFC 7519 §2): seconds, perhaps with a fraction, up to the year 9999.
pub(crate) fn date(value: Option<Member<'_>>) -> Result<Option<Timestamp>, ()> {
    let Some(value) = value else { return Ok(None) };
    let Member::Number(number) = value else { return Err(()) };
    let millis = match number.parse::<u64>() {
        Ok(seconds) if seconds <= Timestamp::MAX_SECONDS => seconds * 1000,
        Ok(_) => return Err(()),
        Err(_) => match number.parse::<f64>() {
            // Within these bounds the cast is exact but for the fraction of a millisecond that it drops.
            Ok(seconds) if (0.0..=Timestamp::MAX_SECONDS as f64).contains(&seconds) => (seconds * 1000.0) as u64,
            _ => return Err(()),
        },
    };
    Ok(Some(Timestamp::from_millis(millis)))
}

/// A claim that, where it is present, is a whole number below 2^32; where it is not, 0.
fn count(value: Option<Member<'_>>) -> Result<u32, ()> {
    value.map_or(Ok(0), |value| whole(&value))
}

fn whole<T: FromStr>(value: &Member<'_>) -> Result<T, ()> {
    let Member::Number(number) = value else { return Err(()) };
    number.parse().map_err(drop)
}

/// When the token's session began: not after the second of `iat`.
fn session_began(began: Option<Member<'_>>, issued_at: Option<Timestamp>) -> Result<Option<Timestamp>, ()> {
    let Some(began) = began else { return Ok(None) };
    let began = Timestamp::from_millis(whole(&began)?);
    if issued_at.is_some_and(|issued_at| began.as_seconds() <= issued_at.as_seconds()) {
        Ok(Some(began))
    } else {
        Err(())
    }
}
