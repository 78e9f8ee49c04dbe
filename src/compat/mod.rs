//! What the FastAPI tutorial's application writes: its tokens, and its entries in Redis.

mod tokens;

pub(crate) use tokens::Tutorial;
