use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{render::RenderRejection, rfc6750::Rfc6750, service::JwtBlocklist};
use crate::{
    blocklist::Blocklist,
    claims::{NoClaims, TokenKind},
    guard::{Facts, Guard},
    outage::OutagePolicy,
    token::{TokenCache, VerifiedTokens, Verifier},
};

/// Lets a request through to the inner service only with a genuine token of the right kind that nobody has revoked.
///
/// The inner service finds an [`Authenticated`](crate::Authenticated) in the request's extensions. Cloning is cheap: one layer
/// serves any number of services. See the [crate's documentation](crate) for an example.
///
/// # Token cache
///
/// Clients send one access token with many requests. A layer that asks for access tokens keeps those that it has verified, and what
/// they say, so that the next request with the very same token needs no signature check and reads no JSON. What can change is
/// checked with every request all the same:
///
/// - `exp`, `nbf`, `iat` and the longest lifetime, by the verifier's clock, also when that was set back;
/// - the revocation of the token, its session, its subject and its issuer: the blocklist is asked as ever;
/// - whether the verifier's keys are still those of then.
///
/// Only genuine tokens of the right kind with claims that fit are kept, so nobody can fill it with forgeries. A cache holds at
/// most [8 MiB](TokenCache::DEFAULT_BYTES), or what [`token_cache`](Self::token_cache) says; what has not been sent for long makes
/// room for what is, and a token that is too large for its share is verified each time. It belongs to one layer, its clones and their
/// services: the claims' type and what the layer asks for are the same in all of them. A token leaves when it is presented too late,
/// when it is pushed out, and with the last clone of the layer; until then it is in the memory of the process.
///
/// ```
/// # use std::sync::Arc;
/// # use tower_jwt_blocklist::{Blocklist, Verifier};
/// use tower_jwt_blocklist::{JwtBlocklistLayer, TokenCache};
///
/// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist + Clone) {
/// let larger = JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()).token_cache(TokenCache::UpTo(64 << 20));
/// let without = JwtBlocklistLayer::access(verifier, blocklist).token_cache(TokenCache::Off);
/// # }
/// ```
pub struct JwtBlocklistLayer<X = NoClaims> {
    policy: Policy,
    token_cache: TokenCache,
    /// Shared by clones: kind, verifier and `X` are the same in all of them, and no setting changes one without a new cache.
    seen: VerifiedTokens<Facts<X>>,
}

/// What the layer and all its services share.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) guard: Guard,
    pub(super) renderer: Arc<dyn RenderRejection>,
}

impl JwtBlocklistLayer {
    /// Asks for access tokens: for every route that does the application's work. Logout has a layer of its own,
    /// [`LogoutLayer`](crate::LogoutLayer).
    pub fn access(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self::new(Guard::new(TokenKind::Access, verifier, blocklist))
    }

    /// Asks for refresh tokens: for the one route that hands out new tokens.
    pub fn refresh(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self::new(Guard::new(TokenKind::Refresh, verifier, blocklist))
    }

    /// Asks for what this guard lets through.
    pub fn new(guard: Guard) -> Self {
        let token_cache = match guard.expected() {
            TokenKind::Access => TokenCache::default(),
            // It is used once: to keep it would spare nothing.
            TokenKind::Refresh => TokenCache::Off,
        };
        Self::of(Policy { guard, renderer: Arc::new(Rfc6750::new()) }, token_cache)
    }
}

impl<X> JwtBlocklistLayer<X> {
    fn of(policy: Policy, token_cache: TokenCache) -> Self {
        Self { policy, token_cache, seen: VerifiedTokens::new(token_cache) }
    }

    /// Reads the application's own claims into a `Y`, which the inner service gets as `Authenticated<Y>`. A token whose claims
    /// do not fit is refused as invalid.
    #[must_use]
    pub fn claims<Y>(self) -> JwtBlocklistLayer<Y> {
        JwtBlocklistLayer::of(self.policy, self.token_cache)
    }

    /// What a check without an answer means; [`OutagePolicy::deny`] by default, and always for refresh tokens. The layer's
    /// services share what they know of an outage.
    #[must_use]
    pub fn outage_policy(mut self, policy: OutagePolicy) -> Self {
        self.policy.guard = self.policy.guard.outage_policy(policy);
        self
    }

    /// Whether verified tokens are kept, and in how many bytes. By default [8 MiB](TokenCache::DEFAULT_BYTES) of access tokens, and no
    /// refresh token, for that is used once. See [Token cache](#token-cache).
    #[must_use]
    pub fn token_cache(self, token_cache: TokenCache) -> Self {
        Self::of(self.policy, token_cache)
    }

    /// Answers refused requests with this renderer; [`Rfc6750`] by default.
    #[must_use]
    pub fn render_with(mut self, renderer: impl RenderRejection) -> Self {
        self.policy.renderer = Arc::new(renderer);
        self
    }
}

impl<S, X> Layer<S> for JwtBlocklistLayer<X> {
    type Service = JwtBlocklist<S, X>;

    fn layer(&self, inner: S) -> Self::Service {
        JwtBlocklist::new(inner, self.policy.clone(), self.seen.clone())
    }
}

impl<X> Clone for JwtBlocklistLayer<X> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone(), token_cache: self.token_cache, seen: self.seen.clone() }
    }
}

impl<X> fmt::Debug for JwtBlocklistLayer<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBlocklistLayer").field("guard", &self.policy.guard).finish_non_exhaustive()
    }
}
