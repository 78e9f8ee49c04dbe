//! The decision: a token's text in, [`Authenticated`] or [`Rejection`] out. It knows no HTTP.

mod logging_out;
mod outage_policy;
mod rejection;
mod requirements;
mod watch;

pub use logging_out::{LoggingOut, Revocable};
pub use outage_policy::{OutagePolicy, danger};
pub(crate) use rejection::Reason;
pub use rejection::{Rejection, RejectionKind};
pub(crate) use requirements::Requirements;
pub use requirements::{ClaimList, Require, RequireBuilder};

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;

use crate::{
    blocklist::{Blocklist, Lookup, Outage, Revocation, RevocationScope, Status, TokenIds},
    clock::Timestamp,
    guard::{
        outage_policy::Allowance,
        requirements::{Times, Unmet},
    },
    metrics,
    token::{
        KEPT_AFTER_EXPIRY, NoClaims, Payload, RegisteredClaims, TokenKind, Verified, VerifiedTokens, Verifier, token68,
    },
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
    allowance: Allowance,
}

impl Guard {
    /// A guard that asks for tokens of this kind.
    pub fn new(expected: TokenKind, verifier: Arc<Verifier>, blocklist: impl Blocklist) -> Self {
        let allowance = OutagePolicy::default().allowance(expected);
        Self { expected, verifier, blocklist: Arc::new(blocklist), allowance }
    }

