//! Log out a JWT: a Tower middleware that verifies a token, tells access from refresh, and refuses what was revoked.
//!
//! # The parts
//!
//! | | |
//! |---|---|
//! | [`Verifier`] | decides whether a token is genuine, and what it says |
//! | [`KeySet`], [`Jwks`] | its keys, of one party or of several, replaced without a restart and published; `RemoteKeys` fetches them |
//! | [`Blocklist`], [`Revoke`], [`Rotate`] | know what was taken back and redeemed: [`MemoryBlocklist`] for one process, `RedisBlocklist` for many, `MirrorBlocklist` before it: all of it in memory |
//! | [`JwtBlocklistLayer`] | asks both before it calls your service, which finds an [`Authenticated`] in the request's extensions |
//! | [`Issuer`] | login, refresh, logout: for tokens of your own |
//! | [`LogoutLayer`] | stands before the logout: takes expired tokens too, and proves nothing else |
//! | [`Verifier::subject_revocation`], [`Verifier::session_revocation`] | log out by name what another issuer's tokens belong to |
//! | [`Guard`] | the layer's decision without HTTP: for WebSockets, queues, tests |
//!
//! # In ten minutes
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use std::sync::Arc;
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use tower::ServiceExt;
//! use tower_jwt_blocklist::{
//!     Algorithm, Authenticated, Guard, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // At start: the key, what a token must say, and the list. Whatever cannot work is an error here.
//! let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! let blocklist = MemoryBlocklist::new();
//! let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
//!
//! // The layer in front of routes. `Authenticated` in a handler is the proof that it ran.
//! let app = Router::new()
//!     .route("/me", get(async |user: Authenticated| user.subject().unwrap_or_default().to_owned()))
//!     .route_layer(JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()));
//!
//! // A request with a token of ours is let through …
//! let token = issuer.login("user-1", &NoClaims {}).await?.access.into_string();
//! let request = || Request::get("/me").header("Authorization", format!("Bearer {token}")).body(Body::empty());
//! assert_eq!(app.clone().oneshot(request()?).await?.status(), StatusCode::OK);
//!
//! // … until its session is logged out. (A handler has the `Authenticated` already.)
//! let user = Guard::new(TokenKind::Access, verifier, blocklist).authenticate::<NoClaims>(&token).await?;
//! issuer.logout(&user).await?;
//! assert_eq!(app.oneshot(request()?).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! # What is decided, in this order
//!
//! 1. The request carries exactly one bearer token, in its `Authorization` header or where else [`TokenSources`] says, else 401 (none,
//!    unless that is [optional](JwtBlocklistLayer::optional)) or 400 (not one). One in a cookie was not sent by another site's page,
//!    else 403.
//! 2. Its form, `alg`, `kid` and `typ` are known (RFC 8725), and its signature is right for the one algorithm of the key.
//! 3. Its claims say what they must, each once (RFC 7519 §4.1), and it is of the kind the layer asks for.
//! 4. The blocklist says that neither the token nor its session was revoked. What cannot be asked is 503
//!    ([`OutagePolicy`]).
//! 5. It is all that the route [requires](Require), and [conditions](JwtBlocklistLayer::add_condition) of the application hold, else 403; or
//!    401 where a new login helps.
//!
//! Of an access token that a layer has seen before, 2 and the unchanging part of 3 are known
//! ([token cache](JwtBlocklistLayer#token-cache)); times and revocation are checked with each request.
//!
//! Nothing of the payload is acted on before the signature is proven, and the blocklist is asked only about genuine tokens.
//!
//! # Refresh
//!
//! A refresh token is good once: [`Issuer::refresh`] redeems it for the next pair. Within a
//! [grace](IssuerBuilder::rotation_grace) the same token gets the same successor again; later it is in two hands, and its
//! session is revoked. A logout of whatever breadth ends it at once.
//!
//! # Guides
//!
//! [Choosing algorithms and lifetimes](guide::algorithms_and_lifetimes), [verifying somebody else's tokens](guide::foreign_tokens),
//! [cookies and CSRF](guide::cookies_and_csrf), [rotating keys](guide::rotating_keys). `SECURITY.md`, in the repository, has the threats and the
//! standards.
//!
//! # Features
//!
//! `aws_lc_rs` (default) or `rust_crypto`: the cryptography; with both, the first is used. `axum` (default): [`Authenticated`]
//! and [`LoggingOut`] as extractors, [`Rejection`] as a response. `redis` (default): `RedisBlocklist`, `MirrorBlocklist`; `sentinel`, `cluster` and
//! `tls` for where it is. `jwks`: `RemoteKeys`, the keys of another issuer from a URL. `metrics`: counters and histograms through the `metrics` facade, listed in the README. A feature adds;
//! none changes what another does.

#![warn(missing_docs, clippy::exhaustive_enums, clippy::unwrap_used, clippy::expect_used)]

pub mod blocklist;
pub mod clock;
mod compat;
pub mod config_error;
#[cfg(feature = "conformance")]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a case panics when a backend breaks a rule")]
pub mod conformance;
#[cfg(feature = "axum")]
mod extract;
pub mod guard;
#[cfg(doc)]
pub mod guide;
pub mod issuer;
mod json;
pub mod keys;
mod metrics;
pub mod middleware;
#[cfg(feature = "redis")]
pub mod redis;
mod revocation;
mod swap;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;

#[cfg(all(fuzzing, feature = "redis"))]
#[doc(hidden)]
pub use crate::redis::fuzzing;
#[cfg(feature = "redis")]
pub use crate::redis::{
    Eviction, MirrorBlocklist, MirrorPhase, MirrorSettings, MirrorState, OnLoss, RedisBlocklist, RedisSettings,
};
pub use blocklist::*;
pub use clock::{Clock, SystemClock};
pub use config_error::{ConfigError, ConfigErrorKind};
#[cfg(feature = "axum")]
pub use extract::{AuthenticatedRejection, MissingLayer};
pub use guard::{
    Authenticated, ClaimList, Guard, LoggingOut, OutagePolicy, Rejection, RejectionKind, Require, RequireBuilder,
    Revocable, RevocationCheck, danger,
};
pub use issuer::{IssueError, Issuer, IssuerBuilder, MintedToken, Refreshed, TokenPair};
#[cfg(feature = "jwks")]
pub use keys::RemoteKeys;
pub use keys::{Algorithm, CryptoProvider, Jwks, KeyRule, KeySet, RejectedKey, RsaMinimum, SigningKey, VerifyingKey};
pub use middleware::{
    GrpcStatus, JwtBlocklist, JwtBlocklistLayer, Logout, LogoutLayer, RenderRejection, ResponseBody, ResponseFuture,
    Rfc6750, Rfc6750Builder, SameSite, TokenCookie, TokenSources, TokenSourcesBuilder,
};
pub use middleware::{reject, sources};
pub use token::{KindSource, NoClaims, OptionalClaim, TokenCache, TokenIdSource, TokenKind, Verifier, VerifierBuilder};

/// The README's code is compiled and run with the documentation's.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
