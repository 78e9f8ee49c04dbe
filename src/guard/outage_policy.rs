//! What to do when the blocklist is unavailable: reject, or admit access tokens for a limited time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{blocklist::Outage, clock::Timestamp, config_error::ConfigError, token::TokenKind};

/// What to do when the blocklist cannot answer. The default is to reject the request with 503.
///
/// Set it with
/// [`JwtBlocklistLayer::with_outage_policy`](crate::JwtBlocklistLayer::with_outage_policy) or
/// [`Guard::with_outage_policy`](crate::Guard::with_outage_policy). The only other policy is in
/// [`danger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutagePolicy {
    choice: Choice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Choice {
    #[default]
    Deny,
    AllowFor(Duration),
}

impl OutagePolicy {
    /// Rejects every token that cannot be checked, however long the outage lasts. This is the
    /// default.
    pub const fn deny() -> Self {
        Self { choice: Choice::Deny }
    }

    /// Returns the state that a guard for this kind of token keeps. A refresh token is never
    /// admitted unchecked: it would turn a stolen session into a new access token.
    pub(crate) fn allowance(self, expected: TokenKind) -> Allowance {
        let window = match (self.choice, expected) {
            (Choice::AllowFor(limit), TokenKind::Access) => {
                Some(Arc::new(Window { limit, began: AtomicU64::new(ANSWERED) }))
            }
            (Choice::AllowFor(_), TokenKind::Refresh) | (Choice::Deny, _) => None,
        };
        Allowance { window }
    }
}

/// Policies that weaken the guarantees of this crate. Each has its own name, so that a review finds
/// it.
///
/// # Rules
///
/// A policy admits access tokens only, and only if they are genuine, of the right kind and not
/// expired. It applies while the blocklist cannot answer, and never to a token that the blocklist
/// reports as revoked.
///
/// # Caveat
///
/// While a policy applies, logged-out tokens are admitted. A handler that must not run on such a
/// token checks [`Authenticated::revocation_check`](crate::Authenticated::revocation_check).
pub mod danger {
    use crate::guard::outage_policy::{Choice, ConfigError, Duration, LONGEST, OutagePolicy};

    /// Admits genuine **access** tokens unchecked, for the first `limit` of each outage of the
    /// blocklist. Tokens that were logged out are admitted too. A `limit` of zero is
    /// [`OutagePolicy::deny`].
    ///
    /// Use it if a 503 does more harm than a logged-out token that works a little longer.
    /// Signature, times and kind are still checked. Refresh tokens are never admitted unchecked.
    ///
    /// An outage begins with the first check without an answer after one with an answer, by the
    /// verifier's clock. After `limit`, requests are rejected with 503 until a check is answered. A
    /// store that answers now and then begins a new outage each time. The beginning is logged at
    /// WARN, and the end at INFO. A handler sees it in
    /// [`Authenticated::revocation_check`](crate::Authenticated::revocation_check).
    ///
    /// Nothing is admitted during [`Outage::Lost`](crate::blocklist::Outage::Lost), which an
    /// operator must resolve, and during
    /// [`Outage::Overloaded`](crate::blocklist::Outage::Overloaded), which clients can cause.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use tower_jwt_blocklist::{ConfigError, JwtBlocklistLayer, Verifier, blocklist::Blocklist};
    /// use tower_jwt_blocklist::danger;
    ///
    /// # fn f(verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Result<(), ConfigError> {
    /// let layer = JwtBlocklistLayer::access(verifier, blocklist)
    ///     .with_outage_policy(danger::allow_unchecked_for(Duration::from_secs(30))?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If `limit` is more than an hour. Access tokens hardly live longer, so a logout would have no
    /// effect at all.
    pub fn allow_unchecked_for(limit: Duration) -> Result<OutagePolicy, ConfigError> {
        if limit > LONGEST {
            return Err(ConfigError::out_of_range(
                "tokens can be admitted unchecked for at most an hour of each outage",
            ));
        }
        let choice = if limit.is_zero() { Choice::Deny } else { Choice::AllowFor(limit) };
        Ok(OutagePolicy { choice })
    }
}

const LONGEST: Duration = Duration::from_secs(3600);

/// The time for which tokens are admitted unchecked, and the state of the present outage. All
/// clones of a guard share it. `None` if the policy is to deny.
#[derive(Clone, Default)]
pub(crate) struct Allowance {
    window: Option<Arc<Window>>,
}

struct Window {
    limit: Duration,
    /// The beginning of the present outage, in milliseconds since the Unix epoch, or one of the two
    /// values below.
    began: AtomicU64,
}

/// The last check was answered.
const ANSWERED: u64 = 0;
/// The present outage has lasted longer than the limit. Stored, so that no step of the clock opens
/// the window again.
const OVER: u64 = u64::MAX;

impl Allowance {
    /// Call after every answered check. Writes only when an outage ends.
    pub(crate) fn answered(&self) {
        let Some(window) = &self.window else { return };
        if window.began.load(Ordering::Relaxed) != ANSWERED
            && window.began.swap(ANSWERED, Ordering::Relaxed) != ANSWERED
        {
            tracing::info!("the blocklist answers again: no token is admitted unchecked");
        }
    }

    /// Whether a token is admitted although the blocklist did not answer.
    pub(crate) fn covers(&self, outage: Outage, now: impl FnOnce() -> Timestamp) -> bool {
        match &self.window {
            Some(window) if outage.can_be_overlooked() => window.is_open(outage, now()),
            _ => false,
        }
    }
}

impl Window {
    fn is_open(&self, outage: Outage, now: Timestamp) -> bool {
        let now = now.as_millis().clamp(ANSWERED + 1, OVER - 1);
        let mut began = self.began.load(Ordering::Relaxed);
        if began == ANSWERED {
            match self.began.compare_exchange(ANSWERED, now, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let (reason, seconds) = (outage.as_str(), self.limit.as_secs_f64());
                    tracing::warn!(
                        reason,
                        seconds,
                        "the blocklist does not answer: access tokens are admitted unchecked"
                    );
                    return true;
                }
                Err(other) => began = other,
            }
        }
        // The absolute difference: a clock that is set back by more than the limit closes the
        // window too.
        if began != OVER && Duration::from_millis(now.abs_diff(began)) < self.limit {
            return true;
        }
        // Fails if a check was answered meanwhile: then this outage has ended.
        let _ = self.began.compare_exchange(began, OVER, Ordering::Relaxed, Ordering::Relaxed);
        false
    }
}

/// Shows the limit alone.
impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.window.as_ref().map(|window| window.limit);
        f.debug_struct("Allowance").field("limit", &limit).finish()
    }
}