    /// What a check without an answer means; [`OutagePolicy::deny`] by default, and always for refresh tokens. Clones made from
    /// here on share what they know of an outage.
    #[must_use]
    pub fn with_outage_policy(mut self, policy: OutagePolicy) -> Self {
        self.allowance = policy.allowance(self.expected);
        self
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
    ///
    /// Each call verifies the token in full: a guard reads claims of any type, so the [token
    /// cache](crate::JwtBlocklistLayer#token-cache) is the layer's, which reads one.
    pub async fn authenticate<X: DeserializeOwned>(&self, token: &str) -> Result<Authenticated<X>, Rejection> {
        let now = self.verifier.now();
        let facts = Arc::new(self.verify(token, now)?);
        let answer = self.blocklist.check_at(&facts.ids, now).await;
        self.admit(facts, answer, &Requirements::none())
    }

    /// Everything about what a request presents that needs no waiting: the blocklist is asked last, and only about genuine tokens of
    /// the right kind. What `seen` spares is what neither time nor a revocation can change.
    pub(crate) fn check<X: DeserializeOwned>(
        &self,
        token: &[u8],
        seen: &VerifiedTokens<VerifiedToken<X>>,
    ) -> Result<Check<X>, Rejection> {
        // The generation of before: should the keys change meanwhile, what is kept is out of date at once.
        let (now, generation) = (self.verifier.now(), self.verifier.key_version());
        let candidate = match seen.get(token, generation) {
            Some(facts) => match self.verifier.check_times(&facts.claims, now) {
                Ok(()) => facts,
                Err(error) => {
                    seen.forget(token);
                    return Err(self.reject(Reason::Unacceptable(error)));
                }
            },
            None => {
                let text = token68(token).ok_or_else(|| self.reject(Reason::NotOneToken))?;
                let facts = Arc::new(self.verify(text, now)?);
                seen.keep(token, generation, &facts);
                facts
            }
        };
        let lookup = self.blocklist.check_at(&candidate.ids, now);
        Ok(Check { candidate, lookup })
    }

    fn verify<X: DeserializeOwned>(&self, token: &str, now: Timestamp) -> Result<VerifiedToken<X>, Rejection> {
        let Verified { kind, claims, application, payload } =
            self.verifier.verify(token, now).map_err(|error| self.reject(Reason::Unacceptable(error)))?;
        if kind != self.expected {
            return Err(self.reject(Reason::WrongKind));
        }
        let ids = names(&claims);
        Ok(VerifiedToken { kind, claims, application, payload, ids, kept_for: self.verifier.revocations_kept_for() })
    }

    /// Decides about a genuine token of the right kind, once the blocklist has answered or has failed to. Revocation comes before
    /// the requirements, so a logged-out user gets 401, not 403. Counts the outcome.
    pub(crate) fn admit<X>(
        &self,
        verified: Arc<VerifiedToken<X>>,
        answer: Result<Status, Outage>,
        requirements: &Requirements<X>,
    ) -> Result<Authenticated<X>, Rejection> {
        match answer {
            Ok(_) => self.allowance.answered(),
            Err(outage) => metrics::unanswered(outage.as_str()),
        }
        let revocation = match answer {
            Ok(Status::NotRevoked) => RevocationCheck::Passed,
            Ok(Status::Revoked(scope)) => return Err(self.reject(Reason::Revoked(scope))),
            Ok(Status::BeforeLoss) => return Err(self.reject(Reason::BeforeLoss)),
            Err(outage) if self.allowance.covers(outage, || self.verifier.now()) => RevocationCheck::Unanswered,
            Err(outage) => return Err(self.reject(Reason::Outage(outage))),
        };
        let authenticated = Authenticated(verified, revocation);
        let clock = || Times { now: self.verifier.now(), latest_past: self.verifier.latest_issue() };
        requirements.check(&authenticated, clock).map_err(|Unmet { reason, wanted }| {
            let rejection = self.reject(reason);
            match wanted {
                Some(wanted) => rejection.wanting(wanted),
                None => rejection,
            }
        })?;
        metrics::checked(self.expected.as_str(), revocation.outcome());
        Ok(authenticated)
    }

    /// The longest token, in bytes, that is looked at.
    pub(crate) fn max_token_bytes(&self) -> usize {
        self.verifier.max_token_bytes()
    }

    /// Called once for each request that is refused.
    pub(crate) fn reject(&self, reason: Reason) -> Rejection {
        let rejection = Rejection::new(self.expected, reason);
        metrics::checked(self.expected.as_str(), rejection.reason());
        rejection
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("expected", &self.expected)
            .field("verifier", &self.verifier)
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}

/// A genuine token of the right kind, about which the blocklist is being asked. [`Guard::admit`] takes the answer.
pub(crate) struct Check<X> {
    pub(crate) candidate: Arc<VerifiedToken<X>>,
    pub(crate) lookup: Lookup,
}

/// Proof that a request carried a genuine token of the kind asked for, which nobody has revoked. Only a [`Guard`] makes one.
/// (Where the blocklist did not answer and a policy out of [`danger`](crate::danger) let the token through,
/// [`revocation_check`](Self::revocation_check) says so.)
///
/// `X` is the application's own claims: a type of yours that implements [`Deserialize`](serde::Deserialize) and is read from the
/// same JSON object as the registered claims. The layer puts the value into the request's extensions; with axum it is an
/// extractor. Cloning is cheap.
pub struct Authenticated<X = NoClaims>(Arc<VerifiedToken<X>>, RevocationCheck);

/// What is known of the revocation of a token that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationCheck {
    /// The blocklist was asked, and nothing in it applies to the token. Always so unless a policy out of
    /// [`danger`](crate::danger) is set.
    Passed,
    /// The blocklist did not answer, and the [`OutagePolicy`] let the token through: it may have been logged out.
    Unanswered,
}

impl RevocationCheck {
    const fn outcome(self) -> &'static str {
        match self {
            Self::Passed => "admitted",
            Self::Unanswered => "admitted_unchecked",
        }
    }
}

/// What a genuine token says.
pub(crate) struct VerifiedToken<X> {
    kind: TokenKind,
    claims: RegisteredClaims,
    application: X,
    payload: Payload,
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

    /// When the user proved who they are: `auth_time` (OpenID Connect), else what tokens of the [`Issuer`](crate::Issuer) say of
    /// their login.
    pub(crate) fn logged_in_at(&self) -> Option<Timestamp> {
        self.0.payload.date("auth_time").ok()?.or(self.0.claims.session_began)
    }

