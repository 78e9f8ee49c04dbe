//! Why a request is not let through. No HTTP in here: [`RenderRejection`](crate::RenderRejection) makes an answer of it.

use std::fmt;

use crate::{
    blocklist::{Outage, Scope},
    claims::TokenKind,
    token::VerifyError,
};

/// Why a request is not let through.
///
/// It holds no text of the request: neither its message nor its `Debug` can leak a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    expected: TokenKind,
    reason: Reason,
}

/// The classes of [`Rejection`]s that a client can act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No token was presented.
    Missing,
    /// The request presents a token in a form that cannot be read: more than one, or with blanks in it.
    Malformed,
    /// The token is not acceptable. Everything that is wrong before the signature is proven is this one kind.
    Invalid,
    /// The token is genuine, but its time is over.
    Expired,
    /// The token is genuine, but of the other kind: refresh where access is asked for, or the reverse.
    WrongKind,
    /// The token is genuine, but it or its session was revoked: also because the token had been redeemed before.
    Revoked,
    /// Whether the token was revoked could not be found out.
    Unavailable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NoToken,
    SeveralTokens,
    NotOneToken,
    Unacceptable(VerifyError),
    WrongKind,
    Revoked(Scope),
    BeforeLoss,
    Replayed,
    Outage(Outage),
}

impl Rejection {
    pub(crate) fn new(expected: TokenKind, reason: Reason) -> Self {
        Self { expected, reason }
    }

    /// The class of the reason.
    pub fn kind(&self) -> RejectionKind {
        match self.reason {
            Reason::NoToken => RejectionKind::Missing,
            Reason::SeveralTokens | Reason::NotOneToken => RejectionKind::Malformed,
            Reason::Unacceptable(VerifyError::Expired) => RejectionKind::Expired,
            Reason::Unacceptable(_) => RejectionKind::Invalid,
            Reason::WrongKind => RejectionKind::WrongKind,
            Reason::Revoked(_) | Reason::BeforeLoss | Reason::Replayed => RejectionKind::Revoked,
            Reason::Outage(_) => RejectionKind::Unavailable,
        }
    }

    /// The kind of token that was asked for.
    pub fn expected(&self) -> TokenKind {
        self.expected
    }

    /// The exact reason, one of a closed set: for logs and metrics. Not for the client, whom it would tell before the signature
    /// is proven how far a forgery came.
    ///
    /// `no_token`, `several_tokens`, `not_one_token`; before the signature is proven `too_long`, `shape`, `header`, `algorithm`,
    /// `typ`, `unknown_key`, `signature`; after it `payload`, `cnf`, `iss`, `sub`, `aud`, `jti`, `sid`, `exp`, `nbf`, `iat`,
    /// `lifetime`, `kind`, `refresh_generation`, `application_claims`, `expired`, `wrong_kind`; `token_revoked`, `session_revoked`,
    /// `subject_revoked`, `issuer_revoked`, `before_loss`, `replayed`; `not_connected`, `timed_out`, `failed`, `unexpected_reply`, `overloaded`, `lost`.
    ///
    /// Each refusal is one `tracing` event with the fields `expected` (`access` or `refresh`) and `reason`: at DEBUG, for any client
    /// can cause it, and at WARN when the blocklist did not answer.
    pub fn reason(&self) -> &'static str {
        match self.reason {
            Reason::NoToken => "no_token",
            Reason::SeveralTokens => "several_tokens",
            Reason::NotOneToken => "not_one_token",
            Reason::Unacceptable(error) => error.as_str(),
            Reason::WrongKind => "wrong_kind",
            Reason::Revoked(Scope::Token) => "token_revoked",
            Reason::Revoked(Scope::Session) => "session_revoked",
            Reason::Revoked(Scope::Subject) => "subject_revoked",
            Reason::Revoked(Scope::Issuer) => "issuer_revoked",
            Reason::BeforeLoss => "before_loss",
            Reason::Replayed => "replayed",
            Reason::Outage(outage) => outage.as_str(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} token refused: {}", self.expected, self.reason())
    }
}

impl std::error::Error for Rejection {}
