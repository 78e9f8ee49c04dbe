//! The reasons why a token is not accepted.

use crate::token::claims::ClaimError;

/// The reason why a token is not accepted. A closed set for events and metrics: it holds no text of the
/// token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifyError {
    TooLong,
    Shape,
    Header,
    Algorithm,
    Typ,
    UnknownKey,
    Signature,
    Claim(ClaimError),
    ApplicationClaims,
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
            Self::Claim(error) => error.as_str(),
            Self::ApplicationClaims => "application_claims",
        }
    }
}

impl From<ClaimError> for VerifyError {
    fn from(error: ClaimError) -> Self {
        Self::Claim(error)
    }
}
