//! Revoking by id, without a token: for an administrator, or the back-channel logout of another
//! issuer.

use std::sync::Arc;

use crate::{
    blocklist::{Revocation, RevocationId, RevocationScope, RevokeError},
    revocation::Retention,
    token::verifier::Verifier,
};

impl Verifier {
    /// Returns what to store with [`Revoke::revoke`](crate::blocklist::Revoke::revoke) to revoke
    /// all sessions of a subject (`sub`).
    ///
    /// Every token of the subject with an `iat` up to now is rejected, and every token without
    /// `iat`. The subject can log in again. So end its sessions at the issuer first: otherwise the
    /// issuer goes on minting tokens for the refresh tokens it has handed out.
    ///
    /// Use it for another issuer's tokens. For your own there is
    /// [`Issuer::logout_everywhere`](crate::Issuer::logout_everywhere). `issuer` is the `iss` of
    /// the tokens, or `None` for tokens without `iss`: two issuers may use the same `sub`.
    ///
    /// "Now" is read from the verifier's [clock](crate::token::VerifierBuilder::clock). `iat` has
    /// whole seconds, so a token of this very second is rejected too. A token dated after now, by
    /// an issuer whose clock is ahead, is not rejected.
    ///
    /// The entry is kept for as long as any of these tokens could be accepted: the
    /// [`max_lifetime`](crate::token::VerifierBuilder::max_lifetime), twice the largest leeway (300
    /// seconds), and two minutes for rounding and for clocks that differ. If several verifiers
    /// share a store, use the one with the longest `max_lifetime`.
    ///
    /// ```
    /// # use tower_jwt_blocklist::{Algorithm, MemoryBlocklist, VerifyingKey, keys::KeySet};
    /// use tower_jwt_blocklist::{Verifier, blocklist::{Revoke, RevokeError}};
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
    /// [`RevokeError::UnknownIssuer`] if the verifier accepts no token of this issuer: under a
    /// wrong name, the entry would be stored and reject nothing. (With
    /// [`any_issuer`](crate::token::VerifierBuilder::any_issuer) every name is accepted.) Whether
    /// the subject exists is not checked.
    pub fn subject_revocation(&self, issuer: Option<&str>, subject: &str) -> Result<Revocation, RevokeError> {
        let id = RevocationId::new(self.known(issuer)?, RevocationScope::Subject, subject);
        Ok(self.retention().issued_up_to_now(RevocationScope::Subject, id))
    }

    /// Returns what to store to revoke the session with this `sid`: all of its tokens are rejected.
    ///
    /// `issuer`, and how long the entry is kept, are as for
    /// [`subject_revocation`](Self::subject_revocation). End the session at its issuer first:
    /// otherwise the issuer goes on minting tokens for it.
    ///
    /// # Errors
    ///
    /// As for [`subject_revocation`](Self::subject_revocation).
    pub fn session_revocation(&self, issuer: Option<&str>, session_id: &str) -> Result<Revocation, RevokeError> {
        let id = RevocationId::new(self.known(issuer)?, RevocationScope::Session, session_id);
        Ok(self.retention().session(id))
    }

    /// Returns what to store to revoke every token of this issuer with an `iat` up to now, of all
    /// subjects.
    ///
    /// They can log in again. The rest is as for [`subject_revocation`](Self::subject_revocation).
    ///
    /// # Errors
    ///
    /// As for [`subject_revocation`](Self::subject_revocation).
    pub fn issuer_revocation(&self, issuer: Option<&str>) -> Result<Revocation, RevokeError> {
        let id = RevocationId::issuer(self.known(issuer)?);
        Ok(self.retention().issued_up_to_now(RevocationScope::Issuer, id))
    }

    /// The retention of revocations for the tokens that this verifier accepts.
    pub(crate) fn retention(&self) -> Retention {
        Retention::new(self.max_lifetime(), Arc::clone(&self.clock))
    }

    fn known<'a>(&self, issuer: Option<&'a str>) -> Result<Option<&'a str>, RevokeError> {
        if self.accepts_issuer(issuer) { Ok(issuer) } else { Err(RevokeError::UnknownIssuer) }
    }
}
