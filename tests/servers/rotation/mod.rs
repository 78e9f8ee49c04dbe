//! Refresh tokens redeemed over a real Redis.

mod agreement;
mod faults;
mod lost;
