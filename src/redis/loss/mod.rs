//! Detects lost revocations in Redis, and restores them.

pub(crate) mod audit;
pub(crate) mod detect;
pub(crate) mod reconcile;
pub(crate) mod recover;
