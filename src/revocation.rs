//! Revoking by name, without a token: what an administrator does, or the back-channel logout of another issuer.

use crate::{
    blocklist::{Revocation, RevocationId, RevocationScope, RevokeError},
    token::Verifier,
};

impl Verifier {
    /// What to store, with [`Revoke::revoke`](crate::Revoke::revoke), so that every session of the subject (`sub`) is over: each
    /// token with an `iat` up to now is refused, and each without `iat`. The subject can log in again; so end its sessions at the
    /// issuer first, which else goes on to issue tokens for those refresh tokens that it gave out.
    ///
    /// This is for other issuers' tokens; for one's own there is [`Issuer::logout_everywhere`](crate::Issuer::logout_everywhere). `issuer`
    /// is their `iss`, or `None` for tokens without: two issuers may have one `sub`.
    ///
    /// "Now" is by the verifier's [clock](crate::VerifierBuilder::clock). `iat` has whole seconds, so a token of this very second is
    /// refused too, and one that its issuer dates later, because its clock is ahead, is not. It is remembered for as long as any token
    /// of before could be accepted: the [`max_lifetime`](crate::VerifierBuilder::max_lifetime), twice the largest leeway that can
    /// be set (300 seconds), and two minutes for rounding and for clocks that differ. Of several verifiers with one blocklist, ask
    /// the one with the longest `max_lifetime`.
    ///
    /// ```
    /// # use tower_jwt_blocklist::{Algorithm, KeySet, MemoryBlocklist, VerifyingKey};
    /// use tower_jwt_blocklist::{Revoke, RevokeError, Verifier};
    ///
    /// const KEYCLOAK: &str = "https://sso.example.org/realms/shop";
    ///
    /// async fn log_out_everywhere(verifier: &Verifier, list: &impl Revoke, user: &str) -> Result<(), RevokeError> {
    ///     list.revoke(&verifier.subject_revocation(Some(KEYCLOAK), user)?).await
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = VerifyingKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?.with_id("a");
    /// # let verifier = Verifier::builder().trust(KEYCLOAK, KeySet::new([key])?).audience("shop-api").build()?;
    /// # let list = MemoryBlocklist::new();
    /// log_out_everywhere(&verifier, &list, "f3a1c2d4-user").await?;
    /// # assert_eq!(list.len(), 1);
    /// assert_eq!(verifier.subject_revocation(Some("https://sso.example.org"), "…"), Err(RevokeError::UnknownIssuer));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RevokeError::UnknownIssuer`] when no token of this issuer is accepted: a revocation in a wrong name would be stored, and
    /// refuse nothing. (With [`any_issuer`](crate::VerifierBuilder::any_issuer) each name is accepted.) Whether there is such a subject
    /// nobody can tell.
    pub fn subject_revocation(&self, issuer: Option<&str>, subject: &str) -> Result<Revocation, RevokeError> {
        let issuer = self.known(issuer)?;
        Ok(self.before_now(RevocationScope::Subject, RevocationId::new(issuer, RevocationScope::Subject, subject)))
    }

    /// What to store so that the session of this `sid` is over: every token of it is refused. `issuer`, and how long it is
    /// remembered, as for [`subject_revocation`](Self::subject_revocation): all tokens that exist now have ended by then. End the
    /// session at its issuer first, which else goes on to issue new ones.
    ///
    /// # Errors
    ///
    /// As for [`subject_revocation`](Self::subject_revocation).
    pub fn session_revocation(&self, issuer: Option<&str>, session_id: &str) -> Result<Revocation, RevokeError> {
        let id = RevocationId::new(self.known(issuer)?, RevocationScope::Session, session_id);
        Ok(Revocation::of_session(id, self.now(), self.revocations_kept_for()))
    }

    /// What to store so that every token of this issuer with an `iat` up to now is refused, whoever's. Everybody can log in again. For
    /// the rest see [`subject_revocation`](Self::subject_revocation).
    ///
    /// # Errors
    ///
    /// As for [`subject_revocation`](Self::subject_revocation).
    pub fn issuer_revocation(&self, issuer: Option<&str>) -> Result<Revocation, RevokeError> {
        Ok(self.before_now(RevocationScope::Issuer, RevocationId::issuer(self.known(issuer)?)))
    }

    fn before_now(&self, scope: RevocationScope, id: RevocationId) -> Revocation {
        Revocation::of_before(scope, id, self.now(), self.revocations_kept_for())
    }

    fn known<'a>(&self, issuer: Option<&'a str>) -> Result<Option<&'a str>, RevokeError> {
        if self.accepts_issuer(issuer) { Ok(issuer) } else { Err(RevokeError::UnknownIssuer) }
    }
}
