//! The layers in front of your routes, and their services.
//!
//! - [`JwtBlocklistLayer`] admits requests with a genuine token that has not been revoked.
//! - [`LogoutLayer`] admits logouts, also with a token that has expired.
//!
//! # Rules
//!
//! - The inner service is called only with a proof in the request's extensions:
//!   [`Authenticated`](crate::Authenticated) or [`LoggingOut`](crate::LoggingOut). Only an
//!   [optional](JwtBlocklistLayer::optional) layer, or one that
//!   [exempts preflights](JwtBlocklistLayer::exempt_preflights), calls it without.
//! - The blocklist is queried about genuine tokens only.
//! - A rejected request never reaches the inner service. The [`reject`] module renders the
//!   response.
//! - The token is hidden from the inner service's `Debug` output. The [`sources`] module says where
//!   it may be.
//! - Headers in which a proxy names the user are removed from every request, unless you
//!   [keep them](JwtBlocklistLayer::keep_identity_headers).
//!
//! # Caveat
//!
//! A layer protects the routes that it is in front of, and no other. With axum, use `route_layer`,
//! and let handlers take [`Authenticated`](crate::Authenticated): without the layer such a handler
//! answers 500.
//!
//! # Example
//!
//! The good token is admitted. After the logout it is rejected:
//!
//! ```
//! # use std::sync::Arc;
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_jwt_blocklist::{JwtBlocklistLayer, LoggingOut, MemoryBlocklist};
//! # use tower_jwt_blocklist::{Algorithm, Issuer, NoClaims, SigningKey, Verifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! # let list = MemoryBlocklist::new();
//! # let issuer = Issuer::builder(verifier.clone(), key, list.clone()).build()?;
//! # let token = issuer.login("user-1", &NoClaims {}).await?.access.into_string();
//! let layer = JwtBlocklistLayer::access(verifier.clone(), list);
//! let service = layer.layer(service_fn(async |_: Request<String>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
//! }));
//! let request = || Request::get("/").header("Authorization", format!("Bearer {token}")).body(String::new());
//! assert_eq!(service.clone().oneshot(request()?).await?.status(), StatusCode::OK);
//!
//! issuer.logout(&LoggingOut::verify(&verifier, &token)?).await?;
//! assert_eq!(service.oneshot(request()?).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```

mod future;
mod http_settings;
mod identity_headers;
mod layer;
mod logout;
mod policy;
pub mod reject;
mod service;
pub mod sources;

pub use future::ResponseFuture;
pub use layer::JwtBlocklistLayer;
pub use logout::{Logout, LogoutLayer};
#[cfg(feature = "axum")]
pub(crate) use policy::Anonymous;
pub use reject::body::ResponseBody;
#[cfg(feature = "axum")]
pub(crate) use reject::rejection_response;
pub use service::JwtBlocklist;
