//! A refresh token is redeemed once: what `Issuer::refresh` hands out, and to whom it does not.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod failing;
mod logout;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    ISSUER, NOW, clock,
    log::record,
    rotation::{DAY, GRACE, piece, repeated, rotated},
    settings, signing_key, token,
};
use serde_json::json;
use testkit::ManualClock;
use tower_jwt_blocklist::{
    Authenticated, ConfigErrorKind, Guard, IssueError, Issuer, IssuerBuilder, MemoryBlocklist, NoClaims, Refreshed,
    Rejection, RejectionKind, Revocation, RevocationId, Revoke, Scope, Timestamp, TokenKind, TokenPair, Verifier,
};

const MILLISECOND: Duration = Duration::from_millis(1);

/// An issuer and the guards that ask for its tokens, all on one clock and one list.
struct House {
    clock: ManualClock,
    store: MemoryBlocklist,
    verifier: Arc<Verifier>,
    issuer: Issuer,
}

impl House {
    fn new() -> Self {
        Self::with(|issuer| issuer)
    }

    fn without_grace() -> Self {
        Self::with(|issuer| issuer.rotation_grace(Duration::ZERO))
    }

    fn with(adapt: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> Self {
        let clock = clock();
        let store = MemoryBlocklist::with_capacity_and_clock(100, clock.as_fn());
        let verifier = Arc::new(settings().clock(clock.as_fn()).build().unwrap());
        let issuer = adapt(Issuer::builder(verifier.clone(), signing_key(), store.clone())).build().unwrap();
        Self { clock, store, verifier, issuer }
    }

    async fn login(&self) -> TokenPair {
        self.issuer.login("ann", &NoClaims {}).await.unwrap()
    }

    async fn ask(&self, kind: TokenKind, token: &str) -> Result<Authenticated, Rejection> {
        Guard::new(kind, self.verifier.clone(), self.store.clone()).authenticate(token).await
    }

    async fn proof(&self, pair: &TokenPair) -> Authenticated {
        self.ask(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap()
    }

    async fn refresh(&self, proof: &Authenticated) -> Refreshed {
        self.issuer.refresh(proof, &NoClaims {}).await.unwrap()
    }

    /// The next pair, for the first use of this one.
    async fn renew(&self, pair: &TokenPair) -> TokenPair {
        rotated(self.refresh(&self.proof(pair).await).await)
    }

    /// `None`: both tokens are let through; else why not, both the same.
    async fn refused(&self, pair: &TokenPair) -> Option<&'static str> {
        let access = self.ask(TokenKind::Access, pair.access.as_str()).await.err().map(|error| error.reason());
        let refresh = self.ask(TokenKind::Refresh, pair.refresh.as_str()).await.err().map(|error| error.reason());
        assert_eq!(access, refresh, "both tokens of a session have one fate");
        access
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn r56_a_refresh_token_is_redeemed_for_the_next_pair_of_its_session() {
    let house = House::new();
    let first = house.login().await;
    house.clock.advance(Duration::from_secs(7200));
    let second = house.renew(&first).await;
    house.clock.advance(Duration::from_secs(7200));
    let third = house.renew(&second).await;
    assert_eq!(house.refused(&third).await, None);

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
    assert_eq!(third.refresh.expires_at(), house.clock.now() + 2 * DAY);
}

#[tokio::test]
async fn r56_within_the_grace_the_same_token_gets_the_same_refresh_token_again() {
    let house = House::new();
    let first = house.login().await;
    let proof = house.proof(&first).await;
    house.clock.advance(Duration::from_millis(300));
    let second = rotated(house.refresh(&proof).await);
    for passed in [Duration::ZERO, Duration::from_millis(900), GRACE - Duration::from_millis(901)] {
        house.clock.advance(passed);
        let again = repeated(house.refresh(&proof).await);
        assert_eq!(again.refresh.as_str(), second.refresh.as_str());
        assert_eq!(again.refresh.expires_at(), second.refresh.expires_at());
        assert_ne!(again.access.as_str(), second.access.as_str(), "the access token is a new one");
        let now = seconds(house.clock.now());
        assert_eq!(piece(again.access.as_str(), 1)["iat"], json!(now));
        assert_eq!(house.refused(&again).await, None);
    }
    // Also where the application has other claims to tell by now.
    let told = repeated(house.issuer.refresh(&proof, &json!({ "plan": "free" })).await.unwrap());
    let (then, now) = (piece(second.refresh.as_str(), 1), piece(told.refresh.as_str(), 1));
    for name in ["jti", "iat", "exp", "refresh_generation", "sid", "session_ms"] {
        assert_eq!(now[name], then[name], "{name}");
    }
    assert_eq!(now["plan"], "free");
    house.renew(&second).await;
}

#[tokio::test]
async fn r56_when_the_grace_is_over_a_second_use_ends_the_session() {
    for (grace, passed) in [(GRACE, GRACE), (GRACE, DAY), (Duration::ZERO, Duration::ZERO), (GRACE * 3, GRACE * 3)] {
        let house = House::with(|issuer| issuer.rotation_grace(grace));
        let (first, other) = (house.login().await, house.login().await);
        let proof = house.proof(&first).await;
        let second = house.renew(&first).await;
        house.clock.advance(passed.saturating_sub(MILLISECOND));
        if !grace.is_zero() && passed == grace {
            repeated(house.refresh(&proof).await);
        }
        house.clock.advance(passed.min(MILLISECOND));
        assert!(matches!(house.refresh(&proof).await, Refreshed::Replayed), "{grace:?} {passed:?}");

        assert_eq!(house.ask(TokenKind::Access, second.access.as_str()).await.err().map(|e| e.kind()), {
            // An access token of a day ago has expired too, and that is found first.
            Some(if passed == DAY { RejectionKind::Expired } else { RejectionKind::Revoked })
        });
        for pair in [&first, &second] {
            let rejection = house.ask(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap_err();
            assert_eq!(rejection.reason(), "session_revoked");
        }
        assert!(matches!(house.refresh(&proof).await, Refreshed::Revoked(Scope::Session)));
        house.renew(&other).await;
        house.renew(&house.login().await).await;
    }
}

#[tokio::test]
async fn r56_a_stolen_token_ends_the_session_whoever_comes_second() {
    let house = House::new();
    let stolen = house.login().await;
    let thief = house.proof(&stolen).await;
    let second = house.renew(&stolen).await;
    let third = house.renew(&second).await;
    // Within the grace of the third: the thief's is older than that.
    assert!(matches!(house.refresh(&thief).await, Refreshed::Replayed));
    assert_eq!(house.refused(&third).await, Some("session_revoked"));
}

#[tokio::test]
async fn r75_r77_a_replay_is_one_warning_that_names_nobody() {
    let house = House::without_grace();
    let first = house.login().await;
    let proof = house.proof(&first).await;
    let second = house.renew(&first).await;
    let (log, _recording) = record();
    assert!(matches!(house.refresh(&proof).await, Refreshed::Replayed));
    let text = log.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    for pair in [&first, &second] {
        for name in ["jti", "sid", "sub"] {
            assert!(!text.contains(piece(pair.refresh.as_str(), 1)[name].as_str().unwrap()), "{name}: {text}");
        }
    }
    assert!(matches!(house.refresh(&proof).await, Refreshed::Revoked(_)));
    assert_eq!(log.text().matches("WARN").count(), 1, "what is dead already is no news");
}

#[tokio::test]
async fn what_gives_no_tokens_is_a_rejection_in_the_layers_words() {
    let house = House::without_grace();
    let first = house.login().await;
    let proof = house.proof(&first).await;
    house.renew(&first).await;
    let replayed = house.refresh(&proof).await.pair().unwrap_err();
    let revoked = house.refresh(&proof).await.pair().unwrap_err();
    let proof = house.proof(&house.login().await).await;
    house.clock.advance(2 * DAY);
    let expired = house.refresh(&proof).await.pair().unwrap_err();
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

    let house = House::new();
    let pair = house.login().await;
    let proof = house.proof(&pair).await;
    house.issuer.logout(&proof).await.unwrap();
    let (log, _recording) = record();
    let by_handler = house.refresh(&proof).await.pair().unwrap_err().into_response();
    let event = "expected=\"refresh\" reason=\"session_revoked\"";
    assert_eq!(log.text().matches(event).count(), 1, "{}", log.text());

    let inner = tower::service_fn(async |_: http::Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    });
    let request = http::Request::get("/").header("Authorization", format!("Bearer {}", pair.refresh.as_str()));
    let layer = JwtBlocklistLayer::refresh(house.verifier.clone(), house.store.clone());
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
        let house = House::with(|issuer| issuer.session_lifetime(5 * DAY));
        house.clock.set(UNIX_EPOCH + Duration::from_millis(NOW * 1000 + fraction));
        let end = UNIX_EPOCH + Duration::from_secs(NOW) + 5 * DAY;
        let mut pair = house.login().await;
        let mut generations = 0;
        let proof = loop {
            for token in [&pair.access, &pair.refresh] {
                assert!(token.expires_at() <= end, "{:?}", token.expires_at());
            }
            let proof = house.proof(&pair).await;
            // To within a second of the end, so that the last access token is cut short too.
            let left = end.duration_since(house.clock.now()).unwrap();
            if left <= Duration::from_secs(1) {
                break proof;
            }
            house.clock.advance((DAY + Duration::from_secs(7)).min(left - Duration::from_secs(1)));
            pair = house.renew(&pair).await;
            generations += 1;
        };
        assert_eq!((pair.access.expires_at(), pair.refresh.expires_at()), (end, end));
        assert!(generations > 4);
        house.clock.set(end - MILLISECOND);
        rotated(house.refresh(&proof).await);
        house.clock.set(end);
        assert!(matches!(house.refresh(&proof).await, Refreshed::Expired));
        house.renew(&house.login().await).await;
    }
}

#[tokio::test]
async fn r58_a_session_lasts_thirty_days_and_no_shorter_than_a_refresh_token() {
    let house = House::new();
    let mut pair = house.login().await;
    for _ in 0..29 {
        house.clock.advance(DAY);
        pair = house.renew(&pair).await;
    }
    assert_eq!(pair.refresh.expires_at(), UNIX_EPOCH + Duration::from_secs(NOW) + 30 * DAY);
    house.clock.advance(DAY);
    assert!(house.ask(TokenKind::Refresh, pair.refresh.as_str()).await.is_ok(), "by the leeway");

    let settings = |session| {
        Issuer::builder(house.verifier.clone(), signing_key(), MemoryBlocklist::new()).session_lifetime(session).build()
    };
    settings(2 * DAY).unwrap();
    let error = settings(2 * DAY - MILLISECOND).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Setting);
    assert!(error.to_string().contains("session_lifetime"), "{error}");
}

#[tokio::test]
async fn r58_a_refresh_token_past_its_end_gives_nothing_and_nothing_happens_to_it() {
    let house = House::new();
    let pair = house.login().await;
    let proof = house.proof(&pair).await;
    for passed in [Duration::ZERO, Duration::from_secs(29), 300 * DAY] {
        house.clock.set(UNIX_EPOCH + Duration::from_secs(NOW) + 2 * DAY + passed);
        assert!(matches!(house.refresh(&proof).await, Refreshed::Expired), "{passed:?}");
    }
    assert!(house.store.is_empty());
    house.clock.set(UNIX_EPOCH + Duration::from_secs(NOW) + 2 * DAY - MILLISECOND);
    house.renew(&pair).await;
}

#[tokio::test]
async fn r56_a_token_that_names_no_generation_is_the_first() {
    let house = House::without_grace();
    let old = token(json!({ "typ": "rt+jwt" }), json!({ "sub": "ann" }));
    let proof = house.ask(TokenKind::Refresh, &old).await.unwrap();
    let next = rotated(house.refresh(&proof).await);
    let members = piece(next.refresh.as_str(), 1);
    assert_eq!((&members["refresh_generation"], &members["sid"]), (&json!(1), &json!("session-1")));
    // The second of its `iat` is all it tells of its login.
    assert_eq!(members["session_ms"], json!(NOW * 1000));
    assert!(matches!(house.refresh(&proof).await, Refreshed::Replayed));

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
            let reason = house.ask(kind, &text).await.err().map(|error| error.reason());
            assert_eq!(reason, (!accepted).then_some("refresh_generation"), "{name}");
        }
    }
}

