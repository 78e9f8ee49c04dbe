//! The two kinds of tokens.

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
