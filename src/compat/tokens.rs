//! Tokens as the FastAPI tutorial makes them: `{"user": {…}, "exp", "jti", "refresh"}` under `{"alg": "HS256", "typ": "JWT"}`.

use crate::{
    config_error::ConfigError,
    token::{Issuers, KindSource, OptionalClaim, Presence, Rules, TokenIdSource, VerifierBuilder},
};

/// The claim that is `true` in the tutorial's refresh tokens and `false` in its access tokens.
const FLAG: &str = "refresh";

impl VerifierBuilder {
    /// Reads tokens as the FastAPI tutorial makes them, and nothing else: the kind is in the claim `refresh`, and `iss`, `aud`,
    /// `sub` and `iat` may be missing. An [`Issuer`](crate::Issuer) for such a verifier mints tokens of that form, which the Python
    /// application accepts too if the claims of the login have its `user`.
    ///
    /// Short for [`any_issuer`](Self::any_issuer), [`any_audience`](Self::any_audience), [`optional`](Self::optional) for `sub` and
    /// `iat`, and [`KindSource::flag`]`("refresh")`; the same limits hold as for any other token.
    ///
    /// The tutorial gives PyJWT the local time for UTC. Where the server's time zone is some hours east of UTC, its tokens live
    /// so much longer than they should, and [`max_lifetime`](Self::max_lifetime) has to be raised by as much, or its newest
    /// refresh tokens are refused (`lifetime`).
    ///
    /// ```
    /// # use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey};
    /// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
    /// # let secret = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
    /// let key = VerifyingKey::from_secret(Algorithm::HS256, secret)?; // the `JWT_SECRET` of the application
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

    /// Accepts tokens as the FastAPI tutorial makes them **beside** those that the other settings ask for: while an application
    /// moves, and both have the same secret.
    ///
    /// The header says whose a token is. With `typ` `at+jwt` or `rt+jwt` it is ours, and everything that is set holds for it in
    /// full. With `typ` `JWT`, or none, it is the tutorial's: then its `refresh` tells the kind, it must not have `iss`, an `aud` must
    /// be ours, and `sub`, `iat` and `sid` may be missing. A token of ours whose `refresh` says something else than its `typ` is
    /// refused. Of the tutorial's tokens [`Authenticated::issuer`](crate::Authenticated::issuer) is `None`.
    ///
    /// Needs [`KindSource::TypHeader`], the default. About time zones see [`fastapi_tokens`](Self::fastapi_tokens). Take it out
    /// when the last of those tokens has ended.
    pub fn also_fastapi_tokens(mut self) -> Self {
        self.tutorial = Tutorial::Beside;
        self
    }
}

/// Whether the tutorial's tokens are accepted beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tutorial {
    Refused,
    Beside,
}

impl Tutorial {
    /// What holds for tokens whose `typ` does not tell the kind, if that is not what holds for all; and of the others, where the
    /// kind is found.
    pub(crate) fn rules(self, ours: &mut Rules) -> Result<Option<Rules>, ConfigError> {
        match (self, &ours.kind) {
            (Self::Refused, _) => return Ok(None),
            (Self::Beside, KindSource::TypHeader) => {}
            (Self::Beside, _) => {
                return Err(ConfigError::setting(
                    "`also_fastapi_tokens` tells the tutorial's tokens by their `typ`: it needs `KindSource::TypHeader`; or take \
                     `fastapi_tokens` for both",
                ));
            }
        }
        ours.kind = KindSource::typ_header_or_flag(FLAG);
        Ok(Some(Rules {
            issuers: Issuers::Anonymous,
            audience: Presence::Optional,
            subject: Presence::Optional,
            issued_at: Presence::Optional,
            session_id: Presence::Optional,
            token_id: TokenIdSource::Jti,
            ..ours.clone()
        }))
    }
}
