//! Tokens: the only folder that names jsonwebtoken.

mod builder;
mod cache;
mod claims;
mod revocation;
mod signer;
mod trusted_issuers;
mod verifier;
#[cfg(test)]
mod wycheproof;

pub(crate) use builder::{GENERATION, RESERVED_CLAIMS, SESSION_BEGAN};
pub use builder::{OptionalClaim, VerifierBuilder};
pub use cache::TokenCache;
pub(crate) use cache::VerifiedTokens;
pub use claims::kind::KindSource;
pub(crate) use claims::payload::Payload;
pub(crate) use claims::rules::{Issuers, Presence, Rules};
pub(crate) use claims::token68::token68;
pub use claims::{NoClaims, TokenKind};
pub(crate) use signer::Signer;
pub use verifier::Verifier;
pub(crate) use verifier::{RegisteredClaims, Verified};

/// Where the id comes from by which a single token is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenIdSource {
    /// The `jti` claim; a token without it is refused. The default.
    #[default]
    Jti,
    /// The `jti` claim, else the SHA-256 of the signed text (`header.payload`). For issuers that set no `jti`: then equal
    /// tokens, minted twice in one second, are one token.
    JtiOrHash,
}

/// Why a token is not accepted. A closed set for events and metrics: no text of the token is in it.
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
