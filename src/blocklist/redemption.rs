//! Redeeming a refresh token once: the request to a store, and the rule that decides it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::{
    blocklist::{
        id::{RevocationId, RevocationScope, TokenIds},
        revocation::Revocation,
    },
    clock::Timestamp,
};

/// A refresh token's place among its session's refresh tokens. A store keeps the newest of each
/// session.
// Exhaustive: a store builds it from what it has kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// The number of refresh tokens of the session that were redeemed before this one: 0 for that
    /// of the login.
    pub number: u32,
    /// The 128 random bits of its `jti`.
    pub token_id: u128,
    /// The time it was minted, when its predecessor was redeemed. A store keeps milliseconds.
    pub minted_at: SystemTime,
}

/// One use of a refresh token, which a store redeems or rejects.
#[derive(Clone, PartialEq, Eq)]
pub struct Redemption {
    /// The ids of the token, and when its session began. A revocation of any of them prevents the
    /// redemption.
    pub ids: TokenIds,
    /// The session: the key of its newest [`Generation`], and what is revoked after a theft.
    pub session: RevocationId,
    /// The [`number`](Generation::number) of the presented token.
    pub presented: u32,
    /// The 128 random bits of the presented token's `jti`: its
    /// [`token_id`](Generation::token_id). `None` if its `jti` has another form, because another
    /// issuer minted it.
    pub token_id: Option<u128>,
    /// The 128 random bits of the successor's `jti`: new for every use, and the same if one use is
    /// sent twice.
    pub successor: u128,
    /// The time of the redemption, by the verifier's clock. It is compared with
    /// [`minted_at`](Generation::minted_at) only: entries expire by the store's own clock.
    pub now: SystemTime,
    /// The time after a redemption during which the same token gets the same successor again.
    pub grace: Duration,
    /// The time from which the session's generation may be removed: every superseded token has
    /// expired.
    pub kept_until: SystemTime,
    /// The time from which the revocation of a stolen session may be removed: see
    /// [`Revocation::new`].
    pub revoked_until: SystemTime,
}

/// The outcome of a [`Redemption`].
// Exhaustive: a store has to act on every outcome, and a new one must not go unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only a token that was redeemed gets a successor"]
#[expect(clippy::exhaustive_enums, reason = "a fifth outcome would change the contract of every store")]
pub enum Rotation {
    /// The token is redeemed: the store replaces the session's generation by
    /// [`Redemption::next_generation`]. It keeps that until the latest
    /// [`kept_until`](Redemption::kept_until) of all the session's redemptions, or longer.
    Rotated,
    /// The token was redeemed within the grace, and this is its successor. The store changes
    /// nothing.
    Repeated(Generation),
    /// The token or its predecessor was redeemed earlier, so it has been copied: the store revokes
    /// the session with [`Redemption::theft`].
    Replayed,
    /// The token was revoked in this scope; if several apply, it is any one of them. The store
    /// changes nothing.
    Revoked(RevocationScope),
}

impl Redemption {
    /// Decides the redemption. Every store uses this rule, or one that agrees with it.
    ///
    /// `revoked` is the scope in which one of the token's [`ids`](Self::ids) is revoked, and
    /// `newest` is the session's newest generation, if the store has one.
    ///
    /// - A revocation comes first: the grace does not apply after a logout.
    /// - If the store knows no generation, or an older one than the token's, it has lost data. The
    ///   token is genuine, so its generation was reached, and it is redeemed.
    /// - If the store knows another token of the same generation, it has lost the redemption that
    ///   minted one of the two, and their predecessor was redeemed again: a replay.
    /// - If the proposed successor is stored already, this is the same use, sent again because the
    ///   answer was lost.
    pub fn decide(&self, revoked: Option<RevocationScope>, newest: Option<Generation>) -> Rotation {
        if let Some(scope) = revoked {
            return Rotation::Revoked(scope);
        }
        let Some(newest) = newest.filter(|newest| self.presented <= newest.number) else { return Rotation::Rotated };
        let next = self.next_generation();
        if (next.number, next.token_id) == (newest.number, newest.token_id) {
            return Rotation::Rotated;
        }
        if self.presented == newest.number {
            return match self.token_id.is_none_or(|token_id| token_id == newest.token_id) {
                true => Rotation::Rotated,
                false => Rotation::Replayed,
            };
        }
        // In milliseconds, as stores keep it.
        let age = Timestamp::from(self.now).since(newest.minted_at.into());
        match next.number == newest.number && age < self.grace {
            true => Rotation::Repeated(newest),
            false => Rotation::Replayed,
        }
    }

