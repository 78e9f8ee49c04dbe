//! One suite of cases that every blocklist must pass.

mod memory;
#[cfg(feature = "redis")]
mod redis;
#[path = "../support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use tower_jwt_blocklist::{Blocklist, Revocation, RevocationId, Revoke, Scope, Status, Timestamp, TokenIds};

/// A backend as the cases see it.
trait Backend {
    /// One process's view.
    fn node(&self) -> impl Blocklist + Revoke + Clone;
    /// Another process's view of the same revocations, where there can be one.
    fn other_node(&self) -> impl Blocklist + Revoke + Clone;
    /// Now, so much later.
    fn after(&self, duration: Duration) -> Timestamp;
    /// Returns when so much time has passed for the backend, and it has forgotten what it wants to forget.
    async fn let_pass(&self, duration: Duration);
    /// How many entries are stored.
    async fn stored(&self) -> usize;
}

fn id(name: &str) -> RevocationId {
    RevocationId::new(None, Scope::Token, name)
}

fn token(name: &str) -> TokenIds {
    TokenIds::new(None, name, None)
}

fn in_session(token: &str, session: &str) -> TokenIds {
    TokenIds::new(None, token, Some(session))
}

fn session(name: &str) -> RevocationId {
    RevocationId::new(None, Scope::Session, name)
}

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(40);

async fn nothing_is_revoked_at_first(backend: impl Backend) {
    assert_eq!(backend.node().check(&in_session("a", "s")).await, Ok(Status::NotRevoked));
    assert_eq!(backend.stored().await, 0);
}

async fn g1_once_revoke_is_ok_every_later_check_refuses_on_every_node(backend: impl Backend) {
    for number in 0..50 {
        let name = format!("token-{number}");
        let revocation = Revocation::new(Scope::Token, id(&name), backend.after(MINUTE));
        assert_eq!(backend.other_node().check(&token(&name)).await, Ok(Status::NotRevoked));
        backend.node().revoke(&revocation).await.unwrap();
        assert_eq!(backend.other_node().check(&token(&name)).await, Ok(Status::Revoked(Scope::Token)));
        assert_eq!(backend.node().check(&token(&name)).await, Ok(Status::Revoked(Scope::Token)));
    }
}

async fn r51_a_revoked_token_leaves_all_others_alone(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(Scope::Token, id("a"), backend.after(MINUTE))).await.unwrap();
    let rows = [
        ("the token", token("a"), Status::Revoked(Scope::Token)),
        ("the token, in a session", in_session("a", "s"), Status::Revoked(Scope::Token)),
        ("another token", token("b"), Status::NotRevoked),
        ("a session of the same name", in_session("b", "a"), Status::NotRevoked),
        ("another issuer", TokenIds::new(Some("i"), "a", None), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(backend.node().check(&ids).await, Ok(expected), "{name}");
    }
}

async fn r53_a_revoked_session_takes_all_its_tokens_and_no_others(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(Scope::Session, session("s"), backend.after(MINUTE))).await.unwrap();
    let rows = [
        ("its access token", in_session("a", "s"), Status::Revoked(Scope::Session)),
        ("its refresh token", in_session("r", "s"), Status::Revoked(Scope::Session)),
        ("another session", in_session("a", "t"), Status::NotRevoked),
        ("no session", token("a"), Status::NotRevoked),
        ("a token of the same name", token("s"), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(backend.node().check(&ids).await, Ok(expected), "{name}");
    }
}

async fn g4_nothing_shortens_or_removes_an_entry(backend: impl Backend) {
    let node = backend.node();
    let long = Revocation::new(Scope::Token, id("a"), backend.after(MINUTE));
    let short = Revocation::new(Scope::Token, id("a"), backend.after(MOMENT));
    let past = Revocation::new(Scope::Token, id("a"), Timestamp::from_millis(1));
    for revocation in [long, short, past, short] {
        node.revoke(&revocation).await.unwrap();
    }
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(node.check(&token("a")).await, Ok(Status::Revoked(Scope::Token)));
}

