//! One suite of cases that every blocklist must pass.
//!
//! A test binary includes it where a macro `suite!` is in scope, which runs each case over the backends of that binary.

mod rotation;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use testkit::at_millis;
use tower_jwt_blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, Rotate, Status, TokenIds};

/// A backend as the cases see it.
pub(crate) trait Backend {
    /// One process's view.
    fn node(&self) -> impl Blocklist + Rotate + Clone;
    /// Another process's view of the same revocations, where there can be one.
    fn other_node(&self) -> impl Blocklist + Rotate + Clone;
    /// Now, so much later.
    fn after(&self, duration: Duration) -> SystemTime;
    /// Returns when so much time has passed for the backend, and it has forgotten what it wants to forget.
    async fn let_pass(&self, duration: Duration);
    /// How many entries are stored.
    async fn stored(&self) -> usize;
}

pub(crate) fn id(name: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Token, name)
}

pub(crate) fn token(name: &str) -> TokenIds {
    TokenIds::new(None, name, None)
}

fn in_session(token: &str, session: &str) -> TokenIds {
    TokenIds::new(None, token, Some(session))
}

pub(crate) fn session(name: &str) -> RevocationId {
    RevocationId::new(None, RevocationScope::Session, name)
}

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const MOMENT: Duration = Duration::from_millis(40);

async fn nothing_is_revoked_at_first(backend: impl Backend) {
    assert_eq!(backend.node().check(&in_session("a", "s"), SystemTime::now()).await, Ok(Status::NotRevoked));
    assert_eq!(backend.stored().await, 0);
}

async fn g1_once_revoke_is_ok_every_later_check_refuses_on_every_node(backend: impl Backend) {
    for number in 0..50 {
        let name = format!("token-{number}");
        let revocation = Revocation::new(RevocationScope::Token, id(&name), backend.after(MINUTE));
        assert_eq!(backend.other_node().check(&token(&name), SystemTime::now()).await, Ok(Status::NotRevoked));
        backend.node().revoke(&revocation).await.unwrap();
        assert_eq!(
            backend.other_node().check(&token(&name), SystemTime::now()).await,
            Ok(Status::Revoked(RevocationScope::Token))
        );
        assert_eq!(
            backend.node().check(&token(&name), SystemTime::now()).await,
            Ok(Status::Revoked(RevocationScope::Token))
        );
    }
}

async fn r51_a_revoked_token_leaves_all_others_alone(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(RevocationScope::Token, id("a"), backend.after(MINUTE))).await.unwrap();
    let rows = [
        ("the token", token("a"), Status::Revoked(RevocationScope::Token)),
        ("the token, in a session", in_session("a", "s"), Status::Revoked(RevocationScope::Token)),
        ("another token", token("b"), Status::NotRevoked),
        ("a session of the same name", in_session("b", "a"), Status::NotRevoked),
        ("another issuer", TokenIds::new(Some("i"), "a", None), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(backend.node().check(&ids, SystemTime::now()).await, Ok(expected), "{name}");
    }
}

