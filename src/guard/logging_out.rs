//! The proof for a logout: a genuine token of the session, which may have expired.

use std::fmt;

use crate::{
    blocklist::{Revocation, TokenIds},
    clock::Timestamp,
    guard::{
        authenticated::{Authenticated, token_ids},
        rejection::{Reason, Rejection},
    },
    revocation::Retention,
    token::{NoClaims, TokenKind, Verified, Verifier, token68},
};

/// Proves that a request carried a genuine token of either kind, which may have expired or been
/// revoked. It can revoke the token's session, and nothing else.
///
/// It has no accessors, so that nobody takes it for an [`Authenticated`].
///
/// A client may log out with an access token that has expired, or log out twice because it did not
/// get the first response. So the blocklist is not queried, and an expired token is admitted for a
/// while: for the verifier's [`max_lifetime`](crate::token::VerifierBuilder::max_lifetime) after
/// its `exp`. By then the refresh token of the same login has expired too. If the session was
/// refreshed since, the client has a newer token to log out with.
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
    /// Verifies a compact token (`header.payload.signature`) for a logout.
    /// [`LogoutLayer`](crate::LogoutLayer) does it for requests.
    ///
    /// # Errors
    ///
    /// If the token is not genuine, or expired longer ago than `max_lifetime`.
    pub fn verify(verifier: &Verifier, token: &str) -> Result<Self, Rejection> {
        let Verified { claims, .. } = verifier
            .verify_ended::<NoClaims>(token, verifier.now())
            .map_err(|error| Self::reject(Reason::Unacceptable(error)))?;
        let retention = verifier.retention();
        Ok(Self { ids: token_ids(&claims), expires_at: claims.expires_at, retention })
    }

    /// Verifies the bytes that a request presents in place of a token.
    pub(crate) fn verify_bytes(verifier: &Verifier, token: &[u8]) -> Result<Self, Rejection> {
        let text = token68(token).ok_or_else(|| Self::reject(Reason::NotOneToken))?;
        Self::verify(verifier, text)
    }

    /// Rejects the request. Either kind of token is admitted, but the response speaks of the access
    /// token.
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

/// A login that can be revoked: an [`Authenticated`] or a [`LoggingOut`].
pub trait Revocable: Send + Sync + sealed::Sealed {
    /// Returns what to store to revoke this login: its session, or the token alone if it has no
    /// `sid`.
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
