//! Logging out everywhere, everywhere else, or everybody; and logging in again in the same second.

use std::{sync::Arc, time::Duration};

use crate::support::{AUDIENCE, NOW, clock, settings, signing_key, token, verifying_key, world::World};
use serde_json::json;
use testkit::at_millis;
use tower_jwt_blocklist::{
    Guard, Issuer, MemoryBlocklist, NoClaims, TokenKind, TokenPair, Verifier,
    blocklist::{Revocation, RevocationId, RevocationScope, Revoke, RevokeError},
    issuer::IssueError,
    token::OptionalClaim,
};

#[tokio::test]
async fn r52_logout_everywhere_ends_every_session_of_the_subject_and_of_nobody_else() {
    let world = World::new();
    let (phone, desk, other) = (world.login("ann").await, world.login("ann").await, world.login("bob").await);
    world.pass(10);
    world.issuer().logout_everywhere("ann").await.unwrap();
    assert_eq!(world.refused(&phone).await, Some("subject_revoked"));
    assert_eq!(world.refused(&desk).await, Some("subject_revoked"));
    assert_eq!(world.refused(&other).await, None);
    world.issuer().logout_everywhere("ann").await.unwrap();
    assert_eq!(world.refused(&other).await, None);
}

#[tokio::test]
async fn r55_the_same_second_works_both_ways() {
    let world = World::new();
    let before = world.login("ann").await;
    world.clock.advance(Duration::from_millis(300));
    world.issuer().logout_everywhere("ann").await.unwrap();
    world.clock.advance(Duration::from_millis(300));
    let after = world.login("ann").await;
    assert_eq!(world.refused(&before).await, Some("subject_revoked"), "issued before, in the same second");
    assert_eq!(world.refused(&after).await, None, "issued after, in the same second");
    // A token refreshed from it, within the same second.
    let refresh = world.ask(TokenKind::Refresh, after.refresh.as_str()).await.unwrap();
    let renewed = world.issuer().refresh(&refresh, refresh.claims()).await.unwrap().into_pair().unwrap();
    assert_eq!(world.refused(&renewed).await, None);
}

#[tokio::test]
async fn r55_even_a_clock_that_stands_still_tells_before_from_after() {
    let world = World::new();
    for round in 0..5 {
        let before = world.login("ann").await;
        world.issuer().logout_everywhere("ann").await.unwrap();
        assert_eq!(world.refused(&before).await, Some("subject_revoked"), "round {round}");
        let other = world.login("ann").await;
        let spared = world.login("ann").await;
        world.issuer().logout_others(&world.user(&spared).await).await.unwrap();
        assert_eq!(world.refused(&other).await, Some("subject_revoked"), "round {round}");
        assert_eq!(world.refused(&spared).await, None, "round {round}");
    }
}

