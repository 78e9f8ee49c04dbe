//! A Redis that lost a redemption, as a failover does: its session then has two refresh tokens of
//! one generation.

use std::time::Duration;

use testkit::RedisServer;
use tower_jwt_blocklist::{NoClaims, TokenKind, TokenPair, issuer::Refreshed};

use super::faults::{Node, forget, state};
use crate::support::rotation::{GRACE, repeated, rotated};

/// What Redis holds after a failover that lost a redemption.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Nothing,
    /// The presented token as the newest of its session.
    OneBefore,
}

/// Two successors of one refresh token. Redis lost the first one and has stored the second one.
async fn two_of_a_generation(server: &RedisServer, node: &Node, kept: Kept) -> [TokenPair; 2] {
    let login = node.login("ann").await;
    let pair = rotated(node.refresh(&node.proof(&login).await).await.unwrap());
    let before = state(server).await;
    let proof = node.proof(&pair).await;
    let first = rotated(node.refresh(&proof).await.unwrap());
    match kept {
        Kept::Nothing => forget(server).await,
        Kept::OneBefore => {
            let key = server.cli(&["KEYS", "{jwt}:r:*"]).await;
            assert_eq!(server.cli(&["SET", &key, &before, "KEEPTTL"]).await, "OK");
        }
    }
    let second = rotated(node.refresh(&proof).await.unwrap());
    assert!(state(server).await.starts_with("2 "));
    assert_ne!(first.refresh.as_str(), second.refresh.as_str());
    [first, second]
}

async fn is_revoked(node: &Node, pair: &TokenPair) -> bool {
    let access = node.guard(TokenKind::Access).authenticate::<NoClaims>(pair.access.as_str()).await;
    let refresh = node.guard(TokenKind::Refresh).authenticate::<NoClaims>(pair.refresh.as_str()).await;
    assert_eq!(access.is_err(), refresh.is_err());
    access.is_err()
}

#[tokio::test]
async fn r56_g6_after_a_lost_redemption_the_token_that_is_not_stored_ends_the_session() {
    let server = RedisServer::start().await;
    for (grace, kept) in
        [Duration::ZERO, GRACE].into_iter().flat_map(|grace| [Kept::Nothing, Kept::OneBefore].map(|kept| (grace, kept)))
    {
        let node = Node::of(&server, grace).await;
        let [lost, stored] = two_of_a_generation(&server, &node, kept).await;
        let proofs = [node.proof(&lost).await, node.proof(&stored).await];
        let refreshed = node.refresh(&proofs[0]).await.unwrap();
        assert!(matches!(refreshed, Refreshed::Replayed), "{grace:?}, {kept:?}: {refreshed:?}");
        for pair in [&lost, &stored] {
            assert!(is_revoked(&node, pair).await, "{grace:?}, {kept:?}");
        }
        assert!(matches!(node.refresh(&proofs[1]).await.unwrap(), Refreshed::Revoked(_)), "{grace:?}, {kept:?}");
        forget(&server).await;
    }
}

#[tokio::test]
async fn r56_after_a_lost_redemption_the_stored_token_rotates_and_then_the_other_is_a_replay() {
    let server = RedisServer::start().await;
    for kept in [Kept::Nothing, Kept::OneBefore] {
        let node = Node::of(&server, Duration::ZERO).await;
        let [lost, stored] = two_of_a_generation(&server, &node, kept).await;
        let next = rotated(node.refresh(&node.proof(&stored).await).await.unwrap());
        let proof = node.proof(&next).await;
        assert!(matches!(node.refresh(&node.proof(&lost).await).await.unwrap(), Refreshed::Replayed), "{kept:?}");
        assert!(is_revoked(&node, &next).await, "{kept:?}");
        assert!(matches!(node.refresh(&proof).await.unwrap(), Refreshed::Revoked(_)), "{kept:?}");
        forget(&server).await;
    }
}

/// Within the grace the other token gets the same successor. Both then hold one token, so the
/// usual rule finds its second use.
#[tokio::test]
async fn r56_after_a_lost_redemption_the_grace_gives_both_tokens_one_successor() {
    let server = RedisServer::start().await;
    let node = Node::of(&server, GRACE).await;
    let [lost, stored] = two_of_a_generation(&server, &node, Kept::OneBefore).await;
    let next = rotated(node.refresh(&node.proof(&stored).await).await.unwrap());
    let same = repeated(node.refresh(&node.proof(&lost).await).await.unwrap());
    assert_eq!(next.refresh.as_str(), same.refresh.as_str());
    let strict = Node::of(&server, Duration::ZERO).await;
    rotated(strict.refresh(&strict.proof(&next).await).await.unwrap());
    assert!(matches!(strict.refresh(&strict.proof(&same).await).await.unwrap(), Refreshed::Replayed));
}
