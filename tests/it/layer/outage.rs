//! r60, r61: unanswered checks through the whole layer, by policy, kind of token and age of the
//! outage.

use std::time::Duration;

use crate::support::{
    NOW, at, clock, good_token,
    http::{bearer, inner},
    log::record,
    stub::{Answer, CLEAR, Pace, REVOKED, StubBlocklist, TIMED_OUT},
    token, verifier,
};
use http::{StatusCode, header};
use serde_json::json;
use testkit::ManualClock;
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Authenticated, Guard, JwtBlocklistLayer, NoClaims, OutagePolicy, TokenKind, blocklist::Outage,
    config_error::ConfigErrorKind, danger, guard::RevocationCheck, reject::RejectionKind,
};

const OUTAGES: [Outage; 4] = [Outage::NotConnected, Outage::TimedOut, Outage::Failed, Outage::UnexpectedReply];

/// Every other answer comes from a future that is not ready at once.
fn stub() -> StubBlocklist {
    StubBlocklist::clear().at_pace(Pace::InTurn)
}

fn allowed(seconds: u64) -> OutagePolicy {
    danger::allow_unchecked_for(Duration::from_secs(seconds)).unwrap()
}

fn refresh_token() -> String {
    token(json!({ "typ": "rt+jwt" }), json!({}))
}

/// The layer's decision: what the inner service found, or the rejection.
async fn ask(layer: &JwtBlocklistLayer, token: &str) -> Result<RevocationCheck, RejectionKind> {
    let inner = inner();
    let response = layer.layer(inner.clone()).oneshot(bearer(token)).await.unwrap();
    match response.extensions().get::<RejectionKind>() {
        None => {
            let called = inner.take().expect("the inner service was called");
            Ok(called.extensions.get::<Authenticated>().unwrap().revocation_check())
        }
        Some(kind) => {
            let unavailable = *kind == RejectionKind::Unavailable;
            assert_eq!(response.status() == StatusCode::SERVICE_UNAVAILABLE, unavailable);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), unavailable);
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), !unavailable);
            Err(*kind)
        }
    }
}

fn layer(kind: TokenKind, policy: OutagePolicy, clock: &ManualClock, blocklist: &StubBlocklist) -> JwtBlocklistLayer {
    JwtBlocklistLayer::from_guard(Guard::new(kind, verifier(clock), blocklist.clone())).with_outage_policy(policy)
}

#[tokio::test]
async fn r61_only_access_tokens_only_when_asked_for_and_only_for_the_first_part_of_an_outage() {
    use RejectionKind::Unavailable;
    use TokenKind::{Access, Refresh};
    const ADMITTED: Result<RevocationCheck, RejectionKind> = Ok(RevocationCheck::Unanswered);
    // The age of the outage when the request comes, and the result.
    let rows = [
        ("default, at once", Access, OutagePolicy::default(), 0, Err(Unavailable)),
        ("deny, at once", Access, OutagePolicy::deny(), 0, Err(Unavailable)),
        ("deny, later", Access, OutagePolicy::deny(), 60, Err(Unavailable)),
        ("zero is deny", Access, allowed(0), 0, Err(Unavailable)),
        ("allow, at once", Access, allowed(30), 0, ADMITTED),
        ("allow, just before the end", Access, allowed(30), 29, ADMITTED),
        ("allow, at the end", Access, allowed(30), 30, Err(Unavailable)),
        ("allow, long after", Access, allowed(30), 3000, Err(Unavailable)),
        ("allow the longest", Access, allowed(3600), 3599, ADMITTED),
        ("allow the longest, at the end", Access, allowed(3600), 3600, Err(Unavailable)),
        ("refresh, default", Refresh, OutagePolicy::default(), 0, Err(Unavailable)),
        ("refresh, allow, at once", Refresh, allowed(30), 0, Err(Unavailable)),
        ("refresh, allow, later", Refresh, allowed(30), 29, Err(Unavailable)),
    ];
    for (name, kind, policy, age, expected) in rows {
        for outage in OUTAGES {
            let (clock, blocklist) = (clock(), stub());
            let layer = layer(kind, policy, &clock, &blocklist);
            let good = token(
                json!({ "typ": if kind == Access { "at+jwt" } else { "rt+jwt" } }),
                json!({ "exp": NOW + 24 * 3600 }),
            );
            assert_eq!(ask(&layer, &good).await, Ok(RevocationCheck::Passed), "{name}");
            blocklist.tell(Err(outage));
            let begun = ask(&layer, &good).await;
            clock.advance(Duration::from_secs(age));
            assert_eq!(ask(&layer, &good).await, expected, "{name}, {outage:?}");
            if age == 0 {
                assert_eq!(begun, expected, "{name}, {outage:?}");
            }
        }
    }
}

