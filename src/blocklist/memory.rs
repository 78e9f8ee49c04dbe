//! The store of one process, in its memory.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use foldhash::quality::RandomState;

use crate::{
    blocklist::{
        cut_off::CutOff,
        error::RevokeError,
        id::{RevocationId, RevocationScope, TokenIds},
        lookup::{Lookup, Status},
        redemption::{Generation, Redemption, Rotation},
        revocation::Revocation,
        traits::{Blocklist, CutOffFuture, Revoke, RevokeFuture, Rotate, RotateFuture},
    },
    clock::{Clock, SystemClock, Timestamp},
};

/// Revocations in the memory of this process: for tests, for a single process, for a start without
/// Redis.
///
/// They are lost when the process ends, and other processes do not see them. An entry is removed
/// when it expires, never earlier: a full list rejects a new revocation ([`RevokeError::Full`]) and
/// drops none. A check takes no lock, allocates nothing and does not wait. Clones share one list.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_jwt_blocklist::blocklist::{
///     Blocklist, MemoryBlocklist, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blocklist = MemoryBlocklist::new();
/// let now = SystemTime::now();
/// let id = RevocationId::new(Some("my-app"), RevocationScope::Session, "session-1");
/// blocklist.revoke(&Revocation::new(RevocationScope::Session, id, now + Duration::from_secs(3600))).await?;
///
/// let token = TokenIds::new(Some("my-app"), "token-7", Some("session-1"));
/// assert_eq!(blocklist.check(&token, now).await?, Status::Revoked(RevocationScope::Session));
/// let other = TokenIds::new(Some("my-app"), "token-8", Some("session-2"));
/// assert_eq!(blocklist.check(&other, now).await?, Status::NotRevoked);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryBlocklist(Arc<Shared>);

struct Shared {
    /// The revocations by id. A check does not read `until`: an entry counts for as long as it is
    /// here.
    entries: papaya::HashMap<RevocationId, Entry, RandomState>,
    /// Only writers take the lock, so nothing is revoked while a token is redeemed.
    writers: Mutex<Writers>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    cut_off: CutOff,
    until: Timestamp,
}

#[derive(Default)]
struct Writers {
    /// The newest generation of each session that has redeemed a refresh token.
    sessions: HashMap<RevocationId, Line>,
    /// All entries by expiry, to find those that can be removed.
    by_expiry: BTreeSet<(Timestamp, Held)>,
}

#[derive(Clone, Copy)]
struct Line {
    newest: Generation,
    until: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Entry(RevocationId),
    Line(RevocationId),
}

impl MemoryBlocklist {
    /// The default capacity in entries of about 100 bytes. A session that has redeemed a refresh
    /// token is one entry too.
    pub const DEFAULT_CAPACITY: usize = 1_000_000;

    /// Creates an empty list with room for [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY) entries.
    pub fn new() -> Self {
        Self::with_capacity_and_clock(Self::DEFAULT_CAPACITY, SystemClock)
    }

