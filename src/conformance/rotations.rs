//! A refresh token is redeemed once, whatever happens at the same time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    blocklist::{
        Generation, Redemption, Revocation, RevocationId, RevocationScope, Revoke, Rotate, Rotation, Status, TokenIds,
    },
    conformance::{
        backend::Backend,
        fixtures::{MINUTE, MOMENT, after, check, in_session, of_session, of_subject, of_token, session_id},
    },
};

const GRACE: Duration = Duration::from_secs(10);
const DEAD: Rotation = Rotation::Revoked(RevocationScope::Session);

/// The beginning of every session in these cases.
fn began() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(10)
}

/// The time when the first refresh token of a session is redeemed.
fn first() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(60)
}

/// A token of ann, in this session.
fn ids(token: &str, session: &str) -> TokenIds {
    in_session(token, session).with_subject("ann").with_issued_at(began())
}

/// An access token of ann's session `s`.
fn access() -> TokenIds {
    ids("a", "s")
}

/// The first use of the refresh token of this generation, of ann's session `s`. Each use proposes
/// another successor. Another issuer minted the token: only [`of`] says which one of its generation
/// it is.
fn using(backend: &impl Backend, presented: u32, successor: u128) -> Redemption {
    Redemption {
        ids: ids("r", "s"),
        session: session_id("s"),
        presented,
        token_id: None,
        successor,
        now: first(),
        grace: GRACE,
        kept_until: after(backend, MINUTE),
        revoked_until: after(backend, MINUTE),
    }
}

/// The same use by a token with these ids.
fn by(ids: TokenIds, redemption: Redemption) -> Redemption {
    let session = ids.session().expect("a refresh token of these cases has a session");
    Redemption { ids, session, ..redemption }
}