async fn g4_a_longer_revocation_lengthens_an_entry(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&Revocation::new(Scope::Token, id("a"), backend.after(MOMENT))).await.unwrap();
    node.revoke(&Revocation::new(Scope::Token, id("a"), backend.after(MINUTE))).await.unwrap();
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(node.check(&token("a")).await, Ok(Status::Revoked(Scope::Token)));
    assert_eq!(backend.stored().await, 1);
}

async fn r50_revoking_what_is_over_is_ok_and_stores_nothing(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(Scope::Session, session("s"), Timestamp::from_millis(1))).await.unwrap();
    assert_eq!(backend.stored().await, 0);
}

async fn an_entry_is_forgotten_when_its_time_is_over(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(Scope::Token, id("a"), backend.after(MOMENT))).await.unwrap();
    assert_eq!(backend.stored().await, 1);
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(backend.stored().await, 0);
    assert_eq!(backend.node().check(&token("a")).await, Ok(Status::NotRevoked));
}

async fn r66_any_text_can_be_an_id(backend: impl Backend) {
    let node = backend.node();
    for name in ["{x}", "a\nb", "\0", "*", "'; FLUSHALL", &"j".repeat(10_000)] {
        assert_eq!(node.check(&token(name)).await, Ok(Status::NotRevoked));
        node.revoke(&Revocation::new(Scope::Token, id(name), backend.after(MINUTE))).await.unwrap();
        assert_eq!(node.check(&token(name)).await, Ok(Status::Revoked(Scope::Token)));
    }
}

async fn concurrent_revocations_are_all_stored(backend: impl Backend) {
    let revocations: Vec<_> =
        (0..64).map(|number| Revocation::new(Scope::Token, id(&number.to_string()), backend.after(MINUTE))).collect();
    let (one, other) = (backend.node(), backend.other_node());
    let nodes: [Arc<dyn Revoke>; 2] = [Arc::new(one.clone()), Arc::new(other)];
    let tasks = revocations.into_iter().enumerate().map(|(number, revocation)| {
        let node = Arc::clone(&nodes[number % 2]);
        tokio::spawn(async move { node.revoke(&revocation).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    for number in 0..64 {
        assert_eq!(one.check(&token(&number.to_string())).await, Ok(Status::Revoked(Scope::Token)));
    }
    assert_eq!(backend.stored().await, 64);
}

async fn behind_an_arc_dyn_it_is_the_same_blocklist(backend: impl Backend) {
    let node = backend.node();
    let (ask, tell): (Arc<dyn Blocklist>, Arc<dyn Revoke>) = (Arc::new(node.clone()), Arc::new(node.clone()));
    tell.revoke(&Revocation::new(Scope::Token, id("a"), backend.after(MINUTE))).await.unwrap();
    assert_eq!(ask.check(&token("a")).await, Ok(Status::Revoked(Scope::Token)));
    assert_eq!(node.check(&token("a")).await, Ok(Status::Revoked(Scope::Token)));
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod over_memory {
            $(#[tokio::test] async fn $case() { super::$case(super::memory::Memory::start().await).await; })*
        }
        #[cfg(feature = "redis")]
        mod over_redis {
            $(#[tokio::test] async fn $case() { super::$case(super::redis::Redis::start().await).await; })*
        }
    };
}

suite! {
    nothing_is_revoked_at_first,
    g1_once_revoke_is_ok_every_later_check_refuses_on_every_node,
    r51_a_revoked_token_leaves_all_others_alone,
    r53_a_revoked_session_takes_all_its_tokens_and_no_others,
    g4_nothing_shortens_or_removes_an_entry,
    g4_a_longer_revocation_lengthens_an_entry,
    r50_revoking_what_is_over_is_ok_and_stores_nothing,
    an_entry_is_forgotten_when_its_time_is_over,
    r66_any_text_can_be_an_id,
    concurrent_revocations_are_all_stored,
    behind_an_arc_dyn_it_is_the_same_blocklist,
}
