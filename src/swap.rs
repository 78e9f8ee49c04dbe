//! A shared value that is replaced as a whole.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// Readers keep the value that they have loaded. They wait for a writer only while it exchanges a
/// pointer.
pub(crate) struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn store(&self, value: impl Into<Arc<T>>) {
        let value = value.into();
        let old = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), value);
        // The statement above has released the lock: dropping a large value does not block readers.
        drop(old);
    }
}

impl<T> From<Swap<T>> for Arc<T> {
    fn from(swap: Swap<T>) -> Self {
        swap.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}
