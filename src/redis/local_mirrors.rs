//! The mirrors of this process, which learn of its own revocations at once.

use std::sync::{PoisonError, RwLock, Weak};

use crate::blocklist::Revocation;

/// A copy of the revocations in the memory of this process.
pub(crate) trait LocalMirror: Send + Sync {
    /// Adds a revocation that this process has stored.
    fn merge_own(&self, revocation: &Revocation);
}

#[derive(Default)]
pub(crate) struct LocalMirrors(RwLock<Vec<Weak<dyn LocalMirror>>>);

impl LocalMirrors {
    pub(crate) fn attach(&self, mirror: Weak<dyn LocalMirror>) {
        let mut mirrors = self.0.write().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|mirror| mirror.strong_count() > 0);
        mirrors.push(mirror);
    }

    /// Tells the mirrors about a stored revocation.
    pub(crate) fn notify(&self, revocation: &Revocation) {
        let mirrors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        mirrors.iter().filter_map(Weak::upgrade).for_each(|mirror| mirror.merge_own(revocation));
    }
}
