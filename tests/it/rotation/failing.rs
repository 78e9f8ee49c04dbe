//! A rotation that fails on the way has consumed nothing, as far as the client can tell.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tower_jwt_blocklist::{
    Issuer, MemoryBlocklist, NoClaims,
    blocklist::{
        CutOffFuture, Outage, Redemption, Revocation, RevocationId, Revoke, RevokeError, RevokeFuture, Rotate,
        RotateFuture,
    },
    issuer::{IssueError, Refreshed},
};

use super::MILLISECOND;
use crate::support::{
    rotation::{GRACE, repeated, rotated},
    signing_key,
    world::World,
};

/// A store behind a connection that breaks.
#[derive(Clone)]
struct Line {
    store: MemoryBlocklist,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Requests are lost.
    Cut,
    /// Requests arrive, and their answers are lost.
    Mute,
}

impl Line {
    fn to(world: &World, grace: Duration) -> (Self, Issuer) {
        let line = Self { store: world.store.clone(), state: Arc::new(Mutex::new(State::Good)) };
        let issuer = Issuer::builder(world.verifier.clone(), signing_key(), line.clone());
        (line, issuer.rotation_grace(grace).build().unwrap())
    }

    fn becomes(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }
}

impl Revoke for Line {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        self.store.store(revocation)
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        self.store.cut_off(issuer, subject)
    }
}

impl Rotate for Line {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        let state = *self.state.lock().unwrap();
        Box::pin(async move {
            let outage = Err(RevokeError::Outage(Outage::TimedOut));
            match state {
                State::Good => self.store.rotate(redemption).await,
                State::Cut => outage,
                State::Mute => self.store.rotate(redemption).await.and(outage),
            }
        })
    }
}

#[tokio::test]
async fn g6_an_outage_consumes_nothing() {
    let world = World::new();
    let (line, issuer) = Line::to(&world, Duration::ZERO);
    let proof = world.proof(&world.login("ann").await).await;
    for _ in 0..3 {
        line.becomes(State::Cut);
        for _ in 0..5 {
            let outage = issuer.refresh(&proof, &NoClaims {}).await.unwrap_err();
            assert_eq!(outage, IssueError::Outage(Outage::TimedOut));
        }
    }
    line.becomes(State::Good);
    let next = rotated(issuer.refresh(&proof, &NoClaims {}).await.unwrap());
    assert_eq!(world.refused(&next).await, None);
}

/// Only the time between the two uses tells a lost answer from a theft.
#[tokio::test]
async fn r56_an_answer_that_was_lost_is_what_the_grace_is_for() {
    for (grace, passed, goes_on) in
        [(GRACE, GRACE - MILLISECOND, true), (GRACE, GRACE, false), (Duration::ZERO, Duration::ZERO, false)]
    {
        let world = World::new();
        let (line, issuer) = Line::to(&world, grace);
        let proof = world.proof(&world.login("ann").await).await;
        line.becomes(State::Mute);
        assert!(issuer.refresh(&proof, &NoClaims {}).await.is_err());
        line.becomes(State::Good);
        world.clock.advance(passed);
        let again = issuer.refresh(&proof, &NoClaims {}).await.unwrap();
        if goes_on {
            assert_eq!(world.refused(&repeated(again)).await, None);
        } else {
            assert!(matches!(again, Refreshed::Replayed), "{again:?}");
        }
    }
}

#[tokio::test]
async fn g6_claims_that_cannot_be_minted_consume_nothing() {
    let world = World::without_grace();
    let proof = world.proof(&world.login("ann").await).await;
    for (claims, error) in [
        (json!({ "sub": "bob" }), IssueError::ReservedClaim),
        (json!({ "refresh_generation": 0 }), IssueError::ReservedClaim),
        (json!([]), IssueError::ClaimsNotAnObject),
        (json!({ "x": "x".repeat(10_000) }), IssueError::TooLong),
    ] {
        assert_eq!(world.issuer().refresh(&proof, &claims).await.unwrap_err(), error);
    }
    assert!(world.store.is_empty());
    rotated(world.redeem(&proof).await);
}

#[tokio::test]
async fn g7_a_full_store_consumes_nothing() {
    let world = World::new();
    let full = MemoryBlocklist::with_capacity_and_clock(0, world.clock.as_fn());
    let issuer = Issuer::builder(world.verifier.clone(), signing_key(), full).build().unwrap();
    let proof = world.proof(&world.login("ann").await).await;
    assert_eq!(issuer.refresh(&proof, &NoClaims {}).await.unwrap_err(), IssueError::Full);
    rotated(world.redeem(&proof).await);
}

/// The process may end between any two steps of the call. Dropping the future simulates that.
#[tokio::test]
async fn g6_a_use_that_is_given_up_half_way_leaves_no_half_of_it() {
    let world = World::new();
    let proof = world.proof(&world.login("ann").await).await;
    drop(world.issuer().refresh(&proof, &NoClaims {}));
    assert!(world.store.is_empty(), "nothing was stored yet");
    let (line, issuer) = Line::to(&world, GRACE);
    line.becomes(State::Mute);
    assert!(issuer.refresh(&proof, &NoClaims {}).await.is_err());
    assert_eq!(world.store.len(), 1, "the redemption is stored completely, so a retry gets the successor");
    let again = repeated(world.redeem(&proof).await);
    world.renew(&again).await;
}
