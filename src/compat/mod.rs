//! Compatibility with the FastAPI tutorial's application: its tokens, and its entries in Redis.

mod raw_jti;
#[cfg(feature = "compat")]
mod tokens;

pub(crate) use raw_jti::RawJti;
