//! Redeeming a refresh token once: what a store is asked, and what it decides.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{
    blocklist::{
        Revocation, RevocationScope, Revoke, RevokeError,
        id::{RevocationId, TokenIds},
    },
    clock::Timestamp,
};

/// Redeems refresh tokens: each once.
///
/// The rules for every backend: the whole of a [`Redemption`] is one atomic step, in which every revocation that was stored
/// before it counts and none that comes later can be missed; and an error has consumed nothing, or cannot tell. What a store has to
/// keep is the newest [`Generation`] of each session.
pub trait Rotate: Revoke {
    /// Redeems a token, or finds out why not.
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a>;
}

/// What [`Rotate::rotate`] returns.
///
/// # Errors
///
/// When nothing was stored, or not certainly. The same [`Redemption`] can be sent again.
pub type RotateFuture<'a> = Pin<Box<dyn Future<Output = Result<Rotation, RevokeError>> + Send + 'a>>;

/// A refresh token's place in the line of its session's refresh tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// How many tokens were redeemed before it: 0 is that of the login.
    pub number: u32,
    /// What its `jti` is made of: 128 random bits.
    pub token_id: u128,
    /// When it was minted, which is when the one before it was redeemed.
    pub minted_at: Timestamp,
}

/// One use of a refresh token, as a store is asked for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Redemption {
    /// The names of the token, and when its session began: whatever revokes one of them refuses the redemption.
    pub ids: TokenIds,
    /// Whose line of refresh tokens it is, and what is revoked when the token was stolen.
    pub session: RevocationId,
    /// The [`number`](Generation::number) of the token.
    pub presented: u32,
    /// What the successor's `jti` will be made of: 128 random bits, new for every use and the same when one use is sent twice.
    pub successor: u128,
    /// Now.
    pub now: Timestamp,
    /// For how long after a redemption the same token gets the same successor again.
    pub grace: Duration,
    /// When the session's generation may be forgotten: not before every superseded token has ended.
    pub kept_until: Timestamp,
    /// When the revocation of a session whose token was stolen may be forgotten: see [`Revocation::new`].
    pub revoked_until: Timestamp,
}

/// What became of a [`Redemption`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only a token that was redeemed gets a successor"]
pub enum Rotation {
    /// The token is redeemed, and the proposed successor takes its place.
    Rotated,
    /// It was redeemed within the grace, and this is its successor. Nothing has changed.
    Repeated(Generation),
    /// It was redeemed before: two parties have it, so the session is now revoked.
    Replayed,
    /// It was revoked at this scope; where several apply, any one of them. Nothing has changed.
    Revoked(RevocationScope),
}

impl Redemption {
    /// The rule, for every store. `revoked`: the scope at which one of the token's names is revoked. `newest`: what is known of the
    /// session.
    ///
    /// A logout comes first: it has no grace. A store that knows nothing, or less than the token says, has lost what it knew: the
    /// token is genuine, so its generation was reached, and its word is taken. The proposed successor is that of the store already
    /// when the same use is sent again because its answer was lost on the way.
    pub(crate) fn decide(&self, revoked: Option<RevocationScope>, newest: Option<Generation>) -> Rotation {
        if let Some(scope) = revoked {
            return Rotation::Revoked(scope);
        }
        let Some(newest) = newest.filter(|newest| self.presented < newest.number) else { return Rotation::Rotated };
        if self.presented + 1 < newest.number {
            return Rotation::Replayed;
        }
        match newest.token_id == self.successor {
            true => Rotation::Rotated,
            false if self.now.since(newest.minted_at) < self.grace => Rotation::Repeated(newest),
            false => Rotation::Replayed,
        }
    }

    /// The successor.
    pub(crate) fn next(&self) -> Generation {
        Generation { number: self.presented.saturating_add(1), token_id: self.successor, minted_at: self.now }
    }

    /// What is stored when the token turns out to be in two hands.
    pub(crate) fn theft(&self) -> Revocation {
        Revocation::new(RevocationScope::Session, self.session, self.revoked_until)
    }
}

impl<T: Rotate + ?Sized> Rotate for Arc<T> {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        (**self).rotate(redemption)
    }
}

/// Without the id.
impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("minted_at", &self.minted_at)
            .finish_non_exhaustive()
    }
}

/// Without the id of the successor.
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

    #[test]
    fn r56_every_row_of_the_rule() {
        let newest = Generation { number: 5, token_id: 50, minted_at: Timestamp::from_millis(1000) };
        let grace = Duration::from_millis(10);
        let rows = [
            ("nothing is known", 3, 1, 1000, grace, None, Rotation::Rotated),
            ("the newest", 5, 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("newer than is known", 6, 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("the last number", u32::MAX, 1, 1000, grace, Some(newest), Rotation::Rotated),
            ("in the grace", 4, 1, 1009, grace, Some(newest), Rotation::Repeated(newest)),
            ("by a clock that is behind", 4, 1, 900, grace, Some(newest), Rotation::Repeated(newest)),
            ("when the grace is over", 4, 1, 1010, grace, Some(newest), Rotation::Replayed),
            ("without grace", 4, 1, 1000, Duration::ZERO, Some(newest), Rotation::Replayed),
            ("without grace, by a clock behind", 4, 1, 900, Duration::ZERO, Some(newest), Rotation::Replayed),
            ("sent again", 4, 50, 1000, Duration::ZERO, Some(newest), Rotation::Rotated),
            ("an older one", 3, 1, 1000, grace, Some(newest), Rotation::Replayed),
            ("an older one, whatever it proposes", 3, 50, 1000, grace, Some(newest), Rotation::Replayed),
        ];
        let ids = TokenIds::new(None, "t", Some("s"));
        for (name, presented, successor, now, grace, known, expected) in rows {
            let session = RevocationId::new(None, RevocationScope::Session, "s");
            let (now, until) = (Timestamp::from_millis(now), Timestamp::from_millis(5000));
            let redemption =
                Redemption { ids, session, presented, successor, now, grace, kept_until: until, revoked_until: until };
            assert_eq!(redemption.decide(None, known), expected, "{name}");
            let revoked = redemption.decide(Some(RevocationScope::Subject), known);
            assert_eq!(revoked, Rotation::Revoked(RevocationScope::Subject), "{name}, revoked");
        }
    }

    #[test]
    fn r75_the_id_of_a_token_to_come_is_not_shown() {
        let generation = Generation { number: 1, token_id: 123_456_789, minted_at: Timestamp::from_millis(5) };
        assert!(!format!("{generation:?}").contains("123456789"));
    }
}
