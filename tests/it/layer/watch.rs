//! r47: a long request learns when its token has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    NOW, at, clock, good_token,
    stub::{StubBlocklist, TIMED_OUT},
    verifier,
    wait::soon,
};
use tokio::sync::Notify;
use tower_jwt_blocklist::{
    Authenticated, Guard, MemoryBlocklist, NoClaims, OutagePolicy, TokenKind,
    blocklist::{RevocationScope, Revoke, TokenIds},
    danger,
    reject::RejectionKind,
};

async fn login(guard: &Guard) -> Authenticated<NoClaims> {
    guard.authenticate(&good_token()).await.unwrap()
}

#[tokio::test]
async fn r47_a_recheck_hears_of_revocations_of_every_scope_and_of_the_end() {
    for scope in [RevocationScope::Token, RevocationScope::Session, RevocationScope::Subject, RevocationScope::Issuer] {
        let (time, list) = (clock(), MemoryBlocklist::with_capacity_and_clock(10, clock().as_fn()));
        let guard = Guard::new(TokenKind::Access, verifier(&time), list.clone());
        let user = login(&guard).await;
        guard.recheck(&user).await.unwrap();
        let ids = TokenIds::new(Some(crate::support::ISSUER), "token-1", Some("session-1")).with_subject("user-1");
        let id = match scope {
            RevocationScope::Token => ids.token(),
            RevocationScope::Session => ids.session().unwrap(),
            RevocationScope::Subject => ids.subject().unwrap(),
            _ => ids.issuer(),
        };
        let until = at(NOW + 100_000);
        list.revoke(&tower_jwt_blocklist::blocklist::Revocation::new(scope, id, until)).await.unwrap();
        assert_eq!(guard.recheck(&user).await.unwrap_err().kind(), RejectionKind::Revoked, "{scope:?}");
    }
    let time = clock();
    let guard = Guard::new(TokenKind::Access, verifier(&time), MemoryBlocklist::new());
    let user = login(&guard).await;
    assert_eq!(user.expires_at(), at(NOW + 3600));
    time.set(at(NOW + 3600 + 29));
    guard.recheck(&user).await.unwrap();
    time.set(at(NOW + 3600 + 30));
    assert_eq!(guard.recheck(&user).await.unwrap_err().kind(), RejectionKind::Expired);
}

#[tokio::test]
async fn r47_the_signal_fires_at_the_pause_after_the_logout_and_not_before() {
    let list = MemoryBlocklist::with_capacity_and_clock(10, clock().as_fn());
    let guard = Guard::new(TokenKind::Access, verifier(&clock()), list.clone());
    let user = login(&guard).await;
    let (tick, pauses) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let watching = tokio::spawn({
        let (guard, user, tick, pauses) = (guard.clone(), user.clone(), tick.clone(), pauses.clone());
        async move {
            let pause = || {
                pauses.fetch_add(1, Ordering::Relaxed);
                tick.notified()
            };
            guard.watch(&user, pause).await
        }
    });
    for passed in 1..4 {
        crate::support::wait::eventually("it pauses", async || pauses.load(Ordering::Relaxed) == passed).await;
        tick.notify_one();
    }
    crate::support::wait::eventually("the watch pauses again", async || pauses.load(Ordering::Relaxed) == 4).await;
    list.revoke(&user.revocation()).await.unwrap();
    assert!(!watching.is_finished(), "no check before the pause ends");
    tick.notify_one();
    assert_eq!(soon(watching).await.unwrap().kind(), RejectionKind::Revoked);
    assert_eq!(pauses.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn r47_an_outage_ends_the_stream_unless_the_policy_covers_it() {
    let allowed = danger::allow_unchecked_for(Duration::from_secs(30)).unwrap();
    for (policy, expected) in [(OutagePolicy::deny(), Err(RejectionKind::Unavailable)), (allowed, Ok(()))] {
        let stub = StubBlocklist::clear();
        let guard = Guard::new(TokenKind::Access, verifier(&clock()), stub.clone()).with_outage_policy(policy);
        let user = login(&guard).await;
        stub.tell(TIMED_OUT);
        assert_eq!(guard.recheck(&user).await.map_err(|rejection| rejection.kind()), expected);
    }
}

/// Signatures are not checked again, so a removed key does not affect an open stream.
#[tokio::test]
async fn r47_a_recheck_does_no_signature_work() {
    let list = MemoryBlocklist::new();
    let user = login(&Guard::new(TokenKind::Access, verifier(&clock()), list.clone())).await;
    let other_key = tower_jwt_blocklist::VerifyingKey::from_secret(
        tower_jwt_blocklist::Algorithm::HS256,
        "8b1f6a3d5c7e9024681357acebdf0123456789abcdef00112233445566778899",
    );
    let other = tower_jwt_blocklist::Verifier::builder().key(other_key.unwrap()).any_issuer().any_audience();
    let other = Guard::new(TokenKind::Access, Arc::new(other.clock(clock().as_fn()).build().unwrap()), list);
    assert!(other.authenticate::<NoClaims>(&good_token()).await.is_err(), "another key");
    other.recheck(&user).await.unwrap();
}
