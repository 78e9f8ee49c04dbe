//! One revocation, as a store keeps it.

use std::time::SystemTime;

use crate::{
    blocklist::{
        cut_off::CutOff,
        id::{RevocationId, RevocationScope, TokenIds},
        raw_jti::RawJti,
    },
    clock::Timestamp,
};

/// What to reject from now on: everything in a scope, or only the tokens that were issued up to
/// some moment.
///
/// [`Authenticated::revocation`](crate::Authenticated::revocation),
/// [`Verifier::subject_revocation`](crate::Verifier::subject_revocation), [`Issuer`](crate::Issuer)
/// and the like make one. Nothing is revoked until a store has it: see
/// [`Revoke::revoke`](crate::blocklist::Revoke::revoke).
#[must_use = "nothing is revoked until it is stored: pass it to `Revoke::revoke`"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    scope: RevocationScope,
    id: RevocationId,
    cut_off: CutOff,
    until: Timestamp,
    /// The presented token's own `jti`, and when its entry may be forgotten: for stores shared with
    /// an application that looks for nothing else.
    legacy_key: Option<(RawJti, Timestamp)>,
    reason: Option<&'static str>,
}

impl Revocation {
    /// Revokes every token in the scope with this id, whenever it was issued.
    ///
    /// A store may remove the entry at `until`. That must lie after the last instant at which such
    /// a token could be accepted, including leeway and clock differences. The constructors named
    /// above compute it.
    pub fn new(scope: RevocationScope, id: RevocationId, until: SystemTime) -> Self {
        Self::expiring_at(scope, id, until.into())
    }

    pub(crate) fn expiring_at(scope: RevocationScope, id: RevocationId, until: Timestamp) -> Self {
        Self { scope, id, cut_off: CutOff::ALWAYS, until, legacy_key: None, reason: None }
    }

    /// Sets the reason: a word of the application, such as `password_changed`.
    ///
    /// It is written to the program's log (INFO), and to the log in Redis. Tokens and users' texts
    /// never are.
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Also revokes the token with this `jti` in stores that have such entries.
    pub(crate) fn with_legacy_key(mut self, ids: &TokenIds, until: Timestamp) -> Self {
        self.legacy_key = ids.raw_jti().map(|jti| (jti, until));
        self
    }

    /// Limits the revocation to tokens that were issued up to `moment`, so the subject can log in
    /// again.
    pub fn issued_up_to(self, moment: SystemTime) -> Self {
        self.with_cut_off(CutOff::issued_up_to(moment))
    }

    /// Replaces the rule which tokens in the scope are rejected. A store uses it to rebuild what it
    /// has kept.
    pub fn with_cut_off(mut self, cut_off: CutOff) -> Self {
        self.cut_off = cut_off;
        self
    }

    /// Exempts the tokens of this session.
    pub fn except_session(mut self, session: RevocationId) -> Self {
        self.cut_off = self.cut_off.except_session(session);
        self
    }

    /// Returns the scope: how much is revoked at once.
    pub fn scope(&self) -> RevocationScope {
        self.scope
    }

    /// Returns the id of the token, session, subject or issuer: the key of the entry.
    pub fn id(&self) -> RevocationId {
        self.id
    }

    /// Returns the rule which tokens in the scope are rejected. It is what a store keeps under the
    /// id.
    pub fn cut_off(&self) -> CutOff {
        self.cut_off
    }

    /// Returns the session whose tokens are exempt, if there is one.
    pub fn excepted_session(&self) -> Option<RevocationId> {
        self.cut_off.excepted_session()
    }

    /// Returns the reason given to [`with_reason`](Self::with_reason).
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Returns the time from which a store may remove the entry.
    pub fn until(&self) -> SystemTime {
        self.until.into()
    }

    /// The same as [`until`](Self::until).
    pub(crate) fn expiry(&self) -> Timestamp {
        self.until
    }

    /// The presented token's own `jti`, and when its entry may be forgotten.
    #[cfg(feature = "redis")]
    pub(crate) fn legacy_key(&self) -> Option<(RawJti, Timestamp)> {
        self.legacy_key
    }
}
