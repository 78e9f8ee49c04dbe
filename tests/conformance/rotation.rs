//! Refresh tokens are redeemed once, whatever happens at the same time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use testkit::at_millis;
use tower_jwt_blocklist::{
    Blocklist, Generation, Redemption, Revocation, RevocationId, RevocationScope, Revoke, Rotate, Rotation, Status,
    TokenIds,
};

use super::{Backend, MINUTE, MOMENT, session};

const GRACE: Duration = Duration::from_secs(10);
/// When every session of these cases began, and when the first of its tokens is redeemed.
fn began() -> SystemTime {
    at_millis(10_000)
}

fn first() -> SystemTime {
    at_millis(60_000)
}

/// A refresh token of ann's session `s`.
fn ids() -> TokenIds {
    TokenIds::new(None, "r", Some("s")).with_subject("ann").with_issued_at(began())
}

/// An access token of the same session.
fn access() -> TokenIds {
    TokenIds::new(None, "a", Some("s")).with_subject("ann").with_issued_at(began())
}

/// The first use of the token of this generation. Whoever uses it proposes a successor that nobody else proposes.
fn using(backend: &impl Backend, presented: u32, successor: u128) -> Redemption {
    Redemption {
        ids: ids(),
        session: session("s"),
        presented,
        successor,
        now: first(),
        grace: GRACE,
        kept_until: backend.after(MINUTE),
        revoked_until: backend.after(MINUTE),
    }
}

fn later(redemption: Redemption, by: Duration) -> Redemption {
    Redemption { now: redemption.now + by, ..redemption }
}

fn without_grace(redemption: Redemption) -> Redemption {
    Redemption { grace: Duration::ZERO, ..redemption }
}

fn repeated(number: u32, token_id: u128) -> Rotation {
    Rotation::Repeated(Generation { number, token_id, minted_at: first() })
}

/// What became of all of them, begun at the same time on two nodes.
async fn all_at_once(backend: &impl Backend, redemptions: Vec<Redemption>) -> Vec<Rotation> {
    let nodes: [Arc<dyn Rotate>; 2] = [Arc::new(backend.node()), Arc::new(backend.other_node())];
    let tasks = redemptions.into_iter().enumerate().map(|(number, redemption)| {
        let node = Arc::clone(&nodes[number % 2]);
        tokio::spawn(async move { node.rotate(&redemption).await.unwrap() })
    });
    let mut rotations = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        rotations.push(task.await.unwrap());
    }
    rotations
}

async fn r56_g6_of_concurrent_uses_one_rotates_and_the_others_get_its_successor(backend: impl Backend) {
    let rotations = all_at_once(&backend, (0..64).map(|number| using(&backend, 0, number)).collect()).await;
    let winner = rotations.iter().position(|rotation| *rotation == Rotation::Rotated).expect("one of them rotates");
    for (number, rotation) in rotations.into_iter().enumerate() {
        if number != winner {
            assert_eq!(rotation, repeated(1, winner as u128), "use {number}");
        }
    }
    assert_eq!(backend.node().check(&access(), SystemTime::now()).await, Ok(Status::NotRevoked));
    assert_eq!(backend.node().rotate(&using(&backend, 1, 100)).await, Ok(Rotation::Rotated), "the successor is good");
}

async fn r56_g6_without_grace_one_of_concurrent_uses_rotates_and_the_session_is_dead(backend: impl Backend) {
    let uses = (0..64).map(|number| without_grace(using(&backend, 0, number))).collect();
    let rotations = all_at_once(&backend, uses).await;
    let count = |wanted| rotations.iter().filter(|rotation| **rotation == wanted).count();
    assert_eq!(count(Rotation::Rotated), 1);
    assert_eq!(count(Rotation::Replayed), 1, "the second use ends the session");
    assert_eq!(count(Rotation::Revoked(RevocationScope::Session)), 62);
    assert_eq!(backend.node().check(&access(), SystemTime::now()).await, Ok(Status::Revoked(RevocationScope::Session)));
    let successor = backend.node().rotate(&using(&backend, 1, 100)).await;
    assert_eq!(successor, Ok(Rotation::Revoked(RevocationScope::Session)), "the successor died with it");
}

async fn r56_a_token_is_worth_one_successor_generation_after_generation(backend: impl Backend) {
    let (node, other) = (backend.node(), backend.other_node());
    for number in 0..12 {
        let token_id = 1000 + u128::from(number);
        assert_eq!(node.rotate(&using(&backend, number, token_id)).await, Ok(Rotation::Rotated));
        let again = later(using(&backend, number, 7), GRACE - Duration::from_millis(1));
        assert_eq!(other.rotate(&again).await, Ok(repeated(number + 1, token_id)), "generation {number}");
    }
    assert_eq!(backend.stored().await, 1, "a session is one entry, however often it is renewed");
}

