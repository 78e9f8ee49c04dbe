//! The owner of guarantee G3: an entry outlives every token that it revokes.
//!
//! [`Retention`] makes every revocation of this crate, and decides how long a store keeps it.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    blocklist::{Revocation, RevocationId, RevocationScope, TokenIds},
    clock::{Clock, Timestamp},
};

/// The largest leeway that a verifier can have. Entries are kept that much longer than a token,
/// whatever the leeway of the verifier that made them: another process may have a larger one.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// The time that an entry is kept after the `exp` of its token: the largest leeway, one second for
/// the rounding of `exp`, and one minute for clocks that differ.
const KEPT_AFTER_EXPIRY: Duration = MAX_LEEWAY.saturating_add(Duration::from_secs(1 + 60));

/// Makes revocations that a store keeps for long enough, by the verifier's clock.
#[derive(Clone)]
pub(crate) struct Retention {
    max_lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl Retention {
    /// Creates the retention for verifiers that accept no token for longer than `max_lifetime`.
    pub(crate) fn new(max_lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { max_lifetime, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Revokes the login of a token: its session, or the token alone if it has no `sid`.
    pub(crate) fn login(&self, ids: &TokenIds, expires_at: Timestamp) -> Revocation {
        match ids.session() {
            Some(session) => self.session(session).with_legacy_key(ids, kept_after(expires_at)),
            None => self.token(ids, expires_at),
        }
    }

    /// Revokes one token.
    pub(crate) fn token(&self, ids: &TokenIds, expires_at: Timestamp) -> Revocation {
        let until = kept_after(expires_at);
        Revocation::expiring_at(RevocationScope::Token, ids.token(), until).with_legacy_key(ids, until)
    }

    /// Revokes one token by its id. The caller's `expires_at` is not proven, so `max_lifetime`
    /// bounds it.
    pub(crate) fn token_by_id(&self, token: RevocationId, expires_at: Timestamp) -> Revocation {
        let until = kept_after(expires_at).min(self.last_use_of_any(self.now()));
        Revocation::expiring_at(RevocationScope::Token, token, until)
    }

    /// Revokes a session for ever: all of its tokens that exist now expire within the time that
    /// this is kept for.
    pub(crate) fn session(&self, session: RevocationId) -> Revocation {
        // A full hour, so logging out repeatedly gives one and the same entry.
        let until = self.last_use_of_any(self.now()).next_hour();
        Revocation::expiring_at(RevocationScope::Session, session, until)
    }

    /// Revokes the tokens that were issued up to now.
    pub(crate) fn issued_up_to_now(&self, scope: RevocationScope, id: RevocationId) -> Revocation {
        self.issued_up_to(scope, id, self.now())
    }

    /// Revokes the tokens that were issued up to `moment`.
    pub(crate) fn issued_up_to(&self, scope: RevocationScope, id: RevocationId, moment: Timestamp) -> Revocation {
        Revocation::expiring_at(scope, id, self.last_use_of_any(moment)).issued_up_to(moment.into())
    }

    /// Revokes all tokens that were issued to the token's subject up to `moment`, except its
    /// session's. `None` for a token without `sub` or `sid`.
    pub(crate) fn other_sessions(&self, ids: &TokenIds, moment: Timestamp) -> Option<Revocation> {
        let (subject, session) = (ids.subject()?, ids.session()?);
        Some(self.issued_up_to(RevocationScope::Subject, subject, moment).except_session(session))
    }

    /// The last time at which a token that was issued up to `moment` could be accepted. Its `iat`
    /// may lie after that moment by the leeway, and `max_lifetime` bounds the rest.
    pub(crate) fn last_use_of_any(&self, moment: Timestamp) -> Timestamp {
        moment + (KEPT_AFTER_EXPIRY + KEPT_AFTER_EXPIRY + self.max_lifetime)
    }
}

/// The last time at which a token with this `exp` could be accepted.
pub(crate) fn kept_after(expires_at: Timestamp) -> Timestamp {
    expires_at + KEPT_AFTER_EXPIRY
}

impl fmt::Debug for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retention").field("max_lifetime", &self.max_lifetime).finish_non_exhaustive()
    }
}
