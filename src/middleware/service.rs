use std::{
    fmt, mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    Method, Request, Response,
    header::{AUTHORIZATION, Entry},
};
use http_body::Body;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::{
    bearer,
    body::ResponseBody,
    future::{ResponseFuture, Waiting},
    layer::Policy,
    render,
};
use crate::{
    claims::NoClaims,
    guard::{Authenticated, Check, Decision, Facts},
    rejection::Rejection,
    token::VerifiedTokens,
};

/// The service that [`JwtBlocklistLayer`](crate::JwtBlocklistLayer) puts around another.
pub struct JwtBlocklist<S, X = NoClaims> {
    inner: S,
    policy: Policy,
    seen: VerifiedTokens<Facts<X>>,
}

impl<S, X> JwtBlocklist<S, X> {
    pub(super) fn new(inner: S, policy: Policy, seen: VerifiedTokens<Facts<X>>) -> Self {
        Self { inner, policy, seen }
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside.
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
        hide_credentials(&mut request);
        let guard = &self.policy.guard;
        match guard.decide_at_once(bearer::token(request.headers(), guard.max_token_bytes()), &self.seen) {
            Decision::Now(Ok(authenticated)) => ResponseFuture::calling(self.inner.call(admit(request, authenticated))),
            Decision::Now(Err(rejection)) => ResponseFuture::refused(self.policy.refuse(&rejection, request.method())),
            Decision::Later(Check { candidate, lookup }) => {
                // Only `self.inner` was polled ready: it goes with the request, and its fresh clone stays.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                let policy = self.policy.clone();
                ResponseFuture::checking(lookup, Waiting { candidate, request, inner, policy })
            }
        }
    }
}

/// Hands the proof to the inner service, in place of any that was there before.
pub(super) fn admit<B, X: Send + Sync + 'static>(
    mut request: Request<B>,
    authenticated: Authenticated<X>,
) -> Request<B> {
    request.extensions_mut().insert(authenticated);
    request
}

/// Marks the token so that `Debug` of the headers, in whatever layer or handler, does not show it.
pub(super) fn hide_credentials<B>(request: &mut Request<B>) {
    if let Entry::Occupied(mut entry) = request.headers_mut().entry(AUTHORIZATION) {
        entry.iter_mut().for_each(|value| value.set_sensitive(true));
    }
}

impl Policy {
    pub(super) fn refuse(&self, rejection: &Rejection, method: &Method) -> Response<Bytes> {
        render::refuse(&*self.renderer, rejection, method)
    }
}

impl<S: Clone, X> Clone for JwtBlocklist<S, X> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policy: self.policy.clone(), seen: self.seen.clone() }
    }
}

impl<S: fmt::Debug, X> fmt::Debug for JwtBlocklist<S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBlocklist")
            .field("inner", &self.inner)
            .field("guard", &self.policy.guard)
            .finish_non_exhaustive()
    }
}
