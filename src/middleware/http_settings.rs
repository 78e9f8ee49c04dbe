//! The HTTP side of both layers: where the token is, which headers the inner service gets, and how
//! a rejection is sent.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response};

use crate::{
    guard::{Reason, Rejection},
    middleware::{
        identity_headers::{self, IdentityHeaders},
        reject::{RenderRejection, Rfc6750, rejection_response},
        sources::{FoundIn, ResponseHeaders, TokenSources},
    },
};

/// The settings that [`JwtBlocklistLayer`](crate::JwtBlocklistLayer) and
/// [`LogoutLayer`](crate::LogoutLayer) share.
#[derive(Clone)]
pub(crate) struct HttpSettings {
    pub(crate) sources: TokenSources,
    pub(crate) renderer: Arc<dyn RenderRejection>,
    pub(crate) headers: RequestHeaders,
}

/// The headers that are removed from requests.
#[derive(Debug, Clone)]
pub(crate) struct RequestHeaders {
    pub(crate) identity: IdentityHeaders,
    pub(crate) removed: Vec<HeaderName>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            sources: TokenSources::header(),
            renderer: Arc::new(Rfc6750::new()),
            headers: RequestHeaders { identity: IdentityHeaders::Removed, removed: Vec::new() },
        }
    }
}

impl HttpSettings {
    /// Returns the one token of a request, and its source.
    pub(crate) fn find<'r, B>(
        &self,
        request: &'r Request<B>,
        max_bytes: usize,
    ) -> Result<(&'r [u8], FoundIn<'_>), Reason> {
        self.sources.find(request, max_bytes)
    }

    /// Removes the token and the headers that the inner service must not trust.
    pub(crate) fn conceal<B>(&self, request: &mut Request<B>, found_in: FoundIn<'_>) {
        if self.headers.identity == IdentityHeaders::Removed {
            identity_headers::remove(request.headers_mut());
        }
        for name in &self.headers.removed {
            request.headers_mut().remove(name);
        }
        self.sources.conceal(request, found_in);
    }

    /// Returns the headers that finish the response.
    pub(crate) fn finish(&self, found_in: FoundIn<'_>) -> ResponseHeaders {
        self.sources.response_headers(found_in)
    }

    /// Renders a rejection.
    pub(crate) fn reject(&self, rejection: &Rejection, method: &Method) -> Response<Bytes> {
        rejection_response(&*self.renderer, rejection, method)
    }
}

/// The renderer is a foreign type without `Debug`.
impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("sources", &self.sources)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