    /// Returns the successor's generation: what a store keeps after [`Rotation::Rotated`].
    pub fn next_generation(&self) -> Generation {
        Generation { number: self.presented.saturating_add(1), token_id: self.successor, minted_at: self.now }
    }

    /// Returns the revocation of the session: what a store keeps after [`Rotation::Replayed`].
    pub fn theft(&self) -> Revocation {
        Revocation::new(RevocationScope::Session, self.session, self.revoked_until)
    }
}

/// Does not show the token's id.
impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("minted_at", &self.minted_at)
            .finish_non_exhaustive()
    }
}

/// Does not show the ids of the token and its successor.
impl fmt::Debug for Redemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redemption")
            .field("session", &self.session)
            .field("presented", &self.presented)
            .field("now", &self.now)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        Timestamp::from_millis(millis).into()
    }

    #[test]
    fn r56_every_row_of_the_rule() {
        let newest = Generation { number: 5, token_id: 50, minted_at: at(1000) };
        let last = Generation { number: u32::MAX, ..newest };
        let grace = Duration::from_millis(10);
        let stored = Some(50);
        let rows = [
            ("nothing is known", 3, Some(30), 1, 1000, grace, None, Rotation::Rotated),
            ("the newest", 5, stored, 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("another of the newest generation", 5, Some(51), 1, 1000, grace, Some(newest), Rotation::Replayed),
            ("the newest, of another issuer", 5, None, 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("newer than is known", 6, Some(60), 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("the last number", u32::MAX, Some(60), 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("the last number again", u32::MAX, Some(60), 1, 1000, grace, Some(last), Rotation::Replayed),
            ("the last number, sent again", u32::MAX, Some(60), 50, 1000, grace, Some(last), Rotation::Rotated),
            ("in the grace", 4, Some(40), 1, 1009, grace, Some(newest), Rotation::Repeated(newest)),
            ("by a clock that is behind", 4, Some(40), 1, 900, grace, Some(newest), Rotation::Repeated(newest)),
            ("when the grace has ended", 4, Some(40), 1, 1010, grace, Some(newest), Rotation::Replayed),
            ("without grace", 4, Some(40), 1, 1000, Duration::ZERO, Some(newest), Rotation::Replayed),
            ("without grace, by a clock behind", 4, Some(40), 1, 900, Duration::ZERO, Some(newest), Rotation::Replayed),
            ("sent again", 4, Some(40), 50, 1000, Duration::ZERO, Some(newest), Rotation::Rotated),
            ("an older one", 3, Some(30), 1, 1000, grace, Some(newest), Rotation::Replayed),
            ("an older one, whatever it proposes", 3, Some(30), 50, 1000, grace, Some(newest), Rotation::Replayed),
        ];
        let ids = TokenIds::new(None, "t", Some("s"));
        for (name, presented, token_id, successor, now, grace, known, expected) in rows {
            let session = RevocationId::new(None, RevocationScope::Session, "s");
            let (now, until) = (at(now), at(5000));
            let redemption = Redemption {
                ids,
                session,
                presented,
                token_id,
                successor,
                now,
                grace,
                kept_until: until,
                revoked_until: until,
            };
            assert_eq!(redemption.decide(None, known), expected, "{name}");
            let revoked = redemption.decide(Some(RevocationScope::Subject), known);
            assert_eq!(revoked, Rotation::Revoked(RevocationScope::Subject), "{name}, revoked");
        }
    }

    #[test]
    fn r75_the_id_of_a_token_to_come_is_not_shown() {
        let generation = Generation { number: 1, token_id: 123_456_789, minted_at: at(5) };
        assert!(!format!("{generation:?}").contains("123456789"));
    }
}
