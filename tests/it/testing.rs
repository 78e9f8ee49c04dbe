//! The `testing` module: each bad token is rejected for its one reason.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_blocklist::{
    Guard, NoClaims, TokenKind,
    blocklist::{Outage, RevocationScope, RevokeError},
    issuer::{IssueError, Refreshed},
    reject::RejectionKind,
    testing::{FailingBlocklist, TestTokens},
    token::KindSource,
};

use crate::support::rotation::rotated;

fn guard(kind: TokenKind, tokens: &TestTokens) -> Guard {
    Guard::new(kind, tokens.verifier(), tokens.blocklist())
}

/// `None` if the token is admitted.
async fn refusal(guard: &Guard, token: &str) -> Option<(RejectionKind, &'static str)> {
    guard.authenticate::<NoClaims>(token).await.err().map(|rejection| (rejection.kind(), rejection.reason()))
}

async fn each_token_is_rejected_for_its_reason(tokens: &TestTokens) {
    let rows = [
        ("good", tokens.access(), None),
        ("of a pair", tokens.pair().access.into_string(), None),
        ("refresh", tokens.refresh(), Some((RejectionKind::WrongKind, "wrong_kind"))),
        ("expired", tokens.expired(), Some((RejectionKind::Expired, "expired"))),
        ("another key", tokens.signed_with_another_key(), Some((RejectionKind::Invalid, "signature"))),
        ("another issuer", tokens.of_another_issuer(), Some((RejectionKind::Invalid, "iss"))),
        ("revoked", tokens.revoked().await, Some((RejectionKind::Revoked, "token_revoked"))),
    ];
    let guard = guard(TokenKind::Access, tokens);
    for (name, token, expected) in rows {
        assert_eq!(refusal(&guard, &token).await, expected, "{name}");
    }
}

#[tokio::test]
async fn each_test_token_is_rejected_for_its_reason() {
    each_token_is_rejected_for_its_reason(&TestTokens::new()).await;
}

#[tokio::test]
async fn each_test_token_is_rejected_for_its_reason_with_other_settings() {
    let tokens = TestTokens::for_verifier(|settings| {
        let settings = settings.issuer("my-app").audience("my-api").kind_source(KindSource::flag("refresh"));
        settings.max_lifetime(Duration::from_secs(600)).leeway(Duration::ZERO)
    });
    each_token_is_rejected_for_its_reason(&tokens).await;
    let user = guard(TokenKind::Access, &tokens).authenticate::<NoClaims>(&tokens.access()).await.unwrap();
    assert_eq!(user.issuer(), Some("my-app"));
}

#[tokio::test]
async fn a_test_token_has_the_chosen_subject_session_and_claims() {
    let tokens = TestTokens::new();
    let chosen = tokens.with_subject("ann").with_session("phone").with_claims(&json!({ "roles": ["admin"] }));
    for (kind, token) in [(TokenKind::Access, chosen.access()), (TokenKind::Refresh, chosen.refresh())] {
        let user = guard(kind, &tokens).authenticate::<Value>(&token).await.unwrap();
        assert_eq!((user.subject(), user.session_id()), (Some("ann"), Some("phone")));
        assert_eq!(user.claims()["roles"], json!(["admin"]));
    }
    let user = guard(TokenKind::Access, &tokens).authenticate::<Value>(&tokens.access()).await.unwrap();
    assert_eq!(user.subject(), Some("user-1"), "the first one is unchanged");
    assert_ne!(user.session_id(), Some("phone"));
}

#[tokio::test]
async fn a_revoked_test_token_leaves_its_session_alone_and_a_logout_does_not() {
    let tokens = TestTokens::new().with_session("phone");
    let guard = guard(TokenKind::Access, &tokens);
    let (revoked, good) = (tokens.revoked().await, tokens.access());
    assert!(refusal(&guard, &revoked).await.is_some());
    assert_eq!(refusal(&guard, &good).await, None);
    tokens.issuer().revoke_session("phone").await.unwrap();
    assert!(refusal(&guard, &good).await.is_some());
}

#[tokio::test]
async fn a_test_token_expires_when_the_clock_is_moved() {
    let tokens = TestTokens::new();
    let (guard, token) = (guard(TokenKind::Access, &tokens), tokens.access());
    tokens.clock().advance(Duration::from_secs(3599));
    assert_eq!(refusal(&guard, &token).await, None);
    tokens.clock().advance(Duration::from_secs(60));
    assert_eq!(refusal(&guard, &token).await.unwrap().0, RejectionKind::Expired);
    assert_eq!(refusal(&guard, &tokens.access()).await, None, "new tokens have the new time");
}

#[tokio::test]
async fn a_test_token_of_one_test_is_rejected_in_another() {
    let (one, other) = (TestTokens::new(), TestTokens::new());
    assert_eq!(refusal(&guard(TokenKind::Access, &other), &one.access()).await.unwrap().0, RejectionKind::Invalid);
}

#[tokio::test]
async fn a_failing_blocklist_fails_in_everything_and_recovers() {
    let tokens = TestTokens::new();
    let blocklist = FailingBlocklist::new(tokens.blocklist());
    let issuer = tokens.issuer_builder(blocklist.clone()).build().unwrap();
    let refresh = Guard::new(TokenKind::Refresh, tokens.verifier(), tokens.blocklist());
    let session = refresh.authenticate::<NoClaims>(&tokens.refresh()).await.unwrap();
    let guard = Guard::new(TokenKind::Access, tokens.verifier(), blocklist.clone());
    let token = tokens.access();
    assert_eq!(refusal(&guard, &token).await, None);
    for outage in [Outage::TimedOut, Outage::NotConnected, Outage::Lost] {
        blocklist.fail(outage);
        assert_eq!(refusal(&guard, &token).await.unwrap().0, RejectionKind::Unavailable, "{outage:?}");
        assert_eq!(issuer.login("ann", &NoClaims {}).await.unwrap_err(), IssueError::Outage(outage));
        assert_eq!(issuer.refresh(&session, &NoClaims {}).await.unwrap_err(), IssueError::Outage(outage));
        assert_eq!(issuer.logout(&session).await, Err(RevokeError::Outage(outage)));
    }
    blocklist.revoke_everything(RevocationScope::Subject);
    assert_eq!(refusal(&guard, &token).await.unwrap().0, RejectionKind::Revoked);
    assert!(matches!(issuer.refresh(&session, &NoClaims {}).await, Ok(Refreshed::Revoked(_))));
    blocklist.recover();
    assert_eq!(refusal(&guard, &token).await, None);
    rotated(issuer.refresh(&session, &NoClaims {}).await.unwrap());
    issuer.logout(&session).await.unwrap();
    assert!(matches!(issuer.refresh(&session, &NoClaims {}).await, Ok(Refreshed::Revoked(_))));
}
