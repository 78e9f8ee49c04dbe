//! For axum: `Authenticated` and `LoggingOut` as extractors, and `Rejection` as a response.

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, request::Parts};

use crate::{
    guard::{Authenticated, LoggingOut, Rejection},
    middleware::{self, Anonymous, Rfc6750},
};

/// The layer that makes an [`Authenticated`] or a [`LoggingOut`] did not run before this handler: the route was built without it, or
/// with another type of application claims. A mistake of the program, so the answer is 500, and its message is in the log as an error.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MissingLayer;

impl std::fmt::Display for MissingLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "no proof of this type was found: add `JwtBlocklistLayer` to this route, with `.claims::<…>()` of the type the \
             handler asks for, or `LogoutLayer` for `LoggingOut`",
        )
    }
}

impl std::error::Error for MissingLayer {}

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// Why a handler that asks for an [`Authenticated`] was not called.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthenticatedRejection {
    /// The layer did not run.
    MissingLayer(MissingLayer),
    /// The layer is [optional](crate::JwtBlocklistLayer::optional) and let the request through as nobody's. This is its answer to a
    /// request without a token.
    Anonymous(Box<Response>),
}

impl IntoResponse for AuthenticatedRejection {
    fn into_response(self) -> Response {
        match self {
            Self::MissingLayer(missing) => missing.into_response(),
            Self::Anonymous(response) => *response,
        }
    }
}

/// Hands out what the layer found. It checks nothing itself: without the layer there is nothing to hand out.
impl<S, X> FromRequestParts<S> for Authenticated<X>
where
    S: Sync,
    X: Send + Sync + 'static,
{
    type Rejection = AuthenticatedRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, AuthenticatedRejection> {
        found(parts)?.map_err(|nobody: Anonymous<X>| {
            AuthenticatedRejection::Anonymous(Box::new(nobody.refuse(&parts.method).map(Into::into)))
        })
    }
}

/// `None` where an [optional](crate::JwtBlocklistLayer::optional) layer let the request through as nobody's. Without any layer it is
/// an error still.
impl<S, X> OptionalFromRequestParts<S> for Authenticated<X>
where
    S: Sync,
    X: Send + Sync + 'static,
{
    type Rejection = AuthenticatedRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, AuthenticatedRejection> {
        found::<X>(parts).map(Result::ok)
    }
}

fn found<X: Send + Sync + 'static>(
    parts: &Parts,
) -> Result<Result<Authenticated<X>, Anonymous<X>>, AuthenticatedRejection> {
    let extensions = &parts.extensions;
    match (extensions.get::<Authenticated<X>>(), extensions.get::<Anonymous<X>>()) {
        (Some(user), _) => Ok(Ok(user.clone())),
        (None, Some(nobody)) => Ok(Err(nobody.clone())),
        (None, None) => Err(AuthenticatedRejection::MissingLayer(MissingLayer)),
    }
}

impl<S: Sync> FromRequestParts<S> for LoggingOut {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

/// For handlers that refuse by themselves, such as one that finds a refresh token redeemed already: the layer's own answer, by the
/// default [`Rfc6750`], and its event. A layer with another renderer has other words: call that renderer there.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        middleware::refuse(&Rfc6750::new(), &self, &Method::GET).map(Into::into)
    }
}