#[tokio::test]
async fn r58_after_a_logout_nothing_is_minted_from_a_token_of_before() {
    let world = World::new();
    for round in 0..4 {
        let pair = world.login("ann").await;
        let spared = world.login("ann").await;
        // A refresh request has passed the layer. Before its handler continues, the session is
        // revoked.
        let refresh = world.ask(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap();
        world.pass(5);
        match round {
            0 => world.issuer().logout(&world.user(&pair).await).await.unwrap(),
            1 => world.issuer().logout_everywhere("ann").await.unwrap(),
            2 => world.issuer().logout_others(&world.user(&spared).await).await.unwrap(),
            _ => world.issuer().revoke_all().await.unwrap(),
        }
        world.pass(5);
        let refreshed = world.issuer().refresh(&refresh, refresh.claims()).await.unwrap();
        let reason = ["session_revoked", "subject_revoked", "subject_revoked", "issuer_revoked"][round];
        assert_eq!(refreshed.into_pair().unwrap_err().reason(), reason, "round {round}");
    }
}

#[tokio::test]
async fn r52_a_token_that_tells_only_its_second_is_refused_for_all_of_it() {
    let world = World::new();
    let claims = |millis| json!({ "sub": "ann", "session_ms": millis });
    world.clock.advance(Duration::from_millis(500));
    world.issuer().logout_everywhere("ann").await.unwrap();
    let rows = [
        ("no milliseconds", json!(null), Some("subject_revoked")),
        ("before", json!(NOW * 1000 + 499), Some("subject_revoked")),
        ("after", json!(NOW * 1000 + 501), None),
        ("a session before iat", json!(NOW * 1000 - 1), Some("subject_revoked")),
        ("a session after iat", json!(NOW * 1000 + 1501), Some("iat")),
        ("no number", json!("1767225600501"), Some("iat")),
        ("negative", json!(-1), Some("iat")),
    ];
    for (name, millis, expected) in rows {
        let answer = world.ask(TokenKind::Access, &token(json!({}), claims(millis))).await;
        assert_eq!(answer.err().map(|error| error.reason()), expected, "{name}");
    }
}

#[tokio::test]
async fn r53_logout_others_ends_all_sessions_but_this_one() {
    let world = World::new();
    let (phone, desk, other) = (world.login("ann").await, world.login("ann").await, world.login("bob").await);
    world.pass(10);
    world.issuer().logout_others(&world.user(&phone).await).await.unwrap();
    assert_eq!(world.refused(&phone).await, None);
    assert_eq!(world.refused(&desk).await, Some("subject_revoked"));
    assert_eq!(world.refused(&other).await, None);
    // Refreshed tokens of the spared session are accepted, and so are later logins.
    let refresh = world.ask(TokenKind::Refresh, phone.refresh.as_str()).await.unwrap();
    let renewed = world.issuer().refresh(&refresh, refresh.claims()).await.unwrap().into_pair().unwrap();
    assert_eq!(world.refused(&renewed).await, None);
    let tablet = world.login("ann").await;
    assert_eq!(world.refused(&tablet).await, None);

    // The next such logout spares only its own session.
    world.issuer().logout_others(&world.user(&tablet).await).await.unwrap();
    assert_eq!(world.refused(&phone).await, Some("subject_revoked"));
    assert_eq!(world.refused(&tablet).await, None);
    // `logout_everywhere` spares no session.
    world.pass(2);
    world.issuer().logout_everywhere("ann").await.unwrap();
    assert_eq!(world.refused(&tablet).await, Some("subject_revoked"));
    // A spared session can still be logged out.
    let last = world.login("ann").await;
    world.issuer().logout_others(&world.user(&last).await).await.unwrap();
    world.issuer().logout(&world.user(&last).await).await.unwrap();
    assert_eq!(world.refused(&last).await, Some("session_revoked"));
}

#[tokio::test]
async fn r54_revoke_all_ends_everything_and_everybody_can_log_in_again() {
    let world = World::new();
    let (ann, bob) = (world.login("ann").await, world.login("bob").await);
    world.issuer().revoke_all().await.unwrap();
    assert_eq!(world.refused(&ann).await, Some("issuer_revoked"));
    assert_eq!(world.refused(&bob).await, Some("issuer_revoked"));
    assert_eq!(world.refused(&world.login("ann").await).await, None);
}

#[tokio::test]
async fn r52_the_largest_cut_off_counts_whichever_came_last() {
    let world = World::new();
    let early = world.login("ann").await;
    world.pass(100);
    world.issuer().revoke_all().await.unwrap();
    world.pass(100);
    let late = world.login("ann").await;
    let subject = RevocationId::new(Some(crate::support::ISSUER), RevocationScope::Subject, "ann");
    let until = world.clock.now() + Duration::from_secs(1000);
    for second in [NOW + 50, NOW, NOW - 1000] {
        let lower = Revocation::new(RevocationScope::Subject, subject, until).issued_up_to(at_millis(second * 1000));
        world.store.revoke(&lower).await.unwrap();
    }
    assert!(world.refused(&early).await.is_some());
    assert_eq!(world.refused(&late).await, None);
}

#[tokio::test]
async fn r52_a_token_without_iat_is_refused_where_a_cut_off_applies() {
    let clock = clock();
    let blocklist = MemoryBlocklist::with_capacity_and_clock(100, clock.as_fn());
    let verifier = Arc::new(settings().optional(OptionalClaim::Iat).clock(clock.as_fn()).build().unwrap());
    let issuer = Issuer::builder(verifier.clone(), signing_key(), blocklist.clone()).build().unwrap();
    let guard = Guard::new(TokenKind::Access, verifier, blocklist);
    let without = token(json!({}), json!({ "iat": null, "sid": null, "sub": "ann" }));
    guard.authenticate::<NoClaims>(&without).await.unwrap();
    issuer.logout_everywhere("ann").await.unwrap();
    assert_eq!(guard.authenticate::<NoClaims>(&without).await.unwrap_err().reason(), "subject_revoked");
}

#[tokio::test]
async fn sessions_and_tokens_can_be_revoked_by_their_names() {
    let world = World::new();
    let pair = world.login("ann").await;
    let proof = world.user(&pair).await;
    world.issuer().revoke_token(proof.token_id(), proof.expires_at()).await.unwrap();
    let access = world.ask(TokenKind::Access, pair.access.as_str()).await;
    assert_eq!(access.unwrap_err().reason(), "token_revoked");
    world.ask(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap();
    world.issuer().revoke_session(proof.session_id().unwrap()).await.unwrap();
    assert_eq!(world.refused(&pair).await, Some("session_revoked"));
}

#[tokio::test]
async fn an_issuer_with_several_names_revokes_under_all_of_them() {
    let clock = clock();
    let blocklist = MemoryBlocklist::with_capacity_and_clock(100, clock.as_fn());
    let names = Verifier::builder().key(verifying_key()).issuer("new").issuer("old").audience(AUDIENCE);
    let verifier = Arc::new(names.clock(clock.as_fn()).build().unwrap());
    let issuer = Issuer::builder(verifier.clone(), signing_key(), blocklist.clone()).build().unwrap();
    let guard = Guard::new(TokenKind::Access, verifier, blocklist);
    let old = token(json!({}), json!({ "iss": "old", "sub": "ann" }));
    guard.authenticate::<NoClaims>(&old).await.unwrap();
    issuer.logout_everywhere("ann").await.unwrap();
    assert_eq!(guard.authenticate::<NoClaims>(&old).await.unwrap_err().reason(), "subject_revoked");
}

#[tokio::test]
async fn a_token_that_names_no_session_has_no_others() {
    let world = World::new();
    for missing in ["sid", "sub"] {
        let settings = settings().optional(OptionalClaim::Sub).clock(world.clock.as_fn());
        let guard = Guard::new(TokenKind::Access, Arc::new(settings.build().unwrap()), world.store.clone());
        let proof = guard.authenticate::<NoClaims>(&token(json!({}), json!({ missing: null }))).await.unwrap();
        assert_eq!(world.issuer().logout_others(&proof).await, Err(RevokeError::NoSession), "without {missing}");
    }
    assert!(world.store.is_empty());
}

#[tokio::test]
async fn g3_a_cut_off_is_remembered_as_long_as_any_token_it_is_for_could_live() {
    let world = World::new();
    world.pass(1);
    let pair = world.login("ann").await;
    world.issuer().logout_everywhere("ann").await.unwrap();
    let refresh_ends = 2 * 24 * 3600;
    for _ in 0..refresh_ends / 1000 + 10 {
        assert!(world.refused_somehow(&pair).await, "{:?}", world.clock.now());
        world.pass(1000);
        // An unrelated revocation, so the list removes expired entries.
        world.issuer().revoke_token("another", world.clock.now()).await.unwrap();
    }
}

impl World {
    /// Whether both tokens are rejected, for whatever reason.
    async fn refused_somehow(&self, pair: &TokenPair) -> bool {
        let access = self.ask(TokenKind::Access, pair.access.as_str()).await.is_err();
        access && self.ask(TokenKind::Refresh, pair.refresh.as_str()).await.is_err()
    }
}

#[tokio::test]
async fn a_subject_that_is_revoked_for_good_cannot_log_in() {
    let world = World::new();
    let subject = RevocationId::new(Some(crate::support::ISSUER), RevocationScope::Subject, "mallory");
    let until = world.clock.now() + Duration::from_secs(1000);
    world.store.revoke(&Revocation::new(RevocationScope::Subject, subject, until)).await.unwrap();
    let login = world.issuer().login("mallory", &NoClaims {}).await;
    assert_eq!(login.unwrap_err(), IssueError::Revoked);
    world.login("ann").await;
}
