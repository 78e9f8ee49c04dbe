//! The layer and service in front of a logout.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    guard::{LoggingOut, Reason},
    middleware::{
        future::ResponseFuture,
        identity_headers,
        reject::{RenderRejection, ResponseBody, Rfc6750, refuse},
        sources::TokenSources,
    },
    token::{NoClaims, Verifier, token68},
};

/// For the route that logs out, and for no other: lets a request through with a genuine token of either kind, also one that has
/// expired or was logged out before. The inner service finds a [`LoggingOut`] in the request's extensions, which
/// [`Issuer::logout`](crate::Issuer::logout) takes, and no [`Authenticated`](crate::Authenticated).
///
/// Headers in which a proxy tells who the user is are removed, as
/// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer::keep_identity_headers) does.
///
/// So logging out twice, or with an access token that has run out while nobody looked, is answered like the first logout. The
/// blocklist is not asked.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{LogoutLayer, Verifier};
///
/// # fn f(verifier: Arc<Verifier>) {
/// let layer = LogoutLayer::new(verifier);
/// # }
/// ```
#[derive(Clone)]
pub struct LogoutLayer {
    verifier: Arc<Verifier>,
    sources: TokenSources,
    renderer: Arc<dyn RenderRejection>,
}

impl LogoutLayer {
    /// Takes the tokens that this verifier accepts, and those it has accepted.
    pub fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifier, sources: TokenSources::header(), renderer: Arc::new(Rfc6750::new()) }
    }

    /// Where a request may carry its token; [`TokenSources::header`] by default. With a cookie, log out by `POST`: a `GET` may come from
    /// another site.
    #[must_use]
    pub fn with_token_sources(mut self, sources: TokenSources) -> Self {
        self.sources = sources;
        self
    }

    /// Answers refused requests with this renderer; [`Rfc6750`] by default.
    #[must_use]
    pub fn with_renderer(mut self, renderer: impl RenderRejection) -> Self {
        self.renderer = Arc::new(renderer);
        self
    }
}

impl<S> Layer<S> for LogoutLayer {
    type Service = Logout<S>;

    fn layer(&self, inner: S) -> Logout<S> {
        Logout { inner, layer: self.clone() }
    }
}

/// The service that [`LogoutLayer`] puts around another.
#[derive(Clone)]
pub struct Logout<S> {
    inner: S,
    layer: LogoutLayer,
}

impl<S, B, R> Service<Request<B>> for Logout<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, NoClaims, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let LogoutLayer { verifier, sources, renderer } = &self.layer;
        let found = sources.find(&request, verifier.max_token_bytes()).map_err(LoggingOut::reject);
        let source = found.as_ref().ok().map(|(_, source)| *source);
        let proof = found.and_then(|(token, _)| {
            let text = token68(token).ok_or_else(|| LoggingOut::reject(Reason::NotOneToken))?;
            LoggingOut::verify(verifier, text)
        });
        identity_headers::remove(request.headers_mut());
        sources.hide(&mut request, source);
        let finish = sources.finish(source);
        match proof {
            Ok(proof) => {
                request.extensions_mut().insert(proof);
                ResponseFuture::calling(self.inner.call(request), finish)
            }
            Err(rejection) => ResponseFuture::refused(refuse(&**renderer, &rejection, request.method()), finish),
        }
    }
}

impl fmt::Debug for LogoutLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutLayer").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Logout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logout").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
