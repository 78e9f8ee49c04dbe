//! Requests, and the service behind a layer.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header, request::Parts};
use http_body_util::{Empty, Full};
use tower_service::Service;

/// A GET request with these `Authorization` headers.
pub fn request<'a>(authorization: impl IntoIterator<Item = &'a str>) -> Request<Empty<Bytes>> {
    let request = Request::get("/");
    let values = authorization.into_iter();
    values.fold(request, |request, value| request.header(header::AUTHORIZATION, value)).body(Empty::new()).unwrap()
}

/// A GET request with this token.
pub fn bearer(token: &str) -> Request<Empty<Bytes>> {
    request([&*format!("Bearer {token}")])
}

/// The service behind a layer: answers "inner", counts its calls, and keeps the last request.
/// Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Inner {
    calls: Arc<AtomicUsize>,
    last: Arc<Mutex<Option<Parts>>>,
}

pub fn inner() -> Inner {
    Inner::default()
}

impl Inner {
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Takes the last request; `None` if there was none since the last call.
    pub fn take(&self) -> Option<Parts> {
        self.last.lock().unwrap().take()
    }
}

impl Service<Request<Empty<Bytes>>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap() = Some(request.into_parts().0);
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"inner")))))
    }
}
