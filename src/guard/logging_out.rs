//! Who may log out: whoever holds a genuine token of the session, also one that is over.

use std::fmt;

use crate::{
    blocklist::{Revocation, TokenIds},
    clock::Timestamp,
    guard::{
        authenticated::{Authenticated, token_ids},
        rejection::{Reason, Rejection},
    },
    revocation::Retention,
    token::{NoClaims, TokenKind, Verified, Verifier},
};

/// Proof that a request carried a genuine token, of either kind, which may have expired or been revoked: enough to end its session,
/// and nothing else. It tells nothing of the token, so that nobody takes it for an [`Authenticated`].
///
/// A client that logs out with an access token of an hour ago means it, and one that does it twice, for it has not heard the first
/// answer, has logged out. So the blocklist is not asked, and time is generous: a token counts for as long after its `exp` as any
/// token may live, the verifier's [`max_lifetime`](crate::VerifierBuilder::max_lifetime). The refresh token that was minted beside it
/// is over by then; and if the session was refreshed since, its client has a newer token to log out with.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{Issuer, LoggingOut, MemoryBlocklist, NoClaims};
/// # use tower_jwt_blocklist::{Algorithm, SigningKey, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
/// # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
/// let issuer = Issuer::builder(verifier.clone(), key, MemoryBlocklist::new()).build()?;
/// let pair = issuer.login("user-1", &NoClaims {}).await?;
/// for _ in 0..2 {
///     issuer.logout(&LoggingOut::verify(&verifier, pair.access.as_str())?).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoggingOut {
    ids: TokenIds,
    expires_at: Timestamp,
    retention: Retention,
}

impl LoggingOut {
    /// Verifies a compact token (`header.payload.signature`) for a logout. [`LogoutLayer`](crate::LogoutLayer) does it for requests.
    ///
    /// # Errors
    ///
    /// When the token is not genuine, or has been over for too long.
    pub fn verify(verifier: &Verifier, token: &str) -> Result<Self, Rejection> {
        let Verified { claims, .. } = verifier
            .verify_ended::<NoClaims>(token, verifier.now())
            .map_err(|error| Self::reject(Reason::Unacceptable(error)))?;
        let retention = verifier.retention();
        Ok(Self { ids: token_ids(&claims), expires_at: claims.expires_at, retention })
    }

    /// Either kind would do; the words are those for the one that clients have at hand.
    pub(crate) fn reject(reason: Reason) -> Rejection {
        Rejection::new(TokenKind::Access, reason)
    }
}

/// Shows no id.
impl fmt::Debug for LoggingOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggingOut").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// What a login can be taken back with: an [`Authenticated`] or a [`LoggingOut`].
pub trait Revocable: Send + Sync + sealed::Sealed {
    /// Returns what to store to revoke this login: its session, or the token alone if it has no `sid`.
    fn revocation(&self) -> Revocation;
}

impl Revocable for LoggingOut {
    fn revocation(&self) -> Revocation {
        self.retention.login(&self.ids, self.expires_at)
    }
}

impl<X: Send + Sync> Revocable for Authenticated<X> {
    fn revocation(&self) -> Revocation {
        self.revocation()
    }
}

mod sealed {
    use crate::guard::logging_out::{Authenticated, LoggingOut};

    pub trait Sealed {}
    impl Sealed for LoggingOut {}
    impl<X> Sealed for Authenticated<X> {}
}
