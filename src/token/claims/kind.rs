//! The two kinds of tokens, and the `typ` that names them.

use std::fmt;

/// The purpose of a token.
///
/// A token of one kind is never accepted in place of the other (RFC 8725 §3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a third kind would need decisions of every caller")]
pub enum TokenKind {
    /// A token that is presented to use the service.
    Access,
    /// A token that is presented only to get new tokens.
    Refresh,
}

impl TokenKind {
    /// Returns `access` or `refresh`.
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

/// The `typ` header (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typ {
    /// Absent, or `JWT`, which says nothing about the kind.
    Unspecified,
    Of(TokenKind),
}

impl Typ {
    /// The `typ` of this name, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Unspecified, Self::Of(TokenKind::Access), Self::Of(TokenKind::Refresh)]
            .into_iter()
            .find(|typ| typ.name().eq_ignore_ascii_case(name))
    }

    /// The kind, if `typ` names one.
    pub(crate) const fn kind(self) -> Option<TokenKind> {
        match self {
            Self::Unspecified => None,
            Self::Of(kind) => Some(kind),
        }
    }

    /// `at+jwt` is that of RFC 9068 §2.1. There is no registered name for refresh tokens, so `rt+jwt` is this
    /// crate's own.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "JWT",
            Self::Of(TokenKind::Access) => "at+jwt",
            Self::Of(TokenKind::Refresh) => "rt+jwt",
        }
    }
}
