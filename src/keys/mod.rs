//! Keys: they sign tokens and verify signatures.
//!
//! A key is checked when it is loaded, so a bad key is an error at start and never a failure of a
//! request:
//!
//! 1. Each key is bound to one [`Algorithm`]; a token whose header names another is rejected (RFC
//!    8725 §3.1). There is no `none`.
//! 2. A secret is at least as long as its hash (RFC 7518 §3.2), not published, and not in truth a
//!    public key. An RSA key has 2048 to 4096 bits; see [`RsaMinimum`]. A point lies on its curve.
//! 3. The `kid` of a token only selects among the configured keys. It may be absent if there is
//!    just one. Keys in a token's header (`jwk`, `jku`, `x5c`) are never used.
//! 4. A [`KeySet`] has secrets or public keys, never both. It is replaced as a whole, without a
//!    restart.
//!
//! [`Jwks`] parses published keys, and `RemoteKeys` (feature `jwks`) fetches them from a URL.
//!
//! Mind that a secret signs as well as it verifies: each service that has it can mint tokens.
//! Prefer a key pair where more than one service verifies.
//!
//! ```
//! use tower_jwt_blocklist::{Algorithm, keys::{SigningKey, VerifyingKey}};
//!
//! // Accepted: 32 bytes for HS256.
//! let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586").unwrap();
//! assert_eq!(key.verifying_key().unwrap().algorithm(), Algorithm::HS256);
//!
//! // Rejected: a secret that every online debugger shows.
//! let known = "a-string-secret-at-least-256-bits-long";
//! assert!(VerifyingKey::from_secret(Algorithm::HS256, known).is_err());
//! ```

mod algorithm;
mod format;
mod jwk;
mod jwks;
mod provider;
#[cfg(feature = "jwks")]
mod remote;
mod secret;
mod set;
mod signing_key;
mod verifying_key;

pub use algorithm::Algorithm;
pub use jwk::KeyRule;
pub use jwks::{Jwks, RejectedKey};
pub use provider::CryptoProvider;
#[cfg(feature = "jwks")]
pub use remote::RemoteKeys;
pub use set::KeySet;
pub use signing_key::SigningKey;
pub(crate) use verifying_key::MAX_KEY_ID_BYTES;
pub use verifying_key::{RsaMinimum, VerifyingKey};
