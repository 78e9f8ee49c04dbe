//! The traits of a store.

use std::{future::Future, pin::Pin, sync::Arc, time::SystemTime};

use crate::{
    blocklist::{
        error::{Outage, RevokeError},
        id::{RevocationId, TokenIds},
        lookup::Lookup,
        redemption::{Redemption, Rotation},
        revocation::Revocation,
    },
    metrics,
};

/// Checks whether a token was revoked.
///
/// **The contract.** [`Status::NotRevoked`](crate::blocklist::Status::NotRevoked) means that the
/// store was *read*, completely and in time. Anything else is an [`Outage`]. The layer sets no
/// deadline of its own: a check that never ends holds the request.
///
/// See the [module page](crate::blocklist#bring-your-own-store) for a complete store.
pub trait Blocklist: Send + Sync + 'static {
    /// Starts the check of one token at the time `now`, which is the time its own claims were
    /// checked at.
    ///
    /// A store that knows the answer returns it with [`Lookup::known`]. Then no future is allocated
    /// or polled, and the request does not wait.
    fn check(&self, ids: &TokenIds, now: SystemTime) -> Lookup;
}

/// Stores revocations.
///
/// **The contract.** `Ok` means *stored*: every check that starts later sees the revocation, in
/// every process. No call shortens, weakens or removes an earlier revocation:
/// [merge](crate::blocklist::CutOff::merge) the cut-offs of one id, and keep the later expiry.
/// Storing a revocation that has already expired is `Ok` and need not do anything.
pub trait Revoke: Send + Sync + 'static {
    /// Stores a revocation. Implement this, and call [`revoke`](Self::revoke).
    ///
    /// A store that wraps another one calls the other's `store`: otherwise the revocation is
    /// counted twice.
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a>;

    /// Returns the latest moment up to which tokens of this subject are rejected, whatever session
    /// they belong to; `None` if there is none. Without a subject, the answer is for all tokens of
    /// the issuer.
    ///
    /// It combines the issuer's entry and the subject's: the later
    /// [`CutOff::latest`](crate::blocklist::CutOff::latest) counts. An expired entry may count or
    /// not. The [`Issuer`](crate::Issuer) dates new tokens after it.
    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_>;

    /// Stores a revocation, counts it, and logs it if it has a reason.
    ///
    /// Do not override this method: it makes every store count and log alike. A store behind an `Arc`
    /// ignores an override, because the `Arc` calls [`store`](Self::store).
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        Box::pin(async move {
            let outcome = self.store(revocation).await;
            report(revocation, outcome);
            outcome
        })
    }
}

fn report(revocation: &Revocation, outcome: Result<(), RevokeError>) {
    let (scope, outcome) = (revocation.scope().as_str(), outcome.map_or_else(RevokeError::as_str, |()| "stored"));
    metrics::revoked(scope, outcome);
    if let Some(reason) = revocation.reason() {
        tracing::info!(scope, reason, outcome, "revoked");
    }
}

/// The future of [`Revoke::cut_off`].
///
/// # Errors
///
/// If the store cannot be read.
pub type CutOffFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<SystemTime>, Outage>> + Send + 'a>>;

/// The future of [`Revoke::revoke`] and [`Revoke::store`].
///
/// # Errors
///
/// If the revocation was not stored, or not certainly. Try again, and tell the user that the logout
/// failed.
pub type RevokeFuture<'a> = Pin<Box<dyn Future<Output = Result<(), RevokeError>> + Send + 'a>>;

/// Redeems refresh tokens, each of them once.
///
/// **The contract.** A redemption is one atomic step: it reads the revocations of all the token's
/// [ids](TokenIds::each) and the session's newest [`Generation`](crate::blocklist::Generation),
/// calls [`Redemption::decide`], and stores what follows. Every revocation stored before the step
/// counts, and none can be stored during it. [`Rotation`] says what to store for each decision. An
/// error means that nothing was redeemed, or that the store cannot tell.
///
/// A session's generation and its revocation have the same [`RevocationId`]: keep generations in a
/// map, or under keys, of their own.
pub trait Rotate: Revoke {
    /// Redeems a refresh token, or finds out why it cannot be redeemed.
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a>;
}

/// The future of [`Rotate::rotate`].
///
/// # Errors
///
/// If nothing was stored, or not certainly. The same [`Redemption`] can be sent again.
pub type RotateFuture<'a> = Pin<Box<dyn Future<Output = Result<Rotation, RevokeError>> + Send + 'a>>;

impl<T: Blocklist + ?Sized> Blocklist for Arc<T> {
    fn check(&self, ids: &TokenIds, now: SystemTime) -> Lookup {
        (**self).check(ids, now)
    }
}

impl<T: Revoke + ?Sized> Revoke for Arc<T> {
    fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
        (**self).store(revocation)
    }

    fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
        (**self).cut_off(issuer, subject)
    }
}

impl<T: Rotate + ?Sized> Rotate for Arc<T> {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        (**self).rotate(redemption)
    }
}
