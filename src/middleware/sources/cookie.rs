//! The cookie that holds a token: how it is read, set and removed.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::{
    config_error::ConfigError,
    guard::Reason,
    issuer::MintedToken,
    middleware::sources::{
        TokenSourcesBuilder,
        source::{RequestHead, Source, non_empty_within},
    },
};

/// A cookie that holds a token. Use it to log in and out, and with [`TokenSourcesBuilder::cookie`].
///
/// It always has `Secure`, `HttpOnly`, `Path=/` and no `Domain`: scripts of the page cannot read
/// it, and no other host gets it. With a name that begins with `__Host-`, no other host can set it.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::TokenCookie;
/// # use tower_jwt_blocklist::{Algorithm, Issuer, MemoryBlocklist, NoClaims, SigningKey, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
/// # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
/// # let issuer = Issuer::builder(verifier, key, MemoryBlocklist::new()).build()?;
/// let cookie = TokenCookie::access();
/// let pair = issuer.login("user-1", &NoClaims {}).await?;
/// let set_cookie = cookie.set_cookie_header(&pair.access); // send `Cache-Control: no-store` too
/// assert!(set_cookie.to_str()?.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
/// let at_logout = cookie.removal_header();
/// assert!(at_logout.to_str()?.starts_with("__Host-access_token=; Max-Age=0"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCookie {
    name: Cow<'static, str>,
    same_site: SameSite,
}

/// The pages from which a browser sends a cookie (RFC 6265bis §5.6.7).
// Exhaustive: the values are those of the standard, and a `match` on them should be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Only pages of the same site. A user who follows a link from another site is not logged in.
    Strict,
    /// Pages of the same site, and links from other sites. This is the default.
    #[default]
    Lax,
    /// All pages. Use it for pages of another site, which must then be
    /// [allowed](TokenSourcesBuilder::allowed_origins).
    None,
}

impl TokenCookie {
    /// A cookie named `__Host-access_token` with `SameSite=Lax`.
    pub fn access() -> Self {
        Self { name: Cow::Borrowed("__Host-access_token"), same_site: SameSite::default() }
    }

    /// A cookie named `__Host-refresh_token` with `SameSite=Lax`.
    pub fn refresh() -> Self {
        Self { name: Cow::Borrowed("__Host-refresh_token"), ..Self::access() }
    }

    /// A cookie of another name with `SameSite=Lax`.
    ///
    /// If the name does not begin with `__Host-`, other hosts of the domain can set the cookie, and
    /// so log a user in as somebody else.
    ///
    /// # Errors
    ///
    /// If the name is empty or has other characters than RFC 6265 §4.1.1 allows.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        let name = name.into();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_allowed) {
            return Err(ConfigError::setting("a cookie's name is letters, digits and !#$%&'*+-.^_`|~"));
        }
        Ok(Self { name, ..Self::access() })
    }

    /// Sets from which pages a browser sends the cookie; [`SameSite::Lax`] by default.
    #[must_use]
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Returns a value for `Set-Cookie` that logs a browser in. The browser removes the cookie when
    /// the token expires. The value is marked sensitive.
    pub fn set_cookie_header(&self, token: &MintedToken) -> HeaderValue {
        // By the system's clock: the browser counts from the moment it gets the response.
        let left = token.expires_at().duration_since(SystemTime::now()).unwrap_or_default();
        self.header_value(token.as_str(), left)
    }

    /// Returns a value for `Set-Cookie` that removes the cookie. That alone logs nobody out: revoke
    /// the session as well.
    pub fn removal_header(&self) -> HeaderValue {
        self.header_value("", Duration::ZERO)
    }

    #[expect(
        clippy::expect_used,
        reason = "the name was checked, a token is base64url and dots, and the rest is a literal: all of it is visible ASCII"
    )]
    fn header_value(&self, token: &str, max_age: Duration) -> HeaderValue {
        let Self { name, same_site } = self;
        let seconds = max_age.as_secs();
        let same_site = same_site.as_str();
        let text = format!("{name}={token}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite={same_site}");
        let mut value = HeaderValue::try_from(text).expect("visible ASCII");
        value.set_sensitive(true);
        value
    }

    /// Returns the token in the cookie (RFC 6265 §4.2.1). A cookie without a value counts as no
    /// token.
    ///
    /// Bytes that no cookie may contain are rejected, no matter which cookie they are in: two
    /// parsers might disagree where that cookie ends.
    fn token<'h>(&self, headers: &'h HeaderMap, max_bytes: usize) -> Result<&'h [u8], Reason> {
        let mut found = None;
        for line in headers.get_all(COOKIE) {
            let line = line.as_bytes();
            if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(Reason::NotOneToken);
            }
            for pair in line.split(|byte| *byte == b';') {
                let Some(value) = self.value_of(pair.trim_ascii()) else { continue };
                if found.replace(value).is_some() {
                    return Err(Reason::SeveralTokens);
                }
            }
        }
        match found {
            None | Some([]) => Err(Reason::NoToken),
            Some(value) => non_empty_within(value, max_bytes),
        }
    }

    fn value_of<'p>(&self, pair: &'p [u8]) -> Option<&'p [u8]> {
        pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")
    }
}

