//! Refresh: a refresh token is exchanged, once, for the next pair.

use serde::Serialize;

use crate::{
    blocklist::{Outage, Redemption, RevocationScope, RevokeError, Rotation},
    clock::Timestamp,
    guard::{Authenticated, Reason, Rejection},
    issuer::{
        Issuer,
        error::IssueError,
        mint::{Session, TokenPair, parse_id, random_bits},
    },
    metrics,
    revocation::kept_after,
    token::{ClaimError, TokenKind},
};

/// The outcome of a refresh. Either there are tokens, or the response is 401: see
/// [`into_pair`](Self::into_pair).
// Exhaustive: a handler that matches must decide about every outcome.
#[derive(Debug)]
#[must_use = "only some of these have tokens to hand out"]
#[expect(clippy::exhaustive_enums, reason = "a handler must answer each outcome")]
pub enum Refreshed {
    /// The refresh token is redeemed. Its successor is in the pair.
    Rotated(TokenPair),
    /// The refresh token was redeemed a moment ago, within the
    /// [grace](crate::issuer::IssuerBuilder::rotation_grace). The pair has a new access token, and
    /// the same refresh token as then.
    Repeated(TokenPair),
    /// The refresh token was redeemed earlier, so it has been copied. Which copy is the thief's is
    /// unknown, so the whole session is revoked.
    Replayed,
    /// The refresh token was revoked in this scope.
    Revoked(RevocationScope),
    /// The user has to log in again. Either the refresh token is past its `exp`, and only the
    /// leeway admitted it; or the session has reached its [longest
    /// duration](crate::issuer::IssuerBuilder::session_lifetime), or 2^32 - 1 redemptions.
    Expired,
}

impl Refreshed {
    /// Returns the tokens to hand out, or the rejection to respond with. With the feature `axum`, a
    /// handler can return the [`Rejection`], and the layer renders it.
    ///
    /// # Errors
    ///
    /// If there are no tokens.
    pub fn into_pair(self) -> Result<TokenPair, Rejection> {
        let reason = match self {
            Self::Rotated(pair) | Self::Repeated(pair) => return Ok(pair),
            Self::Replayed => Reason::Replayed,
            Self::Revoked(scope) => Reason::Revoked(scope),
            Self::Expired => Reason::Unacceptable(ClaimError::Expired.into()),
        };
        Err(Rejection::new(TokenKind::Refresh, reason))
    }
}

impl Issuer {
    /// Exchanges a refresh token for the next pair of its session. The pair has the same `iss`,
    /// because a session belongs to one issuer.
    ///
    /// A refresh token can be redeemed once. Within the
    /// [grace](crate::issuer::IssuerBuilder::rotation_grace) it gets the same successor again. A
    /// later use is treated as theft, and the session is revoked. The grace never applies after a
    /// logout, even one between the layer's check and this call.
    ///
    /// `claims` are the claims of the new tokens: `session.claims()` for the same as before, if the
    /// refresh layer reads all of them, or the application's current data.
    ///
    /// # Errors
    ///
    /// - The store cannot be reached ([`IssueError::Outage`]): respond with 503.
    /// - `session` is the proof of an access token, or has no `sid`.
    /// - The claims cannot be put into a token.
    ///
    /// The refresh token can then be used again. If only the store's answer was lost, it is
    /// redeemed already, and the grace applies.
    pub async fn refresh<X: Sync + Send, Y: Serialize + Sync>(
        &self,
        session: &Authenticated<X>,
        claims: &Y,
    ) -> Result<Refreshed, IssueError> {
        if session.kind() != TokenKind::Refresh {
            return Err(IssueError::NotRefresh);
        }
        if session.issuer().is_none() && self.mint().verifier.issuer().is_some() {
            return Err(IssueError::ForeignSession);
        }
        let (id, name) = (session.session_id().zip(session.ids().session())).ok_or(IssueError::NoSession)?;
        let mint = self.mint();
        let began_at = session.session_began().unwrap_or(Timestamp::from_millis(0));
        let expires_at = Timestamp::from(session.expires_at());
        // The last number has no successor, so a token with it could be redeemed repeatedly.
        if session.generation() == u32::MAX || self.now() >= mint.end_of_session(began_at).min(expires_at) {
            return Ok(Refreshed::Expired);
        }
        // A login is dated after its subject's cut-off, which may lie in the future if another
        // clock is ahead.
        let now = self.now().max(began_at);
        let redemption = Redemption {
            ids: *session.ids(),
            session: name,
            presented: session.generation(),
            token_id: parse_id(session.token_id()),
            successor: random_bits()?,
            now: now.into(),
            grace: self.shared.rotation_grace,
            kept_until: kept_after(expires_at).into(),
            revoked_until: self.shared.retention.last_use_of_any(now).into(),
        };
        let session = Session { issuer: session.issuer(), subject: session.subject(), id, began_at };
        // Mint first: once the token is redeemed, nothing may fail.
        let pair = mint.pair(&session, &redemption.next_generation(), claims)?;
        Ok(match self.shared.store.rotate(&redemption).await.map_err(not_redeemed)? {
            Rotation::Rotated => Refreshed::Rotated(pair),
            Rotation::Repeated(first) => {
                Refreshed::Repeated(TokenPair { refresh: mint.refresh(&session, &first, claims)?, ..pair })
            }
            Rotation::Replayed => {
                metrics::replayed();
                tracing::warn!("a redeemed refresh token was used again: its session is revoked");
                Refreshed::Replayed
            }
            Rotation::Revoked(scope) => Refreshed::Revoked(scope),
        })
    }
}

fn not_redeemed(error: RevokeError) -> IssueError {
    match error {
        RevokeError::Full => IssueError::Full,
        RevokeError::NoSession => IssueError::NoSession,
        RevokeError::Outage(outage) => IssueError::Outage(outage),
        // A redemption waits for no replicas, since one that a failover loses can be repeated. It
        // names no issuer.
        RevokeError::NotReplicated | RevokeError::UnknownIssuer => IssueError::Outage(Outage::Failed),
    }
}
