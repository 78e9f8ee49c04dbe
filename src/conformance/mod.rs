//! The test suite for a blocklist of your own.
//!
//! Turn on the feature `conformance` for your tests, and add tokio with `macros` and `rt`:
//!
//! ```toml
//! [dev-dependencies]
//! tokio = { version = "1", features = ["macros", "rt"] }
//! tower-jwt-blocklist = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! 1. Implement [`Blocklist`](crate::blocklist::Blocklist), [`Revoke`](crate::blocklist::Revoke)
//!    and [`Rotate`](crate::blocklist::Rotate) for your store. The page
//!    [Bring your own store](crate::blocklist#bring-your-own-store) has the rules.
//! 2. Implement [`Backend`] for a fixture that starts an empty store, and hands out two processes'
//!    views of it.
//! 3. Write [`suite!`](suite) once. It makes one test of each case, and each test starts a backend
//!    of its own.
//!
//! The blocklists of this crate pass the same cases: the memory list, Redis in several versions,
//! and mirrors of it. A case is a function that panics when the backend breaks the rule in its
//! name. The letters and numbers in the names are those of `docs/requirements.md` in this crate's
//! repository. The names of the cases are not stable, and a minor release may add cases: rely on the
//! macros and on [`Backend`] only.
//!
//! The suite calls the store alone. What happens when it is slow, loses its connection or is
//! emptied is different for each store, and needs tests of its own: see
//! [`Outage`](crate::blocklist::Outage) for the errors to answer with.
//!
//! # Example
//!
//! The suite over [`MemoryBlocklist`](crate::MemoryBlocklist):
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_jwt_blocklist::{
//!     MemoryBlocklist,
//!     blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, Rotate},
//!     conformance::Backend,
//! };
//!
//! struct Memory(MemoryBlocklist);
//!
//! impl Backend for Memory {
//!     fn node(&self) -> impl Blocklist + Rotate + Clone {
//!         self.0.clone()
//!     }
//!
//!     fn other_node(&self) -> impl Blocklist + Rotate + Clone {
//!         self.0.clone()
//!     }
//!
//!     fn now(&self) -> SystemTime {
//!         SystemTime::now()
//!     }
//!
//!     async fn let_pass(&self, duration: Duration) {
//!         tokio::time::sleep(duration).await;
//!         // This store removes expired entries whenever something is stored, even if that has expired.
//!         let id = RevocationId::new(None, RevocationScope::Token, "expired");
//!         let expired = Revocation::new(RevocationScope::Token, id, SystemTime::UNIX_EPOCH);
//!         self.0.revoke(&expired).await.unwrap();
//!     }
//!
//!     async fn stored(&self) -> usize {
//!         self.0.len()
//!     }
//! }
//!
//! tower_jwt_blocklist::conformance::suite!(Memory(MemoryBlocklist::new()));
//! ```

mod backend;
mod fixtures;
mod revocations;
mod rotations;

pub use backend::Backend;
pub use revocations::*;
pub use rotations::*;

#[doc(inline)]
pub use crate::{__conformance_cases as cases, __conformance_suite as suite};

/// Makes a tokio test of each case, over a backend of its own.
///
/// The argument is an expression for the backend, which may use `.await`:
///
/// ```ignore
/// tower_jwt_blocklist::conformance::suite!(MyBackend::start().await);
/// ```
///
/// Put each use into a module of its own, because the tests have the names of the cases.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_suite {
    ($backend:expr) => {
        $crate::__conformance_cases! { $crate::__conformance_tests, ($backend) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($backend:expr) $($case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::$case($backend).await;
            }
        )*
    };
}

/// Calls a macro of yours with the names of all cases, each followed by a comma. For what
/// [`suite!`](crate::conformance::suite) cannot do: another test runner, or several versions of a
/// server.
///
/// ```ignore
/// macro_rules! over_each_version {
///     ($($case:ident,)*) => {
///         $(#[tokio::test] async fn $case() {
///             for version in ["7", "8"] {
///                 tower_jwt_blocklist::conformance::$case(MyBackend::start(version).await).await;
///             }
///         })*
///     };
/// }
///
/// tower_jwt_blocklist::conformance::cases!(over_each_version);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($callback:path $(, $argument:tt)?) => {
        $callback! {
            $($argument)?
            nothing_is_revoked_at_first,
            g1_once_revoke_is_ok_every_later_check_refuses_on_every_node,
            r51_a_revoked_token_leaves_all_others_alone,
            r53_a_revoked_session_takes_all_its_tokens_and_no_others,
            r52_a_cut_off_refuses_what_was_issued_up_to_its_second,
            g4_cut_offs_add_up_in_every_order,
            g4_nothing_shortens_or_removes_an_entry,
            g4_a_longer_revocation_lengthens_an_entry,
            r50_revoking_what_has_expired_is_ok_and_stores_nothing,
            an_expired_entry_is_forgotten,
            r66_any_text_can_be_an_id,
            concurrent_revocations_are_all_stored,
            behind_an_arc_dyn_it_is_the_same_blocklist,
            r56_g6_of_concurrent_uses_one_rotates_and_the_others_get_its_successor,
            r56_g6_without_grace_one_of_concurrent_uses_rotates_and_the_session_is_dead,
            r56_a_token_is_worth_one_successor_generation_after_generation,
            r56_an_older_token_ends_the_session_and_its_access_tokens,
            r56_the_grace_ends_to_the_millisecond,
            r58_a_logout_of_any_breadth_ends_the_line_and_has_no_grace,
            r58_the_session_that_is_spared_goes_on,
            r56_a_use_that_is_sent_again_is_the_same_use,
            r56_a_store_that_knows_less_takes_the_tokens_word,
            r56_a_second_token_of_the_newest_generation_ends_the_session,
            g3_a_line_is_known_as_long_as_any_redemption_asked_for_and_then_forgotten,
            behind_an_arc_dyn_it_is_the_same_line,
        }
    };
}