#[tokio::test]
async fn r61_whatever_else_is_wrong_is_refused_as_ever() {
    let (clock, blocklist) = (clock(), stub());
    let layer = layer(TokenKind::Access, allowed(30), &clock, &blocklist);
    blocklist.tell(TIMED_OUT);
    let expired = token(json!({}), json!({ "iat": NOW - 7200, "exp": NOW - 3600 }));
    let rows = [
        ("a forgery", format!("{}x", good_token()), RejectionKind::Invalid),
        ("an expired one", expired, RejectionKind::Expired),
        ("a refresh token", refresh_token(), RejectionKind::WrongKind),
    ];
    for (name, token, expected) in rows {
        assert_eq!(ask(&layer, &token).await, Err(expected), "{name}");
    }
    // A revocation that the blocklist still knows is used.
    blocklist.tell(REVOKED);
    assert_eq!(ask(&layer, &good_token()).await, Err(RejectionKind::Revoked));
}

/// One step: the answers from here on, seconds since the start by the clock, and the result for a
/// good access token.
type Step = (Answer, u64, Result<RevocationCheck, RejectionKind>);

#[tokio::test]
async fn r61_an_outage_begins_after_an_answer_and_no_step_of_the_clock_prolongs_it() {
    const PASSED: Result<RevocationCheck, RejectionKind> = Ok(RevocationCheck::Passed);
    const ADMITTED: Result<RevocationCheck, RejectionKind> = Ok(RevocationCheck::Unanswered);
    const DENIED: Result<RevocationCheck, RejectionKind> = Err(RejectionKind::Unavailable);
    const GONE: Result<RevocationCheck, RejectionKind> = Err(RejectionKind::Revoked);
    let rows: [(&str, &[Step]); 6] = [
        (
            "an answer ends it",
            &[
                (TIMED_OUT, 1000, ADMITTED),
                (CLEAR, 1010, PASSED),
                (TIMED_OUT, 1035, ADMITTED),
                (TIMED_OUT, 1064, ADMITTED),
            ],
        ),
        (
            "so does one that refuses",
            &[(TIMED_OUT, 1000, ADMITTED), (REVOKED, 1020, GONE), (TIMED_OUT, 1040, ADMITTED)],
        ),
        (
            "and after the end of the limit",
            &[
                (TIMED_OUT, 1000, ADMITTED),
                (TIMED_OUT, 1030, DENIED),
                (CLEAR, 1031, PASSED),
                (TIMED_OUT, 1032, ADMITTED),
            ],
        ),
        (
            "back a little",
            &[
                (TIMED_OUT, 1000, ADMITTED),
                (TIMED_OUT, 995, ADMITTED),
                (TIMED_OUT, 1029, ADMITTED),
                (TIMED_OUT, 1030, DENIED),
            ],
        ),
        ("back a lot", &[(TIMED_OUT, 1000, ADMITTED), (TIMED_OUT, 970, DENIED), (TIMED_OUT, 1001, DENIED)]),
        (
            "back after the end",
            &[
                (TIMED_OUT, 1000, ADMITTED),
                (TIMED_OUT, 1030, DENIED),
                (TIMED_OUT, 1001, DENIED),
                (TIMED_OUT, 1000, DENIED),
            ],
        ),
    ];
    for (name, steps) in rows {
        let (clock, blocklist) = (clock(), stub());
        let layer = layer(TokenKind::Access, allowed(30), &clock, &blocklist);
        for (index, (answer, seconds, expected)) in steps.iter().enumerate() {
            blocklist.tell(*answer);
            clock.set(at(NOW + seconds));
            // A clone each time: all clones share the state of the outage.
            assert_eq!(ask(&layer.clone(), &good_token()).await, *expected, "{name}, step {index}");
        }
    }
}

