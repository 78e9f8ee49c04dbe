//! Any bytes in any source. Without a socket, because hyper rejects some of them itself.

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header::*};
use http_body_util::{BodyExt, Full};
use proptest::{collection::vec, prelude::*, sample::select};
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_blocklist::sources::{TokenCookie, TokenSources};

use super::{layer, tell};
use crate::support::good_token;

const NAMES: [HeaderName; 6] = [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL, ORIGIN, UPGRADE, HOST];

/// The status and the body from a layer with all token sources.
fn ask(method: Method, query: &str, headers: &[(HeaderName, Vec<u8>)]) -> Option<(StatusCode, String)> {
    let sources = TokenSources::builder()
        .cookie(TokenCookie::access())
        .query("access_token")
        .websocket_protocol()
        .build()
        .ok()?;
    let mut request = Request::builder().method(method).uri(format!("/?{query}")).body(Full::default()).ok()?;
    for (name, value) in headers {
        request.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let service = layer().with_token_sources(sources).layer(service_fn(tell));
    runtime.block_on(async {
        let response: Response<_> = service.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Some((parts.status, String::from_utf8(body.to_vec()).unwrap()))
    })
}

/// Any bytes, or a near miss of a token in this source.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = vec(prop_oneof![Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8], 0..30);
    const NEAR: [&str; 8] =
        ["Bearer ", "__Host-access_token=", "; __Host-access_token=", "bearer, ", ", bearer, ", "a=b;", "x.y.z", ""];
    let near = vec(select(&NEAR[..]), 1..5).prop_map(|words| words.concat().into_bytes());
    prop_oneof![any_bytes.clone(), near.clone(), (near, any_bytes).prop_map(|(near, any)| [near, any].concat())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r36_r80_any_bytes_in_any_carrier_are_answered_without_the_inner_service(
        method in select(&[Method::GET, Method::HEAD, Method::POST, Method::OPTIONS][..]),
        query in "(access_token=?)?[ -~]{0,12}(&access_token=[a-z.%]{0,8})?",
        headers in vec((select(&NAMES[..]), value()), 0..4),
    ) {
        if let Some((status, body)) = ask(method, &query, &headers) {
            prop_assert!(matches!(status.as_u16(), 400 | 401 | 403), "{}", status);
            prop_assert!(!body.starts_with("user="), "{}", body);
        }
    }

    #[test]
    fn r37_a_good_token_does_not_help_another(first in 0..4_usize, second in 0..4_usize) {
        let good = good_token();
        let carried = |source| match source {
            0 => (None, Some((AUTHORIZATION, format!("Bearer {good}").into_bytes()))),
            1 => (None, Some((COOKIE, format!("__Host-access_token={good}").into_bytes()))),
            2 => (None, Some((SEC_WEBSOCKET_PROTOCOL, format!("bearer, {good}").into_bytes()))),
            _ => (Some(format!("access_token={good}")), None),
        };
        let both = [carried(first), carried(second)];
        let query = both.iter().filter_map(|(query, _)| query.clone()).collect::<Vec<_>>().join("&");
        let headers: Vec<_> = both.into_iter().filter_map(|(_, header)| header).collect();
        prop_assert_eq!(ask(Method::GET, &query, &headers).unwrap().0, StatusCode::BAD_REQUEST);
        let (query, header) = carried(first);
        let (status, body) = ask(Method::GET, &query.unwrap_or_default(), header.as_slice()).unwrap();
        prop_assert!(status == StatusCode::OK && body.starts_with("user=user-1"));
        prop_assert!(!body.contains(&good), "the inner service shows it: {}", body);
    }
}
