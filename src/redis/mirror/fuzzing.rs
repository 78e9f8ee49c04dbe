//! What the fuzz targets need of what nobody else may see: how bytes from Redis are read. It is built for them alone, and is no part
//! of the API. Of all rooms this is the one that everything in question can be seen from.
#![allow(missing_docs, missing_debug_implementations, reason = "nobody can use it")]

use std::time::SystemTime;

use redis::Value;

use crate::{
    blocklist::{CutOff, Outage, Redemption, Revocation, RevocationScope, Rotation, Status, TokenIds},
    redis::{
        commands::{check::Question, rotate},
        connection::dial,
        mirror::{compact_set::LiveSet, progress::Page},
        schema::{
            entry,
            epoch::{self, Epoch, Seen},
            key_names::{FastapiEntries, KeyNames},
            log_entry,
        },
    },
};

/// An entry as a check reads it.
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

    pub fn refuses(&self, ids: &TokenIds) -> bool {
        self.0.refuses(ids)
    }
}

/// A revocation in the log, as a mirror and the audit read it.
pub fn unpack(bytes: &[u8]) -> Option<Revocation> {
    log_entry::unpack(bytes)
}

pub fn pack(revocation: &Revocation) -> Vec<u8> {
    log_entry::pack(revocation)
}

/// What of a revocation is compared with a token, as the entry that is written for it.
pub fn entry_of(revocation: &Revocation) -> Entry {
    Entry(revocation.cut_off())
}

/// The epoch that is written so, if it is one that is open, written anew; and its floor, open or not.
pub fn epoch(bytes: &[u8]) -> (Option<String>, SystemTime) {
    (Epoch::parse(bytes).map(Epoch::to_text), Epoch::floor_of(bytes).into())
}

/// What a mirror holds.
pub struct Mirror(LiveSet);

impl Mirror {
    pub fn new(capacity: usize) -> Self {
        Self(LiveSet::new(capacity))
    }

    /// Whether there was room for it.
    pub fn merge(&self, revocation: &Revocation) -> bool {
        self.0.merge(revocation).is_ok()
    }

    pub fn refused(&self, ids: &TokenIds) -> Option<RevocationScope> {
        self.0.refused(ids)
    }

    /// What it would put back into a store that has lost everything.
    pub fn all(&self) -> Vec<Revocation> {
        self.0.page(0, usize::MAX).0
    }
}

/// What the reply to a check says of this token, in the epoch that is written so.
pub fn status(reply: &Value, epoch: &str, ids: &TokenIds) -> Result<Status, Outage> {
    let keys = KeyNames::new("jwt", FastapiEntries::Ignored);
    let epoch = Epoch::parse(epoch.as_bytes()).ok_or(Outage::Failed)?;
    let tokens = [*ids];
    let question = Question::new(&keys, &tokens);
    question.statuses(&question.read(reply, epoch)?)[0]
}

/// The epoch of a store that holds all it should, by the replies to a heartbeat of somebody who has seen nothing yet.
pub fn whole(replies: &[Value]) -> Option<String> {
    let seen = Seen::default();
    seen.judge(&epoch::read(&seen, replies)?).ok().map(Epoch::to_text)
}

/// Whether a server says that it is a master.
pub fn is_master(hello: &Value) -> bool {
    dial::check_role(hello).is_ok()
}

/// What a server's clock says.
pub fn time(reply: &Value) -> Option<SystemTime> {
    rotate::read_time(reply).ok().map(SystemTime::from)
}

/// The fields and values of what is new in the log.
pub fn page(reply: &Value) -> Option<Vec<(&[u8], &[u8])>> {
    let page = Page::parse(reply).ok()?;
    Some(page.entries.iter().map(|entry| (entry.field, entry.value)).collect())
}

/// What the script has answered to a redemption.
pub fn rotation(reply: &Value, redemption: &Redemption) -> Option<Rotation> {
    rotate::read_reply(reply, redemption)?.ok()
}
