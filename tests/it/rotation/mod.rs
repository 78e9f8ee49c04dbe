//! A refresh token is redeemed once: the results of `Issuer::refresh`.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod failing;
mod logout;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{
    ISSUER, NOW,
    log::record,
    rotation::{DAY, GRACE, piece, repeated, rotated},
    signing_key, token,
    world::World,
};
use serde_json::json;
use tower_jwt_blocklist::{
    Issuer, MemoryBlocklist, NoClaims, TokenKind, TokenPair,
    blocklist::{Revocation, RevocationId, RevocationScope, Revoke},
    config_error::ConfigErrorKind,
    issuer::{IssueError, Refreshed},
    reject::RejectionKind,
};

const MILLISECOND: Duration = Duration::from_millis(1);

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn r56_a_refresh_token_is_redeemed_for_the_next_pair_of_its_session() {
    let world = World::new();
    let first = world.login("ann").await;
    world.clock.advance(Duration::from_secs(7200));
    let second = world.renew(&first).await;
    world.clock.advance(Duration::from_secs(7200));
    let third = world.renew(&second).await;
    assert_eq!(world.refused(&third).await, None);

    let members = |pair: &TokenPair| (piece(pair.access.as_str(), 1), piece(pair.refresh.as_str(), 1));
    for (number, pair) in [&first, &second, &third].into_iter().enumerate() {
        let (access, refresh) = members(pair);
        let iat = NOW + 7200 * number as u64;
        assert_eq!((&access["iat"], &access["exp"]), (&json!(iat), &json!(iat + 3600)));
        assert_eq!((&refresh["iat"], &refresh["exp"]), (&json!(iat), &json!(iat + 2 * 24 * 3600)));
        assert_eq!(refresh["refresh_generation"], json!(number));
        assert!(access.get("refresh_generation").is_none());
        for token in [&access, &refresh] {
            for name in ["iss", "aud", "sub", "sid", "session_ms"] {
                assert_eq!(token[name], members(&first).0[name], "{name}");
            }
        }
    }
    let ids = [&first, &second, &third].map(|pair| piece(pair.refresh.as_str(), 1)["jti"].clone());
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    assert_eq!(third.refresh.expires_at(), world.clock.now() + 2 * DAY);
}

#[tokio::test]
async fn r56_within_the_grace_the_same_token_gets_the_same_refresh_token_again() {
    let world = World::new();
    let first = world.login("ann").await;
    let proof = world.proof(&first).await;
    world.clock.advance(Duration::from_millis(300));
    let second = rotated(world.redeem(&proof).await);
    for passed in [Duration::ZERO, Duration::from_millis(900), GRACE - Duration::from_millis(901)] {
        world.clock.advance(passed);
        let again = repeated(world.redeem(&proof).await);
        assert_eq!(again.refresh.as_str(), second.refresh.as_str());
        assert_eq!(again.refresh.expires_at(), second.refresh.expires_at());
        assert_ne!(again.access.as_str(), second.access.as_str(), "the access token is new");
        let now = seconds(world.clock.now());
        assert_eq!(piece(again.access.as_str(), 1)["iat"], json!(now));
        assert_eq!(world.refused(&again).await, None);
    }
    // Also if the application's claims have changed meanwhile.
    let told = repeated(world.issuer().refresh(&proof, &json!({ "plan": "free" })).await.unwrap());
    let (then, now) = (piece(second.refresh.as_str(), 1), piece(told.refresh.as_str(), 1));
    for name in ["jti", "iat", "exp", "refresh_generation", "sid", "session_ms"] {
        assert_eq!(now[name], then[name], "{name}");
    }
    assert_eq!(now["plan"], "free");
    world.renew(&second).await;
}

