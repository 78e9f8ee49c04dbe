//! One token: its claims put together and signed.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use super::IssueError;
use crate::{
    claims::TokenKind,
    clock::Timestamp,
    token::{RESERVED_CLAIMS, SESSION_BEGAN, Signer, Verifier},
};

/// How deep the application's claims may be nested: well under the 128 levels that the JSON parser reads.
const MAX_DEPTH: usize = 100;

/// A token as text, ready to be handed to a client. Its `Debug` does not show it, and it cannot be serialised by accident.
pub struct MintedToken {
    text: String,
    expires_at: Timestamp,
}

/// The tokens of one login: both belong to one session.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// To use the service with.
    pub access: MintedToken,
    /// To get new access tokens with.
    pub refresh: MintedToken,
}

/// What all tokens of one login have in common.
pub(super) struct Session<'a> {
    pub(super) issuer: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    /// When its login was: what a cut-off is compared with.
    pub(super) began_at: Timestamp,
    /// What its next token is dated.
    pub(super) issued_at: Timestamp,
    /// None of its tokens ends later than this.
    pub(super) ends_at: Timestamp,
}

/// What mints: the key, and the verifier that will read what it signs.
pub(super) struct Mint {
    pub(super) verifier: Arc<Verifier>,
    pub(super) signer: Signer,
    pub(super) access_lifetime: Duration,
    pub(super) refresh_lifetime: Duration,
}

impl Mint {
    /// The tokens of a new session.
    pub(super) fn pair<X: Serialize>(
        &self,
        subject: &str,
        session_id: &str,
        issued_at: Timestamp,
        claims: &X,
    ) -> Result<TokenPair, IssueError> {
        if subject.is_empty() || subject.len() > 1024 {
            return Err(IssueError::Subject);
        }
        let session = Session {
            issuer: self.verifier.issuer(),
            subject: Some(subject),
            id: Some(session_id),
            began_at: issued_at,
            issued_at,
            ends_at: issued_at + self.refresh_lifetime.max(self.access_lifetime),
        };
        Ok(TokenPair {
            access: self.token(TokenKind::Access, &session, claims)?,
            refresh: self.token(TokenKind::Refresh, &session, claims)?,
        })
    }

    pub(super) fn token<X: Serialize>(
        &self,
        kind: TokenKind,
        session: &Session<'_>,
        claims: &X,
    ) -> Result<MintedToken, IssueError> {
        let lifetime = match kind {
            TokenKind::Access => self.access_lifetime,
            TokenKind::Refresh => self.refresh_lifetime,
        };
        let issued_at = session.issued_at;
        // Whole seconds, like `iat`: else a fraction of one rounds another up, over what the verifier accepts.
        let expires_at = session.ends_at.min(issued_at.whole_seconds() + lifetime).whole_seconds();
        if expires_at <= issued_at {
            return Err(IssueError::SessionOver);
        }
        let (typ, kind_claim) = self.verifier.kind_source().write(kind);

        let mut payload = application_claims(claims)?;
        // Also where this token tells its kind otherwise: a verifier would read it.
        if self.verifier.kind_source().claim().is_some_and(|name| payload.contains_key(name)) {
            return Err(IssueError::ReservedClaim);
        }
        let mut insert = |name: &str, value: Value| match payload.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(IssueError::ReservedClaim),
        };
        for (name, value) in
            [("iss", session.issuer), ("aud", self.verifier.audience()), ("sub", session.subject), ("sid", session.id)]
        {
            if let Some(value) = value {
                insert(name, value.into())?;
            }
        }
        insert("jti", random_id()?.into())?;
        insert("iat", issued_at.as_seconds().into())?;
        insert(SESSION_BEGAN, session.began_at.as_millis().into())?;
        insert("exp", expires_at.as_seconds().into())?;
        if let Some((name, value)) = kind_claim {
            insert(name, value)?;
        }

        let text = self.signer.sign(typ, &payload).map_err(|_| IssueError::Signing)?;
        if text.len() > self.verifier.max_token_bytes() {
            return Err(IssueError::TooLong);
        }
        Ok(MintedToken { text, expires_at })
    }
}

/// The application's claims as the members they will be.
fn application_claims<X: Serialize>(claims: &X) -> Result<Map<String, Value>, IssueError> {
    let Ok(Value::Object(members)) = serde_json::to_value(claims) else {
        return Err(IssueError::ClaimsNotAnObject);
    };
    // Also those that this token does not use: a verifier would take them for its own.
    if RESERVED_CLAIMS.iter().any(|name| members.contains_key(*name)) {
        return Err(IssueError::ReservedClaim);
    }
    if members.values().any(|member| is_deeper(member, MAX_DEPTH)) {
        return Err(IssueError::TooDeep);
    }
    Ok(members)
}

/// Whether there are more than `levels` lists and objects inside each other.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let inside = |value: &Value| is_deeper(value, levels - 1);
    match value {
        Value::Array(list) => levels == 0 || list.iter().any(inside),
        Value::Object(members) => levels == 0 || members.values().any(inside),
        _ => false,
    }
}

/// 128 random bits in base64url: nobody guesses it, and no two are equal.
pub(super) fn random_id() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IssueError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl MintedToken {
    /// The compact token.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The compact token.
    pub fn into_string(self) -> String {
        self.text
    }

    /// When it ends: its `exp`.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at.into()
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
