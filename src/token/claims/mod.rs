//! What a token says, once it has been verified.

pub(crate) mod header;
pub(crate) mod kind;
pub(crate) mod payload;
pub(crate) mod rules;
pub(crate) mod token68;

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Presented to use the service.
    Access,
    /// Presented only to get new tokens.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub struct NoClaims {}
