//! What Redis is asked to do: checks, revocations, redemptions and acknowledgements.

pub(crate) mod acks;
pub(crate) mod batch;
pub(crate) mod check;
pub(crate) mod rotate;
