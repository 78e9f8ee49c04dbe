//! Cross-site request forgery: checks that a request with a cookie came from one of our own pages.

use http::{
    HeaderMap, HeaderName, Method,
    header::{HOST, ORIGIN, UPGRADE},
};

use crate::{config_error::ConfigError, guard::Reason, middleware::sources::source::RequestHead};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Rejects a request that another site may have caused.
///
/// Only unsafe methods (RFC 9110 §9.2.1) and WebSockets are checked: they may change something, or
/// begin a connection that may. Browsers let any page open a WebSocket.
///
/// No page can set these headers. A request passes with one of:
///
/// - `Sec-Fetch-Site: same-origin`;
/// - an allowed `Origin`;
/// - from a browser too old for `Sec-Fetch-Site`: an `Origin` of `https://` and the request's host.
///
/// A request with neither header is rejected: browsers have sent `Origin` with unsafe requests for
/// years.
pub(super) fn check(request: &dyn RequestHead, allowed: &[Box<str>]) -> Result<(), Reason> {
    let headers = request.headers();
    if is_safe(request.method()) && !headers.contains_key(UPGRADE) {
        return Ok(());
    }
    let origin = single_value(headers, ORIGIN);
    let own = match single_value(headers, SEC_FETCH_SITE) {
        HeaderLines::One(b"same-origin") => true,
        HeaderLines::Absent => {
            let host = request.uri().authority().map(|authority| authority.as_str().as_bytes());
            let host = host.or(headers.get(HOST).map(|host| host.as_bytes()));
            matches!(origin, HeaderLines::One(origin) if origin.strip_prefix(b"https://") == host && host.is_some())
        }
        HeaderLines::One(_) | HeaderLines::Several => false,
    };
    let allowed = matches!(origin, HeaderLines::One(origin) if allowed.iter().any(|ours| ours.as_bytes() == origin));
    if own || allowed { Ok(()) } else { Err(Reason::CrossSite) }
}

/// Checks that an origin has the form that browsers send.
pub(super) fn validate(origin: &str) -> Result<(), ConfigError> {
    let (host, default_port) = match origin.split_once("://") {
        Some(("https", host)) => (host, ":443"),
        Some(("http", host)) => (host, ":80"),
        _ => ("", ""),
    };
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    if host.is_empty() || host.ends_with(default_port) || !host.bytes().all(is_allowed) {
        return Err(ConfigError::setting(
            "an origin is `https://` or `http://`, a host in lower case, and a port unless it is the scheme's default",
        ));
    }
    Ok(())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

enum HeaderLines<'h> {
    Absent,
    One(&'h [u8]),
    Several,
}

fn single_value(headers: &HeaderMap, name: HeaderName) -> HeaderLines<'_> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => HeaderLines::Absent,
        (Some(line), None) => HeaderLines::One(line.as_bytes()),
        (Some(_), Some(_)) => HeaderLines::Several,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn r45_only_our_own_pages_send_unsafe_requests_with_a_cookie() {
        type Row = (&'static str, &'static [(&'static str, &'static str)], bool);
        const OURS: (&str, &str) = ("origin", "https://app.example.org");
        let rows: [Row; 20] = [
            ("GET", &[("sec-fetch-site", "cross-site")], true),
            ("HEAD", &[], true),
            ("OPTIONS", &[("origin", "https://evil.example")], true),
            ("POST", &[], false),
            ("TRACE", &[], false),
            ("PURGE", &[], false),
            ("POST", &[("sec-fetch-site", "same-origin")], true),
            ("POST", &[("sec-fetch-site", "same-site")], false),
            ("POST", &[("sec-fetch-site", "none")], false),
            ("POST", &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
            ("POST", &[("sec-fetch-site", "cross-site"), ("origin", "https://shop.example.org")], false),
            ("POST", &[("sec-fetch-site", "cross-site"), OURS], true),
            ("POST", &[("origin", "https://shop.example.org")], true),
            ("POST", &[("origin", "http://shop.example.org")], false),
            ("POST", &[("origin", "https://shop.example.org:444")], false),
            ("POST", &[("origin", "https://evil.example")], false),
            ("POST", &[("origin", "null")], false),
            ("DELETE", &[OURS, OURS], false),
            ("GET", &[("upgrade", "websocket"), ("origin", "https://evil.example")], false),
            ("GET", &[("upgrade", "websocket"), OURS], true),
        ];
        for (method, headers, passes) in rows {
            let mut request = Request::builder().method(method).header("host", "shop.example.org");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = check(&request.body(()).unwrap(), &["https://app.example.org".into()]);
            assert_eq!(answer.is_ok(), passes, "{method} {headers:?}");
        }
        let without_host = Request::post("/").header("origin", "x").body(()).unwrap();
        assert!(check(&without_host, &[]).is_err());
    }
}
