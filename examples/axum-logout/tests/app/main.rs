//! The application as its users meet it: the program itself, over HTTP, with real databases and a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: what is unexpected fails them where it is noticed")]

mod client;
mod first_start;
mod journey;
mod outage;
mod server;
mod settings;
mod shutdown;
mod two_processes;
