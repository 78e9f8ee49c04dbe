//! A server with a working logout: sign up, log in, log out, and the token is rejected from then
//! on.
//!
//! Two files show how to use `tower-jwt-blocklist`: `state.rs` builds the verifier, the issuer and
//! the three layers; `routes/auth.rs` puts them in front of handlers. The rest is what any server
//! has: settings, a table of users, password hashes and validated input.
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod database;
mod error;
mod extract;
mod input;
mod password;
mod routes;
pub mod secret;
pub mod settings;
pub mod sources;
mod state;
mod users;

pub use routes::app;
pub use state::{AppState, StartError};
