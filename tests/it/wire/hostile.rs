//! Hostile requests.

use tower_jwt_blocklist::sources::{TokenCookie, TokenSources};

use super::{Server, bearer, layer};
use crate::support::good_token;

#[tokio::test]
async fn r41_no_hostile_byte_of_a_request_is_in_any_answer() {
    let sources = TokenSources::builder()
        .cookie(TokenCookie::access())
        .query("access_token")
        .websocket_protocol()
        .build()
        .unwrap();
    let server = Server::start(layer().with_token_sources(sources)).await;
    let lines: [&[u8]; 20] = [
        b"Authorization: Bearer c4n4ry",
        b"Authorization: Bearer c4n4ry.c4n4ry.c4n4ry",
        b"Authorization: Bearer c4n4ry c4n4ry",
        b"Authorization: Bearer c4n4ry\r\nAuthorization: Bearer c4n4ry",
        b"Authorization: Bearer \"c4n4ry\", error=\"c4n4ry\"",
        b"Authorization: c4n4ry",
        b"Authorization: Bearer c4n4ry\xFF",
        b"Authorization: Bearer c4n4ry\x00",
        b"Authorization: Bearer c4n4ry\n X-Folded: c4n4ry",
        b"Cookie: __Host-access_token=c4n4ry",
        b"Cookie: __Host-access_token=c4n4ry; __Host-access_token=c4n4ry",
        b"Cookie: __Host-access_token=\"c4n4ry\xFF\"",
        b"Cookie: c4n4ry",
        b"Origin: https://c4n4ry.example",
        b"Origin: https://c4n4ry.example\r\nCookie: __Host-access_token=c4n4ry",
        b"Sec-WebSocket-Protocol: bearer, c4n4ry",
        b"Sec-WebSocket-Protocol: bearer, c4n4ry, bearer, c4n4ry",
        b"Upgrade: c4n4ry\r\nConnection: c4n4ry",
        b"X-Forwarded-User: c4n4ry",
        b"c4n4ry: c4n4ry",
    ];
    for line in lines {
        for (method, target) in [
            ("GET", "/c4n4ry"),
            ("HEAD", "/"),
            ("POST", "/"),
            ("OPTIONS", "/"),
            ("C4N4RY", "/"),
            ("GET", "/?access_token=c4n4ry"),
            ("GET", "/?access_token=c4n4ry&access_token=c4n4ry"),
        ] {
            let answer = server.send(method, target, &[line]).await;
            let case = format!("{method} {target} {}", line.escape_ascii());
            assert!((400..500).contains(&answer.status), "{case}: {}", answer.head);
            let all = String::from_utf8_lossy(&answer.all).to_lowercase();
            assert!(!all.contains("c4n4ry"), "{case}: {all}");
        }
    }
    assert_eq!(server.get(&[&bearer(&good_token())]).await.user(), "user-1");
}

#[tokio::test]
async fn r80_refused_requests_on_one_connection_leave_the_next_untouched() {
    let server = Server::start(layer()).await;
    let request = |line: &str, end: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{line}{end}\r\n");
    let good = format!("Authorization: Bearer {}\r\n", good_token());
    let all = [
        request("", ""),
        request("Authorization: Bearer bad\r\n", ""),
        request(&good, ""),
        request("Authorization: Bearer a b\r\n", "Connection: close\r\n"),
    ];
    let answer = server.raw(all.concat().as_bytes()).await;
    let text = String::from_utf8(answer.all).unwrap();
    let statuses: Vec<&str> = text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["401", "401", "200", "400"], "{text}");
    assert_eq!(text.matches("user=user-1").count(), 1);
}
