//! Revoked tokens are rejected in every scope and on every node, until the revocation expires.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds},
    conformance::{
        backend::Backend,
        fixtures::{
            MINUTE, MOMENT, after, check, cut_off, in_session, of_session, of_subject, of_token, session_id, token,
        },
    },
};

const REVOKED: Status = Status::Revoked(RevocationScope::Token);

/// A new store rejects nothing and has no entries.
pub async fn nothing_is_revoked_at_first(backend: impl Backend) {
    assert_eq!(check(&backend, &backend.node(), &in_session("a", "s")).await, Status::NotRevoked);
    assert_eq!(backend.stored().await, 0);
}

/// Once `revoke` has returned `Ok`, every check that starts later rejects the token, in this
/// process and in every other.
pub async fn g1_once_revoke_is_ok_every_later_check_refuses_on_every_node(backend: impl Backend) {
    let (node, other) = (backend.node(), backend.other_node());
    for number in 0..50 {
        let name = format!("token-{number}");
        assert_eq!(check(&backend, &other, &token(&name)).await, Status::NotRevoked);
        node.revoke(&of_token(&name, after(&backend, MINUTE))).await.unwrap();
        assert_eq!(check(&backend, &other, &token(&name)).await, REVOKED);
        assert_eq!(check(&backend, &node, &token(&name)).await, REVOKED);
    }
}

/// A revoked token is rejected with or without its session. A session of the same name, and a token
/// of the same name from another issuer, are not.
pub async fn r51_a_revoked_token_leaves_all_others_alone(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&of_token("a", after(&backend, MINUTE))).await.unwrap();
    let rows = [
        ("the token", token("a"), REVOKED),
        ("the token, in a session", in_session("a", "s"), REVOKED),
        ("another token", token("b"), Status::NotRevoked),
        ("a session of the same name", in_session("b", "a"), Status::NotRevoked),
        ("another issuer", TokenIds::new(Some("i"), "a", None), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(check(&backend, &node, &ids).await, expected, "{name}");
    }
}

/// A revoked session takes its access and refresh tokens with it, and no others.
pub async fn r53_a_revoked_session_takes_all_its_tokens_and_no_others(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&of_session("s", after(&backend, MINUTE))).await.unwrap();
    let rows = [
        ("its access token", in_session("a", "s"), Status::Revoked(RevocationScope::Session)),
        ("its refresh token", in_session("r", "s"), Status::Revoked(RevocationScope::Session)),
        ("another session", in_session("a", "t"), Status::NotRevoked),
        ("no session", token("a"), Status::NotRevoked),
        ("a token of the same name", token("s"), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(check(&backend, &node, &ids).await, expected, "{name}");
    }
}

