//! The private parsers of replies and entries, for the fuzz targets. Built for fuzzing only, and no
//! part of the API. It lives here, because the mirror's room is above all others of `redis/`.
#![allow(missing_docs, missing_debug_implementations, reason = "only the fuzz targets use it")]

use std::time::SystemTime;

use redis::Value;

use crate::{
    blocklist::{CutOff, Outage, Redemption, Revocation, RevocationScope, Rotation, Status, TokenIds},
    redis::{
        commands::{question::Question, rotate},
        connection::dial,
        loss::detect::{self, LastKnown},
        mirror::{
            compact_set::{CompactSet, Cursor},
            progress::Page,
        },
        schema::{
            entry,
            epoch::Epoch,
            key_names::{FastapiEntries, KeyNames},
            log_entry,
        },
    },
};

/// An entry, as a check reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(CutOff);

impl Entry {
    pub fn read(bytes: &[u8]) -> Self {
        Self(entry::parse(bytes))
    }

    pub fn write(&self) -> String {
        entry::arguments(&self.0).join(" ")
    }

    pub fn merge(self, other: Self) -> Self {
        Self(self.0.merge(other.0))
    }

    pub fn rejects(&self, ids: &TokenIds) -> bool {
        self.0.rejects(ids)
    }
}

/// Reads a revocation from the log, as a mirror and the audit do.
pub fn unpack(bytes: &[u8]) -> Option<Revocation> {
    // An entry with many revocations never reads beyond its bytes, whatever they are.
    log_entry::revocations(b"b", bytes).for_each(drop);
    log_entry::revocations(log_entry::ONE, bytes).next().flatten()
}

pub fn pack(revocation: &Revocation) -> Vec<u8> {
    log_entry::pack(revocation)
}

/// Returns the entry that is written for a revocation.
pub fn entry_of(revocation: &Revocation) -> Entry {
    Entry(revocation.cut_off())
}

/// Parses an epoch. Returns its text if it is an open one, and the floor of any.
pub fn epoch(bytes: &[u8]) -> (Option<String>, SystemTime) {
    (Epoch::parse(bytes).map(Epoch::to_text), Epoch::floor_of(bytes).into())
}

/// The set of a mirror.
pub struct Mirror(CompactSet);

impl Mirror {
    pub fn new(capacity: usize) -> Self {
        Self(CompactSet::new(capacity))
    }

    /// Returns whether there was room.
    pub fn merge(&self, revocation: &Revocation) -> bool {
        self.0.insert(revocation).is_ok()
    }

    pub fn refused(&self, ids: &TokenIds) -> Option<RevocationScope> {
        self.0.contains(ids)
    }

    /// Returns everything that it would restore after a loss.
    pub fn all(&self) -> Vec<Revocation> {
        self.0.pages(Cursor::default(), 500).flat_map(|(page, _)| page).collect()
    }
}

/// Returns the status of a token by the reply to a check, in the epoch with this text.
pub fn status(reply: &Value, epoch: &str, ids: &TokenIds) -> Result<Status, Outage> {
    let keys = KeyNames::new("jwt", FastapiEntries::Ignored);
    let epoch = Epoch::parse(epoch.as_bytes()).ok_or(Outage::Failed)?;
    let tokens = [*ids];
    let question = Question::new(&keys, &tokens);
    question.statuses(&question.parse(reply, epoch)?)[0]
}

/// Returns the epoch of a complete store, by the replies to the first heartbeat of a process.
pub fn whole(replies: &[Value]) -> Option<String> {
    let last_known = LastKnown::default();
    last_known.judge(&detect::parse_observed(&last_known, replies)?).ok().map(Epoch::to_text)
}

/// Returns whether the reply to `HELLO` says that the server is a master.
pub fn is_master(hello: &Value) -> bool {
    dial::check_role(hello).is_ok()
}

/// Returns the time of a server's clock.
pub fn time(reply: &Value) -> Option<SystemTime> {
    rotate::parse_time(reply).ok().map(SystemTime::from)
}

/// Returns the fields and values of the new entries in one stream.
pub fn page<'a>(reply: &'a Value, stream: &str) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let page = Page::parse(reply, stream).ok()?;
    Some(page.entries.iter().map(|entry| (entry.field, entry.value)).collect())
}

/// Returns the outcome of a redemption, by the reply of its script.
pub fn rotation(reply: &Value, redemption: &Redemption) -> Option<Rotation> {
    rotate::parse_rotation(reply, redemption)?.ok()
}
