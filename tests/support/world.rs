//! An issuer and the guards that check its tokens, all on one clock and one memory list.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::de::DeserializeOwned;
use testkit::ManualClock;
use tower_jwt_blocklist::{
    Authenticated, Guard, Issuer, MemoryBlocklist, NoClaims, Rejection, TokenKind, TokenPair, Verifier,
    issuer::{IssuerBuilder, Refreshed},
    token::VerifierBuilder,
};

use super::{clock, rotation::rotated, settings, signing_key};

pub struct World {
    pub clock: ManualClock,
    pub store: MemoryBlocklist,
    pub verifier: Arc<Verifier>,
    issuer: OnceLock<Issuer>,
}

impl World {
    pub fn new() -> Self {
        Self::with(settings())
    }

    /// Creates a world whose verifier has these settings.
    pub fn with(settings: VerifierBuilder) -> Self {
        let clock = clock();
        let store = MemoryBlocklist::with_capacity_and_clock(1000, clock.as_fn());
        Self { verifier: built(settings, &clock), clock, store, issuer: OnceLock::new() }
    }

    /// Creates a world whose issuer has these settings.
    pub fn issuing(adapt: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> Self {
        let world = Self::new();
        let issuer = adapt(world.issuer_settings()).build().unwrap();
        Self { issuer: issuer.into(), ..world }
    }

    /// Creates a world where reusing a refresh token revokes its session at once.
    pub fn without_grace() -> Self {
        Self::issuing(|issuer| issuer.rotation_grace(Duration::ZERO))
    }

    /// Creates another world with the same clock and list.
    pub fn beside(&self, settings: VerifierBuilder) -> Self {
        let (clock, store) = (self.clock.clone(), self.store.clone());
        Self { verifier: built(settings, &clock), clock, store, issuer: OnceLock::new() }
    }

    pub fn issuer_settings(&self) -> IssuerBuilder {
        Issuer::builder(self.verifier.clone(), signing_key(), self.store.clone())
    }

    /// The issuer of this world. Panics if the verifier's settings allow none.
    pub fn issuer(&self) -> &Issuer {
        self.issuer.get_or_init(|| self.issuer_settings().build().unwrap())
    }

    pub fn guard(&self, kind: TokenKind) -> Guard {
        Guard::new(kind, self.verifier.clone(), self.store.clone())
    }

    pub async fn ask(&self, kind: TokenKind, token: &str) -> Result<Authenticated, Rejection> {
        self.ask_with(kind, token).await
    }

    /// Checks the token and reads the application's claims.
    pub async fn ask_with<X>(&self, kind: TokenKind, token: &str) -> Result<Authenticated<X>, Rejection>
    where
        X: DeserializeOwned,
    {
        self.guard(kind).authenticate(token).await
    }

    pub async fn access(&self, token: &str) -> Result<Authenticated, Rejection> {
        self.ask(TokenKind::Access, token).await
    }

    pub async fn refresh(&self, token: &str) -> Result<Authenticated, Rejection> {
        self.ask(TokenKind::Refresh, token).await
    }

    /// `None` if both tokens are admitted. Otherwise the reason, which is the same for both.
    pub async fn refused(&self, pair: &TokenPair) -> Option<&'static str> {
        let access = self.access(pair.access.as_str()).await.err().map(|error| error.reason());
        let refresh = self.refresh(pair.refresh.as_str()).await.err().map(|error| error.reason());
        assert_eq!(access, refresh, "both tokens of a session get the same answer");
        access
    }

    pub async fn login(&self, subject: &str) -> TokenPair {
        self.issuer().login(subject, &NoClaims {}).await.unwrap()
    }

    /// The proof of this pair's access token.
    pub async fn user(&self, pair: &TokenPair) -> Authenticated {
        self.access(pair.access.as_str()).await.unwrap()
    }

    /// The proof of this pair's refresh token.
    pub async fn proof(&self, pair: &TokenPair) -> Authenticated {
        self.refresh(pair.refresh.as_str()).await.unwrap()
    }

    pub async fn redeem(&self, proof: &Authenticated) -> Refreshed {
        self.issuer().refresh(proof, &NoClaims {}).await.unwrap()
    }

    /// The next pair, for the first use of this one.
    pub async fn renew(&self, pair: &TokenPair) -> TokenPair {
        rotated(self.redeem(&self.proof(pair).await).await)
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn built(settings: VerifierBuilder, clock: &ManualClock) -> Arc<Verifier> {
    Arc::new(settings.clock(clock.as_fn()).build().unwrap())
}
