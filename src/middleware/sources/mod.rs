//! Where a request may carry its token.

mod bearer;
mod cookie;
mod origin;
mod query;
mod subprotocol;

pub use cookie::{SameSite, TokenCookie};

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};

use crate::{config_error::ConfigError, guard::Reason};

/// Where a request may carry its token: the `Authorization` header, always, and what is added here. Set it with
/// [`JwtBlocklistLayer::with_token_sources`](crate::JwtBlocklistLayer::with_token_sources).
///
/// | source | for | what comes with it |
/// |---|---|---|
/// | [`cookie`](Self::cookie) | browser applications | unsafe methods and `Upgrade` requests need an allowed origin, else 403; `Vary: Cookie` on every answer |
/// | [`websocket_protocol`](Self::websocket_protocol) | WebSockets of a browser, which cannot set a header | the inner service does not see the token, and the answer never repeats it |
/// | [`query`](Self::query) | links that cannot do otherwise: URLs are logged and shared | `GET` and `HEAD` only; the inner service sees the URI without the token; `Cache-Control: private, no-store` on the answer |
///
/// A request with two tokens is 400, whether or not they are equal.
///
/// ```
/// # use std::sync::Arc;
/// # use tower_jwt_blocklist::{Blocklist, ConfigError, JwtBlocklistLayer, Verifier};
/// use tower_jwt_blocklist::{TokenSources, TokenCookie};
///
/// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Result<(), ConfigError> {
/// let cookie = TokenCookie::access().allow_origin("https://app.example.org")?;
/// let layer = JwtBlocklistLayer::access(verifier, blocklist).with_token_sources(TokenSources::header().cookie(cookie));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenSources {
    cookie: Option<TokenCookie>,
    both: Both,
    query: Option<Cow<'static, str>>,
    subprotocol: Subprotocol,
}

/// What a token beside the one in the cookie means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Both {
    #[default]
    Refused,
    CookieIgnored,
}

/// Whether `Sec-WebSocket-Protocol` may hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Subprotocol {
    #[default]
    Ignored,
    Read,
}

/// What has carried the token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSource {
    Header,
    Subprotocol,
    Query,
    Cookie,
}

/// What an answer gets, whoever gives it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResponseHeaders {
    source: Option<TokenSource>,
    vary: bool,
}

impl TokenSources {
    /// The `Authorization` header alone: the default.
    pub fn header() -> Self {
        Self::default()
    }

    /// Also this cookie.
    #[must_use]
    pub fn cookie(mut self, cookie: TokenCookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Where a token comes in the header, the query or the subprotocol, and one in the cookie beside it, the cookie is ignored.
    /// Otherwise such a request is 400. For clients that cannot help sending the cookie, such as a page that tries a token out.
    #[must_use]
    pub fn ignore_cookie_if_other_source(mut self) -> Self {
        self.both = Both::CookieIgnored;
        self
    }

    /// Also this parameter of the query, by convention `access_token` (RFC 6750 §2.3, which advises against it). The name is
    /// compared as it is written, without decoding. Layers outside of this one see the whole URI: keep it out of their logs.
    ///
    /// # Errors
    ///
    /// When the name is empty or has other characters than ASCII letters, digits, `-`, `.`, `_`, `~`.
    pub fn query(mut self, name: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        let name = name.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(ConfigError::setting(
                "the parameter of a token has a name of letters, digits, `-`, `.`, `_`, `~`",
            ));
        }
        self.query = Some(name);
        Ok(self)
    }

    /// Also the header `Sec-WebSocket-Protocol: bearer, <token>`, which a page sends with `new WebSocket(url, ["bearer", token])`. The
    /// inner service sees the other subprotocols that are offered; where it agrees to none of them, the answer agrees to `bearer`,
    /// for browsers insist on one.
    #[must_use]
    pub fn websocket_protocol(mut self) -> Self {
        self.subprotocol = Subprotocol::Read;
        self
    }

    /// The one token of a request.
    pub(crate) fn find<'r, B>(
        &self,
        request: &'r Request<B>,
        max_bytes: usize,
    ) -> Result<(&'r [u8], TokenSource), Reason> {
        let headers = request.headers();
        let mut found = None;
        let mut add = |token: Result<&'r [u8], Reason>, source| match token {
            Err(Reason::NoToken) => Ok(()),
            Err(reason) => Err(reason),
            Ok(_) if found.is_some() => Err(Reason::SeveralTokens),
            Ok(token) => {
                found = Some((token, source));
                Ok(())
            }
        };
        add(bearer::token(headers, max_bytes), TokenSource::Header)?;
        if self.subprotocol == Subprotocol::Read {
            add(subprotocol::token(headers, max_bytes), TokenSource::Subprotocol)?;
        }
        if let Some(name) = self.query.as_deref().filter(|_| is_read(request.method())) {
            add(query::token(request.uri(), name, max_bytes), TokenSource::Query)?;
        }
        let explicit = found;
        match &self.cookie {
            Some(cookie) if explicit.is_none() || self.both == Both::Refused => {
                match (explicit, cookie.token(headers, max_bytes)) {
                    (Some(_), Ok(_)) => Err(Reason::SeveralTokens),
                    (Some(explicit), Err(Reason::NoToken)) => Ok(explicit),
                    (None, Ok(token)) => {
                        origin::check(request, cookie.origins())?;
                        Ok((token, TokenSource::Cookie))
                    }
                    (_, Err(reason)) => Err(reason),
                }
            }
            _ => explicit.ok_or(Reason::NoToken),
        }
    }

    /// Sees to it that no layer or handler inside shows the token: headers are marked sensitive, so that their `Debug` does not; from
    /// where nothing can be marked it is taken out.
    pub(crate) fn hide<B>(&self, request: &mut Request<B>, source: Option<TokenSource>) {
        // Not by `entry`: it makes room for one more.
        for (name, value) in request.headers_mut() {
            if *name == header::AUTHORIZATION || *name == header::COOKIE {
                value.set_sensitive(true);
            }
        }
        match (source, &self.query) {
            (Some(TokenSource::Subprotocol), _) => subprotocol::remove(request.headers_mut()),
            (Some(TokenSource::Query), Some(name)) => query::remove(request.uri_mut(), name),
            _ => {}
        }
    }

    pub(crate) fn finish(&self, source: Option<TokenSource>) -> ResponseHeaders {
        ResponseHeaders { source, vary: self.cookie.is_some() }
    }
}

/// `HEAD` is what `GET` is, but for the body.
fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

impl ResponseHeaders {
    pub(crate) fn apply<R>(self, response: &mut Response<R>) {
        let status = response.status();
        let headers: &mut HeaderMap = response.headers_mut();
        if self.vary {
            headers.append(header::VARY, HeaderValue::from_static("cookie"));
        }
        match self.source {
            Some(TokenSource::Query) => {
                // RFC 6750 §2.3, whatever the inner service thinks of it.
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            }
            Some(TokenSource::Subprotocol) => subprotocol::agree(status, headers),
            Some(TokenSource::Header | TokenSource::Cookie) | None => {}
        }
    }
}
