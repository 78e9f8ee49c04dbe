//! Compatibility with the FastAPI tutorial's application ("kill the access token using Redis").
//!
//! The feature `compat` adds three settings. They are for a migration: remove them when no token
//! and no process of the old application is left.
//!
//! - [`VerifierBuilder::fastapi_tokens`](crate::token::VerifierBuilder::fastapi_tokens) accepts the
//!   tutorial's tokens, and nothing else.
//! - [`VerifierBuilder::also_fastapi_tokens`](crate::token::VerifierBuilder::also_fastapi_tokens)
//!   accepts them in addition to the verifier's own.
//! - `RedisSettings::fastapi_entries` shares the tutorial's entries in Redis: a logout in either
//!   application counts in both.
//!
//! # Caveat
//!
//! The tutorial's tokens have no `iss` and no `aud`. Any token that was signed with the same
//! secret can pass for one of them, so use the secret for nothing else.
//!
//! The guide [Migrating from FastAPI](crate::guide::migrating_from_fastapi) has the steps.

mod tokens;
