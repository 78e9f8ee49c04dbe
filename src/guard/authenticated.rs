//! The proof that a request was admitted, and the verified token behind it.

use std::{fmt, sync::Arc, time::SystemTime};

use crate::{
    blocklist::{Revocation, RevocationScope, TokenIds},
    clock::Timestamp,
    revocation::Retention,
    token::{NoClaims, Payload, RegisteredClaims, TokenKind, Verified},
};

/// Proof that a request carried a genuine token of the required kind that was not revoked. Only a
/// [`Guard`](crate::Guard) makes one.
///
/// If the blocklist did not answer, a policy in [`danger`](crate::danger) may have admitted the
/// token: see [`revocation_check`](Self::revocation_check).
///
/// `X` is the application's own claims: a type of yours that implements
/// [`Deserialize`](serde::Deserialize). It is read from the same JSON object as the registered
/// claims. The layer puts the value into the request's extensions; with axum it is an extractor.
/// Cloning is cheap.
pub struct Authenticated<X = NoClaims> {
    token: Arc<VerifiedToken<X>>,
    revocation_check: RevocationCheck,
}

/// Whether the blocklist was read for an admitted token.
// Exhaustive: a handler that asks must decide about both, and there is no third answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a check has an answer or none")]
pub enum RevocationCheck {
    /// The blocklist has no revocation of the token. It is always so unless a policy in
    /// [`danger`](crate::danger) is set.
    Passed,
    /// The blocklist did not answer, and the [`OutagePolicy`](crate::OutagePolicy) admitted the
    /// token: it may have been revoked.
    Unanswered,
}

impl RevocationCheck {
    pub(super) const fn outcome(self) -> &'static str {
        match self {
            Self::Passed => "admitted",
            Self::Unanswered => "admitted_unchecked",
        }
    }
}

/// A genuine token of the required kind, before the blocklist has answered.
pub(crate) struct VerifiedToken<X> {
    kind: TokenKind,
    claims: RegisteredClaims,
    application: X,
    payload: Payload,
    ids: TokenIds,
    retention: Retention,
}

impl<X> VerifiedToken<X> {
    pub(super) fn new(verified: Verified<X>, retention: Retention) -> Self {
        let Verified { kind, claims, application, payload } = verified;
        Self { kind, ids: token_ids(&claims), claims, application, payload, retention }
    }

    /// All ids by which it can be revoked.
    pub(super) fn ids(&self) -> &TokenIds {
        &self.ids
    }

    pub(super) fn claims(&self) -> &RegisteredClaims {
        &self.claims
    }
}

impl<X> Authenticated<X> {
    /// The token was admitted. Only the guard's decision calls this.
    pub(super) fn new(token: Arc<VerifiedToken<X>>, revocation_check: RevocationCheck) -> Self {
        Self { token, revocation_check }
    }

    /// The token that was admitted.
    pub(super) fn token(&self) -> &Arc<VerifiedToken<X>> {
        &self.token
    }

    /// Returns the kind of the token: access or refresh.
    pub fn kind(&self) -> TokenKind {
        self.token.kind
    }

