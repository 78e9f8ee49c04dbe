//! One token: its claims put together and signed.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    blocklist::Generation,
    clock::Timestamp,
    issuer::error::IssueError,
    keys::SigningKey,
    swap::Swap,
    token::{GENERATION, RESERVED_CLAIMS, SESSION_BEGAN, Signer, TokenKind, Verifier},
};

/// The deepest nesting of the application's claims: well under the 128 levels that the JSON parser
/// reads.
const MAX_DEPTH: usize = 100;

/// A minted token. Its `Debug` does not show the text, and it cannot be serialized by accident.
pub struct MintedToken {
    text: String,
    expires_at: Timestamp,
}

/// An access token and a refresh token of one session.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// The token for requests.
    pub access: MintedToken,
    /// The single-use token for the next pair.
    pub refresh: MintedToken,
}

/// The values that all tokens of a session have in common.
pub(crate) struct Session<'a> {
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) id: &'a str,
    /// The time of the login, which a cut-off is compared with.
    pub(crate) began_at: Timestamp,
}

/// Mints tokens: the key, and the verifier that reads what it signs.
pub(crate) struct Mint {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) signer: Swap<Signer>,
    pub(crate) access_lifetime: Duration,
    pub(crate) refresh_lifetime: Duration,
    pub(crate) session_lifetime: Duration,
}

impl Mint {
    /// Copies the settings, with another key.
    pub(crate) fn with_key(&self, key: SigningKey) -> Self {
        let signer = Swap::new(Signer::new(key, &self.verifier));
        Self { verifier: Arc::clone(&self.verifier), signer, ..*self }
    }

    /// The first tokens of a new session.
    pub(crate) fn first_pair<X: Serialize>(
        &self,
        subject: &str,
        session_id: &str,
        issued_at: Timestamp,
        claims: &X,
    ) -> Result<TokenPair, IssueError> {
        if subject.is_empty() || subject.len() > 1024 {
            return Err(IssueError::Subject);
        }
        let issuer = self.verifier.issuer();
        let session = Session { issuer, subject: Some(subject), id: session_id, began_at: issued_at };
        self.pair(&session, &Generation { number: 0, token_id: random_bits()?, minted_at: issued_at.into() }, claims)
    }

    /// A new access token, and the refresh token of this generation.
    pub(crate) fn pair<X: Serialize>(
        &self,
        session: &Session<'_>,
        generation: &Generation,
        claims: &X,
    ) -> Result<TokenPair, IssueError> {
        Ok(TokenPair {
            access: self.access(session, generation.minted_at.into(), claims)?,
            refresh: self.refresh(session, generation, claims)?,
        })
    }

    fn access<X: Serialize>(
        &self,
        session: &Session<'_>,
        issued_at: Timestamp,
        claims: &X,
    ) -> Result<MintedToken, IssueError> {
        self.token(TokenKind::Access, session, issued_at, random_bits()?, None, claims)
    }

    /// The refresh token of this generation: the same at every call.
    pub(crate) fn refresh<X: Serialize>(
        &self,
        session: &Session<'_>,
        generation: &Generation,
        claims: &X,
    ) -> Result<MintedToken, IssueError> {
        let Generation { number, token_id, minted_at } = *generation;
        self.token(TokenKind::Refresh, session, minted_at.into(), token_id, Some(number), claims)
    }

    /// Returns the end of a session that began then: none of its tokens expires later.
    pub(crate) fn end_of_session(&self, began_at: Timestamp) -> Timestamp {
        (began_at + self.session_lifetime).whole_seconds()
    }