async fn r56_an_older_token_ends_the_session_and_its_access_tokens(backend: impl Backend) {
    let node = backend.node();
    for number in 0..3 {
        assert_eq!(node.rotate(&using(&backend, number, number.into())).await, Ok(Rotation::Rotated));
    }
    assert_eq!(node.check(&access(), SystemTime::now()).await, Ok(Status::NotRevoked));
    // Within the grace, which is for the last one only.
    assert_eq!(node.rotate(&using(&backend, 1, 50)).await, Ok(Rotation::Replayed));
    for ids in [ids(), access()] {
        assert_eq!(
            backend.other_node().check(&ids, SystemTime::now()).await,
            Ok(Status::Revoked(RevocationScope::Session))
        );
    }
    for number in 0..5 {
        let dead = Ok(Rotation::Revoked(RevocationScope::Session));
        assert_eq!(node.rotate(&using(&backend, number, 60)).await, dead, "generation {number}");
    }
    let other = TokenIds::new(None, "r", Some("t")).with_subject("ann").with_issued_at(began());
    let elsewhere = Redemption { ids: other, session: session("t"), ..using(&backend, 0, 70) };
    assert_eq!(node.rotate(&elsewhere).await, Ok(Rotation::Rotated), "another session of hers goes on");
}

async fn r56_the_grace_ends_to_the_millisecond(backend: impl Backend) {
    let node = backend.node();
    assert_eq!(node.rotate(&using(&backend, 0, 1)).await, Ok(Rotation::Rotated));
    for (by, expected) in [
        (Duration::ZERO, repeated(1, 1)),
        (GRACE - Duration::from_millis(1), repeated(1, 1)),
        (GRACE, Rotation::Replayed),
        (Duration::ZERO, Rotation::Revoked(RevocationScope::Session)),
    ] {
        assert_eq!(node.rotate(&later(using(&backend, 0, 2), by)).await, Ok(expected), "after {by:?}");
    }
}

