//! The body of a response, from the inner service or from the layer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: the inner service's own, or that of a rejection.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
        rejection: Option<Bytes>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { inner: Some(body), rejection: None }
    }

    pub(crate) fn rejection(body: Bytes) -> Self {
        Self { inner: None, rejection: Some(body).filter(|body| !body.is_empty()) }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(body) => body.poll_frame(context),
            None => Poll::Ready(this.rejection.take().map(|body| Ok(Frame::data(body)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().map_or(self.rejection.is_none(), Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rejection_len = || SizeHint::with_exact(self.rejection.as_ref().map_or(0, |body| body.len() as u64));
        self.inner.as_ref().map_or_else(rejection_len, Body::size_hint)
    }
}
