//! Logout: of one session, of the others, of all, of everybody.

use std::{sync::Arc, time::SystemTime};

use crate::{
    blocklist::{Outage, Revocation, RevocationId, RevocationScope, RevokeError},
    clock::Timestamp,
    guard::{Authenticated, Revocable},
    issuer::Issuer,
};

impl Issuer {
    /// Returns the same issuer with a reason for its revocations: see [`Revocation::with_reason`].
    ///
    /// ```
    /// # async fn f(issuer: &tower_jwt_blocklist::Issuer) -> Result<(), tower_jwt_blocklist::blocklist::RevokeError> {
    /// issuer.with_reason("password_changed").logout_everywhere("user-1").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_reason(&self, reason: &'static str) -> Self {
        Self { shared: Arc::clone(&self.shared), reason: Some(reason) }
    }

    /// Ends a session: its refresh token and all of its access tokens are rejected from now on.
    ///
    /// The proof is an [`Authenticated`], or a [`LoggingOut`](crate::LoggingOut) from
    /// [`LogoutLayer`](crate::LogoutLayer), which admits expired tokens too. Logging out twice is
    /// `Ok`. A token without `sid` (of another issuer) has no session: it alone is revoked.
    ///
    /// # Errors
    ///
    /// If the revocation was not stored. Then the session has **not** ended, and the client must be
    /// told. The same is true of all the methods below.
    pub async fn logout(&self, session: &impl Revocable) -> Result<(), RevokeError> {
        self.revoke(session.revocation()).await
    }

    /// Ends every session of the subject except this one.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSession`] for a token without `sub` or `sid`; otherwise as for
    /// [`logout`](Self::logout).
    pub async fn logout_others<X: Sync + Send>(&self, session: &Authenticated<X>) -> Result<(), RevokeError> {
        let subject = session.subject().ok_or(RevokeError::NoSession)?;
        let moment = self.latest_issue(session.issuer(), Some(subject)).await?;
        self.revoke(session.others_revocation_at(moment).ok_or(RevokeError::NoSession)?).await
    }

    /// Ends every session of the subject: all tokens that were issued to it up to now. It can log
    /// in again at once.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn logout_everywhere(&self, subject: &str) -> Result<(), RevokeError> {
        for issuer in self.mint().verifier.issuers() {
            let moment = self.latest_issue(issuer, Some(subject)).await?;
            let id = RevocationId::new(issuer, RevocationScope::Subject, subject);
            self.revoke(self.shared.retention.issued_up_to(RevocationScope::Subject, id, moment)).await?;
        }
        Ok(())
    }

    /// Revokes every token issued up to now, of all subjects: for example after tokens have leaked.
    /// Everybody can log in again at once.
    ///
    /// (If the signing key has leaked, change the key: its finder can mint new tokens.)
    ///
    /// It covers the issuers that the verifier names. With
    /// [`any_issuer`](crate::token::VerifierBuilder::any_issuer) it names none, so only tokens
    /// without `iss` are covered. The same is true of `logout_everywhere`, `revoke_session` and
    /// `revoke_token`, but not of methods that take a proof.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn revoke_all(&self) -> Result<(), RevokeError> {
        for issuer in self.mint().verifier.issuers() {
            let moment = self.latest_issue(issuer, None).await?;
            let id = RevocationId::issuer(issuer);
            self.revoke(self.shared.retention.issued_up_to(RevocationScope::Issuer, id, moment)).await?;
        }
        Ok(())
    }

    /// Ends a session by its `sid`.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn revoke_session(&self, session_id: &str) -> Result<(), RevokeError> {
        for issuer in self.mint().verifier.issuers() {
            self.revoke(self.mint().verifier.session_revocation(issuer, session_id)?).await?;
        }
        Ok(())
    }

    /// Revokes one token by its `jti`.
    ///
    /// `expires_at` is the token's `exp`. A time later than
    /// [`max_lifetime`](crate::token::VerifierBuilder::max_lifetime) from now is reduced to that,
    /// because no token is accepted for longer.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn revoke_token(&self, token_id: &str, expires_at: SystemTime) -> Result<(), RevokeError> {
        for issuer in self.mint().verifier.issuers() {
            let id = RevocationId::new(issuer, RevocationScope::Token, token_id);
            self.revoke(self.shared.retention.token_by_id(id, expires_at.into())).await?;
        }
        Ok(())
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        let revocation = self.reason.map_or(revocation, |reason| revocation.with_reason(reason));
        self.shared.store.revoke(&revocation).await
    }

    /// The latest time of issue that any existing token of the subject, or of any, can have. It
    /// lies in the future if another machine's clock is ahead, or a login followed a revocation
    /// within the same millisecond.
    async fn latest_issue(&self, issuer: Option<&str>, subject: Option<&str>) -> Result<Timestamp, Outage> {
        let first_valid = self.first_valid_issue(issuer, subject).await?;
        let latest_login = first_valid.map(|first_valid| first_valid.min(self.mint().verifier.latest_issue()));
        Ok(latest_login.map_or(self.now(), |latest| latest.max(self.now())))
    }
}
