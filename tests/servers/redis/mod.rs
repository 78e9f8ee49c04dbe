//! `RedisBlocklist` over a real Redis: commands, losses, topologies, and the FastAPI tutorial's
//! application on the same Redis.

mod audit;
mod commands;
#[cfg(feature = "compat")]
mod fastapi_entries;
mod loss;
mod races;
mod topologies;
