use std::{fmt, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    blocklist::Blocklist,
    guard::{Authenticated, Guard, OutagePolicy, Require, Requirements},
    middleware::{
        http_settings::HttpSettings,
        identity_headers::IdentityHeaders,
        policy::{MissingToken, Policy, Preflights},
        reject::RenderRejection,
        service::JwtBlocklist,
        sources::TokenSources,
    },
    token::{NoClaims, TokenCache, TokenKind, VerifiedTokens, Verifier},
};

/// Admits requests with a genuine token of the right kind that has not been revoked. It rejects all
/// others.
///
/// The inner service finds an [`Authenticated`] in the request's extensions, which replaces an
/// earlier one. See the [crate's documentation](crate) for an example.
///
/// Cloning is cheap, and one layer can serve any number of services. Give a clone its own
/// [requirements](Self::add_requirement) to serve one route.
///
/// # Order
///
/// If a request has several problems, the first of these decides the response:
///
/// 1. its sources: 400, or 403 for a cookie from another site;
/// 2. its token: 401;
/// 3. a revocation, or a blocklist that cannot answer: 401, 503;
/// 4. [requirements](Require): 401, 403;
/// 5. [conditions](Self::add_condition) of the application: 403.
///
/// # Token cache
///
/// Clients send one access token with many requests. A layer for access tokens caches the tokens
/// that it has verified, and their claims. The next request with the same token needs no signature
/// check, and no JSON is read. Every request is still checked for everything that can change:
///
/// - `exp`, `nbf`, `iat` and the longest lifetime, by the verifier's clock, even if that was set
///   back;
/// - the revocation of the token, its session, its subject and its issuer, by the blocklist;
/// - whether the verifier's keys have changed since.
///
/// Only genuine tokens of the right kind whose claims fit are cached, so forgeries cannot fill it.
/// A cache holds at most [8 MiB](TokenCache::DEFAULT_BYTES), or what
/// [`with_token_cache`](Self::with_token_cache) sets. Tokens that were not sent for long make room
/// for others, and a token that is too large for its share is verified each time. The cache belongs
/// to one layer, its clones and their services, which all read the same claims type. A token leaves
/// it when it is sent too late, when others need the room, and with the last clone of the layer.
/// Until then it is in the memory of the process.
///
/// ```
/// # use std::sync::Arc;
/// # use tower_jwt_blocklist::{Blocklist, Verifier};
/// use tower_jwt_blocklist::{JwtBlocklistLayer, TokenCache};
///
/// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist) {
/// let layer = JwtBlocklistLayer::access(verifier, blocklist);
/// let larger = layer.clone().with_token_cache(TokenCache::UpTo(64 << 20));
/// let without = layer.with_token_cache(TokenCache::Off);
/// # }
/// ```
pub struct JwtBlocklistLayer<X = NoClaims>(Arc<Policy<X>>);

impl JwtBlocklistLayer {
    /// Admits access tokens. Use it for every route that does the application's work. A logout has
    /// a layer of its own, [`LogoutLayer`](crate::LogoutLayer).
    pub fn access(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self::access_with_claims(verifier, blocklist)
    }

    /// Admits refresh tokens. Use it for the one route that issues new tokens.
    pub fn refresh(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self::refresh_with_claims(verifier, blocklist)
    }

    /// Admits the tokens that this guard admits.
    pub fn from_guard(guard: Guard) -> Self {
        Self::from_guard_with_claims(guard)
    }