async fn r53_a_revoked_session_takes_all_its_tokens_and_no_others(backend: impl Backend) {
    backend
        .node()
        .revoke(&Revocation::new(RevocationScope::Session, session("s"), backend.after(MINUTE)))
        .await
        .unwrap();
    let rows = [
        ("its access token", in_session("a", "s"), Status::Revoked(RevocationScope::Session)),
        ("its refresh token", in_session("r", "s"), Status::Revoked(RevocationScope::Session)),
        ("another session", in_session("a", "t"), Status::NotRevoked),
        ("no session", token("a"), Status::NotRevoked),
        ("a token of the same name", token("s"), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(backend.node().check(&ids, SystemTime::now()).await, Ok(expected), "{name}");
    }
}

/// Of a subject, issued in this second of 1970, in this session.
fn issued(second: u64, session: &str) -> TokenIds {
    TokenIds::new(None, "t", Some(session)).with_subject("ann").with_issued_at(at_millis(second * 1000))
}

fn up_to(second: u64, until: SystemTime) -> Revocation {
    let subject = RevocationId::new(None, RevocationScope::Subject, "ann");
    Revocation::new(RevocationScope::Subject, subject, until).issued_up_to(at_millis(second * 1000 + 1))
}

async fn r52_a_cut_off_refuses_what_was_issued_up_to_its_second(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&up_to(10, backend.after(MINUTE))).await.unwrap();
    let everybody = Revocation::new(RevocationScope::Issuer, RevocationId::issuer(None), backend.after(MINUTE));
    let rows = [
        ("before", issued(9, "s"), Status::Revoked(RevocationScope::Subject)),
        ("some time in that second", issued(10, "s"), Status::Revoked(RevocationScope::Subject)),
        ("after", issued(11, "s"), Status::NotRevoked),
        (
            "at an unknown time",
            TokenIds::new(None, "t", None).with_subject("ann"),
            Status::Revoked(RevocationScope::Subject),
        ),
        ("by another issuer", TokenIds::new(Some("i"), "t", None).with_subject("ann"), Status::NotRevoked),
        ("to somebody else", TokenIds::new(None, "t", None).with_subject("bob"), Status::NotRevoked),
    ];
    for (name, ids, expected) in rows {
        assert_eq!(backend.other_node().check(&ids, SystemTime::now()).await, Ok(expected), "{name}");
    }
    assert_eq!(node.cut_off(issued(0, "s").issuer(), issued(0, "s").subject()).await, Ok(Some(at_millis(10_001))));
    assert_eq!(node.cut_off(token("somebody else's").issuer(), None).await, Ok(None));
    node.revoke(&everybody.issued_up_to(at_millis(20_000))).await.unwrap();
    assert_eq!(node.check(&issued(11, "s"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Issuer)));
    assert_eq!(node.check(&issued(21, "s"), SystemTime::now()).await, Ok(Status::NotRevoked));
    assert_eq!(node.cut_off(issued(0, "s").issuer(), issued(0, "s").subject()).await, Ok(Some(at_millis(20_000))));
}

/// Every sequence of a few cut-offs refuses what any of them refuses, and nothing else.
async fn g4_cut_offs_add_up_in_every_order(backend: impl Backend) {
    let node = backend.node();
    let until = backend.after(MINUTE);
    let (ann, bob) = ("session-a", "session-b");
    let kinds = [(3, None), (3, Some(ann)), (3, Some(bob)), (5, Some(ann)), (5, Some(bob)), (4, None)];
    let revocation = |id, (second, spared): (u64, Option<&str>)| {
        let revocation =
            Revocation::new(RevocationScope::Subject, id, until).issued_up_to(at_millis(second * 1000 + 1));
        spared.map_or(revocation, |name| revocation.except_session(session(name)))
    };
    let refuses = |index: usize, second: u64, name: &str| {
        let (up_to, spared) = kinds[index];
        second <= up_to && spared != Some(name)
    };
    let mut subject = 0;
    for first in 0..kinds.len() {
        for second in 0..kinds.len() {
            for third in 0..kinds.len() {
                subject += 1;
                let name = format!("subject-{subject}");
                for index in [first, second, third] {
                    let id = RevocationId::new(None, RevocationScope::Subject, &name);
                    node.revoke(&revocation(id, kinds[index])).await.unwrap();
                }
                for second_issued in 2..7 {
                    for in_session in [ann, bob, "session-c"] {
                        let at = at_millis(second_issued * 1000);
                        let ids = TokenIds::new(None, "t", Some(in_session)).with_subject(&name).with_issued_at(at);
                        let expected =
                            [first, second, third].iter().any(|index| refuses(*index, second_issued, in_session));
                        let status =
                            if expected { Status::Revoked(RevocationScope::Subject) } else { Status::NotRevoked };
                        assert_eq!(
                            node.check(&ids, SystemTime::now()).await,
                            Ok(status),
                            "{first} {second} {third}: {second_issued} {in_session}"
                        );
                    }
                }
            }
        }
    }
}

