//! Whether Redis has lost revocations, and how they are restored.

pub(crate) mod audit;
pub(crate) mod detect;
pub(crate) mod reconcile;
pub(crate) mod recover;
