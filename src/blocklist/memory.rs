//! The blocklist of one process.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use foldhash::quality::RandomState;

use super::{
    Blocklist, CutOff, CutOffFuture, Lookup, Revocation, RevocationId, Revoke, RevokeError, RevokeFuture, Status,
    TokenIds,
};
use crate::clock::{Clock, SystemClock, Timestamp};

/// Revocations in the memory of this process: for tests, for one process, for a start without Redis.
///
/// They are lost when the process ends, and other processes do not see them. Entries are forgotten when they expire, and
/// never sooner: a full list refuses to store ([`RevokeError::Full`]) rather than drop one. A check takes no lock, allocates
/// nothing and does not wait. Clones share one list.
///
/// ```
/// use tower_jwt_blocklist::{Blocklist, MemoryBlocklist, Revocation, RevocationId, Revoke, Scope, Status, SystemClock};
/// use tower_jwt_blocklist::{Clock, Timestamp, TokenIds};
/// # use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blocklist = MemoryBlocklist::new();
/// let id = RevocationId::new(Some("my-app"), Scope::Session, "session-1");
/// let until = Timestamp::from(SystemClock.now()) + Duration::from_secs(3600);
/// blocklist.revoke(&Revocation::new(Scope::Session, id, until)).await?;
///
/// let token = TokenIds::new(Some("my-app"), "token-7", Some("session-1"));
/// assert_eq!(blocklist.check(&token).await?, Status::Revoked(Scope::Session));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryBlocklist(Arc<Shared>);

struct Shared {
    /// What is revoked, and until when. Being here is being revoked: reading does not look at `until`.
    entries: papaya::HashMap<RevocationId, Entry, RandomState>,
    /// The same entries by expiry, to find those that can be forgotten. Held by writers only, one at a time.
    by_expiry: Mutex<BTreeSet<(Timestamp, RevocationId)>>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    cut_off: CutOff,
    until: Timestamp,
}

impl MemoryBlocklist {
    /// Entries a list holds unless told otherwise; some 100 bytes each.
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
            by_expiry: Mutex::default(),
            capacity,
            clock: Arc::new(clock),
        }))
    }

    /// How many entries are held, expired ones that no revocation has cleared away yet included.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether no entry is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shared {
    fn store(&self, revocation: &Revocation) -> Result<(), RevokeError> {
        let now = Timestamp::from(self.clock.now());
        let id = revocation.id;
        // Nothing in here can panic half-way and leave the two collections apart, so a poisoned lock is as good as a whole one.
        let mut by_expiry = self.by_expiry.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.pin();
        while let Some(expired) = by_expiry.first().copied().filter(|(until, _)| *until <= now) {
            by_expiry.remove(&expired);
            entries.remove(&expired.1);
        }
        let earlier = entries.get(&id).copied();
        let entry = match earlier {
            Some(earlier) => {
                Entry { cut_off: earlier.cut_off.merge(revocation.cut_off), until: earlier.until.max(revocation.until) }
            }
            None if revocation.until <= now => return Ok(()),
            None if by_expiry.len() >= self.capacity => return Err(RevokeError::Full),
            None => Entry { cut_off: revocation.cut_off, until: revocation.until },
        };
        if let Some(earlier) = earlier {
            by_expiry.remove(&(earlier.until, id));
        }
        if by_expiry.len().is_power_of_two() {
            // Nearly every check finds nothing, and has looked far before it knows where the table is more than half full.
            entries.reserve(2 * by_expiry.len());
        }
        by_expiry.insert((entry.until, id));
        entries.insert(id, entry);
        Ok(())
    }
}

impl Blocklist for MemoryBlocklist {
    fn check(&self, ids: &TokenIds) -> Lookup {
        let entries = self.0.entries.pin();
        let refused = ids.each().find(|(_, id)| entries.get(id).is_some_and(|entry| entry.cut_off.refuses(ids)));
        Lookup::known(Ok(refused.map_or(Status::NotRevoked, |(scope, _)| Status::Revoked(scope))))
    }
}

impl Revoke for MemoryBlocklist {
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move { revocation.counted(self.0.store(revocation)) })
    }

    fn cut_off<'a>(&'a self, ids: &'a TokenIds) -> CutOffFuture<'a> {
        let entries = self.0.entries.pin();
        let latest = ids.each().filter_map(|(_, id)| Some(entries.get(&id)?.cut_off.limit(ids))).max();
        Box::pin(std::future::ready(Ok(latest)))
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
