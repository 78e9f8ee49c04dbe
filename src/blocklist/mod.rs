//! Which tokens were taken back: the traits, what is asked and told through them, and the backends.

mod cut_off;
mod id;
mod lookup;
mod memory;
mod rotation;

pub(crate) use cut_off::CutOff;
pub use id::{RevocationId, TokenIds};
pub use lookup::Lookup;
pub use memory::MemoryBlocklist;
pub use rotation::{Generation, Redemption, Rotate, RotateFuture, Rotation};

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{clock::Timestamp, compat::RawJti, metrics};

/// What is revoked at once: the smallest unit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationScope {
    /// One token, by its `jti`.
    Token,
    /// One login, by its `sid`: an access token, its refresh token and all their successors.
    Session,
    /// Everything that was issued to one subject, by its `sub`.
    Subject,
    /// Everything that one issuer has issued, by its `iss`.
    Issuer,
}

impl RevocationScope {
    /// A name for events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Issuer => "issuer",
        }
    }
}

/// What a blocklist knows of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Nothing in the list applies to the token.
    NotRevoked,
    /// The token was revoked at this scope; where several apply, any one of them.
    Revoked(RevocationScope),
    /// The token was issued before the store lost its revocations: whether it was one of them, nobody knows any more.
    BeforeLoss,
}

/// Asks whether a token was revoked.
///
/// The rule for every backend: an answer of [`Status::NotRevoked`] means that the list was *read*. What cannot be read, in
/// time and in full, is an [`Outage`]. The layer sets no deadline of its own: a check that never ends holds the request.
pub trait Blocklist: Send + Sync + 'static {
    /// Starts the check. A backend that knows the answer gives it at once ([`Lookup::known`]); then no future is made, boxed or
    /// polled, and the request does not wait.
    fn check(&self, ids: &TokenIds) -> Lookup;

    /// The same for a caller that has just read the clock, by which the token's own times were judged: a backend that needs the time of
    /// day is spared another reading, and the check counts as begun then. What [`check`](Self::check) answers, unless a backend says
    /// otherwise.
    fn check_at(&self, ids: &TokenIds, now: Timestamp) -> Lookup {
        let _ = now;
        self.check(ids)
    }
}

/// Revokes.
///
/// The rules for every backend: `Ok` means *stored*, so that every check that starts later sees it; and nothing ever shortens,
/// lowers or removes a revocation: a second, shorter one is `Ok` and changes nothing. Revoking what has already expired is `Ok`.
pub trait Revoke: Send + Sync + 'static {
    /// Stores a revocation.
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a>;

    /// The latest moment up to which tokens with these ids are refused now, or `None` if they are not: what is minted for them
    /// has to be dated later.
    fn cut_off<'a>(&'a self, ids: &'a TokenIds) -> CutOffFuture<'a>;
}

/// What [`Revoke::cut_off`] returns.
///
/// # Errors
///
/// When the store cannot be read.
pub type CutOffFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Timestamp>, Outage>> + Send + 'a>>;

/// What [`Revoke::revoke`] returns.
///
/// # Errors
///
/// When the revocation was not stored, or not certainly: try again, and tell the user that the logout failed.
pub type RevokeFuture<'a> = Pin<Box<dyn Future<Output = Result<(), RevokeError>> + Send + 'a>>;

/// What is to be refused from now on: a scope, which one of it, and perhaps only what was issued up to some moment.
#[must_use = "nothing is revoked before it is stored: hand it to `Revoke::revoke`"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    scope: RevocationScope,
    id: RevocationId,
    cut_off: CutOff,
    until: Timestamp,
    /// The presented token's own id, and when that can be forgotten: for who looks for nothing else.
    bare: Option<(RawJti, Timestamp)>,
    reason: Option<&'static str>,
}

impl Revocation {
    /// Revokes what `id` names, whenever it was issued. `until` is when the entry may be forgotten: it must lie after the last
    /// instant at which a token that it is for could be accepted, leeway and clock differences included.
    /// [`Authenticated::revocation`](crate::Authenticated::revocation), [`Verifier::subject_revocation`](crate::Verifier::subject_revocation)
    /// and the like, and [`Issuer`](crate::Issuer) compute it.
    pub fn new(scope: RevocationScope, id: RevocationId, until: Timestamp) -> Self {
        Self { scope, id, cut_off: CutOff::ALWAYS, until, bare: None, reason: None }
    }

    /// Revokes a session, for ever: whatever token of it exists now ends within `kept_for`, the longest that any is accepted.
    pub(crate) fn of_session(session: RevocationId, now: Timestamp, kept_for: Duration) -> Self {
        // By the hour, so that logging out again and again is one entry.
        Self::new(RevocationScope::Session, session, (now + kept_for).next_hour())
    }

    /// Revokes what was issued up to `moment`, and is accepted for no longer than `kept_for` from then on.
    pub(crate) fn of_before(scope: RevocationScope, id: RevocationId, moment: Timestamp, kept_for: Duration) -> Self {
        Self::new(scope, id, moment + kept_for).issued_up_to(moment)
    }

