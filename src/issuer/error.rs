//! The errors of minting.

use std::fmt;

use crate::blocklist::Outage;

/// The reason that no token was minted.
// A new reason must not be a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// The application's claims are not a JSON object.
    ClaimsNotAnObject,
    /// One of the application's claims has the name of a registered claim, or of the claim that
    /// names the kind.
    ReservedClaim,
    /// The application's claims are nested more than 100 levels deep.
    TooDeep,
    /// The token would be longer than the verifier accepts.
    TooLong,
    /// The subject is empty or longer than 1024 bytes.
    Subject,
    /// The proof is of an access token, but a refresh token is required.
    NotRefresh,
    /// The refresh token is another application's (without `iss`), so it has no session of this
    /// issuer. Begin one with [`Issuer::login`](crate::Issuer::login).
    ForeignSession,
    /// The refresh token has no `sid`, so there is no session to continue.
    NoSession,
    /// The store is full. Nothing was redeemed.
    Full,
    /// The subject's or the issuer's tokens are revoked up to a moment in the future: for ever, or
    /// a clock is wrong.
    Revoked,
    /// The store could not be read, or could not redeem the refresh token. Respond with 503; the
    /// token can be used again. [`source`](std::error::Error::source) is the [`Outage`].
    Outage(Outage),
    /// The operating system provides no random numbers.
    Random,
    /// The key could not sign.
    Signing,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "tokens of this subject or issuer are revoked up to a moment in the future",
            Self::Outage(outage) => return write!(f, "no token was minted: {outage}"),
            Self::ClaimsNotAnObject => {
                "the application's claims must serialize to a JSON object: use a struct or a map"
            }
            Self::ReservedClaim => "an application claim has the name of a registered claim: rename it",
            Self::TooDeep => "the application's claims are nested over 100 levels deep: make them flatter",
            Self::TooLong => "the token would be too long: put less into its claims, or raise `max_token_bytes`",
            Self::Subject => "the subject must have 1 to 1024 bytes",
            Self::NotRefresh => "a refresh token is required: put `JwtBlocklistLayer::refresh` in front of this route",
            Self::ForeignSession => {
                "the refresh token is another application's: begin a session of this issuer with `login`"
            }
            Self::NoSession => "the refresh token has no `sid`, so there is no session to continue",
            Self::Full => "the store is full: raise its capacity",
            Self::Random => "the operating system provides no random numbers",
            Self::Signing => "the key could not sign",
        })
    }
}

impl std::error::Error for IssueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Outage(outage) => Some(outage),
            _ => None,
        }
    }
}
