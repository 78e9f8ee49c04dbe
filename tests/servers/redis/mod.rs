//! `RedisBlocklist` over a real Redis: commands, loss, topologies, and beside the FastAPI tutorial's application.

mod commands;
mod loss;
mod topologies;
mod tutorial_entries;
