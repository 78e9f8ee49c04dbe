//! The blocklist of one process.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::quality::RandomState;

use crate::{
    blocklist::{
        Blocklist, CutOff, CutOffFuture, Revocation, RevocationScope, Revoke, RevokeError, RevokeFuture, Status,
        id::{RevocationId, TokenIds},
        lookup::Lookup,
        rotation::{Generation, Redemption, Rotate, RotateFuture, Rotation},
    },
    clock::{Clock, SystemClock, Timestamp},
};

/// Revocations in the memory of this process: for tests, for one process, for a start without Redis.
///
/// They are lost when the process ends, and other processes do not see them. Entries are forgotten when they expire, and
/// never sooner: a full list refuses to store ([`RevokeError::Full`]) rather than drop one. A check takes no lock, allocates
/// nothing and does not wait. Clones share one list.
///
/// ```
/// use tower_jwt_blocklist::{Blocklist, MemoryBlocklist, Revocation, RevocationId, Revoke, RevocationScope, Status, SystemClock};
/// use tower_jwt_blocklist::{Clock, Timestamp, TokenIds};
/// # use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blocklist = MemoryBlocklist::new();
/// let id = RevocationId::new(Some("my-app"), RevocationScope::Session, "session-1");
/// let until = Timestamp::from(SystemClock.now()) + Duration::from_secs(3600);
/// blocklist.revoke(&Revocation::new(RevocationScope::Session, id, until)).await?;
///
/// let token = TokenIds::new(Some("my-app"), "token-7", Some("session-1"));
/// assert_eq!(blocklist.check(&token).await?, Status::Revoked(RevocationScope::Session));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryBlocklist(Arc<Shared>);

struct Shared {
    /// What is revoked, and until when. Being here is being revoked: reading does not look at `until`.
    entries: papaya::HashMap<RevocationId, Entry, RandomState>,
    /// Held by writers only, one at a time: so nothing is revoked while a token is redeemed.
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
    /// The newest refresh token of each session that has redeemed one.
    sessions: HashMap<RevocationId, Line>,
    /// All that is held, by expiry, to find what can be forgotten.
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
    /// Entries a list holds unless told otherwise; some 100 bytes each. A session that has redeemed a refresh token is one of them.
    pub const DEFAULT_CAPACITY: usize = 1_000_000;

    /// An empty list with room for [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY) entries.
    pub fn new() -> Self {
        Self::with_capacity_and_clock(Self::DEFAULT_CAPACITY, SystemClock)
    }

    /// An empty list with room for `capacity` entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_clock(capacity, SystemClock)
    }

    /// An empty list with room for `capacity` entries that forgets by this clock, which must be the verifier's: what is over by
    /// the one need not be by the other.
    pub fn with_capacity_and_clock(capacity: usize, clock: impl Clock) -> Self {
        Self(Arc::new(Shared {
            entries: papaya::HashMap::default(),
            writers: Mutex::default(),
            capacity,
            clock: Arc::new(clock),
        }))
    }

    /// How many entries are held, revocations and sessions that have redeemed a refresh token. Expired ones that nothing stored
    /// since has cleared away are among them.
    pub fn len(&self) -> usize {
        self.0.writers().by_expiry.len()
    }

    /// Whether no entry is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shared {
    /// Nothing done under the lock can panic half-way and leave the collections apart, so a poisoned one is as good as a whole one.
    fn writers(&self) -> MutexGuard<'_, Writers> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, once everything is forgotten that is over.
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
        let id = revocation.id;
        let entries = self.entries.pin();
        let earlier = entries.get(&id).copied();
        let entry = match earlier {
            Some(earlier) => {
                Entry { cut_off: earlier.cut_off.merge(revocation.cut_off), until: earlier.until.max(revocation.until) }
            }
            None if revocation.until <= now => return Ok(()),
            None if writers.by_expiry.len() >= self.capacity => return Err(RevokeError::Full),
            None => Entry { cut_off: revocation.cut_off, until: revocation.until },
        };
        writers.move_expiry(Held::Entry(id), earlier.map(|earlier| earlier.until), entry.until);
        if entries.len().is_power_of_two() {
            // Nearly every check finds nothing, and has looked far before it knows where the table is more than half full.
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
                let until = earlier.map_or(redemption.kept_until, |earlier| earlier.max(redemption.kept_until));
                writers.move_expiry(Held::Line(redemption.session), earlier, until);
                writers.sessions.insert(redemption.session, Line { newest: redemption.next(), until });
            }
            Rotation::Replayed => {
                // The revocation takes the room of the line that it ends: a full list cannot keep a thief in.
                if let Some(earlier) = earlier {
                    writers.by_expiry.remove(&(earlier, Held::Line(redemption.session)));
                    writers.sessions.remove(&redemption.session);
                }
                self.store(&mut writers, &redemption.theft(), now)?;
            }
        }
        Ok(rotation)
    }

    /// The widest scope at which a token with these ids is refused.
    fn refused(&self, ids: &TokenIds) -> Option<RevocationScope> {
        let entries = self.entries.pin();
        let is_refused = |id| entries.get(&id).is_some_and(|entry| entry.cut_off.refuses(ids));
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
    fn check(&self, ids: &TokenIds) -> Lookup {
        Lookup::known(Ok(self.0.refused(ids).map_or(Status::NotRevoked, Status::Revoked)))
    }
}

impl Revoke for MemoryBlocklist {
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move {
            let now = self.0.now();
            revocation.reported(self.0.store(&mut self.0.swept(now), revocation, now))
        })
    }

    fn cut_off<'a>(&'a self, ids: &'a TokenIds) -> CutOffFuture<'a> {
        let entries = self.0.entries.pin();
        let latest = ids.each().filter_map(|(_, id)| Some(entries.get(&id)?.cut_off.limit(ids))).max();
        Box::pin(std::future::ready(Ok(latest)))
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
