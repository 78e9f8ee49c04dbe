//! How a mirror is: for health checks and metrics.

use std::time::Duration;

/// How a [`MirrorBlocklist`](crate::MirrorBlocklist) is at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorState {
    pub(crate) phase: MirrorPhase,
    pub(crate) age: Option<Duration>,
    pub(crate) entries: usize,
    pub(crate) propagation: Option<Duration>,
}

impl MirrorState {
    /// What it is about.
    pub fn phase(&self) -> MirrorPhase {
        self.phase
    }

    /// For how long it has not been proven that all revocations are held; `None` if it never was. While it is no longer than
    /// [`max_staleness`](crate::MirrorSettings::max_staleness), checks are answered from memory.
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// How many revocations are held; of those that are over, some for half a minute more.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How long the last of its own test entries took from this process through Redis back to this process; `None` before the first. One is
    /// sent at start and each minute.
    pub fn propagation(&self) -> Option<Duration> {
        self.propagation
    }
}

/// What a mirror is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MirrorPhase {
    /// It reads what there is. Checks go to Redis itself.
    Loading,
    /// It holds everything that was revoked up to a moment ago, and answers from memory.
    Fresh,
    /// That was too long ago. Checks go to Redis itself.
    Stale,
    /// There are more revocations than it may hold. Checks go to Redis itself; raise the
    /// [`capacity`](crate::MirrorSettings::capacity).
    Full,
    /// Redis has lost revocations, and those that are held are being put back.
    Lost,
}

impl MirrorPhase {
    pub(crate) const ALL: [Self; 5] = [Self::Loading, Self::Fresh, Self::Stale, Self::Full, Self::Lost];

    /// A name for events and metrics.
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
