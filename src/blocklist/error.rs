//! The errors of a store: a check without an answer, and a revocation that was not stored.

use std::{error::Error, fmt};

/// The reason that a check has no answer. It never means "not revoked": by default the request is
/// rejected with 503.
// A new way for a store to fail must not be a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// There is no live connection to the store.
    NotConnected,
    /// The store did not answer within the deadline.
    TimedOut,
    /// The store answered with an error.
    Failed,
    /// The store's answer does not have the expected form.
    UnexpectedReply,
    /// Too many checks are in progress, so this one was not started.
    Overloaded,
    /// The store has lost revocations, and is configured to wait for an operator.
    Lost,
}

impl Outage {
    /// Returns the name for log events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::UnexpectedReply => "unexpected_reply",
            Self::Overloaded => "overloaded",
            Self::Lost => "lost",
        }
    }

    /// Whether an [`OutagePolicy`](crate::OutagePolicy) may admit a token during this outage.
    ///
    /// It may not after a loss, when the store's knowledge is gone for good, nor under an overload,
    /// which clients can cause themselves.
    pub(crate) const fn can_be_overlooked(self) -> bool {
        match self {
            Self::NotConnected | Self::TimedOut | Self::Failed | Self::UnexpectedReply => true,
            Self::Overloaded | Self::Lost => false,
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "there is no connection to the revocation store",
            Self::TimedOut => "the revocation store did not answer in time",
            Self::Failed => "the revocation store answered with an error",
            Self::UnexpectedReply => "the revocation store's answer has an unexpected form",
            Self::Overloaded => "too many revocation checks are in progress",
            Self::Lost => "the revocation store has lost revocations: restore its data, or initialize it",
        })
    }
}

impl Error for Outage {}

/// The reason that a revocation was not stored, or not certainly.
// A new way for a store to fail must not be a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeError {
    /// The store is full. It does not drop a revocation to make room for another.
    Full,
    /// The token has no `sub` or no `sid`, so the subject's other sessions cannot be told from its
    /// own.
    NoSession,
    /// The verifier accepts no token of this issuer, so there is nothing to revoke. The name must
    /// be the `iss` of the issuer's tokens, byte for byte.
    UnknownIssuer,
    /// The store has the revocation, but too few replicas confirmed it: a failover now could lose
    /// it. Trying again is safe.
    NotReplicated,
    /// The store cannot be reached, or did not confirm.
    Outage(Outage),
}

impl From<Outage> for RevokeError {
    fn from(outage: Outage) -> Self {
        Self::Outage(outage)
    }
}

impl RevokeError {
    /// Returns the name for log events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoSession => "no_session",
            Self::UnknownIssuer => "unknown_issuer",
            Self::NotReplicated => "not_replicated",
            Self::Outage(outage) => outage.as_str(),
        }
    }
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the blocklist is full: raise its capacity"),
            Self::NoSession => f.write_str(
                "the token has no `sub` or no `sid`: other sessions of the subject cannot be told from its own",
            ),
            Self::UnknownIssuer => {
                f.write_str("the verifier accepts no token of this issuer: pass the `iss` of its tokens, byte for byte")
            }
            Self::NotReplicated => {
                f.write_str("the revocation is stored, but too few replicas have confirmed it: try again")
            }
            Self::Outage(outage) => write!(f, "the revocation was not confirmed: {outage}"),
        }
    }
}

impl Error for RevokeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Full | Self::NoSession | Self::UnknownIssuer | Self::NotReplicated => None,
            Self::Outage(outage) => Some(outage),
        }
    }
}
