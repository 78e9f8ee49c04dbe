//! Tests of the program as its users meet it: over HTTP, with real databases and a real Redis.

mod client;
mod first_start;
mod journey;
mod outage;
mod server;
mod settings;
mod shutdown;
mod topologies;
mod two_processes;
