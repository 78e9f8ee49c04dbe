//! For axum: `Authenticated` and `LoggingOut` as extractors, and `Rejection` as a response.

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, request::Parts};

use crate::{
    guard::{Authenticated, LoggingOut, Rejection},
    middleware::{self, Anonymous, reject::Rfc6750},
};

/// The layer did not run before a handler that takes an [`Authenticated`] or a [`LoggingOut`].
///
/// The route was built without the layer, or with another type of application claims. That is a
/// mistake of the program. So the response is 500, and the message is logged as an error.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MissingLayer;

impl std::fmt::Display for MissingLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the layer of this handler did not run: add `JwtBlocklistLayer` to the route, made by `access_with_claims::<…>` with \
             the handler's claims type if it has one, or `LogoutLayer` for `LoggingOut`",
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

/// The reason that a handler with an [`Authenticated`] argument was not called.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthenticatedRejection {
    /// The layer did not run.
    MissingLayer(MissingLayer),
    /// The layer is [optional](crate::JwtBlocklistLayer::optional) and let the request through
    /// anonymously. This is its rejection of a request without a token.
    Anonymous(Box<Response>),
}

impl From<MissingLayer> for AuthenticatedRejection {
    fn from(missing: MissingLayer) -> Self {
        Self::MissingLayer(missing)
    }
}

impl IntoResponse for AuthenticatedRejection {
    fn into_response(self) -> Response {
        match self {
            Self::MissingLayer(missing) => missing.into_response(),
            Self::Anonymous(response) => *response,
        }
    }
}

/// Extracts the proof that the layer has put into the request. The extractor itself checks nothing,
/// so without the layer it fails.
impl<S, X> FromRequestParts<S> for Authenticated<X>
where
    S: Sync,
    X: Send + Sync + 'static,
{
    type Rejection = AuthenticatedRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, AuthenticatedRejection> {
        match identity(parts)? {
            Identity::Authenticated(authenticated) => Ok(authenticated),
            Identity::Anonymous(anonymous) => {
                let response = anonymous.reject(&parts.method).map(Into::into);
                Err(AuthenticatedRejection::Anonymous(Box::new(response)))
            }
        }
    }
}

/// Extracts `None` if an [optional](crate::JwtBlocklistLayer::optional) layer let the request
/// through anonymously. Without a layer it still fails.
impl<S, X> OptionalFromRequestParts<S> for Authenticated<X>
where
    S: Sync,
    X: Send + Sync + 'static,
{
    type Rejection = AuthenticatedRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, AuthenticatedRejection> {
        Ok(match identity(parts)? {
            Identity::Authenticated(authenticated) => Some(authenticated),
            Identity::Anonymous(_) => None,
        })
    }
}

/// The identity that a layer has put into a request.
enum Identity<'p, X> {
    Authenticated(Authenticated<X>),
    Anonymous(&'p Anonymous<X>),
}

fn identity<X: Send + Sync + 'static>(parts: &Parts) -> Result<Identity<'_, X>, MissingLayer> {
    let extensions = &parts.extensions;
    match (extensions.get::<Authenticated<X>>(), extensions.get::<Anonymous<X>>()) {
        (Some(authenticated), _) => Ok(Identity::Authenticated(authenticated.clone())),
        (None, Some(anonymous)) => Ok(Identity::Anonymous(anonymous)),
        (None, None) => Err(MissingLayer),
    }
}

impl<S: Sync> FromRequestParts<S> for LoggingOut {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingLayer> {
        parts.extensions.get::<Self>().cloned().ok_or(MissingLayer)
    }
}

/// Renders a rejection that a handler returns, for example of a refresh token that was already
/// redeemed.
///
/// It is rendered and logged as the layer does by default, by [`Rfc6750`]. If your layer has
/// another renderer, call that one instead.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        middleware::rejection_response(&Rfc6750::new(), &self, &Method::GET).map(Into::into)
    }
}
