//! The data in Redis: the names of keys, the form of each value, and the scripts that write
//! revocations.

pub(crate) mod entry;
pub(crate) mod epoch;
pub(crate) mod key_names;
pub(crate) mod log_entry;
pub(crate) mod position;
pub(crate) mod scripts;

/// A duration in the milliseconds that Redis takes.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
