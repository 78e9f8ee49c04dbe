//! Logins and logouts: the pairs that an issuer mints, and revocations of more than one session.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod by_name;
mod pairs;
mod scopes;
