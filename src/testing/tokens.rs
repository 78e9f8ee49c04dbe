//! Tokens for tests, good and bad.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::ManualClock;
use crate::{
    blocklist::{MemoryBlocklist, Rotate},
    guard::Guard,
    issuer::{Issuer, IssuerBuilder, TokenPair},
    keys::{Algorithm, SigningKey},
    token::{NoClaims, TokenKind, Verifier, VerifierBuilder},
};

/// The `iss` and `aud` of a [`TestTokens::new`].
const NAME: &str = "tests";
/// The `iss` of a token that another issuer has minted.
const ANOTHER_ISSUER: &str = "https://another-issuer.test";
const SUBJECT: &str = "user-1";
const ACCESS_LIFETIME: Duration = Duration::from_secs(3600);
const REFRESH_LIFETIME: Duration = Duration::from_secs(2 * 24 * 3600);
/// No leeway is larger, so a token that ended so long ago has expired for every verifier.
const LONG_AFTER_EXPIRY: Duration = Duration::from_secs(600);
/// Entries of the blocklist.
const CAPACITY: usize = 100_000;

/// Mints tokens that a [`Verifier`] accepts, and tokens that it rejects for one reason each.
///
/// It owns that verifier, a [`MemoryBlocklist`], an [`Issuer`] and a [`ManualClock`], which all
/// belong together. Build the application under test with them.
///
/// Each token is a compact JWT in a `String`, for `Authorization: Bearer …`. It is an HS256 token
/// of subject `user-1`, in a session of its own and without further claims.
/// [`with_subject`](Self::with_subject), [`with_session`](Self::with_session) and
/// [`with_claims`](Self::with_claims) change that. They return another `TestTokens` that shares
/// everything else.
///
/// An access token lives 1 hour and a refresh token 2 days, or as long as the verifier allows if
/// that is less.
///
/// ```
/// use std::time::Duration;
/// use serde::{Deserialize, Serialize};
/// use tower_jwt_blocklist::{Guard, TokenKind, reject::RejectionKind, testing::TestTokens};
///
/// #[derive(Serialize, Deserialize)]
/// struct Shop {
///     plan: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tokens = TestTokens::new();
/// let token = tokens.with_subject("ann").with_claims(&Shop { plan: "paid".into() }).access();
///
/// let guard = Guard::new(TokenKind::Access, tokens.verifier(), tokens.blocklist());
/// let user = guard.authenticate::<Shop>(&token).await.unwrap();
/// assert_eq!((user.subject(), &*user.claims().plan), (Some("ann"), "paid"));
///
/// tokens.clock().advance(Duration::from_secs(2 * 3600));
/// assert_eq!(guard.authenticate::<Shop>(&token).await.unwrap_err().kind(), RejectionKind::Expired);
/// # }
/// ```
#[derive(Clone)]
pub struct TestTokens {
    shared: Arc<Shared>,
    subject: String,
    session: Option<String>,
    claims: Map<String, Value>,
}

struct Shared {
    secret: String,
    clock: ManualClock,
    verifier: Arc<Verifier>,
    blocklist: MemoryBlocklist,
    issuer: Issuer,
    /// The same names, another key.
    other_key: Issuer,
    /// The same key, another `iss`.
    other_issuer: Issuer,
}

impl TestTokens {
    /// Creates tokens for a verifier whose issuer and audience are both `tests`.
    ///
    /// # Panics
    ///
    /// Without the features `aws_lc_rs` and `rust_crypto`: there is no cryptography then.
    #[must_use]
    pub fn new() -> Self {
        Self::for_verifier(|settings| settings.issuer(NAME).audience(NAME))
    }