    /// Creates an empty list with room for `capacity` entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_clock(capacity, SystemClock)
    }

    /// Creates an empty list with room for `capacity` entries that expire by this clock.
    ///
    /// It must be the verifier's clock: a list whose clock is ahead would remove revocations of
    /// valid tokens.
    pub fn with_capacity_and_clock(capacity: usize, clock: impl Clock) -> Self {
        Self(Arc::new(Shared {
            entries: papaya::HashMap::default(),
            writers: Mutex::default(),
            capacity,
            clock: Arc::new(clock),
        }))
    }

    /// Returns the number of entries: revocations, and sessions that have redeemed a refresh token.
    ///
    /// Expired entries count until the next write removes them.
    pub fn len(&self) -> usize {
        self.0.writers().by_expiry.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shared {
    /// No code under the lock can panic between two changes that belong together, so a poisoned
    /// lock is usable.
    fn writers(&self) -> MutexGuard<'_, Writers> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock, and removes expired entries.
    fn swept(&self, now: Timestamp) -> MutexGuard<'_, Writers> {
        let mut writers = self.writers();
        while let Some(expired) = writers.by_expiry.first().copied().filter(|(until, _)| *until <= now) {
            writers.by_expiry.remove(&expired);
            match expired.1 {
                Held::Entry(id) => drop(self.entries.pin().remove(&id)),
                Held::Line(session) => drop(writers.sessions.remove(&session)),
            }
        }
        writers
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    fn store(&self, writers: &mut Writers, revocation: &Revocation, now: Timestamp) -> Result<(), RevokeError> {
        let (id, cut_off, until) = (revocation.id(), revocation.cut_off(), revocation.expiry());
        let entries = self.entries.pin();
        let earlier = entries.get(&id).copied();
        let entry = match earlier {
            Some(earlier) => Entry { cut_off: earlier.cut_off.merge(cut_off), until: earlier.until.max(until) },
            None if until <= now => return Ok(()),
            None if writers.by_expiry.len() >= self.capacity => return Err(RevokeError::Full),
            None => Entry { cut_off, until },
        };
        writers.move_expiry(Held::Entry(id), earlier.map(|earlier| earlier.until), entry.until);
        if entries.len().is_power_of_two() {
            // Nearly every check finds nothing. In a table that is more than half full, that takes
            // many probes.
            entries.reserve(2 * entries.len());
        }
        entries.insert(id, entry);
        Ok(())
    }

    fn rotate(&self, redemption: &Redemption) -> Result<Rotation, RevokeError> {
        let now = self.now();
        let mut writers = self.swept(now);
        let line = writers.sessions.get(&redemption.session).copied();
        let rotation = redemption.decide(self.refused(&redemption.ids), line.map(|line| line.newest));
        let earlier = line.map(|line| line.until);
        match rotation {
            Rotation::Repeated(_) | Rotation::Revoked(_) => {}
            Rotation::Rotated if earlier.is_none() && writers.by_expiry.len() >= self.capacity => {
                return Err(RevokeError::Full);
            }
            Rotation::Rotated => {
                let kept_until = Timestamp::from(redemption.kept_until);
                let until = earlier.map_or(kept_until, |earlier| earlier.max(kept_until));
                writers.move_expiry(Held::Line(redemption.session), earlier, until);
                writers.sessions.insert(redemption.session, Line { newest: redemption.next_generation(), until });
            }
            Rotation::Replayed => {
                // The revocation takes the place of the session's generation, so a full list cannot
                // prevent it.
                if let Some(earlier) = earlier {
                    writers.by_expiry.remove(&(earlier, Held::Line(redemption.session)));
                    writers.sessions.remove(&redemption.session);
                }
                self.store(&mut writers, &redemption.theft(), now)?;
            }
        }
        Ok(rotation)
    }

    /// The widest scope in which a token with these ids is revoked.
    fn refused(&self, ids: &TokenIds) -> Option<RevocationScope> {
        let entries = self.entries.pin();
        let is_refused = |id| entries.get(&id).is_some_and(|entry| entry.cut_off.rejects(ids));
        ids.each().find(|(_, id)| is_refused(*id)).map(|(scope, _)| scope)
    }
}

impl Writers {
    fn move_expiry(&mut self, held: Held, from: Option<Timestamp>, to: Timestamp) {
        if let Some(from) = from {
            self.by_expiry.remove(&(from, held));
        }
        self.by_expiry.insert((to, held));
    }
}

impl Blocklist for MemoryBlocklist {
    fn check(&self, ids: &TokenIds, _now: SystemTime) -> Lookup {
        Lookup::known(Ok(self.0.refused(ids).map_or(Status::NotRevoked, Status::Revoked)))
    }
}

impl Revoke for MemoryBlocklist {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move {
            let now = self.0.now();
            self.0.store(&mut self.0.swept(now), revocation, now)
        })
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        Box::pin(async move {
            let entries = self.0.entries.pin();
            let cut_offs = [Some(issuer), subject].into_iter().flatten();
            Ok(cut_offs.filter_map(|id| Some(entries.get(&id)?.cut_off.latest())).max())
        })
    }
}

impl Rotate for MemoryBlocklist {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        Box::pin(async move { self.0.rotate(redemption) })
    }
}

impl Default for MemoryBlocklist {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBlocklist").field("len", &self.len()).field("capacity", &self.0.capacity).finish()
    }
}
