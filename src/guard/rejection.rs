//! Why a request is not let through. No HTTP in here: [`RenderRejection`](crate::RenderRejection) makes an answer of it.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::{Outage, RevocationScope},
    token::{TokenKind, VerifyError},
};

/// Why a request is not let through.
///
/// It holds no text of the request: neither its message nor its `Debug` can leak a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    expected: TokenKind,
    reason: Reason,
    wanted: Option<Arc<Wanted>>,
}

/// What the client is told that it would need. Settings of the program, in characters that a header can hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) scope: Option<Box<str>>,
    pub(crate) acr_values: Option<Box<str>>,
    pub(crate) max_age: Option<Duration>,
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
    /// The token is good, but has not the scopes or roles that the route asks for: see [`Rejection::scope`].
    InsufficientScope,
    /// The token is good, but the user has to log in again, or by stronger means: see [`Rejection::max_age`] and
    /// [`Rejection::acr_values`].
    InsufficientAuthentication,
    /// The token is good, but a condition of the application does not hold.
    Forbidden,
    /// A cookie came with a request that another site may have caused.
    CrossSite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NoToken,
    SeveralTokens,
    NotOneToken,
    Unacceptable(VerifyError),
    WrongKind,
    Revoked(RevocationScope),
    BeforeLoss,
    Replayed,
    Outage(Outage),
    TokenAge,
    InsufficientScope,
    Role,
    LoginAge,
    Acr,
    Condition,
    CrossSite,
}

impl Rejection {
    pub(crate) fn new(expected: TokenKind, reason: Reason) -> Self {
        Self { expected, reason, wanted: None }
    }

    pub(crate) fn wanting(self, wanted: Arc<Wanted>) -> Self {
        Self { wanted: Some(wanted), ..self }
    }

    /// The class of the reason.
    pub fn kind(&self) -> RejectionKind {
        match self.reason {
            Reason::NoToken => RejectionKind::Missing,
            Reason::SeveralTokens | Reason::NotOneToken => RejectionKind::Malformed,
            Reason::Unacceptable(VerifyError::Expired) | Reason::TokenAge => RejectionKind::Expired,
            Reason::Unacceptable(_) => RejectionKind::Invalid,
            Reason::WrongKind => RejectionKind::WrongKind,
            Reason::Revoked(_) | Reason::BeforeLoss | Reason::Replayed => RejectionKind::Revoked,
            Reason::Outage(_) => RejectionKind::Unavailable,
            Reason::InsufficientScope | Reason::Role => RejectionKind::InsufficientScope,
            Reason::LoginAge | Reason::Acr => RejectionKind::InsufficientAuthentication,
            Reason::Condition => RejectionKind::Forbidden,
            Reason::CrossSite => RejectionKind::CrossSite,
        }
    }

    /// The kind of token that was asked for.
    pub fn expected(&self) -> TokenKind {
        self.expected
    }

    /// The scopes that the route asks for, separated by spaces, where that is why.
    pub fn scope(&self) -> Option<&str> {
        self.wanted.as_ref().filter(|_| self.reason == Reason::InsufficientScope)?.scope.as_deref()
    }

    /// How long ago the login may be, where the user has to log in again.
    pub fn max_age(&self) -> Option<Duration> {
        self.login_wanted()?.max_age
    }

    /// The ways of logging in that the route accepts, separated by spaces, where the user has to log in again.
    pub fn acr_values(&self) -> Option<&str> {
        self.login_wanted()?.acr_values.as_deref()
    }

    fn login_wanted(&self) -> Option<&Wanted> {
        self.wanted.as_deref().filter(|_| matches!(self.reason, Reason::LoginAge | Reason::Acr))
    }

    /// The exact reason, one of a closed set: for logs and metrics. Not for the client, whom it would tell before the signature
    /// is proven how far a forgery came.
    ///
    /// `no_token`, `several_tokens`, `not_one_token`; before the signature is proven `too_long`, `shape`, `header`, `algorithm`,
    /// `typ`, `unknown_key`, `signature`; after it `payload`, `cnf`, `iss`, `sub`, `aud`, `jti`, `sid`, `exp`, `nbf`, `iat`,
    /// `lifetime`, `kind`, `refresh_generation`, `application_claims`, `expired`, `wrong_kind`; `token_revoked`, `session_revoked`,
    /// `subject_revoked`, `issuer_revoked`, `before_loss`, `replayed`; `not_connected`, `timed_out`, `failed`,
    /// `unexpected_reply`, `overloaded`, `lost`; of what a [`Require`](crate::Require) or a condition asks for `token_age`, `scope`, `role`,
    /// `login_age`, `acr`, `condition`; before any token is looked at `cross_site`.
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
            Reason::Revoked(RevocationScope::Token) => "token_revoked",
            Reason::Revoked(RevocationScope::Session) => "session_revoked",
            Reason::Revoked(RevocationScope::Subject) => "subject_revoked",
            Reason::Revoked(RevocationScope::Issuer) => "issuer_revoked",
            Reason::BeforeLoss => "before_loss",
            Reason::Replayed => "replayed",
            Reason::Outage(outage) => outage.as_str(),
            Reason::TokenAge => "token_age",
            Reason::InsufficientScope => "scope",
            Reason::Role => "role",
            Reason::LoginAge => "login_age",
            Reason::Acr => "acr",
            Reason::Condition => "condition",
            Reason::CrossSite => "cross_site",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} token refused: {}", self.expected, self.reason())
    }
}

impl std::error::Error for Rejection {}