    /// Creates tokens for a verifier with these settings: the issuer, the audience, and all others
    /// of the application's verifier.
    ///
    /// The key and the clock are set already. `settings` is called for two verifiers, with a
    /// different key for each.
    ///
    /// ```
    /// use tower_jwt_blocklist::{testing::TestTokens, token::KindSource};
    ///
    /// let tokens = TestTokens::for_verifier(|settings| {
    ///     settings.issuer("my-app").audience("my-app").kind_source(KindSource::flag("refresh"))
    /// });
    /// assert_eq!(tokens.access().split('.').count(), 3);
    /// ```
    ///
    /// # Panics
    ///
    /// When no verifier, or no issuer of tokens for it, can be built with these settings.
    #[must_use]
    pub fn for_verifier(settings: impl Fn(VerifierBuilder) -> VerifierBuilder) -> Self {
        let clock = ManualClock::new(SystemTime::now());
        let blocklist = MemoryBlocklist::with_capacity_and_clock(CAPACITY, clock.clone());
        let (key, other_key) = (random_secret(), random_secret());
        let base = |secret: &str| {
            let key = must(signing_key(secret).verifying_key(), "the key of a verifier");
            Verifier::builder().key(key).clock(clock.clone())
        };
        let build = |settings: VerifierBuilder| Arc::new(must(settings.build(), "the settings of a verifier"));
        let verifier = build(settings(base(&key)));
        let stranger = base(&key).issuer(ANOTHER_ISSUER).kind_source(verifier.kind_source().clone());
        let stranger = build(match verifier.audience() {
            Some(audience) => stranger.audience(audience),
            None => stranger.any_audience(),
        });
        let issuer = |verifier: &Arc<Verifier>, secret: &str| {
            let settings = issuer_settings(verifier, secret, blocklist.clone());
            must(settings.build(), "an issuer of tokens for the verifier")
        };
        let shared = Shared {
            issuer: issuer(&verifier, &key),
            other_key: issuer(&build(settings(base(&other_key))), &other_key),
            other_issuer: issuer(&stranger, &key),
            secret: key,
            clock: clock.clone(),
            verifier,
            blocklist: blocklist.clone(),
        };
        Self { shared: Arc::new(shared), subject: SUBJECT.to_owned(), session: None, claims: Map::new() }
    }