    /// Returns the subject: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.token.claims.subject.as_deref()
    }

    /// Returns the issuer: `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.token.claims.issuer.as_deref()
    }

    /// Returns the token's own id: `jti`.
    pub fn token_id(&self) -> &str {
        &self.token.claims.token_id
    }

    /// Returns the id of the login that the token belongs to: `sid`.
    pub fn session_id(&self) -> Option<&str> {
        self.token.claims.session_id.as_deref()
    }

    /// Returns when the token was issued: `iat`.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.token.claims.issued_at.map(SystemTime::from)
    }

    /// The beginning of the token's session, as exactly as the token says.
    pub(crate) fn session_began(&self) -> Option<Timestamp> {
        self.token.ids.issue_time()
    }

    /// The user's last login: `auth_time` (OpenID Connect), or the session's beginning in a
    /// token of the [`Issuer`](crate::Issuer).
    pub(crate) fn logged_in_at(&self) -> Option<Timestamp> {
        self.token.payload.date("auth_time").ok()?.or(self.token.claims.session_began)
    }

    /// All claims of the token.
    pub(crate) fn payload(&self) -> &Payload {
        &self.token.payload
    }

    /// The number of refresh tokens of the session that were redeemed before this one.
    pub(crate) fn generation(&self) -> u32 {
        self.token.claims.generation
    }

    /// All ids by which the token can be revoked.
    pub(crate) fn ids(&self) -> &TokenIds {
        &self.token.ids
    }

    /// Returns when the token expires: `exp`.
    pub fn expires_at(&self) -> SystemTime {
        self.token.claims.expires_at.into()
    }

    /// Returns whether the blocklist was read. A handler that must never run on a revoked token
    /// requires [`RevocationCheck::Passed`], whatever the [`OutagePolicy`](crate::OutagePolicy) of
    /// the layer.
    pub fn revocation_check(&self) -> RevocationCheck {
        self.revocation_check
    }

    /// Returns the application's own claims.
    ///
    /// Requests with the same token may share one value ([token
    /// cache](crate::JwtBlocklistLayer#token-cache)). If the type has interior mutability (a
    /// `Mutex`, an atomic), later requests see the changes.
    pub fn claims(&self) -> &X {
        &self.token.application
    }

    /// Returns what to store to revoke this login: its session, or the token alone if it has no
    /// `sid`.
    ///
    /// [`Issuer::logout`](crate::Issuer::logout) stores it for you. A service that only verifies
    /// tokens stores it with [`Revoke::revoke`](crate::blocklist::Revoke::revoke). The time of the
    /// logout comes from the verifier's clock.
    pub fn revocation(&self) -> Revocation {
        self.token.retention.login(&self.token.ids, self.token.claims.expires_at)
    }

    /// Returns what to store to revoke every session of the subject except this one.
    ///
    /// It is `None` for a token without `sub` or `sid`: other sessions cannot be told from its own.
    pub fn others_revocation(&self) -> Option<Revocation> {
        self.others_revocation_at(self.token.retention.now())
    }

    /// The same for sessions that began up to `moment`.
    pub(crate) fn others_revocation_at(&self, moment: Timestamp) -> Option<Revocation> {
        self.token.retention.other_sessions(&self.token.ids, moment)
    }

    /// Returns what to store to revoke every session of the subject, including this one. The
    /// subject can log in again.
    ///
    /// It is `None` for a token without `sub`. Without a token of the subject, use
    /// [`Verifier::subject_revocation`](crate::Verifier::subject_revocation).
    pub fn subject_revocation(&self) -> Option<Revocation> {
        Some(self.token.retention.issued_up_to_now(RevocationScope::Subject, self.token.ids.subject()?))
    }

    /// Returns what to store to revoke this token only.
    pub fn token_revocation(&self) -> Revocation {
        self.token.retention.token(&self.token.ids, self.token.claims.expires_at)
    }
}

/// All ids by which a token with these claims can be revoked.
pub(super) fn token_ids(claims: &RegisteredClaims) -> TokenIds {
    let mut ids = TokenIds::new(claims.issuer.as_deref(), &claims.token_id, claims.session_id.as_deref());
    if let Some(subject) = &claims.subject {
        ids = ids.with_subject(subject);
    }
    if let Some(issued_at) = claims.session_began.or(claims.issued_at) {
        ids = ids.with_issue_time(issued_at);
    }
    ids
}

impl<X> Clone for Authenticated<X> {
    fn clone(&self) -> Self {
        Self { token: Arc::clone(&self.token), revocation_check: self.revocation_check }
    }
}

/// Shows no id, no subject and no application claim.
impl<X> fmt::Debug for Authenticated<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("kind", &self.kind())
            .field("expires_at", &self.token.claims.expires_at)
            .field("revocation_check", &self.revocation_check)
            .finish_non_exhaustive()
    }
}
