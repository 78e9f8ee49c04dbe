//! Why no token was minted.

use std::fmt;

use crate::blocklist::Outage;

/// Why no token was minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// The application's claims are not a JSON object.
    ClaimsNotAnObject,
    /// One of the application's claims has the name of a registered claim, or of the one that tells the kind.
    ReservedClaim,
    /// The application's claims are nested deeper than a verifier reads.
    TooDeep,
    /// The token would be longer than the verifier accepts.
    TooLong,
    /// The subject is empty or longer than 1024 bytes.
    Subject,
    /// Not a refresh token: only with one of those new tokens are minted.
    NotRefresh,
    /// The refresh token is another application's, of [`also_fastapi_tokens`](crate::VerifierBuilder::also_fastapi_tokens): it
    /// has no session of this issuer. Begin one with [`Issuer::login`](crate::Issuer::login).
    ForeignSession,
    /// The refresh token has no `sid`: there is no session to go on with.
    NoSession,
    /// The store holds as many entries as it may: nothing was redeemed.
    Full,
    /// The subject's or the issuer's tokens are revoked up to a moment that lies ahead: for good, or a clock is wrong.
    Revoked,
    /// The store could not be asked: whether the subject's tokens are revoked, or to redeem the refresh token. Answer 503. The
    /// token can be used again.
    Outage(Outage),
    /// The operating system has no random numbers.
    Random,
    /// The key could not sign.
    Signing,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "tokens of this subject or issuer are revoked up to a moment that lies ahead",
            Self::Outage(outage) => return write!(f, "no token was minted: {outage}"),
            Self::ClaimsNotAnObject => {
                "the application's claims must serialize to a JSON object: use a struct or a map"
            }
            Self::ReservedClaim => "an application claim has the name of a registered claim: rename it",
            Self::TooDeep => "the application's claims are nested over 100 levels deep: make them flatter",
            Self::TooLong => "the token would be too long: put less into its claims, or raise `max_token_bytes`",
            Self::Subject => "the subject must have 1 to 1024 bytes",
            Self::NotRefresh => "a refresh token is needed: put `JwtBlocklistLayer::refresh` in front of this route",
            Self::ForeignSession => {
                "the refresh token is another application's: begin a session of this issuer with `login`"
            }
            Self::NoSession => "the refresh token has no `sid`: there is no session to go on with",
            Self::Full => "the store is full: raise its capacity",
            Self::Random => "the operating system has no random numbers",
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
