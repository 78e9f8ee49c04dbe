//! The names of our keys. The braces keep all keys of a namespace in one hash slot.

use crate::blocklist::{RawJti, RevocationId, RevocationScope};

/// The keys of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct KeyNames {
    /// `{jwt}:`
    prefix: String,
    fastapi_entries: FastapiEntries,
}

/// Whether the entries of the FastAPI tutorial's application count. Their key is the `jti` itself,
/// outside of the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FastapiEntries {
    Ignored,
    #[cfg_attr(not(feature = "compat"), allow(dead_code, reason = "only `compat` has the setter"))]
    Shared,
}

impl KeyNames {
    pub(crate) fn new(namespace: &str, fastapi_entries: FastapiEntries) -> Self {
        Self { prefix: format!("{{{namespace}}}:"), fastapi_entries }
    }

    pub(crate) fn fastapi_entries(&self) -> FastapiEntries {
        self.fastapi_entries
    }

    /// The key of the tutorial's entry, if those count.
    pub(crate) fn legacy(&self, id: Option<RawJti>) -> Option<Vec<u8>> {
        match self.fastapi_entries {
            FastapiEntries::Shared => id.map(|id| id.to_string().into_bytes()),
            FastapiEntries::Ignored => None,
        }
    }

    /// The epoch: there as long as no revocation was lost. See `Epoch`.
    pub(crate) fn epoch(&self) -> String {
        format!("{}epoch", self.prefix)
    }

    /// The stream of all live revocations.
    pub(crate) fn log(&self) -> String {
        format!("{}log", self.prefix)
    }

    /// The longest life of any entry of the log, in milliseconds. Younger entries are not trimmed.
    pub(crate) fn longest(&self) -> String {
        format!("{}longest", self.prefix)
    }

    /// The newest refresh token of a session.
    pub(crate) fn newest(&self, session: RevocationId) -> String {
        format!("{}r:{session}", self.prefix)
    }

    /// The right to compare the log and the entries, for a while.
    pub(crate) fn audit(&self) -> String {
        format!("{}audit", self.prefix)
    }

    /// The members that are alive; see `loss/roster.rs`.
    pub(crate) fn processes(&self) -> String {
        format!("{}processes", self.prefix)
    }

    /// The stream with the test entry of one mirror.
    pub(crate) fn canary(&self, mirror: RevocationId) -> String {
        format!("{}canary:{mirror}", self.prefix)
    }

    /// The number of members that have joined.
    pub(crate) fn joined(&self) -> String {
        format!("{}joined", self.prefix)
    }

    /// Present while the process that has closed an epoch restores the revocations.
    pub(crate) fn claim(&self) -> String {
        format!("{}claim", self.prefix)
    }

    /// The members that have written their recent revocations into the closed epoch.
    pub(crate) fn acks(&self) -> String {
        format!("{}acks", self.prefix)
    }

    /// The right to compare a mirror with the entries, for a while.
    pub(crate) fn compare(&self) -> String {
        format!("{}compare", self.prefix)
    }

    /// The entry of a revocation.
    pub(crate) fn entry(&self, scope: RevocationScope, id: RevocationId) -> Vec<u8> {
        let mut key = Vec::new();
        self.write_entry(scope, id, &mut key);
        key
    }

    /// Writes [`entry`](Self::entry) over the content of `key`.
    pub(crate) fn write_entry(&self, scope: RevocationScope, id: RevocationId, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.prefix.as_bytes());
        key.extend_from_slice(&[scope.tag(), b':']);
        key.extend_from_slice(&id.hex());
    }
}
