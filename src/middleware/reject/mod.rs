//! From a rejection to an answer.

mod body;
mod grpc;
mod rfc6750;

pub use body::ResponseBody;
pub use grpc::GrpcStatus;
pub use rfc6750::Rfc6750;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};

use crate::guard::{Rejection, RejectionKind};

/// Makes an answer of a [`Rejection`]. Implemented by [`Rfc6750`](crate::Rfc6750), the default, by
/// [`GrpcStatus`](crate::GrpcStatus), and by closures:
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, StatusCode};
/// use tower_jwt_blocklist::{Rejection, RejectionKind, RenderRejection};
///
/// let plain = |rejection: &Rejection| {
///     let mut response = Response::new(Bytes::from_static(b"log in, please"));
///     *response.status_mut() = match rejection.kind() {
///         RejectionKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::UNAUTHORIZED,
///     };
///     response
/// };
/// # fn takes(_: impl RenderRejection) {}
/// # takes(plain);
/// ```
///
/// Answer [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) with a 5xx status: a 401 makes clients throw good tokens away. Whatever is rendered,
/// the layer adds `Cache-Control: no-store` where it is missing, puts the [`RejectionKind`](crate::RejectionKind) into the response's extensions, and
/// sends no body to `HEAD`.
pub trait RenderRejection: Send + Sync + 'static {
    /// The answer, body and all.
    fn render(&self, rejection: &Rejection) -> Response<Bytes>;
}

impl<F> RenderRejection for F
where
    F: Fn(&Rejection) -> Response<Bytes> + Send + Sync + 'static,
{
    fn render(&self, rejection: &Rejection) -> Response<Bytes> {
        self(rejection)
    }
}

/// What every refusal has, however it was rendered, and one event that says why. An outage is the operator's to mend; the rest is
/// a client's.
pub(crate) fn refuse(renderer: &dyn RenderRejection, rejection: &Rejection, method: &Method) -> Response<Bytes> {
    let (expected, reason) = (rejection.expected().as_str(), rejection.reason());
    match rejection.kind() {
        RejectionKind::Unavailable => tracing::warn!(expected, reason, "request refused: the blocklist did not answer"),
        _ => tracing::debug!(expected, reason, "request refused"),
    }
    let mut response = renderer.render(rejection);
    response.extensions_mut().insert(rejection.kind());
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if method == Method::HEAD {
        // `HEAD` announces the length of the body that `GET` would get (RFC 9110 §9.3.2).
        headers.entry(header::CONTENT_LENGTH).or_insert(length);
        response.body_mut().clear();
    }
    response
}
