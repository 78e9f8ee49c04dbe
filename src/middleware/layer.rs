use std::{fmt, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    blocklist::Blocklist,
    guard::{Authenticated, Guard, OutagePolicy, Require, Requirements},
    middleware::{
        identity_headers::IdentityHeaders,
        policy::{HttpSettings, MissingToken, Policy, Preflights},
        reject::{RenderRejection, Rfc6750},
        service::JwtBlocklist,
        sources::TokenSources,
    },
    token::{NoClaims, TokenCache, TokenKind, VerifiedTokens, Verifier},
};

/// Lets a request through to the inner service only with a genuine token of the right kind that nobody has revoked.
///
/// The inner service finds an [`Authenticated`] in the request's extensions, in place of any that was there before. Cloning is
/// cheap: one layer serves any number of services, and a clone with [requirements](Self::add_requirement) of its own serves one route. See
/// the [crate's documentation](crate) for an example.
///
/// Which answer a request gets that has several faults: what is wrong with its sources (400, or 403 for a cookie from another site),
/// then with its token (401), then that the token was revoked or that nobody can tell (401, 503), then what is [required](Require)
/// beyond (401, 403), then the [conditions](Self::add_condition) of the application (403).
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
/// most [8 MiB](TokenCache::DEFAULT_BYTES), or what [`token_cache`](Self::with_token_cache) says; what has not been sent for long makes
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
/// let larger = JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()).with_token_cache(TokenCache::UpTo(64 << 20));
/// let without = JwtBlocklistLayer::access(verifier, blocklist).with_token_cache(TokenCache::Off);
/// # }
/// ```
pub struct JwtBlocklistLayer<X = NoClaims>(Arc<Policy<X>>);

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
        let front = HttpSettings {
            renderer: Arc::new(Rfc6750::new()),
            sources: TokenSources::header(),
            absence: MissingToken::Refused,
            preflights: Preflights::Checked,
            identity_headers: IdentityHeaders::Removed,
            removed_headers: Vec::new(),
        };
        let seen = VerifiedTokens::new(token_cache);
        Self(Arc::new(Policy { guard, demands: Requirements::default(), front, token_cache, seen }))
    }
}

impl<X> JwtBlocklistLayer<X> {
    /// Reads the application's own claims into a `Y`, which the inner service gets as `Authenticated<Y>`. A token whose claims
    /// do not fit is refused as invalid.
    ///
    /// Call it before [`allow_if`](Self::add_condition): a condition on other claims can be asked no more, and then nothing passes.
    #[must_use]
    pub fn claims<Y>(self) -> JwtBlocklistLayer<Y> {
        let Policy { guard, demands, front, token_cache, .. } = Arc::unwrap_or_clone(self.0);
        let (demands, seen) = (demands.for_claims(), VerifiedTokens::new(token_cache));
        JwtBlocklistLayer(Arc::new(Policy { guard, demands, front, token_cache, seen }))
    }

    /// What a check without an answer means; [`OutagePolicy::deny`] by default, and always for refresh tokens. The layer's
    /// services share what they know of an outage.
    #[must_use]
    pub fn with_outage_policy(mut self, policy: OutagePolicy) -> Self {
        let layer = self.policy();
        layer.guard = layer.guard.clone().with_outage_policy(policy);
        self
    }

    /// Where a request may carry its token; [`TokenSources::header`] by default.
    #[must_use]
    pub fn with_token_sources(mut self, sources: TokenSources) -> Self {
        self.policy().front.sources = sources;
        self
    }

