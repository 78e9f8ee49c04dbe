//! What a revocation says about time: refuse what was issued up to some moment, perhaps but for one session.
//!
//! Every entry of every scope is one of these. They are merged by union: whatever one of two refuses, the merged one refuses,
//! and nothing else. So the order of revocations does not matter, and none is ever taken back.

use crate::{
    blocklist::id::{RevocationId, TokenIds},
    clock::Timestamp,
};

/// Refuses tokens by the time they were issued at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutOff {
    /// Up to here, every token.
    pub(crate) all: Timestamp,
    /// Up to here, every token but those of `except`.
    pub(crate) others: Timestamp,
    pub(crate) except: Option<RevocationId>,
}

impl CutOff {
    /// Every token, whenever it was issued: no token can name a later time.
    pub(crate) const ALWAYS: Self = Self::up_to(Timestamp::from_millis(Timestamp::MAX_SECONDS * 1000));

    pub(crate) const fn up_to(moment: Timestamp) -> Self {
        Self { all: moment, others: Timestamp::from_millis(0), except: None }
    }

    /// The same, but for the tokens of this session.
    pub(crate) fn but_for(self, session: RevocationId) -> Self {
        let Self { all, others, .. } = self;
        Self { all: Timestamp::from_millis(0), others: all.max(others), except: Some(session) }
    }

    /// Up to when tokens with these ids are refused.
    pub(crate) fn limit(&self, ids: &TokenIds) -> Timestamp {
        let is_excepted = self.except.is_some() && self.except == ids.session();
        if is_excepted { self.all } else { self.all.max(self.others) }
    }

    /// A token that tells only the second it was issued in could be of its first millisecond; one that tells nothing could be of
    /// any time, and is refused by every cut-off.
    pub(crate) fn refuses(&self, ids: &TokenIds) -> bool {
        ids.issued_at().unwrap_or(Timestamp::from_millis(0)) <= self.limit(ids)
    }

    /// What either of the two refuses.
    pub(crate) fn merge(self, other: Self) -> Self {
        let (small, large) = if self.others <= other.others { (self, other) } else { (other, self) };
        let mut all = small.all.max(large.all);
        if small.except != large.except {
            // The later exception is refused by the earlier cut-off, and the earlier exception by the later one.
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
                Some(number) => cut_off.but_for(RevocationId::new(None, RevocationScope::Session, &session(number))),
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
                        ids = ids.with_issued_at(Timestamp::from_millis(second * 1000));
                    }
                    let expected = cut_offs.iter().any(|cut_off| cut_off.refuses(&ids));
                    // A token that does not tell its time may be refused by more: never by less.
                    prop_assert!(merged.refuses(&ids) == expected || issued_at.is_none_or(|second| second == 0) && merged.refuses(&ids));
                    prop_assert!(other_way.refuses(&ids) == merged.refuses(&ids));
                }
            }
        }
    }

    #[test]
    fn r52_what_was_issued_up_to_the_cut_off_is_refused_and_the_rest_is_not() {
        let cut_off = CutOff::up_to(Timestamp::from_millis(10_300));
        let issued = |millis| TokenIds::new(None, "t", None).with_issued_at(Timestamp::from_millis(millis));
        for (millis, refused) in [(9_000, true), (10_000, true), (10_300, true), (10_301, false), (11_000, false)] {
            assert_eq!(cut_off.refuses(&issued(millis)), refused, "{millis}");
        }
        assert!(cut_off.refuses(&TokenIds::new(None, "t", None)), "without iat");
    }
}
