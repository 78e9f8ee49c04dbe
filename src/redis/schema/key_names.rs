//! The names of our keys. The braces put all keys of a namespace into one hash slot.

use crate::blocklist::{RawJti, RevocationId, RevocationScope};

/// The keys of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct KeyNames {
    /// `{jwt}:`
    prefix: String,
    tutorial: FastapiEntries,
}

/// Whether the entries of the FastAPI tutorial's application count: the bare `jti`, outside of the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FastapiEntries {
    Ignored,
    Shared,
}

impl KeyNames {
    pub(crate) fn new(namespace: &str, tutorial: FastapiEntries) -> Self {
        Self { prefix: format!("{{{namespace}}}:"), tutorial }
    }

    pub(crate) fn tutorial(&self) -> FastapiEntries {
        self.tutorial
    }

    /// The key of the tutorial's entry, where those count.
    pub(crate) fn bare(&self, id: Option<RawJti>) -> Option<Vec<u8>> {
        match self.tutorial {
            FastapiEntries::Shared => id.map(|id| id.to_string().into_bytes()),
            FastapiEntries::Ignored => None,
        }
    }

    /// What is there as long as no revocation was lost. See `Epoch`.
    pub(crate) fn epoch(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    /// The stream of all live revocations.
    pub(crate) fn log(&self) -> String {
        format!("{}log", self.prefix)
    }

    /// The longest that any entry of the log had to live, in milliseconds: what is younger is not trimmed.
    pub(crate) fn longest(&self) -> String {
        format!("{}longest", self.prefix)
    }

    /// The newest refresh token of a session.
    pub(crate) fn newest(&self, session: RevocationId) -> String {
        format!("{}r:{session}", self.prefix)
    }

    /// Who has this compares log and entries.
    pub(crate) fn audit(&self) -> String {
        format!("{}audit", self.prefix)
    }

    /// As long as there is one, a process holds all revocations in memory.
    pub(crate) fn mirrored(&self) -> String {
        format!("{}mirrored", self.prefix)
    }

    /// As long as it is there, whoever has begun an epoch puts the revocations back into it.
    pub(crate) fn claim(&self) -> String {
        format!("{}claim", self.prefix)
    }

    /// As long as it is there, others put theirs back too.
    pub(crate) fn helpers(&self) -> String {
        format!("{}helpers", self.prefix)
    }

    /// The entry of what was revoked.
    pub(crate) fn entry(&self, scope: RevocationScope, id: RevocationId) -> Vec<u8> {
        let mut key = Vec::new();
        self.write_entry(scope, id, &mut key);
        key
    }

    /// [`entry`](Self::entry), in place of what was in `key`.
    pub(crate) fn write_entry(&self, scope: RevocationScope, id: RevocationId, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.prefix.as_bytes());
        key.extend_from_slice(&[scope.tag(), b':']);
        key.extend_from_slice(&id.hex());
    }
}
