//! Your own tokens: login, refresh, logout.
//!
//! An [`Issuer`] mints a pair of tokens at a login. Both belong to one session (`sid`):
//!
//! - The access token is for requests. It is valid for an hour by default.
//! - The refresh token is single-use: [`Issuer::refresh`] exchanges it for a new pair. Within a
//!   [grace](IssuerBuilder::rotation_grace) it gets the same successor again. If it is used again
//!   later, it has been copied, so its session is revoked.
//!
//! | to log out | call |
//! |---|---|
//! | this session | [`Issuer::logout`] |
//! | the subject's other sessions | [`Issuer::logout_others`] |
//! | all sessions of a subject | [`Issuer::logout_everywhere`] |
//! | everybody | [`Issuer::revoke_all`] |
//! | a session or a token, by its id | [`Issuer::revoke_session`], [`Issuer::revoke_token`] |
//!
//! **A caveat.** An error of these methods means that the session has *not* ended. Tell the client,
//! and try again.
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jwt_blocklist::{
//!     Guard, Issuer, MemoryBlocklist, NoClaims, TokenKind, issuer::Refreshed,
//! };
//! # use tower_jwt_blocklist::{Algorithm, SigningKey, Verifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! let store = MemoryBlocklist::new();
//! let issuer = Issuer::builder(verifier.clone(), key, store.clone()).build()?;
//! let guard = Guard::new(TokenKind::Refresh, verifier, store);
//!
//! let pair = issuer.login("user-1", &NoClaims {}).await?;
//! let session = guard.authenticate::<NoClaims>(pair.refresh.as_str()).await?;
//! // A refresh token is admitted once …
//! assert!(matches!(issuer.refresh(&session, &NoClaims {}).await?, Refreshed::Rotated(_)));
//! // … and rejected after a logout.
//! issuer.logout(&session).await?;
//! assert!(matches!(issuer.refresh(&session, &NoClaims {}).await?, Refreshed::Revoked(_)));
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod login;
mod logout;
mod mint;
mod refresh;

pub use builder::IssuerBuilder;
pub use error::IssueError;
pub use mint::{MintedToken, TokenPair};
pub use refresh::Refreshed;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::{Outage, RevocationId, RevocationScope, Rotate},
    clock::Timestamp,
    issuer::mint::Mint,
    revocation::Retention,
};

/// Mints the tokens that a [`Verifier`](crate::Verifier) accepts, and revokes them.
///
/// It is built on that verifier and copies its issuer, its audience and its source of the kind.
/// Building it proves that the verifier accepts what it mints, so the two cannot drift apart.
/// Cloning is cheap.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{
///     Guard, Issuer, MemoryBlocklist, NoClaims, TokenKind, reject::RejectionKind,
/// };
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
pub struct Issuer {
    shared: Arc<Shared>,
    /// The reason to record with this clone's revocations.
    reason: Option<&'static str>,
}

struct Shared {
    mint: Mint,
    store: Arc<dyn Rotate>,
    rotation_grace: Duration,
    retention: Retention,
}

impl Issuer {
    fn mint(&self) -> &Mint {
        &self.shared.mint
    }

    fn now(&self) -> Timestamp {
        self.mint().verifier.now()
    }

    /// The first moment at which a new token of the subject, or of any, is not revoked; `None` if
    /// nothing is.
    async fn first_valid_issue(
        &self,
        issuer: Option<&str>,
        subject: Option<&str>,
    ) -> Result<Option<Timestamp>, Outage> {
        let subject = subject.map(|subject| RevocationId::new(issuer, RevocationScope::Subject, subject));
        let cut_off = self.shared.store.cut_off(RevocationId::issuer(issuer), subject).await?;
        Ok(cut_off.map(|cut_off| Timestamp::from(cut_off) + Duration::from_millis(1)))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("access_lifetime", &self.mint().access_lifetime)
            .field("refresh_lifetime", &self.mint().refresh_lifetime)
            .field("session_lifetime", &self.mint().session_lifetime)
            .field("rotation_grace", &self.shared.rotation_grace)
            .finish_non_exhaustive()
    }
}
