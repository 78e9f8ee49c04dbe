//! Tower middleware that logs out JWTs: it verifies each token and rejects the revoked ones.
//!
//! # Start here
//!
//! | item | what it does |
//! |---|---|
//! | [`Verifier`] | decides whether a token is genuine, and reads its claims |
//! | [`SigningKey`], [`VerifyingKey`], [`keys`] | sign and verify; key sets change without a restart |
//! | [`MemoryBlocklist`], [`redis`], [`blocklist`] | store revocations: for one process, for many, or in a store of your own |
//! | [`JwtBlocklistLayer`] | asks the verifier and the blocklist before it calls your service |
//! | [`Authenticated`] | the proof in the request's extensions; with axum, an extractor |
//! | [`Issuer`] | login, refresh and logout for tokens of your own |
//! | [`LogoutLayer`] | admits a logout, also with an expired token |
//! | [`Guard`] | the layer's decision without HTTP: for WebSockets, queues and tests |
//!
//! # Example
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use std::sync::Arc;
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use tower::ServiceExt;
//! use tower_jwt_blocklist::{
//!     Algorithm, Authenticated, Guard, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims,
//!     SigningKey, TokenKind, Verifier,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // At startup: the key, the claims that a token must have, and the blocklist. Invalid settings
//! // are errors here.
//! let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! let blocklist = MemoryBlocklist::new();
//! let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
//!
//! // The layer in front of routes. `Authenticated` in a handler proves that it ran.
//! let app = Router::new()
//!     .route("/me", get(async |user: Authenticated| user.subject().unwrap_or_default().to_owned()))
//!     .route_layer(JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()));
//!
//! // A request with a valid token is admitted …
//! let token = issuer.login("user-1", &NoClaims {}).await?.access.into_string();
//! let request = || Request::get("/me").header("Authorization", format!("Bearer {token}")).body(Body::empty());
//! assert_eq!(app.clone().oneshot(request()?).await?.status(), StatusCode::OK);
//!
//! // … until its session is logged out. (A handler already has the `Authenticated`.)
//! let user = Guard::new(TokenKind::Access, verifier, blocklist).authenticate::<NoClaims>(&token).await?;
//! issuer.logout(&user).await?;
//! assert_eq!(app.oneshot(request()?).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! # The decision
//!
//! Checks run in this order:
//!
//! 1. The request carries exactly one token, in its `Authorization` header or where
//!    [`TokenSources`](sources::TokenSources) allow it. No token is 401, unless a token is
//!    [optional](JwtBlocklistLayer::optional). Several tokens are 400. A cookie that another site's
//!    page may have sent is 403.
//! 2. The token's form, `alg`, `kid` and `typ` are known (RFC 8725), and its signature is right for
//!    the key's one algorithm.
//! 3. Its claims meet the verifier's rules, none is repeated (RFC 7519 §4), and its kind is the one
//!    that the layer requires.
//! 4. The blocklist has no revocation of the token, its session, its subject or its issuer. If the
//!    blocklist cannot answer, the response is 503 (see [`OutagePolicy`]).
//! 5. The token meets the route's [requirements](Require) and the application's
//!    [conditions](JwtBlocklistLayer::add_condition). Otherwise the response is 403, or 401 if logging
//!    in again would help.
//!
//! For a cached access token, step 2 and the time-independent part of step 3 are skipped: see
//! [Token cache](JwtBlocklistLayer#token-cache). Times and revocation are checked for each request.
//!
//! Nothing in the payload is used before the signature is verified. The blocklist is queried about
//! genuine tokens only.
//!
//! # Refresh tokens
//!
//! Refresh tokens are single-use: [`Issuer::refresh`] exchanges each for a new pair. Within a
//! [grace](issuer::IssuerBuilder::rotation_grace) the same token gets the same successor again. If it
//! is used later, it has been copied, so its session is revoked. A logout revokes it at once.
//!
//! # Guides
//!
//! The [guides](guide) include a cookbook, foreign tokens, cookies and CSRF, and Redis in production.
//! `SECURITY.md` in the repository lists the threats and the standards.
//!
//! # Features
//!
//! A feature only adds: none changes what another does.
//!
//! | feature | what it adds |
//! |---|---|
//! | `aws_lc_rs` (default), `rust_crypto` | the cryptography; if both are on, `aws_lc_rs` is used |
//! | `axum` (default) | [`Authenticated`] and [`LoggingOut`] as extractors, [`Rejection`] as a response |
//! | `redis` (default) | `RedisBlocklist` and `MirrorBlocklist`: one node, sentinels or a cluster |
//! | `tls` | TLS to Redis |
//! | `jwks` | `keys::RemoteKeys`: another issuer's public keys from a URL |
//! | `metrics` | counters, gauges and histograms through the `metrics` facade |
//! | `compat` | the FastAPI tutorial's tokens and Redis entries |
//! | `testing` | tokens, a clock and a blocklist for the tests of your handlers |
//! | `conformance` | the test suite for a store of your own |

#![warn(missing_docs, clippy::exhaustive_enums, clippy::unwrap_used, clippy::expect_used)]

pub mod blocklist;
pub mod clock;
#[cfg(feature = "compat")]
pub mod compat;
pub mod config_error;
#[cfg(feature = "conformance")]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a case panics when a backend breaks a rule")]
pub mod conformance;
#[cfg(feature = "axum")]
pub mod extract;
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

pub use blocklist::MemoryBlocklist;
pub use config_error::ConfigError;
pub use guard::{Authenticated, Guard, LoggingOut, OutagePolicy, Rejection, Require, danger};
pub use issuer::{Issuer, TokenPair};
pub use keys::{Algorithm, SigningKey, VerifyingKey};
pub use middleware::{JwtBlocklistLayer, LogoutLayer, reject, sources};
pub use token::{NoClaims, TokenKind, Verifier};

#[cfg(all(fuzzing, feature = "redis"))]
#[doc(hidden)]
pub use crate::redis::fuzzing;
#[cfg(feature = "redis")]
pub use crate::redis::{MirrorBlocklist, RedisBlocklist};

/// The README's code is compiled and run with the documentation's.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
