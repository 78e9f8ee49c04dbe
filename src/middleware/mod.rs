//! The edge: HTTP in, HTTP out. It decides nothing.

mod future;
mod http_settings;
mod identity_headers;
mod layer;
mod logout;
mod policy;
pub mod reject;
mod service;
pub mod sources;

pub use future::ResponseFuture;
pub use layer::JwtBlocklistLayer;
pub use logout::{Logout, LogoutLayer};
#[cfg(feature = "axum")]
pub(crate) use policy::Anonymous;
#[cfg(feature = "axum")]
pub(crate) use reject::rejection_response;
pub use reject::{GrpcStatus, RenderRejection, ResponseBody, Rfc6750, Rfc6750Builder};
pub use service::JwtBlocklist;
pub use sources::{SameSite, TokenCookie, TokenSources, TokenSourcesBuilder};
