//! The places where a request may carry its token.
//!
//! A layer reads the `Authorization` header, and nothing else, unless you add a source:
//!
//! | source | use it for | effects |
//! |---|---|---|
//! | [`cookie`](TokenSourcesBuilder::cookie) | browser applications | unsafe methods and `Upgrade` requests need an allowed origin, otherwise 403; every response has `Vary: cookie` |
//! | [`websocket_protocol`](TokenSourcesBuilder::websocket_protocol) | WebSockets of a browser, which cannot set a header | the inner service does not see the token, and the response never repeats it |
//! | [`query`](TokenSourcesBuilder::query) | links that cannot send a header | `GET` and `HEAD` only; the inner service sees the URI without the token; the response has `Cache-Control: private, no-store` |
//!
//! # Rules
//!
//! - A request carries one token. With two it is rejected with 400, even if they are equal. A
//!   setting can [ignore the cookie](TokenSourcesBuilder::ignore_cookie_if_other_source) instead.
//! - A token in the body is never read.
//! - No layer or handler inside sees the token in a `Debug` output: the headers are marked
//!   sensitive. From the query and the subprotocols the token is removed.
//!
//! # Caveat
//!
//! A browser sends a cookie no matter which page causes the request. So the layer checks the origin
//! of requests that carry one; the guide [cookies and CSRF](crate::guide::cookies_and_csrf)
//! explains it. URLs are logged and shared, so a token in the query may leak before the request
//! reaches this layer.
//!
//! # Example
//!
//! The cookie is admitted on a `GET`. A `POST` that another site may have caused is rejected:
//!
//! ```
//! # use std::sync::Arc;
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_jwt_blocklist::{
//!     JwtBlocklistLayer, MemoryBlocklist, sources::{TokenCookie, TokenSources},
//! };
//! # use tower_jwt_blocklist::{Algorithm, Issuer, NoClaims, SigningKey, Verifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! # let list = MemoryBlocklist::new();
//! # let issuer = Issuer::builder(verifier.clone(), key, list.clone()).build()?;
//! # let token = issuer.login("user-1", &NoClaims {}).await?.access.into_string();
//! let sources = TokenSources::builder().cookie(TokenCookie::access()).build()?;
//! let layer = JwtBlocklistLayer::access(verifier, list).with_token_sources(sources);
//! let hello = service_fn(async |_: Request<String>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
//! });
//! let request = |method: &str| {
//!     let request = Request::builder().method(method);
//!     request.header("Cookie", format!("__Host-access_token={token}")).body(String::new())
//! };
//! assert_eq!(layer.layer(hello.clone()).oneshot(request("GET")?).await?.status(), StatusCode::OK);
//! assert_eq!(layer.layer(hello).oneshot(request("POST")?).await?.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```

mod bearer;
mod cookie;
mod origin;
mod query;
mod source;
mod subprotocol;

pub use cookie::{SameSite, TokenCookie};

use std::sync::Arc;

use http::{HeaderValue, Request, Response, header};

use crate::{
    config_error::ConfigError,
    guard::Reason,
    middleware::sources::source::{Respond, Source},
};

/// The places where a request may carry its token: the `Authorization` header, and the sources that
/// are added to it. See the [module's page](self) for them.
///
/// Set it with
/// [`JwtBlocklistLayer::with_token_sources`](crate::JwtBlocklistLayer::with_token_sources) or
/// [`LogoutLayer::with_token_sources`](crate::LogoutLayer::with_token_sources).
#[derive(Debug, Clone, Default)]
pub struct TokenSources {
    /// The sources in addition to the header. One that browsers send by themselves comes last.
    others: Vec<Arc<dyn Source>>,
    allowed_origins: Vec<Box<str>>,
    cookie_and_other: CookieAndOther,
}

/// Builds [`TokenSources`].
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct TokenSourcesBuilder {
    sources: TokenSources,
}

/// The treatment of requests with a token in the cookie and another one elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum CookieAndOther {
    #[default]
    Rejected,
    CookieIgnored,
}

/// The source that a token was found in. The `Authorization` header needs nothing that
/// [`TokenSources`] does not do for every request, so it is like no source at all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FoundIn<'s>(Option<&'s dyn Source>);

/// The headers that are added to a response, whether the inner service or the layer made it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResponseHeaders {
    respond: Option<Respond>,
    varies_by_cookie: bool,
}

impl TokenSources {
    /// Reads the `Authorization` header alone. This is the default.
    pub fn header() -> Self {
        Self::default()
    }

    /// Starts with the `Authorization` header.
    pub fn builder() -> TokenSourcesBuilder {
        TokenSourcesBuilder::default()
    }

