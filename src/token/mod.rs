//! Tokens: verifying them, and which claims they must have.
//!
//! A [`Verifier`] decides whether a token is genuine and what it says. It checks, in this order:
//!
//! 1. The token is not too long, and has three parts in strict base64url (RFC 7515).
//! 2. Its header names a known `alg`, `kid` and `typ`, and no extension (RFC 8725 §3).
//! 3. The signature is right for the one algorithm of the key. Nothing of the payload is read
//!    before.
//! 4. The payload is one JSON object with each claim once (RFC 7519 §4).
//! 5. `iss`, `aud`, `sub`, `sid`, `jti` and the times are as the [`VerifierBuilder`] requires, and
//!    the token is of a known [kind](KindSource).
//! 6. The claims of the application can be deserialized.
//!
//! Mind that a genuine token may have been revoked. Whether it was is the blocklist's answer, so
//! put a [`JwtBlocklistLayer`](crate::JwtBlocklistLayer) or a [`Guard`](crate::Guard) in front of
//! your code.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tower_jwt_blocklist::{
//!     Algorithm, Guard, Issuer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! let verifier = Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?;
//! let (verifier, blocklist) = (Arc::new(verifier), MemoryBlocklist::new());
//! let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
//! let pair = issuer.login("user-1", &NoClaims {}).await?;
//! let guard = Guard::new(TokenKind::Access, verifier, blocklist);
//!
//! // Accepted: an access token of this issuer.
//! assert!(guard.authenticate::<NoClaims>(pair.access.as_str()).await.is_ok());
//! // Rejected: the refresh token of the same login, and a token with a damaged signature.
//! assert!(guard.authenticate::<NoClaims>(pair.refresh.as_str()).await.is_err());
//! assert!(guard.authenticate::<NoClaims>(&format!("{}A", pair.access.as_str())).await.is_err());
//! # Ok(())
//! # }
//! ```

mod builder;
mod cache;
mod claims;
mod revocation;
mod signer;
mod trusted_issuers;
mod verifier;
mod verify_error;
#[cfg(test)]
mod wycheproof;

pub use builder::{OptionalClaim, VerifierBuilder};
pub use cache::TokenCache;
pub(crate) use cache::VerifiedTokens;
pub(crate) use claims::{ClaimError, GENERATION, Payload, RESERVED_CLAIMS, RegisteredClaims, SESSION_BEGAN, token68};
#[cfg(feature = "compat")]
pub(crate) use claims::{Issuers, Presence, Rules};
pub use claims::{KindSource, NoClaims, TokenIdSource, TokenKind};
pub(crate) use signer::Signer;
pub(crate) use verifier::Verified;
pub use verifier::Verifier;
pub(crate) use verify_error::VerifyError;