    /// Why: a word of the application, such as `password_changed`. It ends up in the log of the program (INFO) and in that of Redis,
    /// beside the entry; no text of a user or a token ever does.
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// And this token by its bare id, where the store keeps such entries.
    pub(crate) fn with_legacy_key(mut self, id: Option<RawJti>, until: Timestamp) -> Self {
        self.bare = id.map(|id| (id, until));
        self
    }

    /// Only what was issued up to `moment`: a subject can log in again.
    pub fn issued_up_to(mut self, moment: Timestamp) -> Self {
        self.cut_off = CutOff::up_to(moment);
        self
    }

    /// Replaces which tokens of it are refused.
    #[cfg(feature = "redis")]
    pub(crate) fn with_cut_off(mut self, cut_off: CutOff) -> Self {
        self.cut_off = cut_off;
        self
    }

    /// All but the tokens of this session.
    pub fn except_session(mut self, session: RevocationId) -> Self {
        self.cut_off = self.cut_off.but_for(session);
        self
    }

    /// What is revoked.
    pub fn scope(&self) -> RevocationScope {
        self.scope
    }

    /// Which one.
    pub fn id(&self) -> RevocationId {
        self.id
    }

    /// Which tokens of it are refused, by when they were issued.
    pub(crate) fn cut_off(&self) -> CutOff {
        self.cut_off
    }

    /// The presented token's own id, and when its entry may be forgotten.
    #[cfg(feature = "redis")]
    pub(crate) fn bare(&self) -> Option<(RawJti, Timestamp)> {
        self.bare
    }

    /// Why, for the program's log and the store's: see [`because`](Self::because).
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// When the entry may be forgotten.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// For backends: what became of it, passed on.
    pub(crate) fn reported(&self, outcome: Result<(), RevokeError>) -> Result<(), RevokeError> {
        let (scope, outcome_name) = (self.scope.as_str(), outcome.map_or_else(RevokeError::as_str, |()| "stored"));
        metrics::revoked(scope, outcome_name);
        if let Some(reason) = self.reason {
            tracing::info!(scope, reason, outcome = outcome_name, "revoked");
        }
        outcome
    }
}

/// Why a check got no answer. It is never an answer: the default is to refuse with 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// There is no live connection to the store.
    NotConnected,
    /// The store did not answer within the deadline.
    TimedOut,
    /// The store answered with an error.
    Failed,
    /// The store's answer is not of the expected form.
    UnexpectedReply,
    /// So many checks are under way that this one was not begun.
    Overloaded,
    /// The store has lost revocations, and it was chosen to wait until somebody has seen to it.
    Lost,
}

impl Outage {
    /// A name for events and metrics.
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

    /// Whether an [`OutagePolicy`](crate::OutagePolicy) can let a token through: not where the store has lost what it knew, nor
    /// where clients themselves can bring it about.
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
            Self::UnexpectedReply => "the revocation store answered something unexpected",
            Self::Overloaded => "too many revocation checks are under way",
            Self::Lost => "the revocation store has lost revocations: restore its data, or initialize it",
        })
    }
}

impl std::error::Error for Outage {}

/// Why a revocation was not stored, or not certainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeError {
    /// The store holds as many revocations as it may. None of them is dropped for a new one.
    Full,
    /// The token has no `sub` or no `sid`, and does not tell other sessions from its own.
    NoSession,
    /// The verifier accepts no token of this issuer, so there is none to refuse: its name is the `iss` of its tokens, byte for byte.
    UnknownIssuer,
    /// The store has it, but too few replicas confirmed that they have it too: a failover now could lose it. Trying again is safe.
    NotReplicated,
    /// The store could not be asked, or did not confirm.
    Outage(Outage),
}

impl From<Outage> for RevokeError {
    fn from(outage: Outage) -> Self {
        Self::Outage(outage)
    }
}

impl RevokeError {
    /// A name for events and metrics.
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
            Self::NoSession => {
                f.write_str("the token has no `sub` or no `sid`: there are no other sessions to tell from its own")
            }
            Self::UnknownIssuer => f.write_str(
                "the verifier accepts no token of this issuer: name it as the `iss` of its tokens does, byte for byte",
            ),
            Self::NotReplicated => {
                f.write_str("the revocation is stored, but too few replicas have confirmed it: try again")
            }
            Self::Outage(outage) => write!(f, "the revocation was not confirmed: {outage}"),
        }
    }
}

impl std::error::Error for RevokeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full | Self::NoSession | Self::UnknownIssuer | Self::NotReplicated => None,
            Self::Outage(outage) => Some(outage),
        }
    }
}

impl<T: Blocklist + ?Sized> Blocklist for Arc<T> {
    fn check(&self, ids: &TokenIds) -> Lookup {
        (**self).check(ids)
    }

    fn check_at(&self, ids: &TokenIds, now: Timestamp) -> Lookup {
        (**self).check_at(ids, now)
    }
}

impl<T: Revoke + ?Sized> Revoke for Arc<T> {
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        (**self).revoke(revocation)
    }

    fn cut_off<'a>(&'a self, ids: &'a TokenIds) -> CutOffFuture<'a> {
        (**self).cut_off(ids)
    }
}
