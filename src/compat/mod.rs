//! What the FastAPI tutorial's application writes: its tokens, and its entries in Redis.

mod raw_jti;
mod tokens;

pub(crate) use raw_jti::RawJti;
pub(crate) use tokens::Tutorial;
