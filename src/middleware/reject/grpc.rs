//! The response to a rejected gRPC call.

use bytes::Bytes;
use http::{HeaderValue, Response, header};

use crate::{
    guard::{Rejection, RejectionKind},
    middleware::reject::{RenderRejection, rfc6750::ErrorText},
};

/// Renders rejections as a gRPC server does: a *Trailers-Only* response with HTTP status 200 and a
/// `grpc-status`.
///
/// | HTTP would have | `grpc-status` |
/// |---|---|
/// | 400, 401 | 16 (`UNAUTHENTICATED`) |
/// | 403 | 7 (`PERMISSION_DENIED`) |
/// | 503 | 14 (`UNAVAILABLE`), which clients retry |
///
/// Use it with tonic and other gRPC servers. Their clients cannot read a JSON body.
///
/// ```
/// # use std::sync::Arc;
/// # use tower_jwt_blocklist::{Blocklist, Verifier};
/// use tower_jwt_blocklist::{GrpcStatus, JwtBlocklistLayer};
///
/// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist) {
/// let layer = JwtBlocklistLayer::access(verifier, blocklist).with_renderer(GrpcStatus);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcStatus;

impl RenderRejection for GrpcStatus {
    fn render(&self, rejection: &Rejection) -> Response<Bytes> {
        let code = match rejection.kind() {
            RejectionKind::Unavailable => "14",
            RejectionKind::InsufficientScope | RejectionKind::Forbidden | RejectionKind::CrossSite => "7",
            _ => "16",
        };
        // The texts are plain ASCII without `%`, so the percent-encoding of `grpc-message` does not
        // change them.
        let message = ErrorText::new(rejection.kind(), rejection.expected()).description;
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static(code));
        headers.insert("grpc-message", HeaderValue::from_static(message));
        response
    }
}
