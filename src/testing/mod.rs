//! Tokens, a clock and a blocklist for the tests of your own handlers.
//!
//! Turn on the feature `testing` for your tests only:
//!
//! ```toml
//! [dev-dependencies]
//! tower-jwt-blocklist = { version = "0.1", features = ["testing"] }
//! ```
//!
//! 1. [`TestTokens`] mints good tokens, and one for each usual reason to reject a request. It hands
//!    out the [`Verifier`](crate::Verifier) and the [`MemoryBlocklist`](crate::MemoryBlocklist)
//!    that your application is then built with.
//! 2. [`ManualClock`] moves only when a test moves it, so no test has to sleep until a token has
//!    expired.
//! 3. [`FailingBlocklist`] stands in front of another blocklist, and fails or revokes on demand.
//!
//! Everything here decides as in production: the verifier, the guard and the layer are the real
//! ones. Only the key, the time and the outage come from the test.
//!
//! The secrets are random for each [`TestTokens`], so every other verifier rejects its tokens.
//! Still, never build a server with this module: code that can reach a `TestTokens` can mint a
//! token for any user.
//!
//! # Example
//!
//! A good token is admitted. An expired one, and one of a session that was logged out, are
//! rejected:
//!
//! ```
//! use tower_jwt_blocklist::{
//!     Guard, NoClaims, TokenKind, reject::RejectionKind, testing::TestTokens,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let tokens = TestTokens::new();
//! let guard = Guard::new(TokenKind::Access, tokens.verifier(), tokens.blocklist());
//!
//! let ann = tokens.with_subject("ann");
//! let user = guard.authenticate::<NoClaims>(&ann.access()).await.unwrap();
//! assert_eq!(user.subject(), Some("ann"));
//!
//! for (token, expected) in [
//!     (ann.expired(), RejectionKind::Expired),
//!     (ann.revoked().await, RejectionKind::Revoked),
//!     (ann.signed_with_another_key(), RejectionKind::Invalid),
//! ] {
//!     assert_eq!(guard.authenticate::<NoClaims>(&token).await.unwrap_err().kind(), expected);
//! }
//! # }
//! ```
//!
//! The guide [Testing your handlers](crate::guide::testing_your_handlers) does the same with an
//! axum application.

mod failing_blocklist;
mod manual_clock;
mod tokens;

pub use failing_blocklist::FailingBlocklist;
pub use manual_clock::ManualClock;
pub use tokens::TestTokens;

use std::time::SystemTime;

use crate::clock::Clock;

/// A `ManualClock` can be passed wherever a [`Clock`] is expected. Pass a clone and keep one to
/// move it.
impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}
