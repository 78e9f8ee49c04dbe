//! The names of our keys. The braces put all keys of a namespace into one hash slot.

use crate::blocklist::{RevocationId, Scope};

/// The keys of one namespace.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// `{jwt}:`
    prefix: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self { prefix: format!("{{{namespace}}}:") }
    }

    /// What is there as long as no revocation was lost. See `Epoch`.
    pub(super) fn epoch(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    /// The stream of all live revocations.
    pub(super) fn log(&self) -> String {
        format!("{}log", self.prefix)
    }

    /// The longest that any entry of the log had to live, in milliseconds: what is younger is not trimmed.
    pub(super) fn longest(&self) -> String {
        format!("{}longest", self.prefix)
    }

    /// Who has this compares log and entries.
    pub(super) fn audit(&self) -> String {
        format!("{}audit", self.prefix)
    }

    /// The entry of what was revoked.
    pub(super) fn entry(&self, scope: Scope, id: RevocationId) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 34);
        key.extend_from_slice(self.prefix.as_bytes());
        key.extend_from_slice(&[scope.tag(), b':']);
        key.extend_from_slice(&id.hex());
        key
    }
}