#[tokio::test]
async fn r61_a_guard_alone_keeps_to_the_policy_too() {
    let (clock, blocklist) = (clock(), stub());
    let guard = Guard::new(TokenKind::Access, verifier(&clock), blocklist.clone()).with_outage_policy(allowed(30));
    blocklist.tell(TIMED_OUT);
    let user = guard.authenticate::<NoClaims>(&good_token()).await.unwrap();
    assert_eq!(user.revocation_check(), RevocationCheck::Unanswered);
    clock.advance(Duration::from_secs(30));
    let rejection = guard.clone().authenticate::<NoClaims>(&good_token()).await.unwrap_err();
    assert_eq!((rejection.kind(), rejection.reason()), (RejectionKind::Unavailable, "timed_out"));
}

#[test]
fn r61_more_than_an_hour_is_an_error() {
    let error = danger::allow_unchecked_for(Duration::from_millis(3_600_001)).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::OutOfRange);
}

#[tokio::test]
async fn r61_the_beginning_is_one_warning_and_the_end_one_notice() {
    let (log, _recording) = record();
    let (clock, blocklist) = (clock(), stub());
    let layer = layer(TokenKind::Access, allowed(30), &clock, &blocklist);
    let lines = || log.text().lines().map(str::to_owned).collect::<Vec<_>>();

    ask(&layer, &good_token()).await.unwrap();
    assert_eq!(lines(), Vec::<String>::new(), "nothing happens");
    blocklist.tell(TIMED_OUT);
    for _ in 0..3 {
        ask(&layer, &good_token()).await.unwrap();
    }
    assert_eq!(lines().len(), 1, "{}", log.text());
    assert!(lines()[0].contains("WARN") && lines()[0].contains("reason=\"timed_out\" seconds=30"), "{}", log.text());

    blocklist.tell(CLEAR);
    for _ in 0..3 {
        ask(&layer, &good_token()).await.unwrap();
    }
    assert_eq!(lines().len(), 2, "{}", log.text());
    assert!(lines()[1].contains("INFO") && lines()[1].contains("answers again"), "{}", log.text());
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn r61_a_stopped_redis_is_overlooked_for_a_while_and_asked_again_when_it_is_back() {
    use crate::support::wait::{eventually, soon};
    use testkit::RedisServer;
    use tower_jwt_blocklist::{RedisBlocklist, blocklist::Revoke, redis::RedisSettings};

    let server = RedisServer::start().await;
    let (clock, settings) = (clock(), RedisSettings::from_url(&server.url()).unwrap());
    let settings = settings.clock(clock.as_fn());
    RedisBlocklist::initialize(settings.clone(), std::time::UNIX_EPOCH).await.unwrap();
    let lists = RedisBlocklist::connect(settings).await.unwrap();
    let verifier = verifier(&clock);
    let layer = JwtBlocklistLayer::access(verifier.clone(), lists.clone()).with_outage_policy(allowed(30));
    let strict = JwtBlocklistLayer::access(verifier.clone(), lists.clone());
    let (good, other) = (good_token(), token(json!({}), json!({ "jti": "token-2", "sid": "session-2" })));
    let guard = Guard::new(TokenKind::Access, verifier, lists.clone());
    let user = guard.authenticate::<NoClaims>(&other).await.unwrap();
    lists.revoke(&user.revocation()).await.unwrap();
    eventually("the revoked token is rejected", async || ask(&layer, &other).await == Err(RejectionKind::Revoked))
        .await;

    server.pause();
    assert_eq!(soon(ask(&strict, &good)).await, Err(RejectionKind::Unavailable), "Redis is down");
    assert_eq!(soon(ask(&layer, &good)).await, Ok(RevocationCheck::Unanswered));
    // This revoked token is admitted: the danger of this policy.
    assert_eq!(soon(ask(&layer, &other)).await, Ok(RevocationCheck::Unanswered));
    clock.advance(Duration::from_secs(30));
    assert_eq!(soon(ask(&layer, &good)).await, Err(RejectionKind::Unavailable));

    server.resume();
    eventually("Redis is queried again", async || ask(&layer, &good).await == Ok(RevocationCheck::Passed)).await;
    eventually("the revoked token is rejected", async || ask(&layer, &other).await == Err(RejectionKind::Revoked))
        .await;

    server.pause();
    assert_eq!(soon(ask(&layer, &good)).await, Ok(RevocationCheck::Unanswered), "another outage");
    server.resume();
}
