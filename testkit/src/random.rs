//! Chance.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The keys of a new hasher are random, which is enough here.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The 40 hexadecimal digits by which Redis' sentinels and cluster nodes know each other.
pub(crate) fn node_id() -> String {
    let digits: String = (0..3).map(|_| format!("{:016x}", number())).collect();
    digits[..40].to_owned()
}
