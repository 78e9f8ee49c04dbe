//! A Tower middleware that lets a server take a JWT back.

#![warn(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod blocklist;
mod claims;
mod clock;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod guard;
mod issuer;
mod middleware;
mod rejection;
mod token;

pub use blocklist::{
    Blocklist, Lookup, MemoryBlocklist, Outage, Revocation, RevocationId, Revoke, RevokeError, RevokeFuture, Scope,
    Status, TokenIds,
};
#[cfg(feature = "redis")]
pub use blocklist::{RedisBlocklist, RedisSettings};
pub use claims::{NoClaims, TokenKind};
pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{ConfigError, ConfigErrorKind};
#[cfg(feature = "axum")]
pub use extract::MissingLayer;
pub use guard::{Authenticated, Guard};
pub use issuer::{IssueError, Issuer, IssuerBuilder, MintedToken, TokenPair};
pub use middleware::{
    GrpcStatus, JwtBlocklist, JwtBlocklistLayer, RenderRejection, ResponseBody, ResponseFuture, Rfc6750,
};
pub use rejection::{Rejection, RejectionKind};
pub use token::{
    Algorithm, KindSource, OptionalClaim, SigningKey, TokenIdSource, Verifier, VerifierBuilder, VerifyingKey,
};
