//! The decision: a token's text in, [`Authenticated`] or [`Rejection`] out. It knows no HTTP.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;

use crate::{
    blocklist::{Blocklist, Lookup, Outage, Revocation, Scope, Status, TokenIds},
    claims::{NoClaims, TokenKind},
    clock::Timestamp,
    rejection::{Reason, Rejection},
    token::{KEPT_AFTER_EXPIRY, RegisteredClaims, Verified, Verifier},
};

/// Verifies a token, its kind and that it was not revoked.
///
/// [`JwtBlocklistLayer`](crate::JwtBlocklistLayer) is a guard that speaks HTTP. Use the guard itself where a token comes another
/// way: the first message of a WebSocket, a queue, a command line.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{Guard, MemoryBlocklist, NoClaims, RejectionKind, TokenKind};
/// # use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = VerifyingKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
/// # let verifier = Arc::new(Verifier::builder().key(key).issuer("my-app").audience("my-app").build()?);
/// let guard = Guard::new(TokenKind::Access, verifier, MemoryBlocklist::new());
/// let rejection = guard.authenticate::<NoClaims>("no token at all").await.unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Invalid);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guard {
    expected: TokenKind,
    verifier: Arc<Verifier>,
    blocklist: Arc<dyn Blocklist>,
}

impl Guard {
    /// A guard that asks for tokens of this kind.
    pub fn new(expected: TokenKind, verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        Self { expected, verifier, blocklist: Arc::new(blocklist) }
    }

    /// The kind of token that is asked for.
    pub fn expected(&self) -> TokenKind {
        self.expected
    }

    /// Verifies a compact token (`header.payload.signature`) and asks the blocklist.
    ///
    /// # Errors
    ///
    /// When the token is not acceptable, was revoked, or the blocklist cannot tell.
    pub async fn authenticate<X: DeserializeOwned>(&self, token: &str) -> Result<Authenticated<X>, Rejection> {
        self.check(token)?.await
    }

    /// Everything that needs no waiting: the blocklist is asked last, and only about genuine tokens of the right kind.
    pub(crate) fn check<X: DeserializeOwned>(&self, token: &str) -> Result<Check<X>, Rejection> {
        let now = self.verifier.now();
        let Verified { kind, claims, application } =
            self.verifier.verify(token, now).map_err(|error| self.reject(Reason::Unacceptable(error)))?;
        if kind != self.expected {
            return Err(self.reject(Reason::WrongKind));
        }
        let ids = names(&claims);
        let kept_for = self.verifier.revocations_kept_for();
        let candidate = Authenticated(Arc::new(Facts { kind, claims, application, ids, kept_for }));
        Ok(Check { candidate: Some(candidate), lookup: self.blocklist.check(&ids), expected: self.expected })
    }

    /// The longest token, in bytes, that is looked at.
    pub(crate) fn max_token_bytes(&self) -> usize {
        self.verifier.max_token_bytes()
    }

    pub(crate) fn reject(&self, reason: Reason) -> Rejection {
        Rejection::new(self.expected, reason)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("expected", &self.expected)
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// A genuine token of the right kind, about which the blocklist is being asked.
pub(crate) struct Check<X> {
    candidate: Option<Authenticated<X>>,
    lookup: Lookup,
    expected: TokenKind,
}

/// What a [`Check`] has come to.
pub(crate) enum Decision<X> {
    /// The blocklist knew its answer at once.
    Now(Result<Authenticated<X>, Rejection>),
    /// It has to be waited for.
    Later(Check<X>),
}

impl<X> Check<X> {
    pub(crate) fn decision(mut self) -> Decision<X> {
        match self.lookup.answer() {
            Some(answer) => Decision::Now(self.decide(answer)),
            None => Decision::Later(self),
        }
    }

    fn decide(&mut self, answer: Result<Status, Outage>) -> Result<Authenticated<X>, Rejection> {
        let reason = match (answer, self.candidate.take()) {
            (Ok(Status::NotRevoked), Some(authenticated)) => return Ok(authenticated),
            // Only who polls again after the decision gets here, and gets nothing.
            (Ok(Status::NotRevoked), None) => Reason::Outage(Outage::UnexpectedReply),
            (Ok(Status::Revoked(scope)), _) => Reason::Revoked(scope),
            (Err(outage), _) => Reason::Outage(outage),
        };
        Err(Rejection::new(self.expected, reason))
    }
}

impl<X> Future for Check<X> {
    type Output = Result<Authenticated<X>, Rejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.lookup).poll(context));
        Poll::Ready(self.decide(answer))
    }
}

