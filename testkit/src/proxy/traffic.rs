//! A proxy's counters, and a way to wait for them.

use tokio::sync::watch;

/// The counters of a [`FaultProxy`](super::FaultProxy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections ever accepted, including refused ones.
    pub accepted: u64,
    /// Connections closed at once.
    pub refused: u64,
    /// Connections that are open now.
    pub connections: u64,
    /// Bytes lost in a black hole.
    pub bytes_swallowed: u64,
}

/// Counts [`Traffic`]. Clones share the counters.
#[derive(Clone, Debug)]
pub(super) struct Meter(watch::Sender<Traffic>);

impl Default for Meter {
    fn default() -> Self {
        Self(watch::Sender::new(Traffic::default()))
    }
}

impl Meter {
    pub(super) fn read(&self) -> Traffic {
        *self.0.borrow()
    }

    pub(super) async fn wait_until(&self, seen: impl FnMut(&Traffic) -> bool) {
        self.0.subscribe().wait_for(seen).await.expect("the meter is its own sender");
    }

    pub(super) fn refused(&self) {
        self.0.send_modify(|traffic| {
            traffic.accepted += 1;
            traffic.refused += 1;
        });
    }

    pub(super) fn swallowed(&self, bytes: usize) {
        self.0.send_modify(|traffic| traffic.bytes_swallowed += bytes as u64);
    }
}

/// A connection that counts as open while this lives.
#[derive(Debug)]
pub(super) struct Live(Meter);

impl Live {
    pub(super) fn count(meter: &Meter) -> Self {
        meter.0.send_modify(|traffic| {
            traffic.accepted += 1;
            traffic.connections += 1;
        });
        Self(meter.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.0.send_modify(|traffic| traffic.connections -= 1);
    }
}
