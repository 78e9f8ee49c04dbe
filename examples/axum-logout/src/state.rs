//! The library's setup: one verifier, one blocklist, and the issuer and layers built from them.

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

/// This application's own claims, in addition to those that every token has.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AppClaims {
    pub(crate) user: UserClaims,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct UserClaims {
    pub(crate) email: String,
    pub(crate) uid: String,
}

/// The state that the handlers share.
#[derive(Clone)]
pub struct AppState {
    pub(crate) users: Users,
    pub(crate) passwords: Passwords,
    pub(crate) issuer: Issuer,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) blocklist: Arc<dyn Blocklist>,
    /// The same store, if it is a mirror.
    pub(crate) mirror: Option<MirrorBlocklist>,
}

impl AppState {
    /// Connects to the database and to Redis.
    ///
    /// # Errors
    ///
    /// If one of them doesn't answer: a failure at startup is better than one at the first request.
    pub async fn new(settings: &Settings, signing_key: SigningKey) -> Result<Self, StartError> {
        let key = signing_key.verifying_key().map_err(StartError::of("JWT_SECRET"))?;
        let verifier = Verifier::builder().key(key).issuer("axum-logout").audience("axum-logout").build();
        let verifier = Arc::new(verifier.map_err(StartError::of("the verifier of tokens"))?);

        // One store: the layers read it, and the issuer writes to it. With Redis the layers read an
        // in-memory mirror instead.
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
        // The defaults: an access token lives 1 hour, a refresh token 2 days, and a session 30
        // days.
        let issuer = Issuer::builder(verifier.clone(), signing_key, store).build();
        let issuer = issuer.map_err(StartError::of("the issuer of tokens"))?;

        let database = format!("{} (DATABASE_URL)", settings.database);
        let pool = settings.database.connect().await.map_err(StartError::of(database))?;
        let passwords = Passwords::new().map_err(StartError::of("password hashing"))?;
        Ok(Self { users: Users::new(pool), passwords, issuer, verifier, blocklist, mirror })
    }

    /// Admits requests with an access token.
    pub(crate) fn access_layer(&self) -> JwtBlocklistLayer<AppClaims> {
        JwtBlocklistLayer::access_with_claims(self.verifier.clone(), self.blocklist.clone())
    }

    /// Admits requests with a refresh token.
    pub(crate) fn refresh_layer(&self) -> JwtBlocklistLayer<AppClaims> {
        JwtBlocklistLayer::refresh_with_claims(self.verifier.clone(), self.blocklist.clone())
    }

    /// Admits logout requests, with either token, even an expired one.
    pub(crate) fn logout_layer(&self) -> LogoutLayer {
        LogoutLayer::new(self.verifier.clone())
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").finish_non_exhaustive()
    }
}

/// Why the server can't start with valid settings.
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