impl TokenSourcesBuilder {
    /// Also reads this cookie. See the guide [cookies and CSRF](crate::guide::cookies_and_csrf).
    pub fn cookie(self, cookie: TokenCookie) -> Self {
        self.source(cookie)
    }
}

impl Source for TokenCookie {
    fn name(&self) -> &'static str {
        "cookie"
    }

    fn find<'r>(&self, request: &'r dyn RequestHead, max_bytes: usize) -> Result<&'r [u8], Reason> {
        self.token(request.headers(), max_bytes)
    }

    fn is_sent_by_browser(&self) -> bool {
        true
    }
}

impl SameSite {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::token68;

    #[test]
    fn r36_r37_one_cookie_of_the_name_or_a_reason() {
        type Row = (&'static str, &'static [&'static [u8]], Result<&'static str, Reason>);
        let rows: [Row; 16] = [
            ("none", &[], Err(Reason::NoToken)),
            ("another", &[b"a=b"], Err(Reason::NoToken)),
            ("the one", &[b"t=x.y.z"], Ok("x.y.z")),
            ("among others", &[b"a=b; t=x.y.z; c=d"], Ok("x.y.z")),
            ("on another line, as HTTP/2 has it", &[b"a=b", b"t=x.y.z"], Ok("x.y.z")),
            ("without a blank", &[b"a=b;t=x.y.z"], Ok("x.y.z")),
            ("other case", &[b"T=x.y.z"], Err(Reason::NoToken)),
            ("longer name", &[b"tt=x.y.z; at=x.y.z"], Err(Reason::NoToken)),
            ("no value", &[b"t="], Err(Reason::NoToken)),
            ("no sign", &[b"t"], Err(Reason::NoToken)),
            ("twice", &[b"t=x.y.z; t=x.y.z"], Err(Reason::SeveralTokens)),
            ("twice, once empty", &[b"t=; t=x.y.z"], Err(Reason::SeveralTokens)),
            ("twice, on two lines", &[b"t=x.y.z", b"t=x.y.z"], Err(Reason::SeveralTokens)),
            ("quoted", &[b"t=\"x.y.z\""], Err(Reason::NotOneToken)),
            ("a byte over 0x80 in another", &[b"a=\xE9; t=x.y.z"], Err(Reason::NotOneToken)),
            ("a tab", &[b"a=b;\tt=x.y.z"], Err(Reason::NotOneToken)),
        ];
        let cookie = TokenCookie::new("t").unwrap();
        for (name, lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
            }
            let found = cookie.token(&headers, 40).and_then(|token| token68(token).ok_or(Reason::NotOneToken));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn r44_the_name_of_a_cookie_is_checked() {
        for name in ["", "a b", "a=b", "a;b", "\u{e9}", "a\"b"] {
            assert!(TokenCookie::new(name).is_err(), "{name:?}");
        }
    }
}
