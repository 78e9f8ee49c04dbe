//! Login, refresh, logout: the tokens of one's own.

mod builder;
mod error;
mod mint;

use std::{fmt, sync::Arc, time::SystemTime};

use serde::Serialize;

pub use builder::IssuerBuilder;
pub use error::IssueError;
pub use mint::MintedToken;
use mint::{Mint, Session, random_id};

use crate::{
    blocklist::{Revoke, RevokeError},
    claims::TokenKind,
    clock::Timestamp,
    guard::Authenticated,
    token::{SigningKey, Verifier},
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
/// let pair = issuer.login("user-1", &NoClaims {})?;
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
pub struct Issuer(Arc<Shared>);

struct Shared {
    mint: Mint,
    revoke: Arc<dyn Revoke>,
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

impl Issuer {
    /// Starts building an issuer of tokens that `verifier` accepts, signed with `key`, revoked through `revoke`.
    pub fn builder(verifier: Arc<Verifier>, key: SigningKey, revoke: impl Revoke) -> IssuerBuilder {
        IssuerBuilder::new(verifier, key, revoke)
    }

    /// Begins a session for `subject`: an access and a refresh token. `claims` become members of both, beside the registered
    /// ones.
    ///
    /// Everybody who sees a token can read its claims: they are signed, not encrypted.
    ///
    /// # Errors
    ///
    /// When the claims or the subject cannot be put into a token; see [`IssueError`].
    pub fn login<X: Serialize>(&self, subject: &str, claims: &X) -> Result<TokenPair, IssueError> {
        if subject.is_empty() || subject.len() > 1024 {
            return Err(IssueError::Subject);
        }
        let mint = &self.0.mint;
        let session_id = random_id()?;
        let session = Session {
            issuer: mint.verifier.issuer(),
            subject: Some(subject),
            id: Some(&session_id),
            ends_at: mint.now() + mint.refresh_lifetime.max(mint.access_lifetime),
        };
        Ok(TokenPair {
            access: mint.token(TokenKind::Access, &session, claims)?,
            refresh: mint.token(TokenKind::Refresh, &session, claims)?,
        })
    }

    /// A new access token of the same session, for the holder of its refresh token: with the same `iss`, for a session belongs
    /// to one issuer, and with an end no later than the refresh token's. The refresh token stays valid to its end.
    ///
    /// # Errors
    ///
    /// When `session` was authenticated by an access token, its refresh token has ended since, or the claims cannot be put into a
    /// token; see [`IssueError`].
    pub fn refresh<X: Serialize>(&self, session: &Authenticated<X>) -> Result<MintedToken, IssueError> {
        if session.kind() != TokenKind::Refresh {
            return Err(IssueError::NotRefresh);
        }
        let claims = session.claims();
        let session = Session {
            issuer: session.issuer(),
            subject: session.subject(),
            id: session.session_id(),
            ends_at: Timestamp::from(session.expires_at()),
        };
        self.0.mint.token(TokenKind::Access, &session, claims)
    }

    /// Ends the session: its refresh token and every access token of it are refused from now on. Doing it twice is `Ok`.
    ///
    /// A token without `sid` (of another issuer) has no session: then it alone is revoked.
    ///
    /// # Errors
    ///
    /// When the revocation was not stored: the session is then **not** over, and the client must hear so.
    pub async fn logout<X: Sync + Send>(&self, session: &Authenticated<X>) -> Result<(), RevokeError> {
        let now = SystemTime::from(self.0.mint.verifier.now());
        self.0.revoke.revoke(&session.revocation(now)).await
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("access_lifetime", &self.0.mint.access_lifetime)
            .field("refresh_lifetime", &self.0.mint.refresh_lifetime)
            .finish_non_exhaustive()
    }
}
