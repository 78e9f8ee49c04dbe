//! The commands that Redis gets: checks, revocations, redemptions and acknowledgements.

pub(crate) mod acks;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod check;
pub(crate) mod question;
pub(crate) mod revoke;
pub(crate) mod rotate;