    /// Admits access tokens, as [`access`](Self::access) does, and reads the application's own
    /// claims into an `X`.
    ///
    /// The inner service gets them as `Authenticated<X>`. A token whose claims do not fit `X` is
    /// rejected as invalid.
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
    /// let layer = JwtBlocklistLayer::access_with_claims::<Shop>(verifier, blocklist)
    ///     .add_condition(|user| user.claims().plan == "paid");
    /// # }
    /// ```
    pub fn access_with_claims<X>(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> JwtBlocklistLayer<X> {
        Self::from_guard_with_claims(Guard::new(TokenKind::Access, verifier, blocklist))
    }

    /// Admits refresh tokens, as [`refresh`](Self::refresh) does, and reads the application's own
    /// claims into an `X`.
    pub fn refresh_with_claims<X>(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> JwtBlocklistLayer<X> {
        Self::from_guard_with_claims(Guard::new(TokenKind::Refresh, verifier, blocklist))
    }

    /// Admits the tokens that this guard admits, and reads the application's own claims into an
    /// `X`.
    pub fn from_guard_with_claims<X>(guard: Guard) -> JwtBlocklistLayer<X> {
        let token_cache = match guard.expected() {
            TokenKind::Access => TokenCache::default(),
            // A refresh token is used once, so caching it would save nothing.
            TokenKind::Refresh => TokenCache::Off,
        };
        JwtBlocklistLayer(Arc::new(Policy {
            guard,
            requirements: Requirements::none(),
            http: HttpSettings::default(),
            missing_token: MissingToken::Rejected,
            preflights: Preflights::Checked,
            token_cache,
            verified_tokens: VerifiedTokens::new(token_cache),
        }))
    }
}

impl<X> JwtBlocklistLayer<X> {
    /// Sets what to do when the blocklist cannot answer; [`OutagePolicy::deny`] by default, and
    /// always for refresh tokens.
    ///
    /// The layer's services share the state of an outage.
    #[must_use]
    pub fn with_outage_policy(mut self, policy: OutagePolicy) -> Self {
        let layer = self.policy_mut();
        layer.guard = layer.guard.clone().with_outage_policy(policy);
        self
    }

    /// Sets where a request may carry its token; [`TokenSources::header`] by default.
    #[must_use]
    pub fn with_token_sources(mut self, sources: TokenSources) -> Self {
        self.policy_mut().http.sources = sources;
        self
    }

    /// Sets the renderer of rejections; [`Rfc6750`](crate::Rfc6750) by default.
    #[must_use]
    pub fn with_renderer(mut self, renderer: impl RenderRejection) -> Self {
        self.policy_mut().http.renderer = Arc::new(renderer);
        self
    }

    /// Sets whether verified tokens are cached, and in how many bytes.
    ///
    /// By default, access tokens are cached in [8 MiB](TokenCache::DEFAULT_BYTES). Refresh tokens
    /// are not, because each is used once. See [Token cache](#token-cache).
    #[must_use]
    pub fn with_token_cache(mut self, token_cache: TokenCache) -> Self {
        let layer = self.policy_mut();
        (layer.token_cache, layer.verified_tokens) = (token_cache, VerifiedTokens::new(token_cache));
        self
    }

    /// Lets requests without a token through anonymously. By default they are rejected.
    ///
    /// Then the request has no [`Authenticated`], and with axum `Option<Authenticated>` is `None`.
    /// A handler that takes `Authenticated` itself rejects anonymous requests with the layer's own
    /// 401. A bad token is still rejected, and a request with a token must meet the requirements.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.policy_mut().missing_token = MissingToken::Anonymous;
        self
    }

    /// Lets CORS preflights through anonymously: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`, and without `Authorization`, `Cookie` or a token.
    ///
    /// By default preflights need a token, as other requests do. It is better to put a `CorsLayer`,
    /// which answers them, outside of this layer.
    #[must_use]
    pub fn exempt_preflights(mut self) -> Self {
        self.policy_mut().preflights = Preflights::Exempt;
        self
    }

    /// Adds requirements: scopes, roles, the age of the token or of its login. Earlier requirements
    /// still hold.
    #[must_use]
    pub fn add_requirement(mut self, require: Require) -> Self {
        self.policy_mut().requirements.require.push(require);
        self
    }

    /// Adds a condition. If it is `false`, the request is rejected with 403. Earlier conditions
    /// still hold.
    ///
    /// It is checked last, for tokens that pass everything else, and must not block. See
    /// [`access_with_claims`](Self::access_with_claims) for an example.
    #[must_use]
    pub fn add_condition(mut self, condition: impl Fn(&Authenticated<X>) -> bool + Send + Sync + 'static) -> Self {
        self.policy_mut().requirements.conditions.push(Arc::new(condition));
        self
    }

    /// Keeps the headers in which a proxy names the user, such as `X-Forwarded-User`.
    ///
    /// By default the layer removes them from every request, including anonymous ones. A client can
    /// invent them, and an inner service that believes them would not need the token. They are
    /// `Remote-User`, `X-Remote-User`, `X-Webauth-User`, `X-Forwarded-User`, `X-Auth-Request-User`,
    /// `X-Authenticated-User`, `X-Consumer-Username`, `X-User-Id`, `X-Userinfo`,
    /// `X-Amzn-Oidc-Identity`, `X-Goog-Authenticated-User-Email`, and the ones that go with them
    /// (e-mail, groups, names, roles).
    ///
    /// Keep them only behind a proxy that removes the headers of these names that clients send. To
    /// remove others, use [`add_removed_headers`](Self::add_removed_headers).
    #[must_use]
    pub fn keep_identity_headers(mut self) -> Self {
        self.policy_mut().http.headers.identity = IdentityHeaders::Kept;
        self
    }

    /// Adds headers that are removed from every request. Use it for headers of your own in which an
    /// inner service would believe who the user is.
    #[must_use]
    pub fn add_removed_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.policy_mut().http.headers.removed.extend(names);
        self
    }

    /// A setting applies to this layer, and not to its clones and services.
    fn policy_mut(&mut self) -> &mut Policy<X> {
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
