//! The reasons why a token is not accepted.

/// The reason why a token is not accepted. A closed set for events and metrics: it holds no text of
/// the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifyError {
    TooLong,
    Shape,
    Header,
    Algorithm,
    Typ,
    UnknownKey,
    Signature,
    Payload,
    Confirmation,
    Issuer,
    Subject,
    Audience,
    TokenId,
    SessionId,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    Lifetime,
    Kind,
    Generation,
    ApplicationClaims,
    Expired,
}

impl VerifyError {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Shape => "shape",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::Typ => "typ",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Payload => "payload",
            Self::Confirmation => "cnf",
            Self::Issuer => "iss",
            Self::Subject => "sub",
            Self::Audience => "aud",
            Self::TokenId => "jti",
            Self::SessionId => "sid",
            Self::ExpiresAt => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
            Self::Lifetime => "lifetime",
            Self::Kind => "kind",
            Self::Generation => "refresh_generation",
            Self::ApplicationClaims => "application_claims",
            Self::Expired => "expired",
        }
    }
}
