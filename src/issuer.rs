//! Login, refresh, logout: the tokens of one's own.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    blocklist::{Revoke, RevokeError},
    claims::{NoClaims, TokenKind},
    clock::Timestamp,
    error::ConfigError,
    guard::Authenticated,
    token::{RESERVED_CLAIMS, Signer, SigningKey, Verifier},
};

/// How deep the application's claims may be nested: well under the 128 levels that the JSON parser reads.
const MAX_DEPTH: usize = 100;

/// Mints the tokens that a [`Verifier`] accepts, and takes them back.
///
/// It is built on that verifier and copies its issuer, audience and the place of the kind, and proves at start that the
/// verifier accepts what it mints: the two cannot drift apart.
///
/// ```
/// # use std::sync::Arc;
/// use tower_jwt_blocklist::{Guard, Issuer, MemoryBlocklist, NoClaims, RejectionKind, TokenKind};
/// # use tower_jwt_blocklist::{Algorithm, SigningKey, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
/// # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
/// let blocklist = MemoryBlocklist::new();
/// let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
/// let pair = issuer.login("user-1", &NoClaims {})?;
///
/// let guard = Guard::new(TokenKind::Access, verifier, blocklist);
/// let user = guard.authenticate::<NoClaims>(pair.access.as_str()).await?;
/// assert_eq!(user.subject(), Some("user-1"));
///
/// issuer.logout(&user).await?;
/// let rejection = guard.authenticate::<NoClaims>(pair.access.as_str()).await.unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Revoked);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Issuer(Arc<Settings>);

struct Settings {
    verifier: Arc<Verifier>,
    signer: Signer,
    revoke: Arc<dyn Revoke>,
    access_lifetime: Duration,
    refresh_lifetime: Duration,
}

/// Settings of an [`Issuer`].
#[must_use = "nothing is built before `build`"]
pub struct IssuerBuilder {
    verifier: Arc<Verifier>,
    key: SigningKey,
    revoke: Arc<dyn Revoke>,
    access_lifetime: Duration,
    refresh_lifetime: Duration,
}

/// A token as text, ready to be handed to a client. Its `Debug` does not show it, and it cannot be serialised by accident.
pub struct MintedToken {
    text: String,
    expires_at: Timestamp,
}

/// The tokens of one login: both belong to one session.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// To use the service with.
    pub access: MintedToken,
    /// To get new access tokens with.
    pub refresh: MintedToken,
}

/// What all tokens of one login have in common.
struct Session<'a> {
    issuer: Option<&'a str>,
    subject: Option<&'a str>,
    id: Option<&'a str>,
}

/// Why no token was minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// The application's claims are not a JSON object.
    ClaimsNotAnObject,
    /// One of the application's claims has the name of a registered claim, or of the one that tells the kind.
    ReservedClaim,
    /// The application's claims are nested deeper than a verifier reads.
    TooDeep,
    /// The token would be longer than the verifier accepts.
    TooLong,
    /// The subject is empty or longer than 1024 bytes.
    Subject,
    /// Not a refresh token: only with one of those a new access token is minted.
    NotRefresh,
    /// The operating system has no random numbers.
    Random,
    /// The key could not sign.
    Signing,
}

impl Issuer {
    /// Starts building an issuer of tokens that `verifier` accepts, signed with `key`, revoked through `revoke`.
    pub fn builder(verifier: Arc<Verifier>, key: SigningKey, revoke: impl Revoke) -> IssuerBuilder {
        IssuerBuilder {
            verifier,
            key,
            revoke: Arc::new(revoke),
            access_lifetime: Duration::from_secs(3600),
            refresh_lifetime: Duration::from_secs(2 * 24 * 3600),
        }
    }

    /// Begins a session for `subject`: an access and a refresh token. `claims` become members of both, beside the registered
    /// ones.
    ///
    /// Everybody who sees a token can read its claims: they are signed, not encrypted.
    ///
    /// # Errors
    ///
    /// When the claims or the subject cannot be put into a token; see [`IssueError`].
    pub fn login<X: Serialize>(&self, subject: &str, claims: &X) -> Result<TokenPair, IssueError> {
        if subject.is_empty() || subject.len() > 1024 {
            return Err(IssueError::Subject);
        }
        let session_id = random_id()?;
        let session = Session { issuer: self.0.verifier.issuer(), subject: Some(subject), id: Some(&session_id) };
        Ok(TokenPair {
            access: self.mint(TokenKind::Access, &session, claims)?,
            refresh: self.mint(TokenKind::Refresh, &session, claims)?,
        })
    }

    /// A new access token of the same session, for the holder of its refresh token, with the same `iss`: a session belongs to
    /// one issuer. The refresh token stays valid to its end.
    ///
    /// # Errors
    ///
    /// When `session` was authenticated by an access token, or the claims cannot be put into a token; see [`IssueError`].
    pub fn refresh<X: Serialize>(&self, session: &Authenticated<X>) -> Result<MintedToken, IssueError> {
        if session.kind() != TokenKind::Refresh {
            return Err(IssueError::NotRefresh);
        }
        let claims = session.claims();
        let session = Session { issuer: session.issuer(), subject: session.subject(), id: session.session_id() };
        self.mint(TokenKind::Access, &session, claims)
    }

    /// Ends the session: its refresh token and every access token of it are refused from now on. Doing it twice is `Ok`.
    ///
    /// A token without `sid` (of another issuer) has no session: then it alone is revoked.
    ///
    /// # Errors
    ///
    /// When the revocation was not stored: the session is then **not** over, and the client must hear so.
    pub async fn logout<X: Sync + Send>(&self, session: &Authenticated<X>) -> Result<(), RevokeError> {
        let now = SystemTime::from(self.0.verifier.now());
        self.0.revoke.revoke(&session.revocation(now)).await
    }

