//! Keys: what verifies a signature, what makes one, and sets of them that are replaced while the program runs.

mod algorithm;
mod format;
mod jwk;
mod jwks;
mod key;
pub(crate) mod provider;
#[cfg(feature = "jwks")]
mod remote;
mod roca;
mod secret;
mod set;

pub use algorithm::Algorithm;
pub use jwk::KeyRule;
pub use jwks::{Jwks, RejectedKey};
pub(crate) use key::MAX_KEY_ID_BYTES;
pub use key::{RsaMinimum, SigningKey, VerifyingKey};
#[cfg(feature = "jwks")]
pub use remote::RemoteKeys;
pub use set::KeySet;
