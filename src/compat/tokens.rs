//! Tokens as the FastAPI tutorial makes them: `{"user": {…}, "exp", "jti", "refresh"}` under
//! `{"alg": "HS256", "typ": "JWT"}`.

use crate::{
    config_error::ConfigError,
    token::{Issuers, KindSource, OptionalClaim, Presence, Rules, TokenIdSource, VerifierBuilder},
};

/// The claim that is `true` in the tutorial's refresh tokens and `false` in its access tokens.
const FLAG: &str = "refresh";

impl VerifierBuilder {
    /// Accepts tokens as the FastAPI tutorial makes them, and no others. The claim `refresh` names
    /// the kind, and `iss`, `aud`, `sub` and `iat` may be missing.
    ///
    /// An [`Issuer`](crate::Issuer) of such a verifier mints tokens of this form. The Python
    /// application accepts them too, if the application claims of the login have its `user`.
    ///
    /// Short for [`any_issuer`](Self::any_issuer), [`any_audience`](Self::any_audience),
    /// [`optional`](Self::optional) for `sub` and `iat`, and [`KindSource::flag`]`("refresh")`. All
    /// other limits hold as for any token.
    ///
    /// The tutorial passes the local time to PyJWT as UTC. If the time zone of its server is some
    /// hours east of UTC, its tokens live that much longer than intended. Raise
    /// [`max_lifetime`](Self::max_lifetime) by as much, or its newest refresh tokens are rejected
    /// (`lifetime`).
    ///
    /// ```
    /// # use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey};
    /// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
    /// # let secret = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
    /// let key = VerifyingKey::from_secret(Algorithm::HS256, secret)?; // the application's `JWT_SECRET`
    /// let verifier = Verifier::builder().key(key).fastapi_tokens().build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn fastapi_tokens(self) -> Self {
        self.any_issuer()
            .any_audience()
            .optional(OptionalClaim::Sub)
            .optional(OptionalClaim::Iat)
            .kind_source(KindSource::flag(FLAG))
    }

    /// Accepts tokens as the FastAPI tutorial makes them, in addition to those that the other
    /// settings describe. For a migration during which both applications have the same secret.
    ///
    /// The header says which rules hold. A token with the `typ` `at+jwt` or `rt+jwt` is ours, and
    /// all settings hold for it. A token with the `typ` `JWT`, or without one, is the tutorial's:
    /// its `refresh` names the kind, it must not have `iss`, an `aud` must be ours, and `sub`,
    /// `iat` and `sid` may be missing.
    ///
    /// A token of ours whose `refresh` contradicts its `typ` is rejected. For the tutorial's tokens
    /// [`Authenticated::issuer`](crate::Authenticated::issuer) is `None`.
    ///
    /// The kind source must be [`KindSource::typ_header`], the default, and no issuer may be
    /// [trusted](Self::trust); otherwise [`build`](Self::build) fails. For time zones see
    /// [`fastapi_tokens`](Self::fastapi_tokens). Remove this setting when the last of those tokens
    /// has expired.
    pub fn also_fastapi_tokens(mut self) -> Self {
        self.rules_without_typ = Some(tutorial_rules);
        self
    }
}

/// Derives the tutorial's rules. It also makes `refresh` count in our own tokens, so that a
/// contradiction is found.
fn tutorial_rules(ours: &mut Rules) -> Result<Rules, ConfigError> {
    if ours.kind != KindSource::typ_header() {
        return Err(ConfigError::conflict(
            "`also_fastapi_tokens` recognizes the tutorial's tokens by their `typ`, so it needs `KindSource::typ_header()`; \
             or use `fastapi_tokens` for both",
        ));
    }
    ours.kind = KindSource::typ_header_or_flag(FLAG);
    Ok(Rules {
        issuers: Issuers::OneOf(vec![None]),
        audience: Presence::Optional,
        subject: Presence::Optional,
        issued_at: Presence::Optional,
        session_id: Presence::Optional,
        token_id: TokenIdSource::Jti,
        ..ours.clone()
    })
}
