//! The rule which tokens of an id are rejected: those issued up to some moment, perhaps except one
//! session's.
//!
//! A store keeps one cut-off for each id, and merges a new one into it. The merged cut-off rejects
//! exactly the tokens that one of the two rejects, so the order of revocations does not matter and
//! none is ever undone.

use std::time::SystemTime;

use crate::{
    blocklist::id::{RevocationId, TokenIds},
    clock::Timestamp,
};

/// Rejects tokens by the time they were issued at: what a store keeps for each revoked id.
///
/// The unit is milliseconds; a finer [`SystemTime`] is rounded down.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use tower_jwt_blocklist::blocklist::{CutOff, RevocationId, RevocationScope, TokenIds};
///
/// let noon = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let issued_at = |time| TokenIds::new(Some("my-app"), "t", Some("s")).with_issued_at(time);
///
/// let cut_off = CutOff::issued_up_to(noon);
/// assert!(cut_off.rejects(&issued_at(noon)));
/// assert!(!cut_off.rejects(&issued_at(noon + Duration::from_millis(1))));
///
/// let session = RevocationId::new(Some("my-app"), RevocationScope::Session, "s");
/// assert!(!cut_off.except_session(session).rejects(&issued_at(noon)));
///
/// // A store writes three parts, and rebuilds the cut-off from them.
/// let stored = (cut_off.everyone_up_to(), cut_off.others_up_to(), cut_off.excepted_session());
/// assert_eq!(CutOff::from_parts(stored.0, stored.1, stored.2), cut_off);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// Every token issued up to this moment is rejected.
    pub(crate) all: Timestamp,
    /// Every token issued up to this moment is rejected, unless it belongs to the session `except`.
    pub(crate) others: Timestamp,
    pub(crate) except: Option<RevocationId>,
}

impl CutOff {
    /// Rejects every token, whenever it was issued: no token can name a later time.
    pub const ALWAYS: Self = Self::up_to(Timestamp::from_millis(Timestamp::MAX_SECONDS * 1000));

    /// Rejects the tokens that were issued up to `moment`.
    pub fn issued_up_to(moment: SystemTime) -> Self {
        Self::up_to(moment.into())
    }

    pub(crate) const fn up_to(moment: Timestamp) -> Self {
        Self { all: moment, others: Timestamp::from_millis(0), except: None }
    }

    /// Rebuilds a cut-off from the parts that a store has kept.
    pub fn from_parts(everyone_up_to: SystemTime, others_up_to: SystemTime, excepted: Option<RevocationId>) -> Self {
        Self { all: everyone_up_to.into(), others: others_up_to.into(), except: excepted }
    }

    /// Exempts the tokens of this session.
    #[must_use]
    pub fn except_session(self, session: RevocationId) -> Self {
        let Self { all, others, .. } = self;
        Self { all: Timestamp::from_millis(0), others: all.max(others), except: Some(session) }
    }

    /// Returns the moment up to which every token is rejected, also those of the excepted session.
    /// The Unix epoch stands for "no token".
    pub fn everyone_up_to(&self) -> SystemTime {
        self.all.into()
    }

    /// Returns the moment up to which the tokens of all other sessions are rejected. The Unix epoch
    /// stands for "no token".
    pub fn others_up_to(&self) -> SystemTime {
        self.others.into()
    }

    /// Returns the session that is exempt, if there is one.
    pub fn excepted_session(&self) -> Option<RevocationId> {
        self.except
    }

    /// Returns the latest moment up to which the tokens of any session are rejected: see
    /// [`Revoke::cut_off`](crate::blocklist::Revoke::cut_off).
    pub fn latest(&self) -> SystemTime {
        self.latest_time().into()
    }

    pub(crate) fn latest_time(&self) -> Timestamp {
        self.all.max(self.others)
    }

    /// Whether this cut-off rejects a token with these ids.
    ///
    /// A token whose time of issue is given in seconds counts as issued in the first millisecond of
    /// that second. A token without a time of issue is rejected by every cut-off.
    pub fn rejects(&self, ids: &TokenIds) -> bool {
        let is_excepted = self.except.is_some() && self.except == ids.session();
        let limit = if is_excepted { self.all } else { self.latest_time() };
        ids.issue_time().unwrap_or(Timestamp::from_millis(0)) <= limit
    }

    /// Returns the cut-off that rejects what one of the two rejects.
    ///
    /// It is commutative, associative and idempotent. A token without a time of issue, or of the
    /// Unix epoch, may be rejected by more.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let (small, large) = if self.others <= other.others { (self, other) } else { (other, self) };
        let mut all = small.all.max(large.all);
        if small.except != large.except {
            // The later exception is rejected by the earlier cut-off, and the earlier exception by
            // the later one.
            all = all.max(small.others);
        }
        if large.others <= all { Self::up_to(all) } else { Self { all, ..large } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blocklist::RevocationScope;

    fn session(number: u8) -> String {
        format!("session-{number}")
    }

    fn cut_offs() -> impl Strategy<Value = CutOff> {
        (0..6_u64, proptest::option::of(0..3_u8)).prop_map(|(second, except)| {
            let cut_off = CutOff::up_to(Timestamp::from_millis(second * 1000 + 500));
            match except {
                None => cut_off,
                Some(number) => {
                    cut_off.except_session(RevocationId::new(None, RevocationScope::Session, &session(number)))
                }
            }
        })
    }

    proptest! {
        #[test]
        fn g4_merging_refuses_what_any_of_them_refuses_in_whatever_order(
            cut_offs in proptest::collection::vec(cut_offs(), 1..6),
            order in any::<u64>(),
        ) {
            let merged = cut_offs.iter().copied().reduce(CutOff::merge).unwrap();
            let mut shuffled = cut_offs.clone();
            shuffled.sort_by_key(|cut_off| (cut_off.all.as_millis() ^ order, cut_off.others.as_millis() ^ order.rotate_left(7)));
            let other_way = shuffled.iter().copied().reduce(CutOff::merge).unwrap();
            for number in 0..4 {
                for issued_at in [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)] {
                    let mut ids = TokenIds::new(None, "token", Some(&session(number)));
                    if let Some(second) = issued_at {
                        ids = ids.with_issue_time(Timestamp::from_millis(second * 1000));
                    }
                    let expected = cut_offs.iter().any(|cut_off| cut_off.rejects(&ids));
                    // A merge may only reject more tokens without a time of issue, never fewer.
                    prop_assert!(merged.rejects(&ids) == expected || issued_at.is_none_or(|second| second == 0) && merged.rejects(&ids));
                    prop_assert!(other_way.rejects(&ids) == merged.rejects(&ids));
                }
            }
        }
    }

    #[test]
    fn r52_what_was_issued_up_to_the_cut_off_is_refused_and_the_rest_is_not() {
        let cut_off = CutOff::up_to(Timestamp::from_millis(10_300));
        let issued = |millis| TokenIds::new(None, "t", None).with_issue_time(Timestamp::from_millis(millis));
        for (millis, refused) in [(9_000, true), (10_000, true), (10_300, true), (10_301, false), (11_000, false)] {
            assert_eq!(cut_off.rejects(&issued(millis)), refused, "{millis}");
        }
        assert!(cut_off.rejects(&TokenIds::new(None, "t", None)), "without iat");
    }
}
