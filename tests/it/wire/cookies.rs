//! The token in a cookie.

use std::time::SystemTime;

use http::header::*;
use tower_jwt_blocklist::{
    Issuer, MemoryBlocklist, NoClaims,
    sources::{SameSite, TokenCookie, TokenSources, TokenSourcesBuilder},
};

use super::{Server, bearer, layer, line};
use crate::support::{good_token, settings, signing_key};

const NAME: &str = "__Host-access_token";

fn cookie(token: &str) -> Vec<u8> {
    line("Cookie", format!("{NAME}={token}"))
}

fn sources() -> TokenSources {
    settings_of_sources().build().unwrap()
}

fn settings_of_sources() -> TokenSourcesBuilder {
    TokenSources::builder().cookie(TokenCookie::access()).allowed_origins(["https://app.example.org"])
}

#[tokio::test]
async fn r37_a_cookie_is_read_only_when_asked_for_and_never_beside_another_token() {
    let good = good_token();
    let (in_header, in_cookie) = (bearer(&good), cookie(&good));
    let plain = Server::start(layer()).await;
    assert_eq!(plain.get(&[&in_cookie]).await.refusal(), (401, "missing_token".into()));
    assert_eq!(plain.get(&[&in_header, &in_cookie]).await.user(), "user-1");

    let server = Server::start(layer().with_token_sources(sources())).await;
    assert_eq!(server.get(&[&in_cookie]).await.user(), "user-1");
    assert_eq!(server.get(&[&in_header]).await.user(), "user-1");
    let basic = line("Authorization", "Basic eDp5");
    assert_eq!(server.get(&[&basic, &in_cookie]).await.user(), "user-1", "another scheme carries no token");
    let among = line("Cookie", format!("a=b; {NAME}={good}; c=\"d\""));
    assert_eq!(server.get(&[&among]).await.user(), "user-1");
    let twice = line("Cookie", format!("{NAME}={good}; {NAME}={good}"));
    let malformed = (400, "invalid_request".to_owned());
    for lines in [
        vec![&in_header, &in_cookie],
        vec![&twice],
        vec![&in_cookie, &in_cookie],
        vec![&line("Authorization", "Bearer a b"), &in_cookie],
    ] {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_slice()).collect();
        assert_eq!(server.get(&lines).await.refusal(), malformed, "{lines:?}");
    }

    let explicit = Server::start(
        layer().with_token_sources(settings_of_sources().ignore_cookie_if_other_source().build().unwrap()),
    )
    .await;
    assert_eq!(explicit.get(&[&in_header, &cookie("bad")]).await.user(), "user-1");
    assert_eq!(explicit.get(&[&bearer("bad"), &in_cookie]).await.refusal().0, 401, "the cookie is not used instead");
    assert_eq!(explicit.get(&[&twice]).await.refusal(), malformed);
}

#[tokio::test]
async fn r36_bytes_that_no_cookie_has_are_refused_and_the_next_request_works() {
    let server = Server::start(layer().with_token_sources(sources())).await;
    let good = good_token();
    for byte in (0..0x20).chain(0x7F..=0xFF) {
        for value in [
            [b"a=", &[byte][..], b"b; ", NAME.as_bytes(), b"=", good.as_bytes()].concat(),
            [b"x", &[byte][..], b"y"].concat(),
        ] {
            let answer = server.get(&[&line("Cookie", value)]).await;
            assert_eq!(answer.status, 400, "byte {byte:#x}");
            assert!(!answer.body.starts_with("user="), "byte {byte:#x}");
        }
    }
    for word in ["\"x.y.z\"", "x y", "x,y", "x%2Ey"] {
        assert_eq!(server.get(&[&cookie(word)]).await.refusal().0, 400, "{word}");
    }
    assert_eq!(server.get(&[&cookie("")]).await.refusal(), (401, "missing_token".into()));
    assert_eq!(server.get(&[&cookie(&"a".repeat(70_000))]).await.refusal(), (401, "invalid_token".into()));
    assert_eq!(server.get(&[&cookie(&good)]).await.user(), "user-1");
}

#[tokio::test]
async fn r44_every_answer_in_cookie_mode_varies_by_the_cookie() {
    let server = Server::start(layer().with_token_sources(sources())).await;
    let good = good_token();
    for (lines, varies_by) in [
        (vec![], vec!["cookie"]),
        (vec![cookie("bad")], vec!["cookie"]),
        (vec![cookie(&good)], vec!["origin", "cookie"]),
        (vec![bearer(&good)], vec!["origin", "cookie"]),
    ] {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        assert_eq!(server.get(&lines).await.values(VARY), varies_by, "in addition to the inner service's own");
    }
    assert_eq!(Server::start(layer()).await.get(&[&bearer(&good)]).await.values(VARY), ["origin"]);
}