    /// Returns the one token of a request.
    pub(crate) fn find<'r, B>(
        &self,
        request: &'r Request<B>,
        max_bytes: usize,
    ) -> Result<(&'r [u8], FoundIn<'_>), Reason> {
        let mut found = optional(bearer::find(request.headers(), max_bytes))?.map(|token| (token, FoundIn(None)));
        for source in &self.others {
            let by_browser = source.is_sent_by_browser();
            if by_browser && found.is_some() && self.cookie_and_other == CookieAndOther::CookieIgnored {
                continue;
            }
            let Some(token) = optional(source.find(request, max_bytes))? else { continue };
            if found.is_some() {
                return Err(Reason::SeveralTokens);
            }
            if by_browser {
                origin::check(request, &self.allowed_origins)?;
            }
            found = Some((token, FoundIn(Some(&**source))));
        }
        found.ok_or(Reason::NoToken)
    }

    /// Hides the token from the `Debug` of layers and handlers inside. Headers are marked
    /// sensitive; a source that cannot be marked removes its token.
    pub(crate) fn conceal<B>(&self, request: &mut Request<B>, found_in: FoundIn<'_>) {
        // Not by `entry`, which reserves room for one more header.
        for (name, value) in request.headers_mut() {
            if *name == header::AUTHORIZATION || *name == header::COOKIE {
                value.set_sensitive(true);
            }
        }
        if let Some(source) = found_in.0 {
            source.conceal(request);
        }
    }

    pub(crate) fn response_headers(&self, found_in: FoundIn<'_>) -> ResponseHeaders {
        ResponseHeaders { respond: found_in.0.and_then(Source::respond), varies_by_cookie: self.has_cookie() }
    }

    /// Sources that browsers send by themselves are last.
    fn has_cookie(&self) -> bool {
        self.others.last().is_some_and(|source| source.is_sent_by_browser())
    }
}

/// `None` if there is no token.
fn optional(token: Result<&[u8], Reason>) -> Result<Option<&[u8]>, Reason> {
    match token {
        Err(Reason::NoToken) => Ok(None),
        token => token.map(Some),
    }
}

impl TokenSourcesBuilder {
    fn source(mut self, source: impl Source + 'static) -> Self {
        let others = &mut self.sources.others;
        others.retain(|other| other.name() != source.name());
        others.push(Arc::new(source));
        self
    }

    /// Sets the origins whose pages may send unsafe requests and open WebSockets with the cookie.
    ///
    /// Pages of the service's own origin always may: browsers mark their requests with
    /// `Sec-Fetch-Site: same-origin`. Set your own origin too if a proxy changes the `Host`, and
    /// for WebSockets without TLS, as in development. A second call replaces the first.
    ///
    /// [`build`](Self::build) fails if an origin has not the form that browsers send: `https://` or
    /// `http://`, a host in lower case, and a port unless it is the scheme's default.
    pub fn allowed_origins(mut self, origins: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.sources.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Ignores the cookie when the request also carries a token elsewhere. By default such a
    /// request is rejected with 400.
    ///
    /// Use it for clients that cannot avoid sending the cookie, such as a page for trying out an
    /// API with a token.
    pub fn ignore_cookie_if_other_source(mut self) -> Self {
        self.sources.cookie_and_other = CookieAndOther::CookieIgnored;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If the name of the [query](Self::query)'s parameter or an [origin](Self::allowed_origins) is
    /// not well-formed, or if settings for the cookie are made without a [cookie](Self::cookie).
    pub fn build(self) -> Result<TokenSources, ConfigError> {
        let mut sources = self.sources;
        // A fixed order, so that the rejection of several bad tokens does not depend on the order of calls.
        sources.others.sort_by_key(|source| (source.is_sent_by_browser(), std::cmp::Reverse(source.name())));
        for source in &sources.others {
            source.validate()?;
        }
        for allowed in &sources.allowed_origins {
            origin::validate(allowed)?;
        }
        let for_cookie =
            !sources.allowed_origins.is_empty() || sources.cookie_and_other == CookieAndOther::CookieIgnored;
        if for_cookie && !sources.has_cookie() {
            return Err(ConfigError::conflict(
                "`allowed_origins` and `ignore_cookie_if_other_source` are settings for a cookie: add `cookie`",
            ));
        }
        Ok(sources)
    }
}

impl ResponseHeaders {
    pub(crate) fn apply<R>(self, response: &mut Response<R>) {
        if self.varies_by_cookie {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("cookie"));
        }
        if let Some(respond) = self.respond {
            respond(response.status(), response.headers_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r44_origins_and_settings_of_the_cookie_are_checked_by_build() {
        let with =
            |origin: &str| TokenSources::builder().cookie(TokenCookie::access()).allowed_origins([origin]).build();
        for origin in [
            "",
            "https://",
            "app.example.org",
            "https://App.example.org",
            "https://a/",
            "ftp://a",
            "https://a:443",
            "http://a:80",
        ] {
            assert!(with(origin).is_err(), "{origin:?}");
        }
        for origin in ["https://app.example.org", "http://localhost:3000", "http://[::1]:3000", "https://a:80"] {
            assert!(with(origin).is_ok(), "{origin:?}");
        }
        assert!(TokenSources::builder().allowed_origins(["https://app.example.org"]).build().is_err());
        assert!(TokenSources::builder().ignore_cookie_if_other_source().build().is_err());
    }

    #[test]
    fn a_setter_replaces_what_was_set_before() {
        let sources = TokenSources::builder().query("first").query("second").build().unwrap();
        let find = |uri: &str| sources.find(&Request::get(uri).body(()).unwrap(), 40).map(|(token, _)| token.to_vec());
        assert_eq!(find("/?first=t"), Err(Reason::NoToken));
        assert_eq!(find("/?second=t"), Ok(b"t".to_vec()));
    }
}