/// This second of 1970.
fn second(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// Some time in this second of 1970.
fn within(seconds: u64) -> SystemTime {
    second(seconds) + Duration::from_millis(1)
}

/// A token of ann, issued in this second of 1970, in this session.
fn issued(seconds: u64, session: &str) -> TokenIds {
    in_session("t", session).with_subject("ann").with_issued_at(second(seconds))
}

/// A revocation with a cut-off rejects tokens that were issued up to then, and those without a
/// time of issue. `cut_off` reports the latest one that applies to a subject: its own, or its
/// issuer's.
pub async fn r52_a_cut_off_refuses_what_was_issued_up_to_its_second(backend: impl Backend) {
    let node = backend.node();
    let until = after(&backend, MINUTE);
    node.revoke(&of_subject("ann", until).issued_up_to(within(10))).await.unwrap();
    let refused = Status::Revoked(RevocationScope::Subject);
    let rows = [
        ("before", issued(9, "s"), refused),
        ("some time in that second", issued(10, "s"), refused),
        ("after", issued(11, "s"), Status::NotRevoked),
        ("at an unknown time", token("t").with_subject("ann"), refused),
        ("by another issuer", TokenIds::new(Some("i"), "t", None).with_subject("ann"), Status::NotRevoked),
        ("to another subject", token("t").with_subject("bob"), Status::NotRevoked),
    ];
    let other = backend.other_node();
    for (name, ids, expected) in rows {
        assert_eq!(check(&backend, &other, &ids).await, expected, "{name}");
    }
    assert_eq!(cut_off(&node, Some("ann")).await, Some(within(10)));
    assert_eq!(cut_off(&node, Some("bob")).await, None);
    let everybody = Revocation::new(RevocationScope::Issuer, RevocationId::issuer(None), until);
    node.revoke(&everybody.issued_up_to(second(20))).await.unwrap();
    assert_eq!(check(&backend, &node, &issued(11, "s")).await, Status::Revoked(RevocationScope::Issuer));
    assert_eq!(check(&backend, &node, &issued(21, "s")).await, Status::NotRevoked);
    assert_eq!(cut_off(&node, Some("ann")).await, Some(second(20)));
    assert_eq!(cut_off(&node, None).await, Some(second(20)));
}

/// Every sequence of a few cut-offs rejects the tokens that any of them rejects, and no others.
pub async fn g4_cut_offs_add_up_in_every_order(backend: impl Backend) {
    let node = backend.node();
    let until = after(&backend, MINUTE);
    let (ann, bob) = ("session-a", "session-b");
    let kinds = [(3, None), (3, Some(ann)), (3, Some(bob)), (5, Some(ann)), (5, Some(bob)), (4, None)];
    let revocation = |subject: &str, (second, spared): (u64, Option<&str>)| {
        let revocation = of_subject(subject, until).issued_up_to(within(second));
        spared.map_or(revocation, |name| revocation.except_session(session_id(name)))
    };
    let rejects = |index: usize, second: u64, name: &str| {
        let (up_to, spared) = kinds[index];
        second <= up_to && spared != Some(name)
    };
    let indices = 0..kinds.len();
    let pairs = indices.clone().flat_map(|first| indices.clone().map(move |second| (first, second)));
    let orders = pairs.flat_map(|(first, second)| indices.clone().map(move |third| [first, second, third]));
    for order in orders.collect::<Vec<_>>() {
        let subject = format!("subject-{order:?}");
        for index in order {
            node.revoke(&revocation(&subject, kinds[index])).await.unwrap();
        }
        for seconds in 2..7 {
            for session in [ann, bob, "session-c"] {
                let ids = in_session("t", session).with_subject(&subject).with_issued_at(second(seconds));
                let is_refused = order.iter().any(|index| rejects(*index, seconds, session));
                let expected = if is_refused { Status::Revoked(RevocationScope::Subject) } else { Status::NotRevoked };
                let status = check(&backend, &node, &ids).await;
                assert_eq!(status, expected, "{order:?}: issued in second {seconds}, {session}");
            }
        }
    }
}

/// A later revocation that ends sooner changes nothing.
pub async fn g4_nothing_shortens_or_removes_an_entry(backend: impl Backend) {
    let node = backend.node();
    for until in [after(&backend, MINUTE), after(&backend, MOMENT), within(0), after(&backend, MOMENT)] {
        node.revoke(&of_token("a", until)).await.unwrap();
    }
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(check(&backend, &node, &token("a")).await, REVOKED);
}

/// A later revocation that ends later lengthens the entry, and is not a second one.
pub async fn g4_a_longer_revocation_lengthens_an_entry(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&of_token("a", after(&backend, MOMENT))).await.unwrap();
    node.revoke(&of_token("a", after(&backend, MINUTE))).await.unwrap();
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(check(&backend, &node, &token("a")).await, REVOKED);
    assert_eq!(backend.stored().await, 1);
}

/// No token that expired long ago takes room.
pub async fn r50_revoking_what_has_expired_is_ok_and_stores_nothing(backend: impl Backend) {
    backend.node().revoke(&of_session("s", within(0))).await.unwrap();
    assert_eq!(backend.stored().await, 0);
}

/// An entry goes when it has expired, so that the store does not grow for ever.
pub async fn an_expired_entry_is_forgotten(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&of_token("a", after(&backend, MOMENT))).await.unwrap();
    assert_eq!(backend.stored().await, 1);
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(backend.stored().await, 0);
    assert_eq!(check(&backend, &node, &token("a")).await, Status::NotRevoked);
}

/// No text of a token breaks the store, or reaches the keys of another entry.
pub async fn r66_any_text_can_be_an_id(backend: impl Backend) {
    let node = backend.node();
    for name in ["{x}", "a\nb", "\0", "*", "'; FLUSHALL", &"j".repeat(10_000)] {
        assert_eq!(check(&backend, &node, &token(name)).await, Status::NotRevoked);
        node.revoke(&of_token(name, after(&backend, MINUTE))).await.unwrap();
        assert_eq!(check(&backend, &node, &token(name)).await, REVOKED);
    }
}

/// Revocations that two nodes store at the same time do not overwrite each other.
pub async fn concurrent_revocations_are_all_stored(backend: impl Backend) {
    let (one, other) = (backend.node(), backend.other_node());
    let nodes: [Arc<dyn Revoke>; 2] = [Arc::new(one.clone()), Arc::new(other)];
    let tasks = (0..64_usize).map(|number| {
        let (node, until) = (Arc::clone(&nodes[number % 2]), after(&backend, MINUTE));
        tokio::spawn(async move { node.revoke(&of_token(&number.to_string(), until)).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    for number in 0..64 {
        assert_eq!(check(&backend, &one, &token(&number.to_string())).await, REVOKED);
    }
    assert_eq!(backend.stored().await, 64);
}

/// Clones, and trait objects behind an `Arc`, are the same blocklist.
pub async fn behind_an_arc_dyn_it_is_the_same_blocklist(backend: impl Backend) {
    let node = backend.node();
    let (ask, tell): (Arc<dyn Blocklist>, Arc<dyn Revoke>) = (Arc::new(node.clone()), Arc::new(node.clone()));
    tell.revoke(&of_token("a", after(&backend, MINUTE))).await.unwrap();
    assert_eq!(check(&backend, &ask, &token("a")).await, REVOKED);
    assert_eq!(check(&backend, &node, &token("a")).await, REVOKED);
}
