//! Login, refresh, logout in all its breadths: the tokens of one's own.

mod builder;
mod error;
mod mint;
mod refresh;

pub use builder::IssuerBuilder;
pub use error::IssueError;
pub use mint::{MintedToken, TokenPair};
pub use refresh::Refreshed;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{
    blocklist::{Revocation, RevocationId, RevocationScope, RevokeError, Rotate, TokenIds},
    clock::Timestamp,
    config_error::ConfigError,
    guard::{Authenticated, Revocable},
    issuer::mint::{Mint, id_text, random_bits},
    keys::SigningKey,
    token::{KEPT_AFTER_EXPIRY, Verifier},
};

/// Mints the tokens that a [`Verifier`] accepts, and takes them back.
///
/// It is built on that verifier and copies its issuer, audience and the place of the kind, and proves at start that the
/// verifier accepts what it mints: the two cannot drift apart.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{Guard, Issuer, MemoryBlocklist, NoClaims, RejectionKind, TokenKind};
/// # use tower_jwt_blocklist::{Algorithm, SigningKey, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
/// # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
/// let blocklist = MemoryBlocklist::new();
/// let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
/// let pair = issuer.login("user-1", &NoClaims {}).await?;
///
/// let guard = Guard::new(TokenKind::Access, verifier, blocklist);
/// let user = guard.authenticate::<NoClaims>(pair.access.as_str()).await?;
/// assert_eq!(user.subject(), Some("user-1"));
///
/// issuer.logout(&user).await?;
/// let rejection = guard.authenticate::<NoClaims>(pair.access.as_str()).await.unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Revoked);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Issuer(Arc<Shared>, Option<&'static str>);

struct Shared {
    mint: Mint,
    store: Arc<dyn Rotate>,
    rotation_grace: Duration,
}

impl Issuer {
    /// Starts building an issuer of tokens that `verifier` accepts, signed with `key`, redeemed and revoked in `store`.
    pub fn builder(verifier: Arc<Verifier>, key: SigningKey, store: impl Rotate) -> IssuerBuilder {
        IssuerBuilder::new(verifier, key, store)
    }

    /// Signs with this key from now on, in all clones, without a restart. The verifier has to know it already: put it into its
    /// [`KeySet`](crate::KeySet) first, beside the old one, and take the old one out when the last of its tokens has ended.
    ///
    /// # Errors
    ///
    /// When the verifier does not accept what the key signs; then the old key goes on signing.
    pub fn sign_with(&self, key: SigningKey) -> Result<(), ConfigError> {
        let mint = &self.0.mint;
        let trial = mint.with_key(key);
        builder::self_test(&trial)?;
        mint.signer.store(trial.signer);
        Ok(())
    }

    /// Begins a session for `subject`: an access and a refresh token. `claims` become members of both, beside the registered
    /// ones.
    ///
    /// Everybody who sees a token can read its claims: they are signed, not encrypted.
    ///
    /// The tokens are dated after whatever was revoked of the subject so far, also within the same second, and also where the
    /// clock of the machine that revoked is ahead.
    ///
    /// # Errors
    ///
    /// When the claims or the subject cannot be put into a token, or the blocklist cannot tell up to when the subject's tokens
    /// are revoked; see [`IssueError`].
    pub async fn login<X: Serialize>(&self, subject: &str, claims: &X) -> Result<TokenPair, IssueError> {
        // Before the question: of what is revoked while it is under way the answer may know nothing.
        let now = self.now();
        let session_id = id_text(random_bits()?);
        let ids = TokenIds::new(self.0.mint.verifier.issuer(), &session_id, Some(&session_id)).with_subject(subject);
        let cut_off = self.0.store.cut_off(&ids).await.map_err(IssueError::Outage)?;
        let issued_at = cut_off.map_or(now, |cut_off| just_after(cut_off).max(now));
        if issued_at > self.0.mint.verifier.latest_issue() {
            return Err(IssueError::Revoked);
        }
        self.0.mint.first_pair(subject, &session_id, issued_at, claims)
    }

