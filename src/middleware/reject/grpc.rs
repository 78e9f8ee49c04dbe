//! The answer to a refused gRPC call.

use bytes::Bytes;
use http::{HeaderValue, Response, header};

use crate::{
    guard::{Rejection, RejectionKind},
    middleware::reject::{RenderRejection, rfc6750::Words},
};

/// Answers as a gRPC server does: a *Trailers-Only* response with HTTP status 200 and `grpc-status` 16 (`UNAUTHENTICATED`),
/// 7 (`PERMISSION_DENIED`) where HTTP has 403, or 14 (`UNAVAILABLE`, which clients retry) when the blocklist cannot tell. For tonic and other gRPC servers, whose clients
/// read a JSON body as a broken message.
///
/// ```
/// # use std::sync::Arc;
/// # use tower_jwt_blocklist::{ConfigError, Blocklist, Verifier};
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
        // Our own words are plain ASCII, so the percent-encoding of `grpc-message` leaves them as they are.
        let message = Words::of(rejection.kind(), rejection.expected()).description;
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static(code));
        headers.insert("grpc-message", HeaderValue::from_static(message));
        response
    }
}
