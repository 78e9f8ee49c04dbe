//! Guides: each answers one question, the answer first, then code that runs, the why, and the
//! limits.
//!
//! | | |
//! |---|---|
//! | [Cookbook](cookbook) | about ten lines for each of 26 tasks |
//! | [Choosing algorithms and lifetimes](algorithms_and_lifetimes) | which key, how long, and what it costs to remember a logout |
//! | [Verifying somebody else's tokens](foreign_tokens) | Auth0, Keycloak, Cognito, Entra, alone or with your own |
//! | [Cookies and CSRF](cookies_and_csrf) | browser applications and WebSockets |
//! | [Rotating keys](rotating_keys) | without a restart, and when the key was stolen |
//! | [Requirements of a route](requiring) | scopes, roles, a recent login, conditions of your own |
//! | [Redis in production](redis_in_production) | the guarantees, the mirror, outages, loss, failover, ACL, sizes |
//! | [Observability](observability) | metrics, alerts, log events, health checks |
//! | [Testing your handlers](testing_your_handlers) | tokens for tests, a clock to move, outages on demand |
//! | [Migrating from FastAPI](migrating_from_fastapi), [in Chinese](migrating_from_fastapi_zh) | moving the tutorial's application without logging anybody out |
//!
//! A page whose code needs a feature is empty where that is off.

#[doc = include_str!("../docs/algorithms_and_lifetimes.md")]
///
/// ---
///
/// [`Algorithm`](crate::Algorithm), [`SigningKey`](crate::SigningKey),
/// [`VerifierBuilder`](crate::token::VerifierBuilder),
/// [`IssuerBuilder`](crate::issuer::IssuerBuilder), [`Require`](crate::Require),
/// [`danger`](crate::danger), the [token cache](crate::JwtBlocklistLayer#token-cache).
pub mod algorithms_and_lifetimes {}

#[cfg_attr(all(feature = "axum", feature = "jwks"), doc = include_str!("../docs/foreign_tokens.md"))]
#[cfg_attr(not(all(feature = "axum", feature = "jwks")), doc = "Needs the features `axum` and `jwks`.")]
///
/// ---
///
/// [`KindSource`](crate::token::KindSource), [`TokenIdSource`](crate::token::TokenIdSource),
/// [`OptionalClaim`](crate::token::OptionalClaim),
/// [`VerifierBuilder::trust`](crate::token::VerifierBuilder::trust),
/// [`Verifier::subject_revocation`](crate::Verifier::subject_revocation),
/// [`Revoke`](crate::blocklist::Revoke), [`Require`](crate::Require), [`Jwks`](crate::keys::Jwks).
pub mod foreign_tokens {}

#[cfg_attr(feature = "axum", doc = include_str!("../docs/cookies_and_csrf.md"))]
#[cfg_attr(not(feature = "axum"), doc = "Needs the feature `axum`.")]
///
/// ---
///
/// [`TokenCookie`](crate::sources::TokenCookie), [`SameSite`](crate::sources::SameSite),
/// [`TokenSources`](crate::sources::TokenSources), [`LogoutLayer`](crate::LogoutLayer),
/// [`JwtBlocklistLayer::exempt_preflights`](crate::JwtBlocklistLayer::exempt_preflights),
/// [`Guard::watch`](crate::Guard::watch).
pub mod cookies_and_csrf {}

#[cfg_attr(feature = "axum", doc = include_str!("../docs/rotating_keys.md"))]
#[cfg_attr(not(feature = "axum"), doc = "Needs the feature `axum`.")]
///
/// ---
///
/// [`KeySet`](crate::keys::KeySet), [`SigningKey`](crate::SigningKey),
/// [`VerifyingKey`](crate::VerifyingKey), [`Issuer::sign_with`](crate::Issuer::sign_with),
/// [`Issuer::revoke_all`](crate::Issuer::revoke_all).
pub mod rotating_keys {}

#[cfg_attr(
    all(feature = "axum", feature = "redis", feature = "jwks", any(feature = "aws_lc_rs", feature = "rust_crypto")),
    doc = include_str!("../docs/cookbook.md")
)]
#[cfg_attr(
    not(all(
        feature = "axum",
        feature = "redis",
        feature = "jwks",
        any(feature = "aws_lc_rs", feature = "rust_crypto")
    )),
    doc = "Needs the features `axum`, `redis`, `jwks`, and `aws_lc_rs` or `rust_crypto`."
)]
///
/// ---
///
/// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer), [`LogoutLayer`](crate::LogoutLayer),
/// [`Issuer`](crate::Issuer), [`Guard`](crate::Guard), [`Require`](crate::Require).
pub mod cookbook {}

#[doc = include_str!("../docs/requiring.md")]
///
/// ---
///
/// [`Require`](crate::Require), [`ClaimList`](crate::guard::ClaimList),
/// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer).
pub mod requiring {}

#[cfg_attr(all(feature = "axum", feature = "redis"), doc = include_str!("../docs/redis_in_production.md"))]
#[cfg_attr(not(all(feature = "axum", feature = "redis")), doc = "Needs the features `axum` and `redis`.")]
///
/// ---
///
/// [`OutagePolicy`](crate::OutagePolicy), [`danger`](crate::danger),
/// [`Issuer::with_reason`](crate::Issuer::with_reason).
pub mod redis_in_production {}

#[cfg_attr(all(feature = "axum", feature = "redis"), doc = include_str!("../docs/observability.md"))]
#[cfg_attr(not(all(feature = "axum", feature = "redis")), doc = "Needs the features `axum` and `redis`.")]
///
/// ---
///
/// [`Rejection`](crate::Rejection), [`OutagePolicy`](crate::OutagePolicy).
pub mod observability {}

#[cfg_attr(all(feature = "axum", feature = "testing"), doc = include_str!("../docs/testing_your_handlers.md"))]
#[cfg_attr(not(all(feature = "axum", feature = "testing")), doc = "Needs the features `axum` and `testing`.")]
///
/// ---
///
/// [`Guard`](crate::Guard), [`JwtBlocklistLayer`](crate::JwtBlocklistLayer), `testing`.
pub mod testing_your_handlers {}

#[cfg_attr(all(feature = "compat", feature = "redis"), doc = include_str!("../docs/migrating_from_fastapi.md"))]
#[cfg_attr(not(all(feature = "compat", feature = "redis")), doc = "Needs the features `compat` and `redis`.")]
///
/// ---
///
/// [`VerifierBuilder`](crate::token::VerifierBuilder), [`Issuer`](crate::Issuer),
/// [`LogoutLayer`](crate::LogoutLayer).
pub mod migrating_from_fastapi {}

#[cfg_attr(all(feature = "compat", feature = "redis"), doc = include_str!("../docs/migrating_from_fastapi.zh.md"))]
#[cfg_attr(not(all(feature = "compat", feature = "redis")), doc = "Needs the features `compat` and `redis`.")]
///
/// ---
///
/// [`VerifierBuilder`](crate::token::VerifierBuilder), [`Issuer`](crate::Issuer),
/// [`LogoutLayer`](crate::LogoutLayer).
pub mod migrating_from_fastapi_zh {}