#[tokio::test]
async fn r56_the_last_generation_is_not_redeemed_for_it_would_be_so_again_and_again() {
    let house = House::new();
    let numbered = |number: u32| token(json!({ "typ": "rt+jwt" }), json!({ "refresh_generation": number }));
    let last = house.ask(TokenKind::Refresh, &numbered(u32::MAX)).await.unwrap();
    assert!(matches!(house.refresh(&last).await, Refreshed::Expired));
    assert!(house.store.is_empty());

    let last_but_one = house.ask(TokenKind::Refresh, &numbered(u32::MAX - 1)).await.unwrap();
    let next = rotated(house.refresh(&last_but_one).await);
    assert!(matches!(house.refresh(&house.proof(&next).await).await, Refreshed::Expired));
}

#[tokio::test]
async fn only_refresh_tokens_of_a_session_are_redeemed() {
    let house = House::new();
    let pair = house.login().await;
    let access = house.ask(TokenKind::Access, pair.access.as_str()).await.unwrap();
    assert_eq!(house.issuer.refresh(&access, &NoClaims {}).await.unwrap_err(), IssueError::NotRefresh);
    let alone = token(json!({ "typ": "rt+jwt" }), json!({ "sid": null }));
    let alone = house.ask(TokenKind::Refresh, &alone).await.unwrap();
    assert_eq!(house.issuer.refresh(&alone, &NoClaims {}).await.unwrap_err(), IssueError::NoSession);
    assert!(house.store.is_empty());
}

