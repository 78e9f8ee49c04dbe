//! The edge: HTTP in, HTTP out. It decides nothing.

mod bearer;
mod body;
mod future;
mod grpc;
mod layer;
mod logout;
mod render;
mod rfc6750;
mod service;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use grpc::GrpcStatus;
pub use layer::JwtBlocklistLayer;
pub use logout::{Logout, LogoutLayer};
pub use render::RenderRejection;
#[cfg(feature = "axum")]
pub(crate) use render::refuse;
pub use rfc6750::Rfc6750;
pub use service::JwtBlocklist;
