//! A blocklist whose answers a test controls.

use std::{
    future,
    mem::replace,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::SystemTime,
};

use tokio::sync::Notify;
use tower_jwt_blocklist::blocklist::{
    Blocklist, CutOffFuture, Lookup, Outage, Redemption, Revocation, RevocationId, RevocationScope, Revoke,
    RevokeError, RevokeFuture, Rotate, RotateFuture, Status, TokenIds,
};

pub type Answer = Result<Status, Outage>;

pub const CLEAR: Answer = Ok(Status::NotRevoked);
pub const REVOKED: Answer = Ok(Status::Revoked(RevocationScope::Session));
pub const TIMED_OUT: Answer = Err(Outage::TimedOut);

/// The moment at which the answer to a check is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At the call.
    AtOnce,
    /// From a future, at its second poll.
    Later,
    /// From a future, at its first poll.
    Soon,
    /// Alternates between `Soon` and `AtOnce`.
    InTurn,
    /// When the test calls `release`.
    OnDemand,
}

/// A blocklist with one answer, which a test can replace. Clones share it. It counts the checks,
/// and every write fails.
#[derive(Debug, Clone)]
pub struct StubBlocklist {
    answer: Arc<Mutex<Answer>>,
    pace: Pace,
    asked: Arc<AtomicUsize>,
    released: Arc<Notify>,
}

impl StubBlocklist {
    pub fn new(answer: Answer) -> Self {
        Self {
            answer: Arc::new(Mutex::new(answer)),
            pace: Pace::AtOnce,
            asked: Arc::default(),
            released: Arc::default(),
        }
    }

    /// A blocklist that has revoked nothing.
    pub fn clear() -> Self {
        Self::new(CLEAR)
    }

    pub fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Sets the answer from here on.
    pub fn tell(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The number of checks.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Lets one waiting check continue.
    pub fn release(&self) {
        self.released.notify_one();
    }
}

impl Blocklist for StubBlocklist {
    fn check(&self, _ids: &TokenIds, _now: SystemTime) -> Lookup {
        let earlier = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = *self.answer.lock().unwrap();
        match self.pace {
            Pace::AtOnce => Lookup::known(answer),
            Pace::InTurn if earlier % 2 == 1 => Lookup::known(answer),
            Pace::InTurn | Pace::Soon => Lookup::waiting(future::ready(answer)),
            Pace::Later => {
                let mut looked = false;
                Lookup::waiting(future::poll_fn(move |context| {
                    if replace(&mut looked, true) {
                        return Poll::Ready(answer);
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                }))
            }
            Pace::OnDemand => {
                let released = self.released.clone();
                Lookup::waiting(async move {
                    released.notified().await;
                    answer
                })
            }
        }
    }
}

impl Revoke for StubBlocklist {
    fn store<'a>(&'a self, _: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async { Err(RevokeError::Outage(Outage::TimedOut)) })
    }

    fn cut_off(&self, _: RevocationId, _: Option<RevocationId>) -> CutOffFuture<'_> {
        Box::pin(async { Err(Outage::TimedOut) })
    }
}

impl Rotate for StubBlocklist {
    fn rotate<'a>(&'a self, _: &'a Redemption) -> RotateFuture<'a> {
        Box::pin(async { Err(RevokeError::Outage(Outage::TimedOut)) })
    }
}