    /// Returns the same with another `sub`.
    #[must_use]
    pub fn with_subject(&self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), ..self.clone() }
    }

    /// Returns the same with this `sid` for every token. Without it, each call begins a session of
    /// its own.
    #[must_use]
    pub fn with_session(&self, session_id: &str) -> Self {
        Self { session: Some(session_id.to_owned()), ..self.clone() }
    }

    /// Returns the same with these claims of the application, such as `scope` or `roles`, in every
    /// token.
    ///
    /// # Panics
    ///
    /// When `claims` do not serialize to a JSON object.
    #[must_use]
    pub fn with_claims<X: Serialize>(&self, claims: &X) -> Self {
        match serde_json::to_value(claims) {
            Ok(Value::Object(claims)) => Self { claims, ..self.clone() },
            Ok(other) => panic!("claims are a JSON object, and not {other}"),
            Err(error) => panic!("claims that cannot be serialized: {error}"),
        }
    }

    /// Mints a good access token.
    ///
    /// # Panics
    ///
    /// When the subject, the session or the claims cannot be put into a token, see
    /// [`IssueError`](crate::issuer::IssueError). That goes for all the methods that mint.
    #[must_use]
    pub fn access(&self) -> String {
        self.pair().access.into_string()
    }

    /// Mints a good refresh token. A layer in front of an ordinary route rejects it: it is of the
    /// wrong kind.
    #[must_use]
    pub fn refresh(&self) -> String {
        self.pair().refresh.into_string()
    }

    /// Mints a good access token and a refresh token of the same session, as a login does.
    #[must_use]
    pub fn pair(&self) -> TokenPair {
        self.mint(&self.shared.issuer, self.shared.clock.now())
    }

    /// Mints an access token that was good once, and has expired 10 minutes ago.
    #[must_use]
    pub fn expired(&self) -> String {
        let lifetime = ACCESS_LIFETIME.min(self.shared.verifier.max_lifetime());
        let issued_at = self.shared.clock.now().checked_sub(lifetime + LONG_AFTER_EXPIRY);
        self.mint(&self.shared.issuer, issued_at.unwrap_or(SystemTime::UNIX_EPOCH)).access.into_string()
    }

    /// Mints an access token whose signature is by a key that the verifier does not have. It is
    /// right in everything else.
    #[must_use]
    pub fn signed_with_another_key(&self) -> String {
        self.mint(&self.shared.other_key, self.shared.clock.now()).access.into_string()
    }

    /// Mints an access token that names another `iss`, `https://another-issuer.test`. It is right
    /// in everything else. (A verifier with [`any_issuer`](VerifierBuilder::any_issuer) accepts
    /// it.)
    #[must_use]
    pub fn of_another_issuer(&self) -> String {
        self.mint(&self.shared.other_issuer, self.shared.clock.now()).access.into_string()
    }

    /// Mints an access token and revokes it. Only that token is revoked, and not its session. To
    /// log out a session, see [`issuer`](Self::issuer).
    pub async fn revoked(&self) -> String {
        let token = self.pair().access;
        let guard = Guard::new(TokenKind::Access, self.verifier(), self.blocklist());
        let user = must(guard.authenticate::<NoClaims>(token.as_str()).await, "a token that was just minted");
        let revoked = self.shared.issuer.revoke_token(user.token_id(), token.expires_at()).await;
        must(revoked, "the revocation of a token");
        token.into_string()
    }

    /// Returns the verifier that accepts the good tokens.
    #[must_use]
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.shared.verifier)
    }

    /// Returns the blocklist that knows the revoked tokens. It has room for 100,000 entries and
    /// goes by [`clock`](Self::clock).
    #[must_use]
    pub fn blocklist(&self) -> MemoryBlocklist {
        self.shared.blocklist.clone()
    }

    /// Returns the issuer, for the application's login, refresh and logout, and to revoke in a
    /// test: `tokens.issuer().logout_everywhere("ann")`.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// Starts building an issuer of the same tokens over another store, such as a
    /// [`FailingBlocklist`](super::FailingBlocklist), or with other settings.
    pub fn issuer_builder(&self, store: impl Rotate) -> IssuerBuilder {
        issuer_settings(&self.shared.verifier, &self.shared.secret, store)
    }

    /// Returns the clock of the verifier, the blocklist and the issuer. It shows the time at which
    /// this was created, until a test moves it.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.shared.clock
    }

    fn mint(&self, issuer: &Issuer, issued_at: SystemTime) -> TokenPair {
        let pair = issuer.pair_of_session(&self.subject, self.session.as_deref(), issued_at, &self.claims);
        must(pair, "a token of this subject and session, with these claims")
    }
}

fn issuer_settings(verifier: &Arc<Verifier>, secret: &str, store: impl Rotate) -> IssuerBuilder {
    let longest = verifier.max_lifetime();
    Issuer::builder(Arc::clone(verifier), signing_key(secret), store)
        .access_lifetime(ACCESS_LIFETIME.min(longest))
        .refresh_lifetime(REFRESH_LIFETIME.min(longest))
}

fn signing_key(secret: &str) -> SigningKey {
    must(SigningKey::from_secret(Algorithm::HS256, secret), "a random secret")
}

/// 32 random bytes in hexadecimal digits.
fn random_secret() -> String {
    let mut bytes = [0; 32];
    must(getrandom::fill(&mut bytes), "random bytes from the operating system");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value, or the panic of a test whose fixture cannot be built.
fn must<T, E: fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

impl Default for TestTokens {
    fn default() -> Self {
        Self::new()
    }
}

/// Does not show the secrets.
impl fmt::Debug for TestTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTokens")
            .field("verifier", &self.shared.verifier)
            .field("clock", &self.shared.clock)
            .finish_non_exhaustive()
    }
}
