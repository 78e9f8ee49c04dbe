//! The token in the query, and in the subprotocols of a WebSocket.

use http::header::*;
use tower_jwt_blocklist::sources::{TokenCookie, TokenSources};

use super::{Server, bearer, layer};
use crate::support::good_token;

const UPGRADE: &[u8] =
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x";

#[tokio::test]
async fn r38_a_token_in_the_query_is_read_only_when_asked_for_only_by_get_and_its_answer_is_private() {
    let good = good_token();
    let target = format!("/a?x=1&access_token={good}&y=2");
    let plain = Server::start(layer()).await;
    assert_eq!(plain.send("GET", &target, &[]).await.refusal(), (401, "missing_token".into()));

    let server =
        Server::start(layer().with_token_sources(TokenSources::builder().query("access_token").build().unwrap())).await;
    let answer = server.send("GET", &target, &[]).await;
    assert_eq!(answer.user(), "user-1");
    assert_eq!(answer.values(CACHE_CONTROL), ["private, no-store"], "whatever the inner service sets");
    assert!(answer.body.contains("uri=/a?x=1&y=2 "), "{}", answer.body);
    assert!(!answer.body.contains(&good));
    assert_eq!(server.send("HEAD", &target, &[]).await.status, 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(server.send(method, &target, &[]).await.refusal(), (401, "missing_token".into()), "{method}");
    }
    let header = bearer(&good);
    assert_eq!(server.get(&[&header]).await.values(CACHE_CONTROL), ["public, max-age=60"], "not by the query");
    let malformed = (400, "invalid_request".to_owned());
    assert_eq!(server.send("GET", &target, &[&header]).await.refusal(), malformed);
    let twice = format!("{target}&access_token={good}");
    assert_eq!(server.send("GET", &twice, &[]).await.refusal(), malformed);
    for bad in ["/?access_token=", "/?access_token=a%2Eb", "/?access_token=a,b"] {
        assert_eq!(server.send("GET", bad, &[]).await.refusal(), malformed, "{bad}");
    }
    let forged = server.send("GET", "/?access_token=x.y.z", &[]).await;
    assert_eq!(forged.refusal(), (401, "invalid_token".into()));
    assert_eq!(forged.values(CACHE_CONTROL), ["private, no-store"]);
    for name in ["", "a b", "a=b", "a&b", "\u{e9}"] {
        assert!(TokenSources::builder().query(name).build().is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn r47_a_websocket_may_send_its_token_as_a_subprotocol_and_the_answer_agrees_to_another() {
    let good = good_token();
    let offer = |offers: &str| format!("Sec-WebSocket-Protocol: {offers}").into_bytes();
    let plain = Server::start(layer()).await;
    let alone = offer(&format!("bearer, {good}"));
    assert_eq!(plain.get(&[UPGRADE, &alone]).await.refusal(), (401, "missing_token".into()));

    let cookie = TokenCookie::access();
    let server = Server::start(
        layer().with_token_sources(TokenSources::builder().websocket_protocol().cookie(cookie).build().unwrap()),
    )
    .await;
    let rows = [
        ("the token alone", vec![alone.clone()], Some("bearer")),
        ("another after it", vec![offer(&format!("bearer, {good}, chat"))], Some("chat")),
        ("another before it", vec![offer(&format!("chat,bearer,{good}"))], Some("chat")),
        ("on three lines", vec![offer("bearer"), offer(&good), offer("chat")], Some("chat")),
    ];
    for (name, lines, agreed) in rows {
        let lines: Vec<&[u8]> = [UPGRADE].into_iter().chain(lines.iter().map(Vec::as_slice)).collect();
        let answer = server.get(&lines).await;
        assert_eq!(answer.status, 101, "{name}: {}", answer.head);
        assert_eq!(answer.values(SEC_WEBSOCKET_PROTOCOL), Vec::from_iter(agreed), "{name}");
        assert!(!answer.head.contains(&good), "{name}");
    }
    // The headers that the inner service sees if the request is not an upgrade.
    let answer = server.get(&[&offer(&format!("bearer, {good}, chat, v2"))]).await;
    assert!(answer.body.contains("\"sec-websocket-protocol\": \"chat, v2\""), "{}", answer.body);
    assert!(answer.values(SEC_WEBSOCKET_PROTOCOL).is_empty(), "nothing is accepted without an upgrade");

    let header = bearer(&good);
    let in_cookie = format!("Cookie: __Host-access_token={good}").into_bytes();
    let own: &[u8] = b"Origin: https://api.example.org";
    let malformed = (400, "invalid_request".to_owned());
    for lines in [
        vec![&alone[..], &header],
        vec![&alone, &in_cookie, own],
        vec![&offer("bearer")],
        vec![&offer("chat, bearer")],
        vec![&offer("bearer, ")],
        vec![&offer("bearer, \"x\"")],
        vec![&offer(&format!("bearer, {good}, bearer, {good}"))],
    ] {
        let lines: Vec<&[u8]> = [UPGRADE].into_iter().chain(lines).collect();
        assert_eq!(server.get(&lines).await.refusal(), malformed, "{lines:?}");
    }
    assert_eq!(server.get(&[UPGRADE, &offer("bearer, x.y.z")]).await.refusal(), (401, "invalid_token".into()));
    assert_eq!(server.get(&[UPGRADE, &offer("chat")]).await.refusal(), (401, "missing_token".into()));
}