    fn token<X: Serialize>(
        &self,
        kind: TokenKind,
        session: &Session<'_>,
        issued_at: Timestamp,
        token_id: u128,
        generation: Option<u32>,
        claims: &X,
    ) -> Result<MintedToken, IssueError> {
        let lifetime = match kind {
            TokenKind::Access => self.access_lifetime,
            TokenKind::Refresh => self.refresh_lifetime,
        };
        // Whole seconds, like `iat`: otherwise rounding could exceed the lifetime that the verifier
        // accepts.
        let expires_at = (issued_at.whole_seconds() + lifetime).whole_seconds();
        let expires_at = expires_at.min(self.end_of_session(session.began_at));
        let (typ, kind_claim) = self.verifier.kind_source().write(kind);

        let mut payload = application_claims(claims)?;
        // Also if this token names its kind in its header, because a verifier would read the claim.
        if self.verifier.kind_source().claim().is_some_and(|name| payload.contains_key(name)) {
            return Err(IssueError::ReservedClaim);
        }
        let mut insert = |name: &str, value: Value| match payload.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(IssueError::ReservedClaim),
        };
        for (name, value) in [
            ("iss", session.issuer),
            ("aud", self.verifier.audience()),
            ("sub", session.subject),
            ("sid", Some(session.id)),
        ] {
            if let Some(value) = value {
                insert(name, value.into())?;
            }
        }
        insert("jti", id_text(token_id).into())?;
        insert("iat", issued_at.as_seconds().into())?;
        insert(SESSION_BEGAN, session.began_at.as_millis().into())?;
        insert("exp", expires_at.as_seconds().into())?;
        if let Some(number) = generation {
            insert(GENERATION, number.into())?;
        }
        if let Some((name, value)) = kind_claim {
            insert(name, value)?;
        }

        let text = self.signer.load().sign(typ, &payload).map_err(|_| IssueError::Signing)?;
        if text.len() > self.verifier.max_token_bytes() {
            return Err(IssueError::TooLong);
        }
        Ok(MintedToken { text, expires_at })
    }
}

/// The application's claims as members of the payload.
fn application_claims<X: Serialize>(claims: &X) -> Result<Map<String, Value>, IssueError> {
    let Ok(Value::Object(members)) = serde_json::to_value(claims) else {
        return Err(IssueError::ClaimsNotAnObject);
    };
    // Even those that this token does not use: a verifier would read them as its own.
    if RESERVED_CLAIMS.iter().any(|name| members.contains_key(*name)) {
        return Err(IssueError::ReservedClaim);
    }
    if members.values().any(|member| is_deeper(member, MAX_DEPTH)) {
        return Err(IssueError::TooDeep);
    }
    Ok(members)
}

/// Whether lists and objects are nested more than `levels` deep.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let inside = |value: &Value| is_deeper(value, levels - 1);
    match value {
        Value::Array(list) => levels == 0 || list.iter().any(inside),
        Value::Object(members) => levels == 0 || members.values().any(inside),
        _ => false,
    }
}

/// 128 random bits: they cannot be guessed, and no two values are equal.
pub(crate) fn random_bits() -> Result<u128, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IssueError::Random)?;
    Ok(u128::from_be_bytes(bytes))
}

/// Writes an id as a token has it: in base64url.
pub(crate) fn id_text(bits: u128) -> String {
    URL_SAFE_NO_PAD.encode(bits.to_be_bytes())
}

/// Parses what [`id_text`] writes; `None` for an id of any other form.
pub(crate) fn parse_id(text: &str) -> Option<u128> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(u128::from_be_bytes(bytes.try_into().ok()?))
}

impl MintedToken {
    /// Returns the compact token.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the compact token.
    pub fn into_string(self) -> String {
        self.text
    }

    /// Returns when it expires: its `exp`.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at.into()
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r56_only_an_id_that_an_issuer_writes_is_parsed() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            assert_eq!(parse_id(&id_text(bits)), Some(bits));
        }
        for other in [
            "",
            "session-1",
            "8f14e45f-ceea-467f-a1d0-7b3c5a529c11",
            "8f14e45fceea467fa1d07b3c5a529c11",
            "AAECAwQFBgcICQoLDA0ODx",
            "AAECAwQFBgcICQoLDA0ODw==",
            "AAECAwQFBgcICQoLDA0ODxA",
        ] {
            assert_eq!(parse_id(other), None, "{other}");
        }
    }
}