async fn g4_nothing_shortens_or_removes_an_entry(backend: impl Backend) {
    let node = backend.node();
    let long = Revocation::new(RevocationScope::Token, id("a"), backend.after(MINUTE));
    let short = Revocation::new(RevocationScope::Token, id("a"), backend.after(MOMENT));
    let past = Revocation::new(RevocationScope::Token, id("a"), at_millis(1));
    for revocation in [long, short, past, short] {
        node.revoke(&revocation).await.unwrap();
    }
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(node.check(&token("a"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Token)));
}

async fn g4_a_longer_revocation_lengthens_an_entry(backend: impl Backend) {
    let node = backend.node();
    node.revoke(&Revocation::new(RevocationScope::Token, id("a"), backend.after(MOMENT))).await.unwrap();
    node.revoke(&Revocation::new(RevocationScope::Token, id("a"), backend.after(MINUTE))).await.unwrap();
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(node.check(&token("a"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Token)));
    assert_eq!(backend.stored().await, 1);
}

async fn r50_revoking_what_is_over_is_ok_and_stores_nothing(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(RevocationScope::Session, session("s"), at_millis(1))).await.unwrap();
    assert_eq!(backend.stored().await, 0);
}

async fn an_entry_is_forgotten_when_its_time_is_over(backend: impl Backend) {
    backend.node().revoke(&Revocation::new(RevocationScope::Token, id("a"), backend.after(MOMENT))).await.unwrap();
    assert_eq!(backend.stored().await, 1);
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(backend.stored().await, 0);
    assert_eq!(backend.node().check(&token("a"), SystemTime::now()).await, Ok(Status::NotRevoked));
}

async fn r66_any_text_can_be_an_id(backend: impl Backend) {
    let node = backend.node();
    for name in ["{x}", "a\nb", "\0", "*", "'; FLUSHALL", &"j".repeat(10_000)] {
        assert_eq!(node.check(&token(name), SystemTime::now()).await, Ok(Status::NotRevoked));
        node.revoke(&Revocation::new(RevocationScope::Token, id(name), backend.after(MINUTE))).await.unwrap();
        assert_eq!(node.check(&token(name), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Token)));
    }
}

async fn concurrent_revocations_are_all_stored(backend: impl Backend) {
    let revocations: Vec<_> = (0..64)
        .map(|number| Revocation::new(RevocationScope::Token, id(&number.to_string()), backend.after(MINUTE)))
        .collect();
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
        assert_eq!(
            one.check(&token(&number.to_string()), SystemTime::now()).await,
            Ok(Status::Revoked(RevocationScope::Token))
        );
    }
    assert_eq!(backend.stored().await, 64);
}

async fn behind_an_arc_dyn_it_is_the_same_blocklist(backend: impl Backend) {
    let node = backend.node();
    let (ask, tell): (Arc<dyn Blocklist>, Arc<dyn Revoke>) = (Arc::new(node.clone()), Arc::new(node.clone()));
    tell.revoke(&Revocation::new(RevocationScope::Token, id("a"), backend.after(MINUTE))).await.unwrap();
    assert_eq!(ask.check(&token("a"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Token)));
    assert_eq!(node.check(&token("a"), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Token)));
}

suite! {
    nothing_is_revoked_at_first,
    g1_once_revoke_is_ok_every_later_check_refuses_on_every_node,
    r51_a_revoked_token_leaves_all_others_alone,
    r53_a_revoked_session_takes_all_its_tokens_and_no_others,
    r52_a_cut_off_refuses_what_was_issued_up_to_its_second,
    g4_cut_offs_add_up_in_every_order,
    g4_nothing_shortens_or_removes_an_entry,
    g4_a_longer_revocation_lengthens_an_entry,
    r50_revoking_what_is_over_is_ok_and_stores_nothing,
    an_entry_is_forgotten_when_its_time_is_over,
    r66_any_text_can_be_an_id,
    concurrent_revocations_are_all_stored,
    behind_an_arc_dyn_it_is_the_same_blocklist,
}
