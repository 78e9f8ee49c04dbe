use std::{fmt, marker::PhantomData, sync::Arc};

use tower_layer::Layer;

use super::{render::RenderRejection, rfc6750::Rfc6750, service::JwtBlocklist};
use crate::{
    blocklist::Blocklist,
    claims::{NoClaims, TokenKind},
    guard::Guard,
    outage::OutagePolicy,
    token::Verifier,
};

/// Lets a request through to the inner service only with a genuine token of the right kind that nobody has revoked.
///
/// The inner service finds an [`Authenticated`](crate::Authenticated) in the request's extensions. Cloning is cheap: one layer
/// serves any number of services. See the [crate's documentation](crate) for an example.
pub struct JwtBlocklistLayer<X = NoClaims> {
    policy: Policy,
    claims: PhantomData<fn() -> X>,
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
        Self { policy: Policy { guard, renderer: Arc::new(Rfc6750::new()) }, claims: PhantomData }
    }
}

impl<X> JwtBlocklistLayer<X> {
    /// Reads the application's own claims into a `Y`, which the inner service gets as `Authenticated<Y>`. A token whose claims
    /// do not fit is refused as invalid.
    #[must_use]
    pub fn claims<Y>(self) -> JwtBlocklistLayer<Y> {
        JwtBlocklistLayer { policy: self.policy, claims: PhantomData }
    }

    /// What a check without an answer means; [`OutagePolicy::deny`] by default, and always for refresh tokens. The layer's
    /// services share what they know of an outage.
    #[must_use]
    pub fn outage_policy(mut self, policy: OutagePolicy) -> Self {
        self.policy.guard = self.policy.guard.outage_policy(policy);
        self
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
        JwtBlocklist::new(inner, self.policy.clone())
    }
}

impl<X> Clone for JwtBlocklistLayer<X> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone(), claims: PhantomData }
    }
}

impl<X> fmt::Debug for JwtBlocklistLayer<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBlocklistLayer").field("guard", &self.policy.guard).finish_non_exhaustive()
    }
}