/// Proof that a request carried a genuine token of the kind asked for, which nobody has revoked. Only a [`Guard`] makes one.
///
/// `X` is the application's own claims: a type of yours that implements [`Deserialize`](serde::Deserialize) and is read from the
/// same JSON object as the registered claims. The layer puts the value into the request's extensions; with axum it is an
/// extractor. Cloning is cheap.
pub struct Authenticated<X = NoClaims>(Arc<Facts<X>>);

struct Facts<X> {
    kind: TokenKind,
    claims: RegisteredClaims,
    application: X,
    ids: TokenIds,
    /// How long a revocation of more than this token has to be remembered.
    kept_for: Duration,
}

impl<X> Authenticated<X> {
    /// Access or refresh.
    pub fn kind(&self) -> TokenKind {
        self.0.kind
    }

    /// Whom the token is about: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.0.claims.subject.as_deref()
    }

    /// Who issued the token: `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.0.claims.issuer.as_deref()
    }

    /// The token's own id: `jti`.
    pub fn token_id(&self) -> &str {
        &self.0.claims.token_id
    }

    /// The login that the token belongs to: `sid`.
    pub fn session_id(&self) -> Option<&str> {
        self.0.claims.session_id.as_deref()
    }

    /// When the token was issued: `iat`.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.claims.issued_at.map(SystemTime::from)
    }

    /// When the login was that the token comes of, as exactly as the token tells.
    pub(crate) fn session_began(&self) -> Option<Timestamp> {
        self.0.ids.issued_at()
    }

    /// How many refresh tokens of the session were redeemed before this one.
    pub(crate) fn generation(&self) -> u32 {
        self.0.claims.generation
    }

    /// Every name by which it can have been revoked.
    pub(crate) fn ids(&self) -> &TokenIds {
        &self.0.ids
    }

    /// When the token ends: `exp`.
    pub fn expires_at(&self) -> SystemTime {
        self.0.claims.expires_at.into()
    }

    /// The application's own claims.
    pub fn claims(&self) -> &X {
        &self.0.application
    }

    /// What to store so that this login is over: its session, or, of a token without `sid`, the token itself. `now` is the
    /// time of the logout.
    ///
    /// [`Issuer::logout`](crate::Issuer::logout) stores it for you; a service that only verifies tokens stores it with
    /// [`Revoke::revoke`](crate::Revoke::revoke).
    pub fn revocation(&self, now: SystemTime) -> Revocation {
        end_of_login(&self.0.ids, self.0.claims.expires_at, self.0.kept_for, now.into())
    }

    /// What to store so that every session of the subject is over but this one; `None` for a token without `sub` or `sid`, which
    /// does not tell the others from itself. `now` is the time of the logout.
    pub fn others_revocation(&self, now: SystemTime) -> Option<Revocation> {
        let (subject, session) = (self.0.ids.subject()?, self.0.ids.session()?);
        let now = Timestamp::from(now);
        let revocation = Revocation::new(Scope::Subject, subject, now + self.0.kept_for);
        Some(revocation.issued_up_to(now).except_session(session))
    }

    /// What to store so that this one token is refused, and no other.
    pub fn token_revocation(&self) -> Revocation {
        end_of_token(&self.0.ids, self.0.claims.expires_at)
    }
}

/// Every name by which a token with these claims can have been revoked.
pub(crate) fn names(claims: &RegisteredClaims) -> TokenIds {
    let mut ids = TokenIds::new(claims.issuer.as_deref(), &claims.token_id, claims.session_id.as_deref());
    if let Some(subject) = &claims.subject {
        ids = ids.with_subject(subject);
    }
    if let Some(issued_at) = claims.session_began.or(claims.issued_at) {
        ids = ids.with_issued_at(issued_at);
    }
    ids
}

/// What revokes the login that a token belongs to: its session, or, of a token without `sid`, the token itself.
pub(crate) fn end_of_login(ids: &TokenIds, expires_at: Timestamp, kept_for: Duration, now: Timestamp) -> Revocation {
    match ids.session() {
        // Whatever token of the session exists now ends within the longest lifetime that is accepted at all.
        Some(session) => Revocation::new(Scope::Session, session, now + kept_for),
        None => end_of_token(ids, expires_at),
    }
}

fn end_of_token(ids: &TokenIds, expires_at: Timestamp) -> Revocation {
    Revocation::new(Scope::Token, ids.token(), expires_at + KEPT_AFTER_EXPIRY)
}

impl<X> Clone for Authenticated<X> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Shows no id, no subject and no application claim.
impl<X> fmt::Debug for Authenticated<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("kind", &self.kind())
            .field("expires_at", &self.0.claims.expires_at)
            .finish_non_exhaustive()
    }
}
