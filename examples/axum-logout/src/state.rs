//! The library, set up: one verifier, one blocklist, and what is made of them.

use std::{error, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use tower_jwt_blocklist::{
    Blocklist, Issuer, JwtBlocklistLayer, LogoutLayer, MemoryBlocklist, MirrorBlocklist, MirrorSettings,
    RedisBlocklist, Rotate, SigningKey, Verifier,
};

use crate::{
    password::Passwords,
    settings::{Settings, Store},
    users::Users,
};

/// What this application puts into its tokens, beside the claims that every token has.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AppClaims {
    pub(crate) user: UserClaims,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct UserClaims {
    pub(crate) email: String,
    pub(crate) uid: String,
}

/// What the handlers share.
#[derive(Clone)]
pub struct AppState {
    pub(crate) users: Users,
    pub(crate) passwords: Passwords,
    pub(crate) issuer: Issuer,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) blocklist: Arc<dyn Blocklist>,
    /// The same, where it is one.
    pub(crate) mirror: Option<MirrorBlocklist>,
}

impl AppState {
    /// Connects to the database and to Redis.
    ///
    /// # Errors
    ///
    /// When one of them doesn't answer: better known at the start than at the first request.
    pub async fn new(settings: &Settings, signing_key: SigningKey) -> Result<Self, StartError> {
        let key = signing_key.verifying_key().map_err(StartError::of("JWT_SECRET"))?;
        let verifier = Verifier::builder().key(key).issuer("axum-logout").audience("axum-logout").build();
        let verifier = Arc::new(verifier.map_err(StartError::of("the verifier of tokens"))?);

        // One store, asked by the layers and told by the issuer. Of Redis there is a mirror in memory, which is asked in its place.
        let (blocklist, mirror, store): (Arc<dyn Blocklist>, _, Arc<dyn Rotate>) = match &settings.store {
            Store::Memory => {
                let memory = MemoryBlocklist::new();
                (Arc::new(memory.clone()), None, Arc::new(memory))
            }
            Store::Redis(redis) => {
                let redis = RedisBlocklist::connect((**redis).clone()).await;
                let redis = redis.map_err(StartError::of("Redis (REDIS_URL, or REDIS_HOST and REDIS_PORT)"))?;
                let mirror = MirrorBlocklist::start(redis.clone(), MirrorSettings::new());
                let mirror = mirror.map_err(StartError::of("the mirror of Redis"))?;
                (Arc::new(mirror.clone()), Some(mirror), Arc::new(redis))
            }
        };
        // An access token for 1 hour, a refresh token for 2 days and a session for 30, unless told otherwise.
        let issuer = Issuer::builder(verifier.clone(), signing_key, store).build();
        let issuer = issuer.map_err(StartError::of("the issuer of tokens"))?;

        let database = format!("{} (DATABASE_URL)", settings.database);
        let pool = settings.database.connect().await.map_err(StartError::of(database))?;
        let passwords = Passwords::new().map_err(StartError::of("password hashing"))?;
        Ok(Self { users: Users::new(pool), passwords, issuer, verifier, blocklist, mirror })
    }

    /// Lets requests with an access token through.
    pub(crate) fn access_layer(&self) -> JwtBlocklistLayer<AppClaims> {
        JwtBlocklistLayer::access(self.verifier.clone(), self.blocklist.clone()).claims()
    }

    /// Lets requests with a refresh token through.
    pub(crate) fn refresh_layer(&self) -> JwtBlocklistLayer<AppClaims> {
        JwtBlocklistLayer::refresh(self.verifier.clone(), self.blocklist.clone()).claims()
    }

    /// Lets requests through that log out, with either token, also an expired one.
    pub(crate) fn logout_layer(&self) -> LogoutLayer {
        LogoutLayer::new(self.verifier.clone())
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").finish_non_exhaustive()
    }
}

/// Why the server can't start though its settings can be read.
#[derive(Debug)]
pub struct StartError {
    what: String,
    source: Box<dyn error::Error + Send + Sync>,
}

impl StartError {
    fn of<E: error::Error + Send + Sync + 'static>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self { what: what.into(), source: Box::new(source) }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be used", self.what)
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.source)
    }
}
