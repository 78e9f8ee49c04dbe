//! The interface of a source.

use std::fmt;

use http::{HeaderMap, Method, Request, StatusCode, Uri};

use crate::{config_error::ConfigError, guard::Reason, token::VerifyError};

/// A place in a request, other than the `Authorization` header, that may hold a token. A new source
/// is a file with an `impl` of this trait and a setter of the builder.
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// Identifies the source: another one of the same name replaces it in the builder.
    fn name(&self) -> &'static str;

    /// Checks the settings. `build` calls it.
    fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Returns the token; [`Reason::NoToken`] if there is none here.
    fn find<'r>(&self, request: &'r dyn RequestHead, max_bytes: usize) -> Result<&'r [u8], Reason>;

    /// Hides this source's token from the inner service.
    fn conceal(&self, _request: &mut dyn RequestHead) {}

    /// Returns the function that completes the response to a request with this source's token.
    fn respond(&self) -> Option<Respond> {
        None
    }

    /// Whether a browser sends it no matter which page causes the request. Then responses vary by
    /// the cookie, and unsafe requests need an allowed origin.
    fn is_sent_by_browser(&self) -> bool {
        false
    }
}

/// Adds to the headers of a response with this status.
pub(super) type Respond = fn(StatusCode, &mut HeaderMap);

/// A request without its body, whose type the sources do not need to know.
pub(super) trait RequestHead {
    fn method(&self) -> &Method;
    fn uri(&self) -> &Uri;
    fn uri_mut(&mut self) -> &mut Uri;
    fn headers(&self) -> &HeaderMap;
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

impl<B> RequestHead for Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn uri(&self) -> &Uri {
        self.uri()
    }

    fn uri_mut(&mut self) -> &mut Uri {
        self.uri_mut()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

/// Checks that a token is not empty, and not longer than the verifier reads. The rest of its syntax
/// is checked on cache misses only ([`token68`](crate::token::token68)).
pub(super) fn non_empty_within(token: &[u8], max_bytes: usize) -> Result<&[u8], Reason> {
    if token.len() > max_bytes {
        return Err(Reason::Unacceptable(VerifyError::TooLong));
    }
    if token.is_empty() { Err(Reason::NotOneToken) } else { Ok(token) }
}
