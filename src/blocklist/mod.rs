//! Which tokens were revoked: the traits of a store, their types, and the store of one process.

mod cut_off;
mod error;
mod id;
mod lookup;
mod memory;
mod raw_jti;
mod redemption;
mod revocation;
mod traits;

pub use cut_off::CutOff;
pub use error::{Outage, RevokeError};
pub use id::{RevocationId, RevocationScope, TokenIds};
pub use lookup::{Lookup, Status};
pub use memory::MemoryBlocklist;
#[cfg(feature = "redis")]
pub(crate) use raw_jti::RawJti;
pub use redemption::{Generation, Redemption, Rotation};
pub use revocation::Revocation;
pub use traits::{Blocklist, CutOffFuture, Revoke, RevokeFuture, Rotate, RotateFuture};
