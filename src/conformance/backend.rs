//! The store under test, as the cases use it.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use crate::blocklist::{Blocklist, Rotate};

/// A store as the cases see it. Each case gets a new one, which is empty.
pub trait Backend {
    /// Returns one process's view of the store. Its clones are the same blocklist.
    fn node(&self) -> impl Blocklist + Rotate + Clone;

    /// Returns another process's view of the same store: tokens that one has revoked, the other
    /// must reject. A store that lives in one process returns the same as for
    /// [`node`](Self::node).
    fn other_node(&self) -> impl Blocklist + Rotate + Clone;

    /// Returns the time by which the store removes entries. It may stand still between two calls of
    /// [`let_pass`](Self::let_pass).
    fn now(&self) -> SystemTime;

    /// Waits until `duration`, less than a second, has passed for the store, and it has removed
    /// expired entries. A fixture with a clock of its own advances that; any other sleeps. Where a
    /// store removes entries only when something is stored, this stores something that has expired.
    fn let_pass(&self, duration: Duration) -> impl Future<Output = ()>;

    /// Returns the number of stored entries: ids that are revoked, and sessions whose newest
    /// refresh token is known. An id that was revoked twice is one entry. Entries that the store
    /// keeps about itself do not count.
    fn stored(&self) -> impl Future<Output = usize>;
}
