//! The response to each combination of header, token and blocklist answer. The table in
//! `docs/answers.md` comes from this test.

use std::time::Duration;

use crate::support::{
    AUDIENCE, NOW, SECRET, clock, good_token, header as token_header,
    http::inner,
    payload,
    stub::{Answer, CLEAR, Pace, REVOKED, StubBlocklist, TIMED_OUT},
    token, verifier,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use serde_json::{Value, json};
use testkit::tokens;
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Authenticated, JwtBlocklistLayer, NoClaims, Require,
    blocklist::{Outage, RevocationScope, Status},
    reject::{GrpcStatus, RejectionKind, Rfc6750},
    sources::{TokenCookie, TokenSources},
};

/// The response, and whether the inner service was called.
struct Outcome {
    status: StatusCode,
    headers: HeaderMap,
    kind: Option<RejectionKind>,
    body: Bytes,
    inner_calls: usize,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn ask(layer: JwtBlocklistLayer, method: Method, lines: &[String]) -> Outcome {
    let inner = inner();
    let mut request = Request::builder().method(method).uri("/");
    for line in lines {
        // Lines of other headers are written with their names.
        let (name, value) =
            line.strip_prefix("Cookie: ").map_or((header::AUTHORIZATION, &**line), |cookie| (header::COOKIE, cookie));
        request = request.header(name, value);
    }
    let response = layer.layer(inner.clone()).oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    if let Some(called) = inner.take() {
        assert!(called.extensions.get::<Authenticated<NoClaims>>().is_some(), "called without proof");
    }
    let (parts, body) = response.into_parts();
    Outcome {
        status: parts.status,
        kind: parts.extensions.get().copied(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
        inner_calls: inner.calls(),
    }
}

fn access(answer: Answer) -> JwtBlocklistLayer {
    JwtBlocklistLayer::access(verifier(&clock()), StubBlocklist::new(answer))
}

fn refresh(answer: Answer) -> JwtBlocklistLayer {
    JwtBlocklistLayer::refresh(verifier(&clock()), StubBlocklist::new(answer))
}

fn bearer(token: &str) -> Vec<String> {
    vec![format!("Bearer {token}")]
}

fn forged() -> String {
    tokens::sign_hs256(b"another secret of the right length, 32 B", &token_header(json!({})), &payload(json!({})))
}

fn expired() -> String {
    token(json!({}), json!({ "iat": NOW - 7200, "exp": NOW - 3600 }))
}

fn refresh_token() -> String {
    token(json!({ "typ": "rt+jwt" }), json!({}))
}

#[tokio::test]
async fn the_table_of_answers_is_what_is_answered() {
    let good = good_token();
    let scope = Require::builder().scopes(["orders:write"]).build().unwrap();
    let login = Require::builder().max_login_age(Duration::from_secs(300)).build().unwrap();
    let cookie = TokenSources::builder().cookie(TokenCookie::access()).build().unwrap();
    let in_cookie = vec![format!("Cookie: __Host-access_token={good}")];
    let rows = [
        ("no `Authorization` header", access(CLEAR), vec![]),
        ("another scheme, such as `Basic`", access(CLEAR), vec!["Basic dXNlcjpwYXNz".into()]),
        ("two `Authorization` headers, or more than one word", access(CLEAR), vec![format!("Bearer {good} {good}")]),
        ("a forged, malformed or foreign token", access(CLEAR), bearer(&forged())),
        ("an expired access token", access(CLEAR), bearer(&expired())),
        ("a refresh token where an access token is required", access(CLEAR), bearer(&refresh_token())),
        ("an access token where a refresh token is required", refresh(CLEAR), bearer(&good)),
        ("a revoked token", access(REVOKED), bearer(&good)),
        ("a valid token, while the blocklist cannot answer", access(TIMED_OUT), bearer(&good)),
        ("a valid token without the required scope", access(CLEAR).add_requirement(scope), bearer(&good)),
        ("a valid token of a login that is too old", access(CLEAR).add_requirement(login), bearer(&good)),
        (
            "a valid token that fails a condition of the application",
            access(CLEAR).add_condition(|_| false),
            bearer(&good),
        ),
        (
            "a token in the cookie, and another site may have caused it",
            access(CLEAR).with_token_sources(cookie),
            in_cookie,
        ),
    ];
    let mut table = String::from(
        "| The request has | Status | `WWW-Authenticate: Bearer realm=\"api\"` | `error` | `resolution` |\n|---|---|---|---|---|\n",
    );
    for (case, layer, lines) in rows {
        let outcome = ask(layer, Method::POST, &lines).await;
        let challenge = match outcome.header(header::WWW_AUTHENTICATE) {
            None if outcome.header(header::RETRY_AFTER) == Some("1") => "not sent; `Retry-After: 1`".to_owned(),
            None => "not sent".to_owned(),
            Some("Bearer realm=\"api\"") => "alone".to_owned(),
            Some(challenge) => format!("`{}`", challenge.strip_prefix("Bearer realm=\"api\", ").unwrap()),
        };
        let body = outcome.json();
        let (error, resolution) = (body["error"].as_str().unwrap(), body["resolution"].as_str().unwrap());
        table += &format!("| {case} | {} | {challenge} | `{error}` | {resolution} |\n", outcome.status.as_u16());
    }
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/answers.md")).unwrap();
    assert!(document.contains(&table), "docs/answers.md needs this table:\n\n{table}");
}

#[tokio::test]
async fn r35_to_r43_every_combination_is_answered_as_it_should_be() {
    let (good, forged, expired, refresh_token) = (good_token(), forged(), expired(), refresh_token());
    let unsigned = tokens::unsigned(&token_header(json!({ "alg": "none" })), &payload(json!({})));
    // The result if source and token alone decide it. `None` if the blocklist decides.
    let requests: [(&str, Vec<String>, Option<RejectionKind>); 14] = [
        ("good", bearer(&good), None),
        ("good, lower case", vec![format!("bearer {good}")], None),
        ("good, more blanks", vec![format!("Bearer   {good}")], None),
        ("nothing", vec![], Some(RejectionKind::Missing)),
        ("basic", vec!["Basic eDp5".into()], Some(RejectionKind::Missing)),
        ("two lines", vec![format!("Bearer {good}"), format!("Bearer {good}")], Some(RejectionKind::Malformed)),
        ("a list", vec![format!("Bearer {good}, Bearer {good}")], Some(RejectionKind::Malformed)),
        ("a tab", vec![format!("Bearer\t{good}")], Some(RejectionKind::Malformed)),
        ("no token", vec!["Bearer".into()], Some(RejectionKind::Malformed)),
        ("no dots", bearer("abc"), Some(RejectionKind::Invalid)),
        ("forged", bearer(&forged), Some(RejectionKind::Invalid)),
        ("unsigned", bearer(&unsigned), Some(RejectionKind::Invalid)),
        ("expired", bearer(&expired), Some(RejectionKind::Expired)),
        ("refresh", bearer(&refresh_token), Some(RejectionKind::WrongKind)),
    ];
    let answers = [
        (CLEAR, None),
        (REVOKED, Some(RejectionKind::Revoked)),
        (Ok(Status::Revoked(RevocationScope::Token)), Some(RejectionKind::Revoked)),
        (TIMED_OUT, Some(RejectionKind::Unavailable)),
        (Err(Outage::NotConnected), Some(RejectionKind::Unavailable)),
        (Err(Outage::Failed), Some(RejectionKind::Unavailable)),
        (Err(Outage::UnexpectedReply), Some(RejectionKind::Unavailable)),
    ];
    for (case, lines, alone) in &requests {
        for (answer, by_store) in answers {
            for pace in [Pace::AtOnce, Pace::Later] {
                let blocklist = StubBlocklist::new(answer).at_pace(pace);
                let layer = JwtBlocklistLayer::access(verifier(&clock()), blocklist.clone());
                let outcome = ask(layer, Method::GET, lines).await;
                let expected = alone.or(by_store);
                let case = format!("{case}, {answer:?} {pace:?}");
                assert_eq!(outcome.kind, expected, "{case}");
                assert_eq!(outcome.inner_calls, usize::from(expected.is_none()), "{case}");
                assert_eq!(blocklist.asked(), usize::from(alone.is_none()), "r23, {case}");
                check_form(&outcome, expected, &case);
            }
        }
    }
}

/// The status and headers that each kind has.
fn check_form(outcome: &Outcome, kind: Option<RejectionKind>, case: &str) {
    let Some(kind) = kind else {
        assert_eq!((outcome.status, &*outcome.body), (StatusCode::OK, &b"inner"[..]), "{case}");
        return;
    };
    let (status, challenge) = match kind {
        RejectionKind::Missing => (401, Some("Bearer realm=\"api\"")),
        RejectionKind::Malformed => {
            (400, Some("Bearer realm=\"api\", error=\"invalid_request\", error_description=\""))
        }
        RejectionKind::Unavailable => (503, None),
        _ => (401, Some("Bearer realm=\"api\", error=\"invalid_token\", error_description=\"")),
    };
    assert_eq!(outcome.status.as_u16(), status, "{case}");
    match (outcome.header(header::WWW_AUTHENTICATE), challenge) {
        (Some(sent), Some(expected)) => assert!(sent.starts_with(expected), "{case}: {sent}"),
        (sent, expected) => assert_eq!(sent, expected, "{case}"),
    }
    assert_eq!(outcome.header(header::RETRY_AFTER), (kind == RejectionKind::Unavailable).then_some("1"), "{case}");
    assert_eq!(outcome.header(header::CACHE_CONTROL), Some("no-store"), "{case}");
    assert_eq!(outcome.header(header::CONTENT_TYPE), Some("application/json"), "{case}");
    let body = outcome.json();
    let words = ["error", "error_description", "resolution"]
        .map(|name| body[name].as_str().is_some_and(|word| !word.is_empty()));
    assert_eq!((words, body.as_object().unwrap().len()), ([true; 3], 3), "{case}: {body}");
}

#[tokio::test]
async fn r40_before_the_signature_is_proven_all_answers_are_the_same_bytes() {
    let good = good_token();
    let other_kid = token(json!({ "kid": 7 }), json!({}));
    let hostile = [
        forged(),
        "abc".into(),
        "...".into(),
        good.replace('.', "="),
        format!("{good}="),
        tokens::unsigned(&token_header(json!({ "alg": "none" })), &payload(json!({}))),
        token(json!({ "alg": "HS384" }), json!({})),
        token(json!({ "crit": ["exp"] }), json!({})),
        token(json!({ "cty": "JWT" }), json!({})),
        token(json!({ "typ": "logout+jwt" }), json!({})),
        token(json!({ "typ": "JWT" }), json!({})),
        token(json!({ "typ": null }), json!({})),
        token(json!({ "kid": "k".repeat(300) }), json!({})),
        tokens::sign_raw(SECRET.as_bytes(), r#"{"alg":"HS256","alg":"HS256","typ":"at+jwt"}"#, "{}"),
        tokens::sign_raw(SECRET.as_bytes(), "{", "{}"),
        other_kid,
        format!("{good}{}", "a".repeat(9000)),
        // Genuine, but not for this verifier. Its rejection must look like the others.
        token(json!({}), json!({ "aud": AUDIENCE.to_uppercase() })),
    ];
    let form = |outcome: Outcome| (outcome.status, outcome.headers, outcome.body);
    let reference = form(ask(access(CLEAR), Method::GET, &bearer(&hostile[0])).await);
    for token in &hostile[1..] {
        assert_eq!(form(ask(access(CLEAR), Method::GET, &bearer(token)).await), reference, "{token}");
    }
    let told = [
        ("expired", ask(access(CLEAR), Method::GET, &bearer(&expired())).await),
        ("wrong kind", ask(access(CLEAR), Method::GET, &bearer(&refresh_token())).await),
        ("revoked", ask(access(REVOKED), Method::GET, &bearer(&good)).await),
    ];
    for (name, outcome) in told {
        assert_ne!(form(outcome), reference, "{name}");
    }
    let uniform = Rfc6750::builder().uniform().build().unwrap();
    let uniform = |answer| access(answer).with_renderer(uniform.clone());
    for (token, answer) in [(expired(), CLEAR), (refresh_token(), CLEAR), (good, REVOKED)] {
        assert_eq!(form(ask(uniform(answer), Method::GET, &bearer(&token)).await), reference, "uniform");
    }
}

#[tokio::test]
async fn the_refresh_layer_says_the_same_of_refresh_tokens() {
    let dead = token(json!({ "typ": "rt+jwt" }), json!({ "iat": NOW - 7200, "exp": NOW - 3600 }));
    let rows = [
        (vec![], CLEAR, Some(RejectionKind::Missing)),
        (bearer("a b"), CLEAR, Some(RejectionKind::Malformed)),
        (bearer(&forged()), CLEAR, Some(RejectionKind::Invalid)),
        (bearer(&dead), CLEAR, Some(RejectionKind::Expired)),
        (bearer(&good_token()), CLEAR, Some(RejectionKind::WrongKind)),
        (bearer(&refresh_token()), REVOKED, Some(RejectionKind::Revoked)),
        (bearer(&refresh_token()), TIMED_OUT, Some(RejectionKind::Unavailable)),
        (bearer(&refresh_token()), CLEAR, None),
    ];
    for (lines, answer, expected) in rows {
        let outcome = ask(refresh(answer), Method::POST, &lines).await;
        assert_eq!((outcome.kind, outcome.inner_calls), (expected, usize::from(expected.is_none())));
        check_form(&outcome, expected, &format!("{expected:?}"));
    }
}

#[tokio::test]
async fn r41_no_byte_of_the_request_comes_back() {
    for hostile in ["c4n4ry", "c4n4ry.c4n4ry.c4n4ry", "\"c4n4ry", "c4n4ry, c4n4ry"] {
        let outcome = ask(access(CLEAR), Method::GET, &bearer(hostile)).await;
        let all = format!("{:?} {:?}", outcome.headers, outcome.body);
        assert!(!all.contains("c4n4ry"), "{all}");
    }
}

#[tokio::test]
async fn r43_head_is_get_without_the_body() {
    for lines in [vec![], bearer(&forged()), bearer("a b")] {
        let get = ask(access(CLEAR), Method::GET, &lines).await;
        let mut head = ask(access(CLEAR), Method::HEAD, &lines).await;
        assert!(head.body.is_empty());
        let length = head.headers.remove(header::CONTENT_LENGTH).unwrap();
        assert_eq!(length.to_str().unwrap(), get.body.len().to_string());
        assert_eq!((get.status, get.headers), (head.status, head.headers));
    }
}

#[tokio::test]
async fn a_closure_renders_and_the_layer_adds_what_every_refusal_has() {
    let teapot = |rejection: &tower_jwt_blocklist::Rejection| {
        let mut response = Response::new(Bytes::from(rejection.reason()));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    let outcome = ask(access(CLEAR).with_renderer(teapot), Method::GET, &[]).await;
    assert_eq!((outcome.status, &*outcome.body), (StatusCode::IM_A_TEAPOT, &b"no_token"[..]));
    assert_eq!((outcome.kind, outcome.header(header::CACHE_CONTROL)), (Some(RejectionKind::Missing), Some("no-store")));
}

#[tokio::test]
async fn the_realm_is_the_one_that_was_set() {
    let layer = access(CLEAR).with_renderer(Rfc6750::builder().realm("the shop").build().unwrap());
    let outcome = ask(layer, Method::GET, &[]).await;
    assert_eq!(outcome.header(header::WWW_AUTHENTICATE), Some("Bearer realm=\"the shop\""));
}

#[tokio::test]
async fn grpc_refusals_are_trailers_only_responses() {
    let layer = |answer| access(answer).with_renderer(GrpcStatus);
    let rows = [(CLEAR, "bad".to_owned(), "16"), (REVOKED, good_token(), "16"), (TIMED_OUT, good_token(), "14")];
    for (answer, token, code) in rows {
        let outcome = ask(layer(answer), Method::POST, &bearer(&token)).await;
        assert_eq!((outcome.status, outcome.inner_calls, outcome.body.len()), (StatusCode::OK, 0, 0));
        assert_eq!(outcome.header(header::CONTENT_TYPE), Some("application/grpc"));
        assert_eq!(outcome.headers["grpc-status"], code);
        assert!(outcome.headers.contains_key("grpc-message"));
    }
}
