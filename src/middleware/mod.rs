//! The edge: HTTP in, HTTP out. It decides nothing.

mod bearer;
mod body;
mod carriers;
mod cookie;
mod future;
mod grpc;
mod identity_headers;
mod layer;
mod logout;
mod origin;
mod policy;
mod query;
mod render;
mod rfc6750;
mod service;
mod subprotocol;

pub use body::ResponseBody;
pub use carriers::Carriers;
pub use cookie::{SameSite, TokenCookie};
pub use future::ResponseFuture;
pub use grpc::GrpcStatus;
pub use layer::JwtBlocklistLayer;
pub use logout::{Logout, LogoutLayer};
#[cfg(feature = "axum")]
pub(crate) use policy::Nobody;
pub use render::RenderRejection;
#[cfg(feature = "axum")]
pub(crate) use render::refuse;
pub use rfc6750::Rfc6750;
pub use service::JwtBlocklist;
