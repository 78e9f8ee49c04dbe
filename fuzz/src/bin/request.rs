//! A request as text: `<method> <target>`, then a line for each header. `{good}` stands for a good
//! token.
#![no_main]

use std::{collections::BTreeSet, sync::LazyLock};

use fuzz::{GOOD, ask, assert_still_good, blocklist, verifier};
use http::{HeaderName, HeaderValue, Method, Request, Response, header::*};
use libfuzzer_sys::{Corpus, fuzz_target};
use tower_jwt_blocklist::{
    JwtBlocklistLayer,
    sources::{TokenCookie, TokenSources},
};

static LAYERS: LazyLock<[JwtBlocklistLayer; 3]> = LazyLock::new(|| {
    let plain = JwtBlocklistLayer::access(verifier(), blocklist());
    let sources = TokenSources::builder().cookie(TokenCookie::access()).query("access_token").websocket_protocol();
    let sources = sources.allowed_origins(["https://app.example.org"]);
    let any_carrier = plain.clone().with_token_sources(sources.clone().build().unwrap());
    let sources = sources.ignore_cookie_if_other_source().build().unwrap();
    let optional = plain.clone().with_token_sources(sources).optional().exempt_preflights();
    [plain, any_carrier, optional]
});

/// Every header value that a rejection here may have.
static VALUES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let challenge = |words| format!(r#"Bearer realm="api"{words}"#);
    let texts = [
        challenge(""),
        challenge(
            r#", error="invalid_request", error_description="The request does not hold exactly one bearer token""#,
        ),
        challenge(r#", error="invalid_token", error_description="The access token is not valid""#),
    ];
    texts.into_iter().chain(["application/json", "no-store", "private, no-store", "cookie"].map(String::from)).collect()
});

fuzz_target!(|text: &[u8]| -> Corpus {
    let Some(request) = read(text) else { return Corpus::Reject };
    let [plain, any_carrier, optional] = &*LAYERS;
    // The request has no body and no extensions, so a clone is complete.
    let answer = |layer| {
        let response = ask(layer, request.clone());
        let admitted = admitted(&response, &request);
        (response, admitted)
    };
    let (response, admitted) = answer(plain);
    assert_eq!(admitted, Some("user-1").filter(|_| has_good_bearer(&request)), "{request:?} {response:?}");
    let (response, admitted) = answer(any_carrier);
    assert!(matches!(admitted, None | Some("user-1")), "{request:?} {response:?}");
    assert!(admitted.is_none() || carries(&request, &GOOD), "{request:?} {response:?}");
    let (response, admitted) = answer(optional);
    assert!(admitted != Some("user-1") || carries(&request, &GOOD), "{request:?} {response:?}");
    assert!(admitted != Some("nobody") || !has_bearer(&request), "{request:?} {response:?}");

    LAYERS.iter().for_each(assert_still_good);
    Corpus::Keep
});

/// Parses the text. Input that no server would accept as a request is skipped.
fn read(text: &[u8]) -> Option<Request<()>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let target = with_good(first.next()?);
    let mut request = Request::builder().method(method).uri(target.as_slice()).body(()).ok()?;
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let value = with_good(value[1..].trim_ascii());
        request.headers_mut().append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(&value).ok()?);
    }
    Some(request)
}

fn with_good(text: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"{good}";
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(PLACE.len()).position(|window| window == PLACE) {
        parts.push(&rest[..at]);
        rest = &rest[at + PLACE.len()..];
    }
    parts.push(rest);
    parts.join(GOOD.as_bytes())
}

/// RFC 6750 §2.1, implemented differently.
fn has_good_bearer(request: &Request<()>) -> bool {
    let lines: Vec<_> = request.headers().get_all(AUTHORIZATION).iter().collect();
    let [line] = lines.as_slice() else { return false };
    let Ok(line) = line.to_str() else { return false };
    line.split_once(' ')
        .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.trim_start_matches(' ') == *GOOD)
}

fn has_bearer(request: &Request<()>) -> bool {
    let lines = request.headers().get_all(AUTHORIZATION);
    lines.iter().any(|line| line.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"Bearer ")))
}

/// Whether the token is in any place of the request where a token may be.
fn carries(request: &Request<()>, token: &str) -> bool {
    let holds = |text: &[u8]| text.windows(token.len()).any(|window| window == token.as_bytes());
    [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL]
        .iter()
        .flat_map(|name| request.headers().get_all(name))
        .any(|value| holds(value.as_bytes()))
        || request.uri().query().is_some_and(|query| holds(query.as_bytes()))
}

/// The user that the inner service was called with, if it was. A rejection's form does not depend
/// on the request.
fn admitted(response: &Response<String>, request: &Request<()>) -> Option<&'static str> {
    let all = format!("{:?}{}", request.headers(), request.uri());
    if let Some(rest) = response.body().strip_prefix("user=") {
        assert_eq!(response.status(), 200);
        // A token in one place only was found there, and is hidden.
        let is_one = all.matches(&**GOOD).count() == 1;
        assert!(!rest.starts_with("user-1 ") || !is_one || !rest.contains(&**GOOD), "{request:?} {response:?}");
        return if rest.starts_with("user-1 ") { Some("user-1") } else { Some("nobody") };
    }
    assert!(matches!(response.status().as_u16(), 400 | 401 | 403), "{response:?}");
    assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), response.status() != 403);
    for (name, value) in response.headers() {
        let value = value.to_str().unwrap();
        let is_length = name == CONTENT_LENGTH && request.method() == Method::HEAD && value.parse::<usize>().is_ok();
        assert!(is_length || VALUES.contains(value), "{name}: {value}");
    }
    match *request.method() {
        Method::HEAD => assert_eq!(response.body(), ""),
        _ => assert!(response.body().starts_with(r#"{"error":""#), "{response:?}"),
    }
    None
}
