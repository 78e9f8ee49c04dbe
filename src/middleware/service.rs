use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use serde::de::DeserializeOwned;
use tower_service::Service;

use crate::{
    guard::Check,
    middleware::{
        future::{ResponseFuture, Waiting},
        policy::{Policy, Verdict, insert_identity},
        reject::body::ResponseBody,
    },
    token::NoClaims,
};

/// The service of [`JwtBlocklistLayer`](crate::JwtBlocklistLayer).
pub struct JwtBlocklist<S, X = NoClaims> {
    inner: S,
    policy: Arc<Policy<X>>,
}

impl<S, X> JwtBlocklist<S, X> {
    pub(crate) fn new(inner: S, policy: Arc<Policy<X>>) -> Self {
        Self { inner, policy }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, X, B, R> Service<Request<B>> for JwtBlocklist<S, X>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    X: DeserializeOwned + Send + Sync + 'static,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, X, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let policy = &self.policy;
        let (verdict, found_in) = policy.judge(&request);
        policy.http.conceal(&mut request, found_in);
        let finish = policy.http.finish(found_in);
        match verdict {
            Verdict::Admit(authenticated) => {
                insert_identity(policy, request.extensions_mut(), authenticated);
                ResponseFuture::calling(self.inner.call(request), finish)
            }
            Verdict::Reject(rejection) => {
                ResponseFuture::rejected(policy.http.reject(&rejection, request.method()), finish)
            }
            Verdict::Wait(Check { verified, lookup }) => {
                // Only `self.inner` was polled ready, so it serves this request, and its clone
                // takes its place.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                let policy = Arc::clone(policy);
                ResponseFuture::checking(lookup, Waiting { verified, request, inner, policy }, finish)
            }
        }
    }
}

impl<S: Clone, X> Clone for JwtBlocklist<S, X> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: Arc::clone(&self.policy) }
    }
}

impl<S: fmt::Debug, X> fmt::Debug for JwtBlocklist<S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBlocklist").field("inner", &self.inner).field("policy", &self.policy).finish()
    }
}
