//! The `Authorization` header.

use http::header::*;
use serde_json::json;

use super::{Server, bearer, layer, line};
use crate::support::{good_token, token};

#[tokio::test]
async fn r35_r39_one_bearer_token_in_any_case_and_nothing_else() {
    let server = Server::start(layer()).await;
    let good = good_token();
    let header = |value: String| line("Authorization", value);
    for good in [
        bearer(&good),
        header(format!("bearer {good}")),
        header(format!("BEARER   {good}")),
        line("aUTHORIZATION", format!("Bearer {good}")),
        // Blanks around a header's value are not part of it (RFC 9110 §5.5).
        header(format!("  Bearer {good}  \t")),
    ] {
        assert_eq!(server.get(&[&good]).await.user(), "user-1", "{good:?}");
    }
    let missing = (401, "missing_token".to_owned());
    for none in
        [vec![], vec![header("Basic dXNlcjpwYXNz".into())], vec![header(String::new())], vec![header(good.clone())]]
    {
        let lines: Vec<&[u8]> = none.iter().map(Vec::as_slice).collect();
        let answer = server.get(&lines).await;
        assert_eq!(answer.refusal(), missing, "{none:?}");
        assert_eq!(answer.values(WWW_AUTHENTICATE), ["Bearer realm=\"api\""]);
    }
    for bad in [
        format!("Bearer\t{good}"),
        format!("Bearer \t{good}"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {good},"),
        format!("Bearer {good} {good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer={good}"),
        "Bearer".into(),
        "Bearer ".into(),
    ] {
        let answer = server.get(&[&header(bad.clone())]).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{bad}");
    }
}

#[tokio::test]
async fn r36_bytes_that_no_header_has_are_refused_and_the_next_request_works() {
    let server = Server::start(layer()).await;
    let good = good_token();
    for byte in (0..=0x08).chain(0x0A..0x20).chain(0x7F..=0xFF) {
        let value = [b"Bearer ", good.as_bytes(), &[byte], b"x"].concat();
        let answer = server.get(&[&line("Authorization", &value)]).await;
        assert_eq!(answer.status, 400, "byte {byte:#x}");
        assert!(!answer.body.starts_with("user="), "byte {byte:#x}");
    }
    for alone in [&b"\xFF\xFE"[..], b"B\xE9arer x", b"\x80"] {
        assert_eq!(server.get(&[&line("Authorization", alone)]).await.refusal().0, 400, "{alone:?}");
    }
    assert_eq!(server.get(&[&bearer(&good)]).await.user(), "user-1");
}

#[tokio::test]
async fn r37_more_than_one_authorization_line_is_refused_whatever_they_say() {
    let server = Server::start(layer()).await;
    let good = bearer(&good_token());
    let basic = line("Authorization", "Basic eDp5");
    let lower = line("authorization", format!("Bearer {}", good_token()));
    for lines in [[&good, &good], [&good, &basic], [&basic, &good], [&basic, &basic], [&good, &lower]] {
        let lines = lines.map(Vec::as_slice);
        assert_eq!(server.get(&lines).await.refusal(), (400, "invalid_request".into()));
    }
}

#[tokio::test]
async fn r40_a_token_of_70_kilobytes_is_answered_like_any_forgery() {
    let server = Server::start(layer()).await;
    let forged = server.get(&[&bearer(&format!("{}x", good_token()))]).await;
    assert_eq!(forged.refusal(), (401, "invalid_token".into()));
    for huge in
        ["a".repeat(70_000), format!("{}{}", good_token(), "A".repeat(70_000)), format!("a.{}.b", ".".repeat(70_000))]
    {
        let answer = server.get(&[&bearer(&huge)]).await;
        assert_eq!((answer.lines(), &answer.body), (forged.lines(), &forged.body));
    }
}

#[tokio::test]
async fn r43_head_is_get_without_the_body_and_refusals_are_not_stored() {
    let server = Server::start(layer()).await;
    let expired = bearer(&token(json!({}), json!({ "iat": 1, "exp": 2 })));
    for lines in [vec![], vec![&expired[..]], vec![b"Authorization: Bearer a b"]] {
        let get = server.get(&lines).await;
        let head = server.send("HEAD", "/", &lines).await;
        assert_eq!(head.body, "");
        assert_eq!(head.lines(), get.lines());
        assert_eq!((get.values(CACHE_CONTROL), get.values(CONTENT_TYPE)), (vec!["no-store"], vec!["application/json"]));
        assert_eq!(get.values(CONTENT_LENGTH), [get.body.len().to_string()]);
    }
    let good = bearer(&good_token());
    assert_eq!(server.send("HEAD", "/", &[&good]).await.status, 200);
}

#[tokio::test]
async fn r46_options_is_asked_for_a_token_unless_it_is_an_exempt_preflight() {
    let preflight: [&[u8]; 2] = [b"Origin: https://app.example.org", b"Access-Control-Request-Method: PUT"];
    let strict = Server::start(layer()).await;
    assert_eq!(strict.send("OPTIONS", "/", &preflight).await.refusal(), (401, "missing_token".into()));
    assert_eq!(strict.send("OPTIONS", "*", &[]).await.refusal(), (401, "missing_token".into()));
    let exempt = Server::start(layer().exempt_preflights()).await;
    assert_eq!(exempt.send("OPTIONS", "/", &preflight).await.user(), "nobody");
    assert_eq!(exempt.send("OPTIONS", "/", &preflight[..1]).await.refusal().0, 401);
    assert_eq!(exempt.send("GET", "/", &preflight).await.refusal().0, 401);
    for (credentials, expected) in
        [(&b"Authorization: Bearer x.y.z"[..], 401), (b"Cookie: a=b", 401), (b"Authorization: Bearer", 400)]
    {
        let lines = [preflight[0], preflight[1], credentials];
        assert_eq!(exempt.send("OPTIONS", "/", &lines).await.refusal().0, expected);
    }
}

#[tokio::test]
async fn r47_r75_what_carries_a_token_is_hidden_from_debug() {
    let server = Server::start(layer()).await;
    let good = good_token();
    let answer = server.get(&[&bearer(&good), b"Cookie: session=c4n4ry", b"X-Other: shown"]).await;
    assert!(
        answer.body.contains("shown") && !answer.body.contains(&good) && !answer.body.contains("c4n4ry"),
        "{}",
        answer.body
    );
}
