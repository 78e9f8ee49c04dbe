//! A blocklist of one's own: everything in memory, and a journal on disk, so that a restart loses
//! nothing.
//!
//! It is for one process. `tests/conformance.rs` runs the library's conformance suite over it.
//!
//! The file is a journal of lines, which only grow in number while the process runs. `open` reads
//! it and writes a new one without what has expired. A revocation is on the disk before `revoke`
//! returns. That blocks the thread for as long as the disk needs: a busy server would give the file
//! a thread of its own.

mod journal;

use std::{
    collections::HashMap,
    future::ready,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use journal::Journal;
use tower_jwt_blocklist::blocklist::{
    Blocklist, CutOff, CutOffFuture, Generation, Lookup, Outage, Redemption, Revocation, RevocationId, RevocationScope,
    Revoke, RevokeError, RevokeFuture, Rotate, RotateFuture, Rotation, Status, TokenIds,
};

/// Revocations in memory and in a journal on disk. Clones are the same blocklist.
#[derive(Debug, Clone)]
pub struct FileBlocklist {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    entries: HashMap<RevocationId, Entry>,
    sessions: HashMap<RevocationId, Session>,
    journal: Journal,
    /// Expired entries are removed when there are more entries than this.
    sweep_above: usize,
}

/// The tokens of an id that are rejected.
#[derive(Debug, Clone, Copy)]
struct Entry {
    cut_off: CutOff,
    until: SystemTime,
}

/// A session's newest refresh token.
#[derive(Debug, Clone, Copy)]
struct Session {
    newest: Generation,
    until: SystemTime,
}

impl FileBlocklist {
    /// Opens the journal at this path, or begins one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let (entries, sessions, journal) = Journal::open(path.as_ref(), SystemTime::now())?;
        let state = State { entries, sessions, journal, sweep_above: 1000 };
        Ok(Self { state: Arc::new(Mutex::new(state)) })
    }

    /// The number of stored revocations and sessions, without expired ones.
    pub fn len(&self) -> usize {
        let mut state = self.state();
        state.sweep();
        state.entries.len() + state.sessions.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A thread that panicked with the lock left whole entries: each is inserted by one call.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sweep(&mut self) {
        let now = SystemTime::now();
        self.entries.retain(|_, entry| entry.until > now);
        self.sessions.retain(|_, session| session.until > now);
        self.sweep_above = 2 * (self.entries.len() + self.sessions.len()).max(500);
    }

    fn sweep_if_large(&mut self) {
        if self.entries.len() + self.sessions.len() > self.sweep_above {
            self.sweep();
        }
    }

    /// The scope in which one of the token's ids is revoked.
    fn revoked(&self, ids: &TokenIds, now: SystemTime) -> Option<RevocationScope> {
        let is_revoked =
            |id| self.entries.get(&id).is_some_and(|entry| entry.until > now && entry.cut_off.rejects(ids));
        ids.each().find(|(_, id)| is_revoked(*id)).map(|(scope, _)| scope)
    }

    /// The journal comes first: if it fails, nothing has changed.
    fn store(&mut self, revocation: &Revocation) -> io::Result<()> {
        if revocation.until() <= SystemTime::now() {
            return Ok(());
        }
        let new = Entry { cut_off: revocation.cut_off(), until: revocation.until() };
        let merged = self.entries.get(&revocation.id()).map_or(new, |earlier| Entry {
            cut_off: earlier.cut_off.merge(new.cut_off),
            until: earlier.until.max(new.until),
        });
        self.journal.append(&journal::entry_line(revocation.id(), &merged))?;
        self.entries.insert(revocation.id(), merged);
        self.sweep_if_large();
        Ok(())
    }

    fn rotate(&mut self, redemption: &Redemption) -> io::Result<Rotation> {
        let now = SystemTime::now();
        let known = self.sessions.get(&redemption.session).copied().filter(|session| session.until > now);
        let rotation = redemption.decide(self.revoked(&redemption.ids, now), known.map(|session| session.newest));
        match rotation {
            Rotation::Rotated => {
                let until = known.map_or(redemption.kept_until, |known| known.until.max(redemption.kept_until));
                let session = Session { newest: redemption.next_generation(), until };
                self.journal.append(&journal::session_line(redemption.session, &session))?;
                self.sessions.insert(redemption.session, session);
                self.sweep_if_large();
            }
            Rotation::Replayed => self.store(&redemption.theft())?,
            Rotation::Repeated(_) | Rotation::Revoked(_) => {}
        }
        Ok(rotation)
    }
}

impl Blocklist for FileBlocklist {
    fn check(&self, ids: &TokenIds, now: SystemTime) -> Lookup {
        let scope = self.state().revoked(ids, now);
        Lookup::known(Ok(scope.map_or(Status::NotRevoked, Status::Revoked)))
    }
}

impl Revoke for FileBlocklist {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move { self.state().store(revocation).map_err(failed) })
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        let state = self.state();
        let entries = [Some(issuer), subject].into_iter().flatten().filter_map(|id| state.entries.get(&id));
        Box::pin(ready(Ok(entries.map(|entry| entry.cut_off.latest()).max())))
    }
}

impl Rotate for FileBlocklist {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        Box::pin(async move { self.state().rotate(redemption).map_err(failed) })
    }
}

fn failed(_: io::Error) -> RevokeError {
    RevokeError::Outage(Outage::Failed)
}