/// A login right after a "log out everywhere" of a machine whose clock is ahead is dated ahead itself.
#[tokio::test]
async fn r55_a_session_that_begins_ahead_of_the_clock_can_be_refreshed() {
    let house = House::without_grace();
    let subject = RevocationId::new(Some(ISSUER), Scope::Subject, "ann");
    let ahead = Timestamp::from(house.clock.now()) + Duration::from_secs(5);
    let cut_off = Revocation::new(Scope::Subject, subject, ahead + DAY).issued_up_to(ahead);
    house.store.revoke(&cut_off).await.unwrap();
    let mut pair = house.login().await;
    for _ in 0..3 {
        pair = house.renew(&pair).await;
        assert_eq!(house.refused(&pair).await, None);
        house.clock.advance(Duration::from_secs(3));
    }
}

/// The session's revocation is kept for as long as any token of it could live, also those of the last rotation before it.
#[tokio::test]
async fn g3_what_was_rotated_before_a_replay_never_lives_again() {
    let house = House::without_grace();
    let first = house.login().await;
    let proof = house.proof(&first).await;
    let second = house.renew(&first).await;
    house.clock.advance(2 * DAY - Duration::from_secs(1));
    let third = house.renew(&second).await;
    house.clock.advance(Duration::from_millis(500));
    assert!(matches!(house.refresh(&proof).await, Refreshed::Replayed));
    for _ in 0..400 {
        let answers = [
            house.ask(TokenKind::Access, third.access.as_str()).await,
            house.ask(TokenKind::Refresh, third.refresh.as_str()).await,
        ];
        assert!(answers.iter().all(Result::is_err), "lives again at {:?}", house.clock.now());
        house.clock.advance(Duration::from_secs(500));
        // Something else, so that the list forgets what it may.
        house.issuer.revoke_token("another", house.clock.now()).await.unwrap();
    }
    assert_eq!(house.store.len(), 1, "and then it is forgotten");
}
