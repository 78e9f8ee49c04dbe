//! The layer and the service in front of a logout.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    guard::LoggingOut,
    middleware::{
        future::ResponseFuture,
        http_settings::HttpSettings,
        identity_headers::IdentityHeaders,
        reject::{RenderRejection, body::ResponseBody},
        sources::{FoundIn, TokenSources},
    },
    token::{NoClaims, Verifier},
};

/// Admits a logout: a request with a genuine token of either kind, which may have expired or been
/// revoked. Use it for the route that logs out, and for no other.
///
/// The inner service finds a [`LoggingOut`] in the request's extensions, which
/// [`Issuer::logout`](crate::Issuer::logout) takes. It finds no
/// [`Authenticated`](crate::Authenticated).
///
/// The blocklist is not queried. So a second logout gets the same response as the first one, and so
/// does a logout with an access token that has just expired.
///
/// Settings for sources, responses and headers are those of
/// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer).
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
    http: Arc<HttpSettings>,
}

impl LogoutLayer {
    /// Admits the tokens that this verifier accepts, and those it accepted before they expired.
    pub fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifier, http: Arc::new(HttpSettings::default()) }
    }

    /// Sets where a request may carry its token; [`TokenSources::header`] by default.
    ///
    /// With a cookie, let the route accept `POST` only: another site can cause a `GET`.
    #[must_use]
    pub fn with_token_sources(mut self, sources: TokenSources) -> Self {
        self.http_mut().sources = sources;
        self
    }

    /// Sets the renderer of rejections; [`Rfc6750`](crate::reject::Rfc6750) by default.
    #[must_use]
    pub fn with_renderer(mut self, renderer: impl RenderRejection) -> Self {
        self.http_mut().renderer = Arc::new(renderer);
        self
    }

    /// Keeps the headers in which a proxy names the user. By default they are removed, as
    /// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer::keep_identity_headers) does.
    #[must_use]
    pub fn keep_identity_headers(mut self) -> Self {
        self.http_mut().headers.identity = IdentityHeaders::Kept;
        self
    }

    /// Adds headers that are removed from every request. Use it for headers of your own in which an
    /// inner service would believe who the user is.
    #[must_use]
    pub fn add_removed_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.http_mut().headers.removed.extend(names);
        self
    }

    /// A setting applies to this layer, and not to its clones and services.
    fn http_mut(&mut self) -> &mut HttpSettings {
        Arc::make_mut(&mut self.http)
    }
}

impl<S> Layer<S> for LogoutLayer {
    type Service = Logout<S>;

    fn layer(&self, inner: S) -> Logout<S> {
        Logout { inner, layer: self.clone() }
    }
}

/// The service of [`LogoutLayer`].
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
        let LogoutLayer { verifier, http } = &self.layer;
        let (proof, found_in) = match http.find(&request, verifier.max_token_bytes()) {
            Ok((token, found_in)) => (LoggingOut::verify_bytes(verifier, token), found_in),
            Err(reason) => (Err(LoggingOut::reject(reason)), FoundIn::default()),
        };
        http.conceal(&mut request, found_in);
        let finish = http.finish(found_in);
        match proof {
            Ok(proof) => {
                request.extensions_mut().insert(proof);
                ResponseFuture::calling(self.inner.call(request), finish)
            }
            Err(rejection) => ResponseFuture::rejected(http.reject(&rejection, request.method()), finish),
        }
    }
}

impl fmt::Debug for LogoutLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutLayer").field("verifier", &self.verifier).field("http", &self.http).finish()
    }
}

impl<S: fmt::Debug> fmt::Debug for Logout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logout").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