    /// All that the token says.
    pub(crate) fn payload(&self) -> &Payload {
        &self.0.payload
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

    /// Whether the blocklist was asked: for handlers that must not run on a token that may have been logged out, whatever the
    /// [`OutagePolicy`] of the others.
    pub fn revocation_check(&self) -> RevocationCheck {
        self.1
    }

    /// The application's own claims.
    ///
    /// Requests with one token may share one value ([token cache](crate::JwtBlocklistLayer#token-cache)): what a type with interior
    /// mutability (a `Mutex`, an atomic) has changed in it, later requests see.
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
        let everywhere = Revocation::of_before(RevocationScope::Subject, subject, now.into(), self.0.kept_for);
        Some(everywhere.except_session(session))
    }

    /// What to store so that every session of the subject is over, this one too; `None` for a token without `sub`. The subject can
    /// log in again. `now` is the time of the logout.
    ///
    /// Without a token of the subject, there is [`Verifier::subject_revocation`].
    pub fn subject_revocation(&self, now: SystemTime) -> Option<Revocation> {
        let subject = self.0.ids.subject()?;
        Some(Revocation::of_before(RevocationScope::Subject, subject, now.into(), self.0.kept_for))
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
        Some(session) => {
            let revocation = Revocation::of_session(session, now, kept_for);
            revocation.with_legacy_key(ids.bare(), expires_at + KEPT_AFTER_EXPIRY)
        }
        None => end_of_token(ids, expires_at),
    }
}

fn end_of_token(ids: &TokenIds, expires_at: Timestamp) -> Revocation {
    let until = expires_at + KEPT_AFTER_EXPIRY;
    Revocation::new(RevocationScope::Token, ids.token(), until).with_legacy_key(ids.bare(), until)
}

impl<X> Clone for Authenticated<X> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

/// Shows no id, no subject and no application claim.
impl<X> fmt::Debug for Authenticated<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("kind", &self.kind())
            .field("expires_at", &self.0.claims.expires_at)
            .field("revocation_check", &self.1)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "aws_lc_rs")]
mod tests {
    use std::cell::Cell;

    use serde::Deserialize;

    use super::*;
    use crate::{
        blocklist::MemoryBlocklist,
        issuer::Issuer,
        keys::{Algorithm, KeySet, SigningKey},
        token::TokenCache,
    };

    thread_local! {
        static VERIFIED: Cell<usize> = const { Cell::new(0) };
    }

    /// Application claims that count how often a token was verified.
    #[derive(Debug)]
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            VERIFIED.set(VERIFIED.get() + 1);
            NoClaims::deserialize(deserializer).map(|_| Self)
        }
    }

    #[tokio::test]
    async fn r72_a_token_is_verified_again_when_the_keys_have_changed() {
        let secret = |secret: &str| SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
        let (key, other) = (secret("3f9a7c02b1d84e65a0c7f1e2d3b49586"), secret("68594b3d2e1f7c0a56e48d1b20c7a9f3"));
        let public = |key: &SigningKey| [key.verifying_key().unwrap()];
        let keys = KeySet::new(public(&key)).unwrap();
        let verifier = Verifier::builder().keys(keys.clone()).issuer("i").audience("a").build().unwrap();
        let verifier = Arc::new(verifier);
        let list = MemoryBlocklist::new();
        let issuer = Issuer::builder(verifier.clone(), key.clone(), list.clone()).build().unwrap();
        let token = issuer.login("user-1", &NoClaims {}).await.unwrap().access.into_string();
        let guard = Guard::new(TokenKind::Access, verifier.clone(), list);
        let seen = VerifiedTokens::new(TokenCache::default());
        let times_verified = || {
            let before = VERIFIED.get();
            assert!(guard.check::<Counted>(token.as_bytes(), &seen).is_ok());
            VERIFIED.get() - before
        };
        assert_eq!([times_verified(), times_verified()], [1, 0]);
        keys.replace(public(&key)).unwrap();
        assert_eq!([times_verified(), times_verified()], [1, 0]);
        keys.replace(public(&other)).unwrap();
        let refused = guard.check::<Counted>(token.as_bytes(), &seen).err().unwrap();
        assert_eq!(refused.kind(), crate::RejectionKind::Invalid, "its key was removed");
    }
}
