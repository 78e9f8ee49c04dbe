//! Refresh: a refresh token is redeemed, once, for the next pair.

use serde::Serialize;

use crate::{
    blocklist::{Outage, Redemption, RevocationScope, RevokeError, Rotation},
    clock::Timestamp,
    guard::{Authenticated, Reason, Rejection},
    issuer::{
        Issuer,
        error::IssueError,
        mint::{Session, TokenPair, random_bits},
    },
    metrics,
    revocation::kept_after,
    token::{TokenKind, VerifyError},
};

/// What became of a refresh token. Only [`pair`](Self::pair) has tokens in it, and the rest is answered with 401.
#[derive(Debug)]
#[must_use = "only some of these have tokens to hand out"]
pub enum Refreshed {
    /// The refresh token is redeemed: the next one takes its place.
    Rotated(TokenPair),
    /// It was redeemed a moment ago, within the [grace](crate::IssuerBuilder::rotation_grace): a new access token, and the same
    /// refresh token as then.
    Repeated(TokenPair),
    /// It was redeemed before, so two parties have it. Anonymous can tell which of them is the thief: the whole session is revoked.
    Replayed,
    /// It, its session, its subject's tokens or its issuer's have been revoked.
    Revoked(RevocationScope),
    /// It is past its `exp`, where only the leeway let it through; or the session has gone on for as long as it
    /// [may](crate::IssuerBuilder::session_lifetime), in time or, after 2^32 - 1 redemptions, in number. The user has to log in again.
    Expired,
}

impl Refreshed {
    /// The tokens to hand out, or the refusal to answer with: the layer's words for it, where the handler returns the [`Rejection`]
    /// (with the feature `axum`, it is a response).
    ///
    /// # Errors
    ///
    /// When there are no tokens.
    pub fn into_pair(self) -> Result<TokenPair, Rejection> {
        let reason = match self {
            Self::Rotated(pair) | Self::Repeated(pair) => return Ok(pair),
            Self::Replayed => Reason::Replayed,
            Self::Revoked(scope) => Reason::Revoked(scope),
            Self::Expired => Reason::Unacceptable(VerifyError::Expired),
        };
        Err(Rejection::new(TokenKind::Refresh, reason))
    }
}

impl Issuer {
    /// Redeems a refresh token: for the next pair of the same session, with the same `iss`, for a session belongs to one issuer.
    ///
    /// It can be redeemed once. Whoever uses it again within the [grace](crate::IssuerBuilder::rotation_grace) gets the same next
    /// refresh token; later, that is taken for theft, and the session is over. A logout of whatever breadth, also one that
    /// comes between the check of the refresh token and this call, has no grace.
    ///
    /// `claims` are what the tokens are to say: `session.claims()` for the same as before, if the refresh layer read them all, or
    /// what the application knows by now.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked ([`IssueError::Outage`], answer 503), when `session` was authenticated by an access token or
    /// has no `sid`, or when the claims cannot be put into a token. The refresh token can then be used again. (Of an answer that
    /// Redis gave and that was lost on the way nobody can say so; that is what the grace is for.)
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
        // The last number has no successor: a token with it could be redeemed again and again.
        if session.generation() == u32::MAX || self.now() >= mint.end_of_session(began_at).min(expires_at) {
            return Ok(Refreshed::Expired);
        }
        // A login is dated after the cut-off of its subject, which lies ahead where another machine's clock does.
        let now = self.now().max(began_at);
        let redemption = Redemption {
            ids: *session.ids(),
            session: name,
            presented: session.generation(),
            successor: random_bits()?,
            now: now.into(),
            grace: self.shared.rotation_grace,
            kept_until: kept_after(expires_at).into(),
            revoked_until: self.shared.retention.last_use_of_any(now).into(),
        };
        let session = Session { issuer: session.issuer(), subject: session.subject(), id, began_at };
        // Minted first: whatever can fail must not fail once the token is redeemed.
        let pair = mint.pair(&session, &redemption.next_generation(), claims)?;
        Ok(match self.shared.store.rotate(&redemption).await.map_err(not_redeemed)? {
            Rotation::Rotated => Refreshed::Rotated(pair),
            Rotation::Repeated(first) => {
                Refreshed::Repeated(TokenPair { refresh: mint.refresh(&session, &first, claims)?, ..pair })
            }
            Rotation::Replayed => {
                metrics::replayed();
                tracing::warn!("a refresh token was used again after it had been redeemed: its session is revoked");
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
        // A redemption does not wait for replicas: one that a failover loses can be made again. It names no issuer either.
        RevokeError::NotReplicated | RevokeError::UnknownIssuer => IssueError::Outage(Outage::Failed),
    }
}