#[tokio::test]
async fn r56_when_the_grace_is_over_a_second_use_ends_the_session() {
    for (grace, passed) in [(GRACE, GRACE), (GRACE, DAY), (Duration::ZERO, Duration::ZERO), (GRACE * 3, GRACE * 3)] {
        let world = World::issuing(|issuer| issuer.rotation_grace(grace));
        let (first, other) = (world.login("ann").await, world.login("ann").await);
        let proof = world.proof(&first).await;
        let second = world.renew(&first).await;
        world.clock.advance(passed.saturating_sub(MILLISECOND));
        if !grace.is_zero() && passed == grace {
            repeated(world.redeem(&proof).await);
        }
        world.clock.advance(passed.min(MILLISECOND));
        assert!(matches!(world.redeem(&proof).await, Refreshed::Replayed), "{grace:?} {passed:?}");

        assert_eq!(world.ask(TokenKind::Access, second.access.as_str()).await.err().map(|e| e.kind()), {
            // After a day the access token has expired too, and the expiry is found first.
            Some(if passed == DAY { RejectionKind::Expired } else { RejectionKind::Revoked })
        });
        for pair in [&first, &second] {
            let rejection = world.ask(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap_err();
            assert_eq!(rejection.reason(), "session_revoked");
        }
        assert!(matches!(world.redeem(&proof).await, Refreshed::Revoked(RevocationScope::Session)));
        world.renew(&other).await;
        world.renew(&world.login("ann").await).await;
    }
}

#[tokio::test]
async fn r56_a_stolen_token_ends_the_session_whoever_comes_second() {
    let world = World::new();
    let stolen = world.login("ann").await;
    let thief = world.proof(&stolen).await;
    let second = world.renew(&stolen).await;
    let third = world.renew(&second).await;
    // Within the grace period of the third token. The thief's token is older than that.
    assert!(matches!(world.redeem(&thief).await, Refreshed::Replayed));
    assert_eq!(world.refused(&third).await, Some("session_revoked"));
}

#[tokio::test]
async fn r75_r77_a_replay_is_one_warning_that_names_nobody() {
    let world = World::without_grace();
    let first = world.login("ann").await;
    let proof = world.proof(&first).await;
    let second = world.renew(&first).await;
    let (log, _recording) = record();
    assert!(matches!(world.redeem(&proof).await, Refreshed::Replayed));
    let text = log.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    for pair in [&first, &second] {
        for name in ["jti", "sid", "sub"] {
            assert!(!text.contains(piece(pair.refresh.as_str(), 1)[name].as_str().unwrap()), "{name}: {text}");
        }
    }
    assert!(matches!(world.redeem(&proof).await, Refreshed::Revoked(_)));
    assert_eq!(log.text().matches("WARN").count(), 1, "no second warning about a revoked session");
}

#[tokio::test]
async fn what_gives_no_tokens_is_a_rejection_in_the_layers_words() {
    let world = World::without_grace();
    let first = world.login("ann").await;
    let proof = world.proof(&first).await;
    world.renew(&first).await;
    let replayed = world.redeem(&proof).await.into_pair().unwrap_err();
    let revoked = world.redeem(&proof).await.into_pair().unwrap_err();
    let proof = world.proof(&world.login("ann").await).await;
    world.clock.advance(2 * DAY);
    let expired = world.redeem(&proof).await.into_pair().unwrap_err();
    for (rejection, kind, reason) in [
        (replayed, RejectionKind::Revoked, "replayed"),
        (revoked, RejectionKind::Revoked, "session_revoked"),
        (expired, RejectionKind::Expired, "expired"),
    ] {
        assert_eq!((rejection.kind(), rejection.reason()), (kind, reason));
        assert_eq!(rejection.expected(), TokenKind::Refresh);
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn what_a_handler_refuses_is_answered_and_logged_as_by_the_layer() {
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;
    use tower::{Layer, ServiceExt};
    use tower_jwt_blocklist::JwtBlocklistLayer;

    let world = World::new();
    let pair = world.login("ann").await;
    let proof = world.proof(&pair).await;
    world.issuer().logout(&proof).await.unwrap();
    let (log, _recording) = record();
    let by_handler = world.redeem(&proof).await.into_pair().unwrap_err().into_response();
    let event = "expected=\"refresh\" reason=\"session_revoked\"";
    assert_eq!(log.text().matches(event).count(), 1, "{}", log.text());

    let inner = tower::service_fn(async |_: http::Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    });
    let request = http::Request::get("/").header("Authorization", format!("Bearer {}", pair.refresh.as_str()));
    let layer = JwtBlocklistLayer::refresh(world.verifier.clone(), world.store.clone());
    let by_layer = layer.layer(inner).oneshot(request.body(()).unwrap()).await.unwrap();
    assert_eq!((by_handler.status(), by_handler.headers()), (by_layer.status(), by_layer.headers()));
    assert_eq!(by_handler.status(), 401);
    assert_eq!(by_handler.extensions().get::<RejectionKind>(), Some(&RejectionKind::Revoked));
    let bodies = (by_handler.into_body().collect().await.unwrap(), by_layer.into_body().collect().await.unwrap());
    assert_eq!(bodies.0.to_bytes(), bodies.1.to_bytes());
}

#[tokio::test]
async fn r58_no_token_ends_after_its_session_and_then_it_is_over() {
    for fraction in [0, 1, 999] {
        let world = World::issuing(|issuer| issuer.session_lifetime(5 * DAY));
        world.clock.set(UNIX_EPOCH + Duration::from_millis(NOW * 1000 + fraction));
        let end = UNIX_EPOCH + Duration::from_secs(NOW) + 5 * DAY;
        let mut pair = world.login("ann").await;
        let mut generations = 0;
        let proof = loop {
            for token in [&pair.access, &pair.refresh] {
                assert!(token.expires_at() <= end, "{:?}", token.expires_at());
            }
            let proof = world.proof(&pair).await;
            // Until the end is less than a second away, so that the last access token is shortened
            // too.
            let left = end.duration_since(world.clock.now()).unwrap();
            if left <= Duration::from_secs(1) {
                break proof;
            }
            world.clock.advance((DAY + Duration::from_secs(7)).min(left - Duration::from_secs(1)));
            pair = world.renew(&pair).await;
            generations += 1;
        };
        assert_eq!((pair.access.expires_at(), pair.refresh.expires_at()), (end, end));
        assert!(generations > 4);
        world.clock.set(end - MILLISECOND);
        rotated(world.redeem(&proof).await);
        world.clock.set(end);
        assert!(matches!(world.redeem(&proof).await, Refreshed::Expired));
        world.renew(&world.login("ann").await).await;
    }
}

#[tokio::test]
async fn r58_a_session_lasts_thirty_days_and_no_shorter_than_a_refresh_token() {
    let world = World::new();
    let mut pair = world.login("ann").await;
    for _ in 0..29 {
        world.clock.advance(DAY);
        pair = world.renew(&pair).await;
    }
    assert_eq!(pair.refresh.expires_at(), UNIX_EPOCH + Duration::from_secs(NOW) + 30 * DAY);
    world.clock.advance(DAY);
    assert!(world.ask(TokenKind::Refresh, pair.refresh.as_str()).await.is_ok(), "by the leeway");

    let settings = |session| {
        Issuer::builder(world.verifier.clone(), signing_key(), MemoryBlocklist::new()).session_lifetime(session).build()
    };
    settings(2 * DAY).unwrap();
    let error = settings(2 * DAY - MILLISECOND).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Conflict);
    assert!(error.to_string().contains("session_lifetime"), "{error}");
}

#[tokio::test]
async fn r58_a_refresh_token_past_its_end_gives_nothing_and_nothing_happens_to_it() {
    let world = World::new();
    let pair = world.login("ann").await;
    let proof = world.proof(&pair).await;
    for passed in [Duration::ZERO, Duration::from_secs(29), 300 * DAY] {
        world.clock.set(UNIX_EPOCH + Duration::from_secs(NOW) + 2 * DAY + passed);
        assert!(matches!(world.redeem(&proof).await, Refreshed::Expired), "{passed:?}");
    }
    assert!(world.store.is_empty());
    world.clock.set(UNIX_EPOCH + Duration::from_secs(NOW) + 2 * DAY - MILLISECOND);
    world.renew(&pair).await;
}

#[tokio::test]
async fn r56_a_token_that_names_no_generation_is_the_first() {
    let world = World::without_grace();
    let old = token(json!({ "typ": "rt+jwt" }), json!({ "sub": "ann" }));
    let proof = world.ask(TokenKind::Refresh, &old).await.unwrap();
    let next = rotated(world.redeem(&proof).await);
    let members = piece(next.refresh.as_str(), 1);
    assert_eq!((&members["refresh_generation"], &members["sid"]), (&json!(1), &json!("session-1")));
    // The token has no finer time of its login than the second of its `iat`.
    assert_eq!(members["session_ms"], json!(NOW * 1000));
    assert!(matches!(world.redeem(&proof).await, Refreshed::Replayed));

    for (name, value, accepted) in [
        ("the largest", json!(u32::MAX), true),
        ("larger", json!(u64::from(u32::MAX) + 1), false),
        ("negative", json!(-1), false),
        ("a fraction", json!(1.5), false),
        ("text", json!("1"), false),
        ("a list", json!([1]), false),
    ] {
        for typ in ["rt+jwt", "at+jwt"] {
            let kind = if typ == "rt+jwt" { TokenKind::Refresh } else { TokenKind::Access };
            let text = token(json!({ "typ": typ }), json!({ "sid": name, "refresh_generation": value }));
            let reason = world.ask(kind, &text).await.err().map(|error| error.reason());
            assert_eq!(reason, (!accepted).then_some("refresh_generation"), "{name}");
        }
    }
}

#[tokio::test]
async fn r56_the_last_generation_is_not_redeemed_for_it_would_be_so_again_and_again() {
    let world = World::new();
    let numbered = |number: u32| token(json!({ "typ": "rt+jwt" }), json!({ "refresh_generation": number }));
    let last = world.ask(TokenKind::Refresh, &numbered(u32::MAX)).await.unwrap();
    assert!(matches!(world.redeem(&last).await, Refreshed::Expired));
    assert!(world.store.is_empty());

    let last_but_one = world.ask(TokenKind::Refresh, &numbered(u32::MAX - 1)).await.unwrap();
    let next = rotated(world.redeem(&last_but_one).await);
    assert!(matches!(world.redeem(&world.proof(&next).await).await, Refreshed::Expired));
}

#[tokio::test]
async fn only_refresh_tokens_of_a_session_are_redeemed() {
    let world = World::new();
    let pair = world.login("ann").await;
    let access = world.ask(TokenKind::Access, pair.access.as_str()).await.unwrap();
    assert_eq!(world.issuer().refresh(&access, &NoClaims {}).await.unwrap_err(), IssueError::NotRefresh);
    let alone = token(json!({ "typ": "rt+jwt" }), json!({ "sid": null }));
    let alone = world.ask(TokenKind::Refresh, &alone).await.unwrap();
    assert_eq!(world.issuer().refresh(&alone, &NoClaims {}).await.unwrap_err(), IssueError::NoSession);
    assert!(world.store.is_empty());
}

/// After a "log out everywhere" by a machine whose clock is ahead, a login gets a time in the
/// future too.
#[tokio::test]
async fn r55_a_session_that_begins_ahead_of_the_clock_can_be_refreshed() {
    let world = World::without_grace();
    let subject = RevocationId::new(Some(ISSUER), RevocationScope::Subject, "ann");
    let ahead = world.clock.now() + Duration::from_secs(5);
    let cut_off = Revocation::new(RevocationScope::Subject, subject, ahead + DAY).issued_up_to(ahead);
    world.store.revoke(&cut_off).await.unwrap();
    let mut pair = world.login("ann").await;
    for _ in 0..3 {
        pair = world.renew(&pair).await;
        assert_eq!(world.refused(&pair).await, None);
        world.clock.advance(Duration::from_secs(3));
    }
}

/// The session's revocation is kept as long as any of its tokens could live, including those of the
/// last rotation before it.
#[tokio::test]
async fn g3_what_was_rotated_before_a_replay_never_lives_again() {
    let world = World::without_grace();
    let first = world.login("ann").await;
    let proof = world.proof(&first).await;
    let second = world.renew(&first).await;
    world.clock.advance(2 * DAY - Duration::from_secs(1));
    let third = world.renew(&second).await;
    world.clock.advance(Duration::from_millis(500));
    assert!(matches!(world.redeem(&proof).await, Refreshed::Replayed));
    for _ in 0..400 {
        let answers = [
            world.ask(TokenKind::Access, third.access.as_str()).await,
            world.ask(TokenKind::Refresh, third.refresh.as_str()).await,
        ];
        assert!(answers.iter().all(Result::is_err), "accepted at {:?}", world.clock.now());
        world.clock.advance(Duration::from_secs(500));
        // An unrelated revocation, so the list removes expired entries.
        world.issuer().revoke_token("another", world.clock.now()).await.unwrap();
    }
    assert_eq!(world.store.len(), 1, "the session's revocation was removed once it expired");
}
