//! Random numbers.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns a random number. A new hasher's keys are random, which is enough here.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns 40 hexadecimal digits, such as Redis' sentinels and cluster nodes have as ids.
pub(crate) fn node_id() -> String {
    let digits: String = (0..3).map(|_| format!("{:016x}", number())).collect();
    digits[..40].to_owned()
}