async fn r58_a_logout_of_any_breadth_ends_the_line_and_has_no_grace(backend: impl Backend) {
    let node = backend.node();
    let until = backend.after(MINUTE);
    let subject = |name: &str| RevocationId::new(None, RevocationScope::Subject, name);
    let moment = began();
    type Row = (&'static str, fn(&str) -> TokenIds, Revocation, RevocationScope);
    let logouts: [Row; 5] = [
        ("the token", |s| TokenIds::new(None, s, Some(s)), of_token("token", until), RevocationScope::Token),
        (
            "the session",
            |s| TokenIds::new(None, "x", Some(s)),
            Revocation::new(RevocationScope::Session, session("session"), until),
            RevocationScope::Session,
        ),
        (
            "everywhere",
            |s| TokenIds::new(None, "x", Some(s)).with_subject("everywhere"),
            Revocation::new(RevocationScope::Subject, subject("everywhere"), until).issued_up_to(moment),
            RevocationScope::Subject,
        ),
        (
            "the others",
            |s| TokenIds::new(None, "x", Some(s)).with_subject("others"),
            Revocation::new(RevocationScope::Subject, subject("others"), until)
                .issued_up_to(moment)
                .except_session(session("y")),
            RevocationScope::Subject,
        ),
        (
            "everybody",
            |s| TokenIds::new(Some("i"), "x", Some(s)),
            Revocation::new(RevocationScope::Issuer, RevocationId::issuer(Some("i")), until).issued_up_to(moment),
            RevocationScope::Issuer,
        ),
    ];
    for (number, (name, ids_in, logout, scope)) in logouts.into_iter().enumerate() {
        let sid = ["token", "session", "phone", "desk", "tablet"][number];
        let ids = ids_in(sid).with_issued_at(began());
        let line = |presented, successor| Redemption {
            ids,
            session: ids.session().unwrap(),
            ..using(&backend, presented, successor)
        };
        assert_eq!(node.rotate(&line(0, 1)).await, Ok(Rotation::Rotated), "{name}");
        backend.other_node().revoke(&logout).await.unwrap();
        for (what, redemption) in [
            ("the newest", line(1, 2)),
            ("the one before, within the grace", line(0, 3)),
            ("the same use, sent again", line(0, 1)),
            ("one of a later generation", line(9, 4)),
        ] {
            assert_eq!(node.rotate(&redemption).await, Ok(Rotation::Revoked(scope)), "{name}: {what}");
        }
        // A login after it, of the same subject and issuer.
        let ids = ids_in(&format!("{sid} later")).with_issued_at(began() + Duration::from_millis(1));
        let after = Redemption { ids, session: ids.session().unwrap(), ..using(&backend, 0, 5) };
        assert_eq!(node.rotate(&after).await, Ok(Rotation::Rotated), "{name}: a later login");
    }
}

fn of_token(name: &str, until: SystemTime) -> Revocation {
    Revocation::new(RevocationScope::Token, RevocationId::new(None, RevocationScope::Token, name), until)
}

async fn r58_the_session_that_is_spared_goes_on(backend: impl Backend) {
    let node = backend.node();
    let subject = RevocationId::new(None, RevocationScope::Subject, "ann");
    let others = Revocation::new(RevocationScope::Subject, subject, backend.after(MINUTE)).issued_up_to(first());
    node.revoke(&others.except_session(session("s"))).await.unwrap();
    assert_eq!(node.rotate(&using(&backend, 0, 1)).await, Ok(Rotation::Rotated));
    let other = TokenIds::new(None, "r", Some("t")).with_subject("ann").with_issued_at(began());
    let other = Redemption { ids: other, session: session("t"), ..using(&backend, 0, 2) };
    assert_eq!(node.rotate(&other).await, Ok(Rotation::Revoked(RevocationScope::Subject)));
    // A token that does not tell its time is older than any cut-off.
    let timeless = TokenIds::new(None, "r", Some("u")).with_subject("ann");
    let timeless = Redemption { ids: timeless, session: session("u"), ..using(&backend, 0, 3) };
    assert_eq!(node.rotate(&timeless).await, Ok(Rotation::Revoked(RevocationScope::Subject)));
}

async fn r56_a_use_that_is_sent_again_is_the_same_use(backend: impl Backend) {
    let node = backend.node();
    let once = without_grace(using(&backend, 0, 1));
    for _ in 0..3 {
        assert_eq!(node.rotate(&once).await, Ok(Rotation::Rotated));
    }
    assert_eq!(node.check(&access(), SystemTime::now()).await, Ok(Status::NotRevoked));
    // Until its successor is used: then it is not a thing of the moment any more.
    assert_eq!(node.rotate(&without_grace(using(&backend, 1, 2))).await, Ok(Rotation::Rotated));
    assert_eq!(node.rotate(&once).await, Ok(Rotation::Replayed));
}

async fn r56_a_store_that_knows_less_takes_the_tokens_word(backend: impl Backend) {
    let node = backend.node();
    assert_eq!(node.rotate(&using(&backend, 7, 1)).await, Ok(Rotation::Rotated), "nothing is known");
    assert_eq!(node.rotate(&using(&backend, 7, 2)).await, Ok(repeated(8, 1)));
    assert_eq!(node.rotate(&using(&backend, 11, 3)).await, Ok(Rotation::Rotated), "newer than is known");
    assert_eq!(node.rotate(&using(&backend, 8, 4)).await, Ok(Rotation::Replayed), "from then on it is known");
}

async fn g3_a_line_is_known_as_long_as_any_redemption_asked_for_and_then_forgotten(backend: impl Backend) {
    let node = backend.node();
    let until = |successor, until| Redemption { kept_until: until, ..using(&backend, 0, successor) };
    assert_eq!(node.rotate(&until(1, backend.after(MINUTE))).await, Ok(Rotation::Rotated));
    // The next generation ends sooner, and the older token does not.
    let shorter = Redemption { presented: 1, ..until(2, backend.after(MOMENT)) };
    assert_eq!(node.rotate(&shorter).await, Ok(Rotation::Rotated));
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(node.rotate(&without_grace(using(&backend, 1, 3))).await, Ok(Rotation::Replayed));

    let elsewhere = |successor| Redemption {
        session: session("t"),
        ids: TokenIds::new(None, "t", Some("t")),
        ..until(successor, backend.after(MOMENT))
    };
    let before = backend.stored().await;
    assert_eq!(node.rotate(&elsewhere(1)).await, Ok(Rotation::Rotated));
    assert_eq!(backend.stored().await, before + 1);
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(backend.stored().await, before);
}

async fn behind_an_arc_dyn_it_is_the_same_line(backend: impl Backend) {
    let node: Arc<dyn Rotate> = Arc::new(backend.node());
    assert_eq!(Arc::clone(&node).rotate(&using(&backend, 0, 1)).await, Ok(Rotation::Rotated));
    assert_eq!(backend.node().rotate(&using(&backend, 0, 2)).await, Ok(repeated(1, 1)));
    node.revoke(&Revocation::new(RevocationScope::Session, session("s"), backend.after(MINUTE))).await.unwrap();
    assert_eq!(node.rotate(&using(&backend, 1, 3)).await, Ok(Rotation::Revoked(RevocationScope::Session)));
}

suite! {
    r56_g6_of_concurrent_uses_one_rotates_and_the_others_get_its_successor,
    r56_g6_without_grace_one_of_concurrent_uses_rotates_and_the_session_is_dead,
    r56_a_token_is_worth_one_successor_generation_after_generation,
    r56_an_older_token_ends_the_session_and_its_access_tokens,
    r56_the_grace_ends_to_the_millisecond,
    r58_a_logout_of_any_breadth_ends_the_line_and_has_no_grace,
    r58_the_session_that_is_spared_goes_on,
    r56_a_use_that_is_sent_again_is_the_same_use,
    r56_a_store_that_knows_less_takes_the_tokens_word,
    g3_a_line_is_known_as_long_as_any_redemption_asked_for_and_then_forgotten,
    behind_an_arc_dyn_it_is_the_same_line,
}
