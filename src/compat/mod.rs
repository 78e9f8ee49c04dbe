//! Compatibility with the FastAPI tutorial's application: its tokens, and its entries in Redis.

#[cfg(feature = "compat")]
mod tokens;
