//! Whether a request that a browser sent with a cookie came from our own pages (cross-site request forgery).

use http::{
    HeaderMap, HeaderName, Method, Request,
    header::{HOST, ORIGIN, UPGRADE},
};

use crate::guard::Reason;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Only requests that may change something, or begin what will: unsafe methods (RFC 9110 §9.2.1), and WebSockets, which browsers let
/// any page open.
///
/// No page can set these headers; so a request passes that says `Sec-Fetch-Site: same-origin`, or whose `Origin` is allowed, or, of a
/// browser too old for the former, is `https://` and the host of the request. One that says neither is refused: browsers have sent
/// `Origin` with unsafe requests for years.
pub(crate) fn check<B>(request: &Request<B>, allowed: &[Box<str>]) -> Result<(), Reason> {
    let headers = request.headers();
    if is_safe(request.method()) && !headers.contains_key(UPGRADE) {
        return Ok(());
    }
    let origin = the_only(headers, ORIGIN);
    let own = match the_only(headers, SEC_FETCH_SITE) {
        One::Value(b"same-origin") => true,
        One::Absent => {
            let host = request.uri().authority().map(|authority| authority.as_str().as_bytes());
            let host = host.or(headers.get(HOST).map(|host| host.as_bytes()));
            matches!(origin, One::Value(origin) if origin.strip_prefix(b"https://") == host && host.is_some())
        }
        One::Value(_) | One::Several => false,
    };
    let allowed = matches!(origin, One::Value(origin) if allowed.iter().any(|ours| ours.as_bytes() == origin));
    if own || allowed { Ok(()) } else { Err(Reason::CrossSite) }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

enum One<'h> {
    Absent,
    Value(&'h [u8]),
    Several,
}

fn the_only(headers: &HeaderMap, name: HeaderName) -> One<'_> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => One::Absent,
        (Some(line), None) => One::Value(line.as_bytes()),
        (Some(_), Some(_)) => One::Several,
    }
}

#[cfg(test)]
mod tests {
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
