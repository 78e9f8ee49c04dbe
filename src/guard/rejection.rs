//! The reasons for rejecting a request. HTTP is elsewhere:
//! [`RenderRejection`](crate::reject::RenderRejection) renders a response.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::{Outage, RevocationScope},
    token::{ClaimError, TokenKind, VerifyError},
};

/// A rejected request: the reason, and what the route requires.
///
/// It holds no text of the request, so neither its message nor its `Debug` can leak a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    expected: TokenKind,
    reason: Reason,
    wanted: Option<Arc<Wanted>>,
}

/// The requirements named to the client: settings of the program, in characters that a header can
/// hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) scope: Option<Box<str>>,
    pub(crate) acr_values: Option<Box<str>>,
    pub(crate) max_age: Option<Duration>,
}

/// The classes of [`Rejection`]s that a client can act upon.
// A new class must not be a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No token was presented.
    Missing,
    /// The request presents several tokens, or one in a form that cannot be read.
    Malformed,
    /// The token is not acceptable. Every fault found before the signature is proven has this kind.
    Invalid,
    /// The token is genuine, but has expired.
    Expired,
    /// The token is genuine, but of the other kind: a refresh token instead of an access token, or
    /// the reverse.
    WrongKind,
    /// The token is genuine, but was revoked, or is a refresh token that was redeemed earlier.
    Revoked,
    /// The blocklist has no answer whether the token was revoked.
    Unavailable,
    /// The token is good, but lacks a scope or role that the route requires: see
    /// [`Rejection::scope`].
    InsufficientScope,
    /// The token is good, but the route requires a more recent or stronger login: see
    /// [`Rejection::max_age`] and [`Rejection::acr_values`].
    InsufficientAuthentication,
    /// The token is good, but a condition of the application does not hold.
    Forbidden,
    /// The token is in a cookie, and another site may have caused the request.
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

    /// Returns the class of the reason.
    pub fn kind(&self) -> RejectionKind {
        match self.reason {
            Reason::NoToken => RejectionKind::Missing,
            Reason::SeveralTokens | Reason::NotOneToken => RejectionKind::Malformed,
            Reason::Unacceptable(VerifyError::Claim(ClaimError::Expired)) | Reason::TokenAge => RejectionKind::Expired,
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

    /// Returns the required kind of token.
    pub fn expected(&self) -> TokenKind {
        self.expected
    }

    /// Returns the required scopes, separated by spaces, if they are the reason.
    pub fn scope(&self) -> Option<&str> {
        self.wanted.as_ref().filter(|_| self.reason == Reason::InsufficientScope)?.scope.as_deref()
    }

    /// Returns how long ago the login may be, if the user has to log in again.
    pub fn max_age(&self) -> Option<Duration> {
        self.login_wanted()?.max_age
    }

    /// Returns the accepted login methods (`acr`), separated by spaces, if the user has to log in
    /// again.
    pub fn acr_values(&self) -> Option<&str> {
        self.login_wanted()?.acr_values.as_deref()
    }

    fn login_wanted(&self) -> Option<&Wanted> {
        self.wanted.as_deref().filter(|_| matches!(self.reason, Reason::LoginAge | Reason::Acr))
    }

    /// Returns the exact reason, one of a closed set, for logs and metrics. Do not send it to the
    /// client: it would tell how far a forged token came.
    ///
    /// `no_token`, `several_tokens`, `not_one_token`; before the signature is proven `too_long`,
    /// `shape`, `header`, `algorithm`, `typ`, `unknown_key`, `signature`; after it `payload`,
    /// `cnf`, `iss`, `sub`, `aud`, `jti`, `sid`, `exp`, `nbf`, `iat`, `lifetime`, `kind`,
    /// `refresh_generation`, `application_claims`, `expired`, `wrong_kind`; `token_revoked`,
    /// `session_revoked`, `subject_revoked`, `issuer_revoked`, `before_loss`, `replayed`;
    /// `not_connected`, `timed_out`, `failed`, `unexpected_reply`, `overloaded`, `lost`; for a
    /// [`Require`](crate::Require) or a condition `token_age`, `scope`, `role`, `login_age`, `acr`,
    /// `condition`; before any token is read `cross_site`.
    ///
    /// Each rejection is one `tracing` event with the fields `expected` (`access` or `refresh`) and
    /// `reason`. Its level is DEBUG, because any client can cause it, or WARN if the blocklist did
    /// not answer.
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
        write!(f, "{} token rejected: {}", self.expected, self.reason())
    }
}

impl std::error::Error for Rejection {}
