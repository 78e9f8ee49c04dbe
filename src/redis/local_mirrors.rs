//! The mirrors of this process. They learn of the revocations that this process stores at once.

use std::sync::{
    PoisonError, RwLock, Weak,
    atomic::{AtomicUsize, Ordering},
};

use crate::blocklist::Revocation;

/// A mirror, as the commands that store revocations see it.
pub(crate) trait LocalMirror: Send + Sync {
    /// Adds a revocation that this process has stored.
    fn merge_own(&self, revocation: &Revocation);
}

/// The mirrors that were started in this process and still run.
#[derive(Default)]
pub(crate) struct LocalMirrors {
    all: RwLock<Vec<Weak<dyn LocalMirror>>>,
    /// How many restorations of their entries have begun.
    restorations: AtomicUsize,
}

/// Whether a confirmed revocation is certain to be in the epoch that a restoration opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRestore {
    /// No restoration has begun since. A later one includes the revocation.
    Stored,
    /// A restoration has begun since. The confirmation may be from before the loss, and the
    /// revocation too late to be restored, so it has to be stored again.
    PerhapsLost,
}

impl LocalMirrors {
    pub(crate) fn attach(&self, mirror: Weak<dyn LocalMirror>) {
        let mut mirrors = self.all.write().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|mirror| mirror.strong_count() > 0);
        mirrors.push(mirror);
    }

    /// Returns how many restorations have begun. Read it before a revocation is stored, for
    /// [`notify`](Self::notify).
    pub(crate) fn restorations(&self) -> usize {
        self.restorations.load(Ordering::SeqCst)
    }

    /// Notes that a restoration begins. Call it before the first entry is restored.
    pub(crate) fn note_restore(&self) {
        self.restorations.fetch_add(1, Ordering::SeqCst);
    }

    /// Tells the mirrors about a stored revocation. Returns `PerhapsLost` if a restoration began
    /// meanwhile.
    pub(crate) fn notify(&self, revocation: &Revocation, restorations_before: usize) -> AfterRestore {
        let mirrors = self.all.read().unwrap_or_else(PoisonError::into_inner);
        mirrors.iter().filter_map(Weak::upgrade).for_each(|mirror| mirror.merge_own(revocation));
        if self.restorations() == restorations_before { AfterRestore::Stored } else { AfterRestore::PerhapsLost }
    }
}
