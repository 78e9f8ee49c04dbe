//! The answer to a check: known at once, or awaited.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::{
    blocklist::{error::Outage, id::RevocationScope},
    metrics::{self, Stopwatch},
};

/// A store's answer about one token.
// An answer between these, which a store cannot give today, must not be a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// No revocation applies to the token.
    NotRevoked,
    /// The token was revoked in this scope. If several apply, it is any one of them.
    Revoked(RevocationScope),
    /// The token was issued before the store lost its revocations. It may have been revoked.
    BeforeLoss,
}

type Answer = Result<Status, Outage>;

/// The future of [`Blocklist::check`](crate::blocklist::Blocklist::check). The answer may be known
/// already.
///
/// It is one concrete type, so `dyn Blocklist` is possible. It allocates only if the answer must be
/// awaited.
#[must_use = "a check decides nothing until its answer is read"]
pub struct Lookup(State);

enum State {
    Known(Answer),
    Waiting(Pin<Box<dyn Future<Output = Answer> + Send>>, Stopwatch),
}

impl Lookup {
    /// Wraps an answer that is known already.
    pub fn known(answer: Result<Status, Outage>) -> Self {
        Self(State::Known(answer))
    }

    /// Wraps an answer that must be awaited.
    pub fn waiting(answer: impl Future<Output = Result<Status, Outage>> + Send + 'static) -> Self {
        Self(State::Waiting(Box::pin(answer), Stopwatch::start()))
    }

    /// The answer, if it is known already.
    pub(crate) fn answer(&self) -> Option<Answer> {
        match self.0 {
            State::Known(answer) => Some(answer),
            State::Waiting(..) => None,
        }
    }
}

impl Future for Lookup {
    type Output = Result<Status, Outage>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.0 {
            State::Known(answer) => *answer,
            State::Waiting(future, since) => {
                let answer = ready!(future.as_mut().poll(context));
                metrics::waited(*since);
                answer
            }
        };
        // A future must not be polled after it was ready, but a `Lookup` may be.
        self.0 = State::Known(answer);
        Poll::Ready(answer)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.answer()).finish()
    }
}
