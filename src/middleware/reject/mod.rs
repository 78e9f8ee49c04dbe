//! The response to a rejected request.
//!
//! A layer rejects a request with a [`Rejection`], and a [`RenderRejection`]
//! makes a response of it:
//!
//! - [`Rfc6750`], the default: a status, a challenge and a JSON body;
//! - [`GrpcStatus`]: a gRPC status;
//! - a closure of your own.
//!
//! # Rules
//!
//! No matter which renderer is set, the layer
//!
//! - adds `Cache-Control: no-store` if the response has no `Cache-Control`;
//! - puts the [`RejectionKind`] into the response's extensions;
//! - sends no body to `HEAD`;
//! - logs the exact reason, without the token: an outage at WARN, everything else at DEBUG.
//!
//! # Caveat
//!
//! Answer [`RejectionKind::Unavailable`] with a 5xx
//! status. A 401 makes clients throw good tokens away.
//!
//! # Example
//!
//! The good token is admitted. The request without a token is rejected, with a challenge for the
//! realm that was set:
//!
//! ```
//! # use std::sync::Arc;
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_jwt_blocklist::{JwtBlocklistLayer, MemoryBlocklist, reject::Rfc6750};
//! # use tower_jwt_blocklist::{Algorithm, Issuer, NoClaims, SigningKey, Verifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! # let list = MemoryBlocklist::new();
//! # let issuer = Issuer::builder(verifier.clone(), key, list.clone()).build()?;
//! # let token = issuer.login("user-1", &NoClaims {}).await?.access.into_string();
//! let renderer = Rfc6750::builder().realm("the shop").build()?;
//! let layer = JwtBlocklistLayer::access(verifier, list).with_renderer(renderer);
//! let hello = service_fn(async |_: Request<String>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
//! });
//!
//! let good = Request::get("/").header("Authorization", format!("Bearer {token}"));
//! let good = good.body(String::new())?;
//! assert_eq!(layer.layer(hello.clone()).oneshot(good).await?.status(), StatusCode::OK);
//!
//! let rejected = layer.layer(hello).oneshot(Request::get("/").body(String::new())?).await?;
//! assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(rejected.headers()["WWW-Authenticate"], "Bearer realm=\"the shop\"");
//! # Ok(())
//! # }
//! ```

pub(crate) mod body;
mod grpc;
mod rfc6750;

pub use crate::guard::{Rejection, RejectionKind};
pub use grpc::GrpcStatus;
pub use rfc6750::{Rfc6750, Rfc6750Builder};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};

/// Renders a [`Rejection`] as a response. [`Rfc6750`], the default, and [`GrpcStatus`] implement
/// it, and so do closures:
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, StatusCode};
/// use tower_jwt_blocklist::{Rejection, reject::{RejectionKind, RenderRejection}};
///
/// let plain = |rejection: &Rejection| {
///     let mut response = Response::new(Bytes::from_static(b"log in, please"));
///     *response.status_mut() = match rejection.kind() {
///         RejectionKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::UNAUTHORIZED,
///     };
///     response
/// };
/// # fn takes(_: impl RenderRejection) {}
/// # takes(plain);
/// ```
///
/// See the [module's page](self) for what the layer adds to each response.
pub trait RenderRejection: Send + Sync + 'static {
    /// Returns the response, with its body.
    fn render(&self, rejection: &Rejection) -> Response<Bytes>;
}

impl<F> RenderRejection for F
where
    F: Fn(&Rejection) -> Response<Bytes> + Send + Sync + 'static,
{
    fn render(&self, rejection: &Rejection) -> Response<Bytes> {
        self(rejection)
    }
}

/// Renders a rejection, adds what every rejection has, and logs the reason. Only an outage needs an
/// operator, so only an outage is a warning.
pub(crate) fn rejection_response(
    renderer: &dyn RenderRejection,
    rejection: &Rejection,
    method: &Method,
) -> Response<Bytes> {
    let (expected, reason) = (rejection.expected().as_str(), rejection.reason());
    match rejection.kind() {
        RejectionKind::Unavailable => {
            tracing::warn!(expected, reason, "rejected a request: the blocklist did not answer")
        }
        _ => tracing::debug!(expected, reason, "rejected a request"),
    }
    let mut response = renderer.render(rejection);
    response.extensions_mut().insert(rejection.kind());
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if method == Method::HEAD {
        // `HEAD` announces the length of the body that `GET` would get (RFC 9110 §9.3.2).
        headers.entry(header::CONTENT_LENGTH).or_insert(length);
        response.body_mut().clear();
    }
    response
}
