//! The cookie that holds a token: how it is read, and how it is set and removed.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::{config_error::ConfigError, guard::Reason, issuer::MintedToken, middleware::sources::bearer};

/// A cookie that holds a token: for [`TokenSources::cookie`](crate::TokenSources::cookie), and to log in and out with.
///
/// It is always `Secure`, `HttpOnly`, of `Path=/` and without `Domain`: the page's scripts cannot read it, no other host gets it, and
/// with a name that begins with `__Host-` no other host can set it. A cookie is sent by the browser whoever asks, so unsafe methods
/// and `Upgrade` requests with it pass only from the service's own origin and from those [allowed](Self::allow_origin).
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
/// let set_cookie = cookie.set(&pair.access); // a value for `Set-Cookie`; send `Cache-Control: no-store` with it
/// assert!(set_cookie.to_str()?.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
/// let at_logout = cookie.remove();
/// assert!(at_logout.to_str()?.starts_with("__Host-access_token=; Max-Age=0"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCookie {
    name: Cow<'static, str>,
    same_site: SameSite,
    origins: Vec<Box<str>>,
}

/// From which pages a browser sends a cookie (RFC 6265bis §5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Only from pages of the same site: whoever follows a link from elsewhere is not logged in.
    Strict,
    /// Also when a link leads here from elsewhere. The default.
    #[default]
    Lax,
    /// From everywhere: for pages of another site, which then must be [allowed](TokenCookie::allow_origin).
    None,
}

impl TokenCookie {
    /// `__Host-access_token`, `SameSite=Lax`, the service's own origin.
    pub fn access() -> Self {
        Self { name: Cow::Borrowed("__Host-access_token"), same_site: SameSite::default(), origins: Vec::new() }
    }

    /// `__Host-refresh_token`, the same otherwise.
    pub fn refresh() -> Self {
        Self { name: Cow::Borrowed("__Host-refresh_token"), ..Self::access() }
    }

    /// Another name. Without `__Host-` other hosts of the domain can set a cookie of the name, and log a user in as somebody else.
    ///
    /// # Errors
    ///
    /// When the name is empty or has other characters than RFC 6265 §4.1.1 allows.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        let name = name.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(ConfigError::setting("a cookie's name is letters, digits and !#$%&'*+-.^_`|~"));
        }
        self.name = name;
        Ok(self)
    }

    /// From which pages a browser sends the cookie; [`SameSite::Lax`] by default.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Lets pages of this origin send unsafe requests with the cookie, beside those of the service's own, which browsers tell by
    /// `Sec-Fetch-Site`. Also for the own origin where a proxy changes the `Host`, and for WebSockets without TLS, as in
    /// development. May be called more than once.
    ///
    /// # Errors
    ///
    /// When it is not of the form that browsers send: `https://` or `http://`, a host in lower case, and a port only where it is not
    /// the scheme's own.
    pub fn allow_origin(mut self, origin: impl Into<Box<str>>) -> Result<Self, ConfigError> {
        let origin = origin.into();
        let (host, own_port) = match origin.split_once("://") {
            Some(("https", host)) => (host, ":443"),
            Some(("http", host)) => (host, ":80"),
            _ => ("", ""),
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
        if host.is_empty() || host.ends_with(own_port) || !host.bytes().all(plain) {
            return Err(ConfigError::setting(
                "an origin is `https://` or `http://` and a host in lower case, with a port only where it is not the scheme's own",
            ));
        }
        self.origins.push(origin);
        Ok(self)
    }

    /// A value for `Set-Cookie` that logs a browser in. The cookie goes when the token ends. It is marked sensitive.
    pub fn set(&self, token: &MintedToken) -> HeaderValue {
        // By the clock of the system: the browser counts from when it gets the answer.
        let left = token.expires_at().duration_since(SystemTime::now()).unwrap_or_default();
        self.value(token.as_str(), left)
    }

    /// A value for `Set-Cookie` that removes the cookie. That alone logs nobody out: revoke the session as well.
    pub fn remove(&self) -> HeaderValue {
        self.value("", Duration::ZERO)
    }

    #[expect(
        clippy::expect_used,
        reason = "names are checked when they are set, a token is base64url and dots, and the rest is ours: all of it is visible ASCII"
    )]
    fn value(&self, token: &str, max_age: Duration) -> HeaderValue {
        let Self { name, same_site, .. } = self;
        let seconds = max_age.as_secs();
        let same_site = same_site.as_str();
        let text = format!("{name}={token}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite={same_site}");
        let mut value = HeaderValue::try_from(text).expect("visible ASCII");
        value.set_sensitive(true);
        value
    }

    pub(crate) fn origins(&self) -> &[Box<str>] {
        &self.origins
    }

    /// The token in the cookie (RFC 6265 §4.2.1). A cookie without a value is none. Bytes that no cookie has are refused, whichever
    /// cookie they are in: where one ends, two readers might not agree.
    pub(crate) fn token<'h>(&self, headers: &'h HeaderMap, max_bytes: usize) -> Result<&'h [u8], Reason> {
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
            Some(value) => bearer::word(value, max_bytes),
        }
    }

    fn value_of<'p>(&self, pair: &'p [u8]) -> Option<&'p [u8]> {
        pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")
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
        let cookie = TokenCookie::access().name("t").unwrap();
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
    fn r44_names_and_origins_are_checked_when_they_are_set() {
        for name in ["", "a b", "a=b", "a;b", "\u{e9}", "a\"b"] {
            assert!(TokenCookie::access().name(name).is_err(), "{name:?}");
        }
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
            assert!(TokenCookie::access().allow_origin(origin).is_err(), "{origin:?}");
        }
        for origin in ["https://app.example.org", "http://localhost:3000", "http://[::1]:3000", "https://a:80"] {
            assert!(TokenCookie::access().allow_origin(origin).is_ok(), "{origin:?}");
        }
    }
}