/// The same use of the token with this id.
fn of(token_id: u128, redemption: Redemption) -> Redemption {
    Redemption { token_id: Some(token_id), ..redemption }
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

async fn rotate(node: &impl Rotate, redemption: Redemption) -> Rotation {
    node.rotate(&redemption).await.unwrap()
}

/// The outcomes of redemptions that begin at the same time on two nodes.
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

/// Within the grace, one of many concurrent uses of a refresh token is redeemed. All others get the
/// successor of that one.
pub async fn r56_g6_of_concurrent_uses_one_rotates_and_the_others_get_its_successor(backend: impl Backend) {
    let rotations = all_at_once(&backend, (0..64).map(|number| using(&backend, 0, number)).collect()).await;
    let winner = rotations.iter().position(|rotation| *rotation == Rotation::Rotated).expect("one of them rotates");
    for (number, rotation) in rotations.into_iter().enumerate() {
        if number != winner {
            assert_eq!(rotation, repeated(1, winner as u128), "use {number}");
        }
    }
    let node = backend.node();
    assert_eq!(check(&backend, &node, &access()).await, Status::NotRevoked);
    assert_eq!(rotate(&node, using(&backend, 1, 100)).await, Rotation::Rotated, "the successor is good");
}

/// Without a grace, one of many concurrent uses is redeemed. The second one revokes the session,
/// and all others find it revoked.
pub async fn r56_g6_without_grace_one_of_concurrent_uses_rotates_and_the_session_is_dead(backend: impl Backend) {
    let uses = (0..64).map(|number| without_grace(using(&backend, 0, number))).collect();
    let rotations = all_at_once(&backend, uses).await;
    let count = |wanted| rotations.iter().filter(|rotation| **rotation == wanted).count();
    assert_eq!(count(Rotation::Rotated), 1);
    assert_eq!(count(Rotation::Replayed), 1, "the second use ends the session");
    assert_eq!(count(DEAD), 62);
    let node = backend.node();
    assert_eq!(check(&backend, &node, &access()).await, Status::Revoked(RevocationScope::Session));
    assert_eq!(rotate(&node, using(&backend, 1, 100)).await, DEAD, "the successor died with it");
}

/// A second use within the grace gets the same successor, in each generation. A session stays one
/// entry.
pub async fn r56_a_token_is_worth_one_successor_generation_after_generation(backend: impl Backend) {
    let (node, other) = (backend.node(), backend.other_node());
    for number in 0..12 {
        let token_id = 1000 + u128::from(number);
        assert_eq!(rotate(&node, using(&backend, number, token_id)).await, Rotation::Rotated);
        let again = later(using(&backend, number, 7), GRACE - Duration::from_millis(1));
        assert_eq!(rotate(&other, again).await, repeated(number + 1, token_id), "generation {number}");
    }
    assert_eq!(backend.stored().await, 1, "a session is one entry, however often it is renewed");
}

/// A refresh token older than the last one has no grace. Its use revokes the session with all its
/// tokens, and no other session.
pub async fn r56_an_older_token_ends_the_session_and_its_access_tokens(backend: impl Backend) {
    let (node, other) = (backend.node(), backend.other_node());
    for number in 0..3 {
        assert_eq!(rotate(&node, using(&backend, number, number.into())).await, Rotation::Rotated);
    }
    assert_eq!(check(&backend, &node, &access()).await, Status::NotRevoked);
    assert_eq!(rotate(&node, using(&backend, 1, 50)).await, Rotation::Replayed);
    for ids in [ids("r", "s"), access()] {
        assert_eq!(check(&backend, &other, &ids).await, Status::Revoked(RevocationScope::Session));
    }
    for number in 0..5 {
        assert_eq!(rotate(&node, using(&backend, number, 60)).await, DEAD, "generation {number}");
    }
    let elsewhere = by(ids("r", "t"), using(&backend, 0, 70));
    assert_eq!(rotate(&node, elsewhere).await, Rotation::Rotated, "another session of hers continues");
}

/// The grace ends after exactly its length: at that millisecond a second use is a theft.
pub async fn r56_the_grace_ends_to_the_millisecond(backend: impl Backend) {
    let node = backend.node();
    assert_eq!(rotate(&node, using(&backend, 0, 1)).await, Rotation::Rotated);
    for (by, expected) in [
        (Duration::ZERO, repeated(1, 1)),
        (GRACE - Duration::from_millis(1), repeated(1, 1)),
        (GRACE, Rotation::Replayed),
        (Duration::ZERO, DEAD),
    ] {
        assert_eq!(rotate(&node, later(using(&backend, 0, 2), by)).await, expected, "after {by:?}");
    }
}

/// After a logout of the token, its session, its subject or its issuer, no refresh token of that
/// session is redeemed, and none is within the grace. A login after the logout is not affected.
pub async fn r58_a_logout_of_any_breadth_ends_the_line_and_has_no_grace(backend: impl Backend) {
    let (node, other) = (backend.node(), backend.other_node());
    let until = after(&backend, MINUTE);
    let everybody = Revocation::new(RevocationScope::Issuer, RevocationId::issuer(Some("i")), until);
    type Row = (&'static str, &'static str, fn(&str) -> TokenIds, Revocation, RevocationScope);
    let logouts: [Row; 5] = [
        ("the token", "token", |s| in_session(s, s), of_token("token", until), RevocationScope::Token),
        ("the session", "session", |s| in_session("x", s), of_session("session", until), RevocationScope::Session),
        (
            "everywhere",
            "phone",
            |s| in_session("x", s).with_subject("everywhere"),
            of_subject("everywhere", until).issued_up_to(began()),
            RevocationScope::Subject,
        ),
        (
            "the others",
            "desk",
            |s| in_session("x", s).with_subject("others"),
            of_subject("others", until).issued_up_to(began()).except_session(session_id("y")),
            RevocationScope::Subject,
        ),
        (
            "everybody",
            "tablet",
            |s| TokenIds::new(Some("i"), "x", Some(s)),
            everybody.issued_up_to(began()),
            RevocationScope::Issuer,
        ),
    ];
    for (name, session, ids_in, logout, scope) in logouts {
        let ids = ids_in(session).with_issued_at(began());
        let line = |presented, successor| by(ids, using(&backend, presented, successor));
        assert_eq!(rotate(&node, line(0, 1)).await, Rotation::Rotated, "{name}");
        other.revoke(&logout).await.unwrap();
        for (token, redemption) in [
            ("the newest", line(1, 2)),
            ("the one before, within the grace", line(0, 3)),
            ("the same use, sent again", line(0, 1)),
            ("one of a later generation", line(9, 4)),
        ] {
            assert_eq!(rotate(&node, redemption).await, Rotation::Revoked(scope), "{name}: {token}");
        }
        let ids = ids_in(&format!("{session} later")).with_issued_at(began() + Duration::from_millis(1));
        let new_login = by(ids, using(&backend, 0, 5));
        assert_eq!(rotate(&node, new_login).await, Rotation::Rotated, "{name}: a later login");
    }
}

/// A logout of all sessions but one leaves that one alone. A token without a time of issue is
/// older than any cut-off.
pub async fn r58_the_session_that_is_spared_goes_on(backend: impl Backend) {
    let node = backend.node();
    let others = of_subject("ann", after(&backend, MINUTE)).issued_up_to(first());
    node.revoke(&others.except_session(session_id("s"))).await.unwrap();
    assert_eq!(rotate(&node, using(&backend, 0, 1)).await, Rotation::Rotated);
    let refused = Rotation::Revoked(RevocationScope::Subject);
    assert_eq!(rotate(&node, by(ids("r", "t"), using(&backend, 0, 2))).await, refused);
    let timeless = in_session("r", "u").with_subject("ann");
    assert_eq!(rotate(&node, by(timeless, using(&backend, 0, 3))).await, refused);
}

/// A redemption that is sent again, with the same successor, is redeemed again and revokes nothing,
/// until its successor is used.
pub async fn r56_a_use_that_is_sent_again_is_the_same_use(backend: impl Backend) {
    let node = backend.node();
    let once = || without_grace(using(&backend, 0, 1));
    for _ in 0..3 {
        assert_eq!(rotate(&node, once()).await, Rotation::Rotated);
    }
    assert_eq!(check(&backend, &node, &access()).await, Status::NotRevoked);
    assert_eq!(rotate(&node, without_grace(using(&backend, 1, 2))).await, Rotation::Rotated);
    assert_eq!(rotate(&node, once()).await, Rotation::Replayed);
}

/// A store that has lost its data, or knows an older generation only, believes a genuine token.
pub async fn r56_a_store_that_knows_less_takes_the_tokens_word(backend: impl Backend) {
    let node = backend.node();
    assert_eq!(rotate(&node, using(&backend, 7, 1)).await, Rotation::Rotated, "nothing is known");
    assert_eq!(rotate(&node, using(&backend, 7, 2)).await, repeated(8, 1));
    assert_eq!(rotate(&node, using(&backend, 11, 3)).await, Rotation::Rotated, "newer than is known");
    assert_eq!(rotate(&node, using(&backend, 8, 4)).await, Rotation::Replayed, "from then on it is known");
}

/// After a store has lost a redemption, a session can have two tokens of one generation. The stored
/// one is redeemed. A use of the other is a theft, without a grace.
pub async fn r56_a_second_token_of_the_newest_generation_ends_the_session(backend: impl Backend) {
    let (node, other) = (backend.node(), backend.other_node());
    assert_eq!(rotate(&node, of(70, using(&backend, 7, 80))).await, Rotation::Rotated);
    assert_eq!(rotate(&node, of(80, using(&backend, 8, 90))).await, Rotation::Rotated, "the stored one");
    assert_eq!(rotate(&node, of(80, using(&backend, 8, 90))).await, Rotation::Rotated, "sent again");
    assert_eq!(rotate(&node, of(80, using(&backend, 8, 91))).await, repeated(9, 90), "within the grace");
    assert_eq!(rotate(&node, using(&backend, 9, 100)).await, Rotation::Rotated, "of another issuer");
    assert_eq!(rotate(&node, of(101, using(&backend, 10, 110))).await, Rotation::Replayed);
    assert_eq!(check(&backend, &other, &access()).await, Status::Revoked(RevocationScope::Session));
    assert_eq!(rotate(&other, of(100, using(&backend, 10, 111))).await, DEAD, "the stored one died with it");

    // The successor of the last number has the same number.
    let last = || by(ids("r", "t"), of(1, using(&backend, u32::MAX, 2)));
    assert_eq!(rotate(&node, last()).await, Rotation::Rotated);
    assert_eq!(rotate(&other, last()).await, Rotation::Rotated, "the last number, sent again");
    assert_eq!(rotate(&other, of(1, Redemption { successor: 3, ..last() })).await, Rotation::Replayed);
}

/// The store keeps a session's generation until the latest `kept_until` of its redemptions, and
/// then forgets it.
pub async fn g3_a_line_is_known_as_long_as_any_redemption_asked_for_and_then_forgotten(backend: impl Backend) {
    let node = backend.node();
    let kept_for = |kept, presented, successor| Redemption {
        kept_until: after(&backend, kept),
        ..using(&backend, presented, successor)
    };
    assert_eq!(rotate(&node, kept_for(MINUTE, 0, 1)).await, Rotation::Rotated);
    // The next generation ends sooner, and the older token does not.
    assert_eq!(rotate(&node, kept_for(MOMENT, 1, 2)).await, Rotation::Rotated);
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(rotate(&node, without_grace(using(&backend, 1, 3))).await, Rotation::Replayed);

    let before = backend.stored().await;
    let elsewhere = by(in_session("t", "t"), kept_for(MOMENT, 0, 1));
    assert_eq!(rotate(&node, elsewhere).await, Rotation::Rotated);
    assert_eq!(backend.stored().await, before + 1);
    backend.let_pass(MOMENT * 2).await;
    assert_eq!(backend.stored().await, before);
}

/// A trait object behind an `Arc` knows the same generations and revocations.
pub async fn behind_an_arc_dyn_it_is_the_same_line(backend: impl Backend) {
    let (node, same): (Arc<dyn Rotate>, _) = (Arc::new(backend.node()), backend.node());
    assert_eq!(rotate(&Arc::clone(&node), using(&backend, 0, 1)).await, Rotation::Rotated);
    assert_eq!(rotate(&same, using(&backend, 0, 2)).await, repeated(1, 1));
    node.revoke(&of_session("s", after(&backend, MINUTE))).await.unwrap();
    assert_eq!(rotate(&node, using(&backend, 1, 3)).await, DEAD);
}
