//! A mirror's state, for health checks and metrics.

use std::time::Duration;

/// The current state of a [`MirrorBlocklist`](crate::MirrorBlocklist), for health checks and
/// metrics.
///
/// It is a snapshot: [`state`](crate::MirrorBlocklist::state) reads it without asking Redis.
///
/// ```no_run
/// # use tower_jwt_blocklist::{MirrorBlocklist, redis::MirrorPhase};
/// # fn f(mirror: &MirrorBlocklist) {
/// let state = mirror.state();
/// if state.phase() != MirrorPhase::Fresh {
///     eprintln!("the mirror is {}, last proven complete {:?} ago", state.phase().as_str(), state.age());
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorState {
    pub(crate) phase: MirrorPhase,
    pub(crate) age: Option<Duration>,
    pub(crate) entries: usize,
    pub(crate) propagation: Option<Duration>,
}

impl MirrorState {
    /// The current phase.
    pub fn phase(&self) -> MirrorPhase {
        self.phase
    }

    /// The age of the last proof that the mirror has every revocation.
    ///
    /// `None` if there is no such proof: before the first one, and while the mirror reads
    /// everything again. Checks are answered from memory while the age is at most
    /// [`max_staleness`](crate::redis::MirrorSettings::max_staleness).
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// The number of revocations in memory. Expired ones are counted for up to half a minute
    /// longer.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The time that the mirror's last test entry took from this process through Redis and back.
    ///
    /// `None` before the first has arrived. The mirror sends one when it starts, and then one each
    /// minute.
    pub fn propagation(&self) -> Option<Duration> {
        self.propagation
    }
}

/// The phase that a mirror is in.
///
/// In every phase, a revocation that is in memory is rejected. The phase decides what happens to
/// all other tokens: only a [`Fresh`](Self::Fresh) mirror answers them from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MirrorPhase {
    /// The mirror reads the existing revocations. Checks go to Redis.
    Loading,
    /// The mirror has every revocation up to a moment ago, and answers checks from memory.
    Fresh,
    /// The last proof of completeness is too old. Checks go to Redis.
    Stale,
    /// There are more revocations than the mirror may store. Checks go to Redis until there is
    /// room; raise the [`capacity`](crate::redis::MirrorSettings::capacity).
    Full,
    /// Redis has lost revocations, and the mirrors are restoring them.
    Lost,
}

impl MirrorPhase {
    pub(crate) const ALL: [Self; 5] = [Self::Loading, Self::Fresh, Self::Stale, Self::Full, Self::Lost];

    /// The phase's name in log events and metrics, such as `"fresh"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Full => "full",
            Self::Lost => "lost",
        }
    }
}