    /// The same issuer, whose revocations have a reason: see [`Revocation::because`].
    ///
    /// ```
    /// # async fn f(issuer: &tower_jwt_blocklist::Issuer) -> Result<(), tower_jwt_blocklist::RevokeError> {
    /// issuer.with_reason("password_changed").logout_everywhere("user-1").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_reason(&self, reason: &'static str) -> Self {
        Self(Arc::clone(&self.0), Some(reason))
    }

    /// Ends the session: its refresh token and every access token of it are refused from now on. Doing it twice is `Ok`. The
    /// proof is an [`Authenticated`], or what [`LogoutLayer`](crate::LogoutLayer) finds, which lets expired tokens through too.
    ///
    /// A token without `sid` (of another issuer) has no session: then it alone is revoked.
    ///
    /// # Errors
    ///
    /// When the revocation was not stored: the session is then **not** over, and the client must hear so. That goes for all the
    /// methods below.
    pub async fn logout(&self, session: &impl Revocable) -> Result<(), RevokeError> {
        self.revoke(session.revocation(self.now().into())).await
    }

    /// Ends every session of the subject but this one.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSession`] for a token without `sub` or `sid`, else as for [`logout`](Self::logout).
    pub async fn logout_others<X: Sync + Send>(&self, session: &Authenticated<X>) -> Result<(), RevokeError> {
        let subject = session.subject().ok_or(RevokeError::NoSession)?;
        let moment = self.latest_of(&TokenIds::new(session.issuer(), "", None).with_subject(subject)).await?;
        let revocation = session.others_revocation(moment.into()).ok_or(RevokeError::NoSession)?;
        self.revoke(revocation).await
    }

    /// Ends every session of the subject: every token that was issued to it up to now. It can log in again at once.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn logout_everywhere(&self, subject: &str) -> Result<(), RevokeError> {
        for issuer in self.0.mint.verifier.issuers() {
            let moment = self.latest_of(&TokenIds::new(issuer, "", None).with_subject(subject)).await?;
            let id = RevocationId::new(issuer, RevocationScope::Subject, subject);
            self.revoke(Revocation::of_before(RevocationScope::Subject, id, moment, self.kept_for())).await?;
        }
        Ok(())
    }

    /// Revokes every token issued up to now, whoever's: after tokens have leaked, say. Everybody can log in again at once. (After the
    /// signing key has leaked, change the key: whoever has it mints new tokens.)
    ///
    /// Of the issuers that the verifier names: with [`any_issuer`](crate::VerifierBuilder::any_issuer) it names none, and this reaches only tokens
    /// without `iss`. The same goes for `logout_everywhere`, `revoke_session` and `revoke_token`, and not for what takes a proof.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn revoke_all(&self) -> Result<(), RevokeError> {
        for issuer in self.0.mint.verifier.issuers() {
            let moment = self.latest_of(&TokenIds::new(issuer, "", None)).await?;
            let id = RevocationId::issuer(issuer);
            self.revoke(Revocation::of_before(RevocationScope::Issuer, id, moment, self.kept_for())).await?;
        }
        Ok(())
    }

    /// Ends a session by its `sid`.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn revoke_session(&self, session_id: &str) -> Result<(), RevokeError> {
        for issuer in self.0.mint.verifier.issuers() {
            self.revoke(self.0.mint.verifier.session_revocation(issuer, session_id)?).await?;
        }
        Ok(())
    }

    /// Revokes one token by its `jti`. `expires_at` is its `exp`; no token counts for longer than
    /// [`max_lifetime`](crate::VerifierBuilder::max_lifetime), so a later time is taken for that.
    ///
    /// # Errors
    ///
    /// As for [`logout`](Self::logout).
    pub async fn revoke_token(&self, token_id: &str, expires_at: SystemTime) -> Result<(), RevokeError> {
        let until = (Timestamp::from(expires_at) + KEPT_AFTER_EXPIRY).min(self.now() + self.kept_for());
        for issuer in self.0.mint.verifier.issuers() {
            self.revoke(Revocation::new(
                RevocationScope::Token,
                RevocationId::new(issuer, RevocationScope::Token, token_id),
                until,
            ))
            .await?;
        }
        Ok(())
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        let revocation = self.1.map_or(revocation, |reason| revocation.with_reason(reason));
        self.0.store.revoke(&revocation).await
    }

    /// The time of issue of the latest token that can exist by now. It lies ahead where another machine's clock does, or a login
    /// followed a revocation within its millisecond.
    async fn latest_of(&self, ids: &TokenIds) -> Result<Timestamp, RevokeError> {
        let cut_off = self.0.store.cut_off(ids).await.map_err(RevokeError::Outage)?;
        let latest_login = cut_off.map(|cut_off| just_after(cut_off).min(self.0.mint.verifier.latest_issue()));
        Ok(latest_login.map_or(self.now(), |latest| latest.max(self.now())))
    }

    /// How long a revocation of more than one token has to be remembered.
    fn kept_for(&self) -> Duration {
        self.0.mint.verifier.revocations_kept_for()
    }

    fn now(&self) -> Timestamp {
        self.0.mint.verifier.now()
    }
}

#[cfg(feature = "testing")]
impl Issuer {
    /// Mints the tokens of a login at this time, in this session or in a new one. Asks no store, so the time may be long past.
    pub(crate) fn pair_of_session<X: Serialize>(
        &self,
        subject: &str,
        session_id: Option<&str>,
        issued_at: SystemTime,
        claims: &X,
    ) -> Result<TokenPair, IssueError> {
        let session_id = session_id.map_or_else(|| random_bits().map(id_text), |id| Ok(id.to_owned()))?;
        self.0.mint.first_pair(subject, &session_id, issued_at.into(), claims)
    }
}

/// The first moment at which a token is good again: what was issued up to the cut-off is refused.
fn just_after(cut_off: Timestamp) -> Timestamp {
    cut_off + Duration::from_millis(1)
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("access_lifetime", &self.0.mint.access_lifetime)
            .field("refresh_lifetime", &self.0.mint.refresh_lifetime)
            .field("session_lifetime", &self.0.mint.session_lifetime)
            .field("rotation_grace", &self.0.rotation_grace)
            .finish_non_exhaustive()
    }
}
