//! The decision about a token, without HTTP: a token's text in, [`Authenticated`] or [`Rejection`]
//! out.
//!
//! A [`Guard`] verifies the token, its kind, and that it was not revoked. The layers use it for
//! requests. Use it directly where a token arrives another way: the first message of a WebSocket, a
//! queue, a command line.
//!
//! [`Authenticated`] is the proof of an admitted token; only a guard makes one. [`LoggingOut`] is
//! the weaker proof that is enough for a logout: the token may have expired or been revoked.
//!
//! **A caveat.** A decision is about one moment. For a stream or a WebSocket that stays open, use
//! [`Guard::watch`].
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jwt_blocklist::{
//!     Guard, Issuer, MemoryBlocklist, NoClaims, TokenKind, reject::RejectionKind,
//! };
//! # use tower_jwt_blocklist::{Algorithm, SigningKey, Verifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! # let store = MemoryBlocklist::new();
//! # let issuer = Issuer::builder(verifier.clone(), key, store.clone()).build()?;
//! let guard = Guard::new(TokenKind::Access, verifier, store);
//! let pair = issuer.login("user-1", &NoClaims {}).await?;
//!
//! // An access token is admitted …
//! let user = guard.authenticate::<NoClaims>(pair.access.as_str()).await?;
//! assert_eq!(user.subject(), Some("user-1"));
//! // … and a refresh token is rejected.
//! let rejection = guard.authenticate::<NoClaims>(pair.refresh.as_str()).await.unwrap_err();
//! assert_eq!(rejection.kind(), RejectionKind::WrongKind);
//! # Ok(())
//! # }
//! ```

mod authenticated;
mod logging_out;
mod outage_policy;
mod rejection;
mod requirements;
mod watch;

pub(crate) use authenticated::VerifiedToken;
pub use authenticated::{Authenticated, RevocationCheck};
pub use logging_out::{LoggingOut, Revocable};
pub use outage_policy::{OutagePolicy, danger};
pub(crate) use rejection::Reason;
pub use rejection::{Rejection, RejectionKind};
pub(crate) use requirements::Requirements;
pub use requirements::{ClaimList, Require, RequireBuilder};

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{
    blocklist::{Blocklist, Lookup, Outage, Status},
    clock::Timestamp,
    guard::{
        outage_policy::Allowance,
        requirements::{Times, Unmet},
    },
    metrics,
    revocation::Retention,
    token::{TokenKind, VerifiedTokens, Verifier, token68},
};

/// Verifies a token, its kind, and that it was not revoked.
/// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer) does the same for HTTP.
///
/// Cloning is cheap.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{Guard, MemoryBlocklist, NoClaims, TokenKind, reject::RejectionKind};
/// # use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = VerifyingKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
/// # let verifier = Arc::new(Verifier::builder().key(key).issuer("my-app").audience("my-app").build()?);
/// let guard = Guard::new(TokenKind::Access, verifier, MemoryBlocklist::new());
/// let rejection = guard.authenticate::<NoClaims>("no token at all").await.unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Invalid);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guard {
    expected: TokenKind,
    verifier: Arc<Verifier>,
    blocklist: Arc<dyn Blocklist>,
    allowance: Allowance,
    retention: Retention,
}

impl Guard {
    /// Creates a guard that admits tokens of this kind.
    pub fn new(expected: TokenKind, verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        let (allowance, retention) = (OutagePolicy::default().allowance(expected), verifier.retention());
        Self { expected, verifier, blocklist: Arc::new(blocklist), allowance, retention }
    }

    /// Sets what to do when the blocklist cannot answer; [`OutagePolicy::deny`] by default, and
    /// always for refresh tokens.
    ///
    /// Clones made from then on share the state of an outage.
    #[must_use]
    pub fn with_outage_policy(mut self, policy: OutagePolicy) -> Self {
        self.allowance = policy.allowance(self.expected);
        self
    }

    /// Returns the required kind of token.
    pub fn expected(&self) -> TokenKind {
        self.expected
    }

    /// Verifies a compact token (`header.payload.signature`) and checks the blocklist.
    ///
    /// Each call verifies the token completely. Only a layer has a [token
    /// cache](crate::JwtBlocklistLayer#token-cache), because it reads claims of one type.
    ///
    /// # Errors
    ///
    /// If the token is not acceptable or was revoked, or the blocklist has no answer.
    pub async fn authenticate<X: DeserializeOwned>(&self, token: &str) -> Result<Authenticated<X>, Rejection> {
        let time = self.verifier.system_time();
        let verified = Arc::new(self.verify(token, time.into())?);
        let answer = self.blocklist.check(verified.ids(), time).await;
        self.admit(verified, answer, &Requirements::none())
    }

    /// Everything that needs no waiting. The blocklist is queried last, and only about genuine
    /// tokens of the right kind. A cached token skips what neither time nor a revocation can
    /// change.
    pub(crate) fn check<X: DeserializeOwned>(
        &self,
        token: &[u8],
        seen: &VerifiedTokens<VerifiedToken<X>>,
    ) -> Result<Check<X>, Rejection> {
        // Read the key version first: if the keys change meanwhile, the cached token is out of date
        // at once.
        let (time, key_version) = (self.verifier.system_time(), self.verifier.key_version());
        let now = Timestamp::from(time);
        let verified = match seen.get(token, key_version) {
            Some(verified) => match self.verifier.check_times(verified.claims(), now) {
                Ok(()) => verified,
                Err(error) => {
                    seen.forget(token);
                    return Err(self.reject(Reason::Unacceptable(error)));
                }
            },
            None => {
                let text = token68(token).ok_or_else(|| self.reject(Reason::NotOneToken))?;
                let verified = Arc::new(self.verify(text, now)?);
                seen.keep(token, key_version, &verified);
                verified
            }
        };
        let lookup = self.blocklist.check(verified.ids(), time);
        Ok(Check { verified, lookup })
    }

