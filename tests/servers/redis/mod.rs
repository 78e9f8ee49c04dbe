//! `RedisBlocklist` over a real Redis: commands, loss, topologies, and beside the FastAPI tutorial's application.

mod commands;
#[cfg(feature = "compat")]
mod fastapi_entries;
mod loss;
mod topologies;
