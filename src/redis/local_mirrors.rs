//! The mirrors of this process, which learn of its own revocations at once.

use std::sync::{
    PoisonError, RwLock, Weak,
    atomic::{AtomicUsize, Ordering},
};

use crate::blocklist::Revocation;

/// A copy of the revocations in the memory of this process.
pub(crate) trait LocalMirror: Send + Sync {
    /// Adds a revocation that this process has stored.
    fn merge_own(&self, revocation: &Revocation);
}

#[derive(Default)]
pub(crate) struct LocalMirrors {
    all: RwLock<Vec<Weak<dyn LocalMirror>>>,
    /// The number of restores that have begun.
    restorations: AtomicUsize,
}

/// Whether a stored revocation may have been stored in the data that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRestore {
    Stored,
    /// A restore began meanwhile, and may have missed the revocation. It must be stored again.
    PerhapsLost,
}

impl LocalMirrors {
    pub(crate) fn attach(&self, mirror: Weak<dyn LocalMirror>) {
        let mut mirrors = self.all.write().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|mirror| mirror.strong_count() > 0);
        mirrors.push(mirror);
    }

    /// The number of restores so far. Read it before storing, for [`notify`](Self::notify).
    pub(crate) fn restorations(&self) -> usize {
        self.restorations.load(Ordering::SeqCst)
    }

    /// Call before anything is restored.
    pub(crate) fn note_restore(&self) {
        self.restorations.fetch_add(1, Ordering::SeqCst);
    }

    /// Tells the mirrors about a stored revocation. Returns `PerhapsLost` if a restore began
    /// meanwhile.
    pub(crate) fn notify(&self, revocation: &Revocation, restorations_before: usize) -> AfterRestore {
        let mirrors = self.all.read().unwrap_or_else(PoisonError::into_inner);
        mirrors.iter().filter_map(Weak::upgrade).for_each(|mirror| mirror.merge_own(revocation));
        if self.restorations() == restorations_before { AfterRestore::Stored } else { AfterRestore::PerhapsLost }
    }
}
