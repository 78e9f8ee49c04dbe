//! What it means that the blocklist cannot tell: refuse, or for a short time look away.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{blocklist::Outage, clock::Timestamp, config_error::ConfigError, token::TokenKind};

/// What a check without an answer means. The default is to deny: 503.
///
/// Set it with [`JwtBlocklistLayer::with_outage_policy`](crate::JwtBlocklistLayer::with_outage_policy) or
/// [`Guard::with_outage_policy`](crate::Guard::with_outage_policy). Anything else than denying is in [`danger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutagePolicy(Choice);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Choice {
    #[default]
    Deny,
    AllowFor(Duration),
}

impl OutagePolicy {
    /// Refuses what cannot be checked, however long that lasts.
    pub const fn deny() -> Self {
        Self(Choice::Deny)
    }

    /// What a guard that asks for this kind of token keeps of it. A refresh token is never let through unchecked: it would turn
    /// a stolen session into a new access token.
    pub(crate) fn allowance(self, expected: TokenKind) -> Allowance {
        match (self.0, expected) {
            (Choice::AllowFor(limit), TokenKind::Access) => {
                Allowance(Some(Arc::new(Window { limit, began: AtomicU64::new(ANSWERED) })))
            }
            (Choice::AllowFor(_), TokenKind::Refresh) | (Choice::Deny, _) => Allowance(None),
        }
    }
}

/// Choices that weaken what this crate is for. Each has its own name, so that a review finds it.
pub mod danger {
    use crate::guard::outage_policy::{Choice, ConfigError, Duration, LONGEST, OutagePolicy};

    /// Lets genuine **access** tokens through unchecked, for the first `limit` of each outage of the blocklist: also those that
    /// were logged out. Zero is [`OutagePolicy::deny`].
    ///
    /// For services to which 503 does more harm than a logged-out token that works a little longer. Everything else is
    /// checked as ever: signature, times, kind. Refresh tokens are never let through.
    ///
    /// An outage begins with the first check without an answer after one with an answer, by the verifier's clock. When `limit`
    /// is over, requests are refused with 503 until a check is answered: a store that answers now and then begins a new outage
    /// each time. The beginning is an event at WARN and the end one at INFO; a handler sees it in
    /// [`Authenticated::revocation_check`](crate::Authenticated::revocation_check). [`Outage::Lost`](crate::Outage::Lost) and
    /// [`Outage::Overloaded`](crate::Outage::Overloaded) are never let through: the one needs a person, the other can be brought
    /// about by clients.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use tower_jwt_blocklist::{Blocklist, ConfigError, JwtBlocklistLayer, Verifier};
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
    /// When `limit` is over an hour: access tokens hardly live longer, and nobody would be logged out at all.
    pub fn allow_unchecked_for(limit: Duration) -> Result<OutagePolicy, ConfigError> {
        if limit > LONGEST {
            return Err(ConfigError::out_of_range(
                "tokens can be let through unchecked for at most an hour of each outage",
            ));
        }
        Ok(OutagePolicy(if limit.is_zero() { Choice::Deny } else { Choice::AllowFor(limit) }))
    }
}

const LONGEST: Duration = Duration::from_secs(3600);

/// How much of an outage is let through, and how far the present one has come. Shared by all clones of a guard; nothing at all
/// where the policy is to deny.
#[derive(Clone, Default)]
pub(crate) struct Allowance(Option<Arc<Window>>);

struct Window {
    limit: Duration,
    /// When the present outage began, in milliseconds since the Unix epoch, or one of the two values below.
    began: AtomicU64,
}

/// The last check was answered.
const ANSWERED: u64 = 0;
/// The present outage has lasted longer than the limit. Kept, so that no step of the clock opens it again.
const OVER: u64 = u64::MAX;

impl Allowance {
    /// To be told of each check that was answered. As long as nothing changes it only reads.
    pub(crate) fn answered(&self) {
        let Some(window) = &self.0 else { return };
        if window.began.load(Ordering::Relaxed) != ANSWERED
            && window.began.swap(ANSWERED, Ordering::Relaxed) != ANSWERED
        {
            tracing::info!("the blocklist answers again: no token is let through unchecked any more");
        }
    }

    /// Whether a token is let through although this check of it has no answer.
    pub(crate) fn covers(&self, outage: Outage, now: impl FnOnce() -> Timestamp) -> bool {
        match &self.0 {
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
                        "the blocklist does not answer: access tokens are let through unchecked"
                    );
                    return true;
                }
                Err(other) => began = other,
            }
        }
        // The distance, not the difference: a clock that is set back by more than the limit ends it too.
        if began != OVER && Duration::from_millis(now.abs_diff(began)) < self.limit {
            return true;
        }
        // Fails where a check was answered meanwhile: that outage is not this one.
        let _ = self.began.compare_exchange(began, OVER, Ordering::Relaxed, Ordering::Relaxed);
        false
    }
}

/// The limit alone.
impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Allowance").field(&self.0.as_ref().map(|window| window.limit)).finish()
    }
}