#[tokio::test]
async fn r44_an_emitted_cookie_is_for_this_host_and_no_script() {
    let verifier = std::sync::Arc::new(settings().build().unwrap());
    let list = MemoryBlocklist::new();
    let issuer = Issuer::builder(verifier.clone(), signing_key(), list.clone()).build().unwrap();
    let pair = issuer.login("user-1", &NoClaims {}).await.unwrap();
    for (cookie, name) in [(TokenCookie::access(), NAME), (TokenCookie::refresh(), "__Host-refresh_token")] {
        let set = cookie.set_cookie_header(&pair.access);
        assert!(set.is_sensitive());
        let parts: Vec<&str> = set.to_str().unwrap().split("; ").collect();
        assert_eq!(parts[0], format!("{name}={}", pair.access.as_str()));
        assert_eq!(parts[2..], ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"], "and no Domain");
        let seconds: u64 = parts[1].strip_prefix("Max-Age=").unwrap().parse().unwrap();
        let left = pair.access.expires_at().duration_since(SystemTime::now()).unwrap().as_secs();
        assert!((left..=left + 1).contains(&seconds), "{seconds}, {left}");
        let removed = cookie.with_same_site(SameSite::Strict).removal_header();
        assert_eq!(removed, format!("{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"));
    }
    // The browser's cookie is accepted.
    let layer = tower_jwt_blocklist::JwtBlocklistLayer::access(verifier, list).with_token_sources(sources());
    let sent = TokenCookie::access().set_cookie_header(&pair.access);
    let sent = sent.to_str().unwrap().split(';').next().unwrap();
    assert_eq!(Server::start(layer).await.get(&[&line("Cookie", sent)]).await.user(), "user-1");
}

#[tokio::test]
async fn r45_what_another_site_may_have_caused_is_refused_with_a_cookie_and_not_with_a_header() {
    let server = Server::start(layer().with_token_sources(sources())).await;
    let (in_cookie, in_header) = (cookie(&good_token()), bearer(&good_token()));
    let ours: &[u8] = b"Origin: https://app.example.org";
    let own: &[u8] = b"Origin: https://api.example.org";
    let evil: &[u8] = b"Origin: https://evil.example";
    let same: &[u8] = b"Sec-Fetch-Site: same-origin";
    let cross: &[u8] = b"Sec-Fetch-Site: cross-site";
    let upgrade: &[u8] = b"Upgrade: websocket\r\nConnection: Upgrade";
    let rows: [(&str, &[&[u8]], bool); 15] = [
        ("GET", &[], true),
        ("GET", &[cross, evil], true),
        ("POST", &[], false),
        ("POST", &[evil], false),
        ("POST", &[cross, own], false),
        ("POST", &[b"Origin: null"], false),
        ("POST", &[b"Origin: https://evil.example", own], false),
        ("DELETE", &[b"Sec-Fetch-Site: same-site"], false),
        ("POST", &[own], true),
        ("POST", &[ours, cross], true),
        ("PUT", &[same], true),
        ("PATCH", &[same, ours], true),
        ("GET", &[upgrade], false),
        ("GET", &[upgrade, evil], false),
        ("GET", &[upgrade, ours], true),
    ];
    for (method, lines, passes) in rows {
        let answer = server.send(method, "/", &[lines, &[&in_cookie]].concat()).await;
        if passes {
            assert!([200, 101].contains(&answer.status), "{method} {lines:?}: {}", answer.head);
        } else {
            assert_eq!(answer.refusal(), (403, "cross_site_request".into()), "{method} {lines:?}");
            assert!(answer.values(WWW_AUTHENTICATE).is_empty());
        }
        let answer = server.send(method, "/", &[lines, &[&in_header]].concat()).await;
        assert!([200, 101].contains(&answer.status), "{method} {lines:?}, header");
    }
    // The origin is checked before the token. A request without a token cannot be abused, so its
    // origin does not matter.
    assert_eq!(server.send("POST", "/", &[&cookie("bad")]).await.refusal().0, 403);
    assert_eq!(server.send("POST", "/", &[evil]).await.refusal(), (401, "missing_token".into()));
    let optional = Server::start(layer().with_token_sources(sources()).optional()).await;
    assert_eq!(optional.send("POST", "/", &[&in_cookie, evil]).await.refusal().0, 403, "not admitted as anonymous");
}