    /// Lets requests without a token through as nobody's: then there is no [`Authenticated`], and with axum `Option<Authenticated>`
    /// is `None`. By default they are refused. A token that is there and not good is refused all the same, and requirements hold for
    /// whoever has one. A handler that takes `Authenticated` itself refuses nobodies with the layer's own 401.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.policy().front.absence = MissingToken::Anonymous;
        self
    }

    /// Asks more of a token: scopes, roles, how old it or its login may be. Called again, it adds to what was asked before.
    #[must_use]
    pub fn add_requirement(mut self, require: Require) -> Self {
        self.policy().demands.require.push(require);
        self
    }

    /// Lets through only for whom this holds, else 403. It is asked last, about a token that is good in every other way, and must not
    /// block. Called again, it adds a condition.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use serde::Deserialize;
    /// # use tower_jwt_blocklist::{Blocklist, JwtBlocklistLayer, Verifier};
    /// #[derive(Deserialize)]
    /// struct Shop {
    ///     plan: String,
    /// }
    ///
    /// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist) {
    /// let layer =
    ///     JwtBlocklistLayer::access(verifier, blocklist).claims::<Shop>().add_condition(|user| user.claims().plan == "paid");
    /// # }
    /// ```
    #[must_use]
    pub fn add_condition(mut self, condition: impl Fn(&Authenticated<X>) -> bool + Send + Sync + 'static) -> Self {
        self.policy().demands.conditions.push(Arc::new(condition));
        self
    }

    /// Lets CORS preflights through as nobody's: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, and without
    /// `Authorization`, `Cookie` or any token. By default they are asked for a token like everything else: better put a `CorsLayer`
    /// outside of this one, which answers them.
    #[must_use]
    pub fn exempt_preflights(mut self) -> Self {
        self.policy().front.preflights = Preflights::Exempt;
        self
    }

    /// Leaves the headers in which a proxy tells who the user is, such as `X-Forwarded-User`, as they come. By default a layer removes
    /// them from every request, also where it lets nobodies through: a client can make them up, and an inner service that believes
    /// them would not ask for the token. They are `Remote-User`, `X-Remote-User`, `X-Webauth-User`, `X-Forwarded-User`,
    /// `X-Auth-Request-User`, `X-Authenticated-User`, `X-Consumer-Username`, `X-User-Id`, `X-Userinfo`, `X-Amzn-Oidc-Identity`,
    /// `X-Goog-Authenticated-User-Email` and those that go with them (e-mail, groups, names, roles).
    ///
    /// Keep them only behind a proxy that removes what clients send under these names. For others see
    /// [`remove_headers`](Self::add_removed_headers).
    #[must_use]
    pub fn keep_identity_headers(mut self) -> Self {
        self.policy().front.identity_headers = IdentityHeaders::Kept;
        self
    }

    /// Removes these headers too from every request: those of your own in which an inner service would believe who the user is, and
    /// which a client could make up. Called again, it adds to them.
    #[must_use]
    pub fn add_removed_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.policy().front.removed_headers.extend(names);
        self
    }

    /// Whether verified tokens are kept, and in how many bytes. By default [8 MiB](TokenCache::DEFAULT_BYTES) of access tokens, and no
    /// refresh token, for that is used once. See [Token cache](#token-cache).
    #[must_use]
    pub fn with_token_cache(mut self, token_cache: TokenCache) -> Self {
        let layer = self.policy();
        (layer.token_cache, layer.seen) = (token_cache, VerifiedTokens::new(token_cache));
        self
    }

    /// Answers refused requests with this renderer; [`Rfc6750`] by default.
    #[must_use]
    pub fn with_renderer(mut self, renderer: impl RenderRejection) -> Self {
        self.policy().front.renderer = Arc::new(renderer);
        self
    }

    /// A setting is this layer's alone, not that of its clones and services.
    fn policy(&mut self) -> &mut Policy<X> {
        Arc::make_mut(&mut self.0)
    }
}

impl<S, X> Layer<S> for JwtBlocklistLayer<X> {
    type Service = JwtBlocklist<S, X>;

    fn layer(&self, inner: S) -> Self::Service {
        JwtBlocklist::new(inner, Arc::clone(&self.0))
    }
}

impl<X> Clone for JwtBlocklistLayer<X> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<X> fmt::Debug for JwtBlocklistLayer<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JwtBlocklistLayer").field(&self.0).finish()
    }
}
