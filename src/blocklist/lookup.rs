//! The answer to a check, now or later.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::{
    blocklist::{Outage, Status},
    metrics::{self, Stopwatch},
};

type Answer = Result<Status, Outage>;

/// What [`Blocklist::check`](super::Blocklist::check) returns: a future that may already be known.
///
/// One concrete type, so that `dyn Blocklist` is possible; it boxes only what has to wait.
#[must_use = "a check decides nothing before its answer is looked at"]
pub struct Lookup(State);

enum State {
    Known(Answer),
    Waiting(Pin<Box<dyn Future<Output = Answer> + Send>>, Stopwatch),
}

impl Lookup {
    /// An answer that is known already.
    pub fn known(answer: Result<Status, Outage>) -> Self {
        Self(State::Known(answer))
    }

    /// An answer that has to be waited for.
    pub fn waiting(answer: impl Future<Output = Result<Status, Outage>> + Send + 'static) -> Self {
        Self(State::Waiting(Box::pin(answer), Stopwatch::start()))
    }

    /// The answer, if it is known without waiting.
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
        // A future must not be polled after it was ready; the answer can be.
        self.0 = State::Known(answer);
        Poll::Ready(answer)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.answer()).finish()
    }
}
