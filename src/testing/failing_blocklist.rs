//! A blocklist that fails on demand.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::blocklist::{
    Blocklist, CutOffFuture, Lookup, MemoryBlocklist, Outage, Redemption, Revocation, RevocationId, RevocationScope,
    Revoke, RevokeError, RevokeFuture, Rotate, RotateFuture, Rotation, Status, TokenIds,
};

/// A blocklist in front of another one, which a test can make fail, or answer that every token is
/// revoked.
///
/// It passes everything on until a test calls [`fail`](Self::fail) or
/// [`revoke_everything`](Self::revoke_everything). All clones share that state, so the test keeps
/// one and gives another to the application.
///
/// ```
/// use tower_jwt_blocklist::{
///     Guard, NoClaims, TokenKind, blocklist::Outage, reject::RejectionKind,
///     testing::{FailingBlocklist, TestTokens},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tokens = TestTokens::new();
/// let blocklist = FailingBlocklist::new(tokens.blocklist());
/// let guard = Guard::new(TokenKind::Access, tokens.verifier(), blocklist.clone());
/// let token = tokens.access();
///
/// // An outage is not a rejection of the token: the layer answers 503, and the client keeps it.
/// blocklist.fail(Outage::TimedOut);
/// let rejection = guard.authenticate::<NoClaims>(&token).await.unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Unavailable);
///
/// blocklist.recover();
/// assert!(guard.authenticate::<NoClaims>(&token).await.is_ok());
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FailingBlocklist<B = MemoryBlocklist> {
    inner: B,
    mode: Arc<Mutex<Mode>>,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    PassOn,
    Fail(Outage),
    Revoked(RevocationScope),
}

impl<B> FailingBlocklist<B> {
    /// Wraps `inner`. Passes everything on until one of the other methods is called.
    pub fn new(inner: B) -> Self {
        Self { inner, mode: Arc::new(Mutex::new(Mode::PassOn)) }
    }

    /// Makes everything fail with this outage: checks, revocations, redemptions and logins. Nothing
    /// reaches the inner blocklist.
    pub fn fail(&self, outage: Outage) {
        self.set(Mode::Fail(outage));
    }

    /// Makes every check and every redemption answer that the token is revoked at this scope.
    /// Revocations and logins reach the inner blocklist.
    pub fn revoke_everything(&self, scope: RevocationScope) {
        self.set(Mode::Revoked(scope));
    }

    /// Passes everything on again. Whatever the inner blocklist knew before, it still knows.
    pub fn recover(&self) {
        self.set(Mode::PassOn);
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Blocklist> Blocklist for FailingBlocklist<B> {
    fn check(&self, ids: &TokenIds, now: SystemTime) -> Lookup {
        match self.mode() {
            Mode::PassOn => self.inner.check(ids, now),
            Mode::Fail(outage) => Lookup::known(Err(outage)),
            Mode::Revoked(scope) => Lookup::known(Ok(Status::Revoked(scope))),
        }
    }
}

impl<B: Revoke> Revoke for FailingBlocklist<B> {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        match self.mode() {
            Mode::PassOn | Mode::Revoked(_) => self.inner.store(revocation),
            Mode::Fail(outage) => Box::pin(async move { Err(RevokeError::Outage(outage)) }),
        }
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        match self.mode() {
            Mode::PassOn | Mode::Revoked(_) => self.inner.cut_off(issuer, subject),
            Mode::Fail(outage) => Box::pin(async move { Err(outage) }),
        }
    }
}

impl<B: Rotate> Rotate for FailingBlocklist<B> {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        match self.mode() {
            Mode::PassOn => self.inner.rotate(redemption),
            Mode::Fail(outage) => Box::pin(async move { Err(RevokeError::Outage(outage)) }),
            Mode::Revoked(scope) => Box::pin(async move { Ok(Rotation::Revoked(scope)) }),
        }
    }
}
