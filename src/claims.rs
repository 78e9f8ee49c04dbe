//! What a token says, once it has been verified.

use std::fmt;

use serde::Deserialize;

use crate::clock::Timestamp;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Presented to use the service.
    Access,
    /// Presented only to get a new access token.
    Refresh,
}

impl TokenKind {
    /// `access` or `refresh`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The application has no claims of its own: the default wherever a type of application claims is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
pub struct NoClaims {}

/// The claims that this crate itself reads (RFC 7519 §4.1, and `sid`: one login, i.e. an access token, its refresh token and
/// their successors).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RegisteredClaims {
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) token_id: Box<str>,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
}
