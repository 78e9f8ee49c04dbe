//! What is stored in Redis: the names of keys, and the form of each value.

pub(crate) mod entry;
pub(crate) mod epoch;
pub(crate) mod key_names;
pub(crate) mod log_entry;
