//! Detects lost revocations in Redis, and restores them, as `docs/restoration.md` describes.

pub(crate) mod audit;
pub(crate) mod detect;
pub(crate) mod own_writes;
pub(crate) mod process;
pub(crate) mod reconcile;
pub(crate) mod recover;
pub(crate) mod roster;
pub(crate) mod timing;