    fn verify<X: DeserializeOwned>(&self, token: &str, now: Timestamp) -> Result<VerifiedToken<X>, Rejection> {
        let verified = self.verifier.verify(token, now).map_err(|error| self.reject(Reason::Unacceptable(error)))?;
        if verified.kind != self.expected {
            return Err(self.reject(Reason::WrongKind));
        }
        Ok(VerifiedToken::new(verified, self.retention.clone()))
    }

    /// Decides about a genuine token of the right kind, once the blocklist has answered or has
    /// failed to. Revocation comes before the requirements, so a logged-out user gets 401, not 403.
    /// Counts the outcome.
    pub(crate) fn admit<X>(
        &self,
        verified: Arc<VerifiedToken<X>>,
        answer: Result<Status, Outage>,
        requirements: &Requirements<X>,
    ) -> Result<Authenticated<X>, Rejection> {
        match answer {
            Ok(_) => self.allowance.answered(),
            Err(outage) => metrics::unanswered(outage.as_str()),
        }
        let revocation = match answer {
            Ok(Status::NotRevoked) => RevocationCheck::Passed,
            Ok(Status::Revoked(scope)) => return Err(self.reject(Reason::Revoked(scope))),
            Ok(Status::BeforeLoss) => return Err(self.reject(Reason::BeforeLoss)),
            Err(outage) if self.allowance.covers(outage, || self.verifier.now()) => RevocationCheck::Unanswered,
            Err(outage) => return Err(self.reject(Reason::Outage(outage))),
        };
        let authenticated = Authenticated::new(verified, revocation);
        let clock = || Times { now: self.verifier.now(), latest_past: self.verifier.latest_issue() };
        requirements.check(&authenticated, clock).map_err(|Unmet { reason, wanted }| {
            let rejection = self.reject(reason);
            match wanted {
                Some(wanted) => rejection.wanting(wanted),
                None => rejection,
            }
        })?;
        metrics::checked(self.expected.as_str(), revocation.outcome());
        Ok(authenticated)
    }

    /// The length of the longest accepted token, in bytes.
    pub(crate) fn max_token_bytes(&self) -> usize {
        self.verifier.max_token_bytes()
    }

    /// Counts and returns a rejection. Call it once for each rejected request.
    pub(crate) fn reject(&self, reason: Reason) -> Rejection {
        let rejection = Rejection::new(self.expected, reason);
        metrics::checked(self.expected.as_str(), rejection.reason());
        rejection
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("expected", &self.expected)
            .field("verifier", &self.verifier)
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}

/// A genuine token of the right kind, about which the blocklist is being queried. [`Guard::admit`]
/// takes the answer.
pub(crate) struct Check<X> {
    pub(crate) verified: Arc<VerifiedToken<X>>,
    pub(crate) lookup: Lookup,
}

#[cfg(test)]
#[cfg(feature = "aws_lc_rs")]
mod tests {
    use std::cell::Cell;

    use serde::Deserialize;

    use super::*;
    use crate::{
        blocklist::MemoryBlocklist,
        issuer::Issuer,
        keys::{Algorithm, KeySet, SigningKey},
        token::{NoClaims, TokenCache},
    };

    thread_local! {
        static VERIFIED: Cell<usize> = const { Cell::new(0) };
    }

    /// Application claims that count how often a token was verified.
    #[derive(Debug)]
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            VERIFIED.set(VERIFIED.get() + 1);
            NoClaims::deserialize(deserializer).map(|_| Self)
        }
    }

    #[tokio::test]
    async fn r72_a_token_is_verified_again_when_the_keys_have_changed() {
        let secret = |secret: &str| SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
        let (key, other) = (secret("3f9a7c02b1d84e65a0c7f1e2d3b49586"), secret("68594b3d2e1f7c0a56e48d1b20c7a9f3"));
        let public = |key: &SigningKey| [key.verifying_key().unwrap()];
        let keys = KeySet::new(public(&key)).unwrap();
        let verifier = Verifier::builder().keys(keys.clone()).issuer("i").audience("a").build().unwrap();
        let verifier = Arc::new(verifier);
        let list = MemoryBlocklist::new();
        let issuer = Issuer::builder(verifier.clone(), key.clone(), list.clone()).build().unwrap();
        let token = issuer.login("user-1", &NoClaims {}).await.unwrap().access.into_string();
        let guard = Guard::new(TokenKind::Access, verifier.clone(), list);
        let seen = VerifiedTokens::new(TokenCache::default());
        let times_verified = || {
            let before = VERIFIED.get();
            assert!(guard.check::<Counted>(token.as_bytes(), &seen).is_ok());
            VERIFIED.get() - before
        };
        assert_eq!([times_verified(), times_verified()], [1, 0]);
        keys.replace(public(&key)).unwrap();
        assert_eq!([times_verified(), times_verified()], [1, 0]);
        keys.replace(public(&other)).unwrap();
        let refused = guard.check::<Counted>(token.as_bytes(), &seen).err().unwrap();
        assert_eq!(refused.kind(), crate::reject::RejectionKind::Invalid, "its key was removed");
    }
}