    fn mint<X: Serialize>(
        &self,
        kind: TokenKind,
        session: &Session<'_>,
        claims: &X,
    ) -> Result<MintedToken, IssueError> {
        let Settings { verifier, signer, .. } = &*self.0;
        let lifetime = match kind {
            TokenKind::Access => self.0.access_lifetime,
            TokenKind::Refresh => self.0.refresh_lifetime,
        };
        // Whole seconds, both: else a fraction of the one rounds the other up, over what the verifier accepts.
        let issued_at = Timestamp::from_millis(verifier.now().as_seconds() * 1000);
        let expires_at = issued_at + Duration::from_secs(lifetime.as_secs());
        let (typ, kind_claim) = verifier.kind_source().write(kind);

        let mut payload = application_claims(claims)?;
        let mut insert = |name: &str, value: Value| match payload.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(IssueError::ReservedClaim),
        };
        for (name, value) in
            [("iss", session.issuer), ("aud", verifier.audience()), ("sub", session.subject), ("sid", session.id)]
        {
            if let Some(value) = value {
                insert(name, value.into())?;
            }
        }
        insert("jti", random_id()?.into())?;
        insert("iat", issued_at.as_seconds().into())?;
        insert("exp", expires_at.as_seconds().into())?;
        if let Some((name, value)) = kind_claim {
            insert(name, value)?;
        }

        let text = signer.sign(typ, &payload).map_err(|_| IssueError::Signing)?;
        if text.len() > verifier.max_token_bytes() {
            return Err(IssueError::TooLong);
        }
        Ok(MintedToken { text, expires_at })
    }
}

impl IssuerBuilder {
    /// How long an access token lives; 1 hour by default. Whole seconds count.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_lifetime = lifetime;
        self
    }

    /// How long a refresh token lives; 2 days by default. Whole seconds count.
    pub fn refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_lifetime = lifetime;
        self
    }

    /// Checks the settings, and mints a token of each kind for the verifier to accept.
    ///
    /// # Errors
    ///
    /// When a lifetime is under a second or over the verifier's
    /// [`max_lifetime`](crate::VerifierBuilder::max_lifetime), or the verifier does not accept what the key signs.
    pub fn build(self) -> Result<Issuer, ConfigError> {
        let allowed = Duration::from_secs(1)..=self.verifier.max_lifetime();
        if !allowed.contains(&self.access_lifetime) || !allowed.contains(&self.refresh_lifetime) {
            return Err(ConfigError::setting(
                "a token's lifetime is under a second or over the verifier's `max_lifetime` (2 days by default): raise that one",
            ));
        }
        let signer = Signer::new(self.key, &self.verifier);
        let issuer = Issuer(Arc::new(Settings {
            verifier: self.verifier,
            signer,
            revoke: self.revoke,
            access_lifetime: self.access_lifetime,
            refresh_lifetime: self.refresh_lifetime,
        }));
        issuer.self_test()?;
        Ok(issuer)
    }
}

impl Issuer {
    fn self_test(&self) -> Result<(), ConfigError> {
        let refused = |why: String| {
            ConfigError::setting(format!(
                "the verifier does not accept what this key signs ({why}): give it `SigningKey::verifying_key` of the same key"
            ))
        };
        let pair = self.login("self-test", &NoClaims {}).map_err(|error| refused(error.to_string()))?;
        for token in [pair.access, pair.refresh] {
            let now = self.0.verifier.now();
            self.0.verifier.verify::<NoClaims>(&token.text, now).map_err(|error| refused(error.as_str().to_owned()))?;
        }
        Ok(())
    }
}

/// The application's claims as the members they will be.
fn application_claims<X: Serialize>(claims: &X) -> Result<Map<String, Value>, IssueError> {
    let Ok(Value::Object(members)) = serde_json::to_value(claims) else {
        return Err(IssueError::ClaimsNotAnObject);
    };
    // Also those that this token does not use: a verifier would take them for its own.
    if RESERVED_CLAIMS.iter().any(|name| members.contains_key(*name)) {
        return Err(IssueError::ReservedClaim);
    }
    if members.values().any(|member| is_deeper(member, MAX_DEPTH)) {
        return Err(IssueError::TooDeep);
    }
    Ok(members)
}

/// Whether there are more than `levels` lists and objects inside each other.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let inside = |value: &Value| is_deeper(value, levels - 1);
    match value {
        Value::Array(list) => levels == 0 || list.iter().any(inside),
        Value::Object(members) => levels == 0 || members.values().any(inside),
        _ => false,
    }
}

/// 128 random bits in base64url: nobody guesses it, and no two are equal.
fn random_id() -> Result<String, IssueError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| IssueError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl MintedToken {
    /// The compact token.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The compact token.
    pub fn into_string(self) -> String {
        self.text
    }

    /// When it ends: its `exp`.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at.into()
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("access_lifetime", &self.0.access_lifetime)
            .field("refresh_lifetime", &self.0.refresh_lifetime)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IssuerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerBuilder").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClaimsNotAnObject => {
                "the application's claims must serialise to a JSON object: use a struct or a map"
            }
            Self::ReservedClaim => "an application claim has the name of a registered claim: rename it",
            Self::TooDeep => "the application's claims are nested over 100 levels deep: make them flatter",
            Self::TooLong => "the token would be too long: put less into its claims, or raise `max_token_bytes`",
            Self::Subject => "the subject must have 1 to 1024 bytes",
            Self::NotRefresh => "a refresh token is needed: put `JwtBlocklistLayer::refresh` in front of this route",
            Self::Random => "the operating system has no random numbers",
            Self::Signing => "the key could not sign",
        })
    }
}

impl std::error::Error for IssueError {}
