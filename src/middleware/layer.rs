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
pub struct JwtBlocklistLayer<X = NoClaims> {
    policy: Policy,
    token_cache: TokenCache,
    /// Of this layer alone: another may ask for another kind, other claims, or by another verifier.
    seen: VerifiedTokens<Facts<X>>,
}

/// What the layer and all its services share.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) guard: Guard,
    pub(super) renderer: Arc<dyn RenderRejection>,
}

impl JwtBlocklistLayer {
    /// Asks for access tokens: for every route that does the application's work, and for logout.
    pub fn access(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self::new(Guard::new(TokenKind::Access, verifier, blocklist))
    }

    /// Asks for refresh tokens: for the one route that hands out new access tokens.
    pub fn refresh(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self::new(Guard::new(TokenKind::Refresh, verifier, blocklist))
    }

    /// Asks for what this guard lets through.
    pub fn new(guard: Guard) -> Self {
        Self::of(Policy { guard, renderer: Arc::new(Rfc6750::new()) }, TokenCache::default())
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

    /// Whether verified tokens are kept, and in how many bytes; [`TokenCache::UpTo`] 8 MiB by default. See
    /// [Token cache](#token-cache).
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
