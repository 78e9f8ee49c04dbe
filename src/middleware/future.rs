use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;
use tower_service::Service;

use crate::{
    blocklist::Lookup,
    guard::VerifiedToken,
    middleware::{
        policy::{Policy, insert_identity},
        reject::body::ResponseBody,
        sources::ResponseHeaders,
    },
};

pin_project! {
    /// The future of [`JwtBlocklist`](crate::middleware::JwtBlocklist) and
    /// [`Logout`](crate::middleware::Logout).
    pub struct ResponseFuture<S, X, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, X, B, S::Future>,
        finish: ResponseHeaders,
    }
}

pin_project! {
    #[project = StateProj]
    // Few requests need the boxed parts. For the others the future should be hardly larger than the
    // inner service's.
    enum State<S, X, B, F> {
        // The blocklist has not answered yet.
        Checking { lookup: Lookup, waiting: Option<Box<Waiting<S, X, B>>> },
        // The inner service was called.
        Calling { #[pin] future: F },
        // The request was rejected.
        Rejected { response: Option<Box<Response<Bytes>>> },
    }
}

/// Waits for the blocklist's answer. `inner` is the service that was polled ready.
pub(crate) struct Waiting<S, X, B> {
    pub(crate) verified: Arc<VerifiedToken<X>>,
    pub(crate) request: Request<B>,
    pub(crate) inner: S,
    pub(crate) policy: Arc<Policy<X>>,
}

impl<S, X, B> ResponseFuture<S, X, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn checking(lookup: Lookup, waiting: Waiting<S, X, B>, finish: ResponseHeaders) -> Self {
        Self { state: State::Checking { lookup, waiting: Some(Box::new(waiting)) }, finish }
    }

    pub(crate) fn calling(future: S::Future, finish: ResponseHeaders) -> Self {
        Self { state: State::Calling { future }, finish }
    }

    pub(crate) fn rejected(response: Response<Bytes>, finish: ResponseHeaders) -> Self {
        Self { state: State::Rejected { response: Some(Box::new(response)) }, finish }
    }
}

impl<S, X, B, R> Future for ResponseFuture<S, X, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    X: DeserializeOwned + Send + Sync + 'static,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    #[expect(clippy::expect_used, reason = "each option is taken once, before `Ready`, whatever the request contains")]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, finish) = (this.state, *this.finish);
        loop {
            let next = match state.as_mut().project() {
                StateProj::Checking { lookup, waiting } => {
                    let answer = ready!(Pin::new(lookup).poll(context));
                    let Waiting { verified, mut request, mut inner, policy } = *waiting.take().expect(POLLED_AGAIN);
                    match policy.guard.admit(verified, answer, &policy.requirements) {
                        Ok(authenticated) => {
                            insert_identity(&policy, request.extensions_mut(), Some(authenticated));
                            State::Calling { future: inner.call(request) }
                        }
                        Err(rejection) => State::Rejected {
                            response: Some(Box::new(policy.http.reject(&rejection, request.method()))),
                        },
                    }
                }
                StateProj::Calling { future } => {
                    let mut response = ready!(future.poll(context))?.map(ResponseBody::inner);
                    finish.apply(&mut response);
                    return Poll::Ready(Ok(response));
                }
                StateProj::Rejected { response } => {
                    let mut response = response.take().expect(POLLED_AGAIN).map(ResponseBody::rejection);
                    finish.apply(&mut response);
                    return Poll::Ready(Ok(response));
                }
            };
            state.set(next);
        }
    }
}

const POLLED_AGAIN: &str = "`ResponseFuture` polled after it was ready";

impl<S, X, B> fmt::Debug for ResponseFuture<S, X, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
