//! The edge: HTTP in, HTTP out. It decides nothing.

mod bearer;
mod future;
mod grpc;
mod layer;
mod response;
mod service;

pub use future::ResponseFuture;
pub use grpc::GrpcStatus;
pub use layer::JwtBlocklistLayer;
pub use response::{RenderRejection, ResponseBody, Rfc6750};
pub use service::JwtBlocklist;
