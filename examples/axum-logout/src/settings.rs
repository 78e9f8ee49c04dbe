//! Parses text into settings: a pure function that reports every problem and how to fix it.

use std::{fmt, net::SocketAddr};

use tower_jwt_blocklist::{Algorithm, SigningKey, redis::RedisSettings};
use tracing_subscriber::EnvFilter;

use crate::{database::DatabaseUrl, sources::Sources};

/// The settings that the server needs to start.
#[derive(Debug)]
pub struct Settings {
    pub bind: SocketAddr,
    pub database: DatabaseUrl,
    pub algorithm: Algorithm,
    /// `None` if no secret is configured. The server then generates one, see
    /// [`secret`](crate::secret).
    pub signing_key: Option<SigningKey>,
    pub store: Store,
    pub log: EnvFilter,
}

/// Where revocations are stored.
#[derive(Debug)]
pub enum Store {
    Memory,
    Redis(Box<RedisSettings>),
}

impl Settings {
    /// # Errors
    ///
    /// All problems, not only the first. They repeat no secret, and no URL, which can hold a
    /// password.
    pub fn read(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let bind = problems.keep(bind(given(&sources.bind)));
        let database =
            problems.keep(DatabaseUrl::parse(given(&sources.database_url).unwrap_or("sqlite:axum-logout.db")));
        let algorithm = problems.keep(algorithm(given(&sources.jwt_algorithm)));
        // If the algorithm is invalid, the secret is checked against the shortest length of any.
        let signing_key = problems.keep(signing_key(given(&sources.jwt_secret), algorithm.unwrap_or(Algorithm::HS256)));
        let store = store(sources, &mut problems);
        let log = problems.keep(log(given(&sources.rust_log)));
        match (bind, database, algorithm, signing_key, store, log) {
            (Some(bind), Some(database), Some(algorithm), Some(signing_key), Some(store), Some(log))
                if problems.0.is_empty() =>
            {
                Ok(Self { bind, database, algorithm, signing_key, store, log })
            }
            _ => Err(problems),
        }
    }
}

fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.trim().is_empty())
}

fn bind(text: Option<&str>) -> Result<SocketAddr, Problem> {
    let text = text.unwrap_or("127.0.0.1:8000");
    text.trim().parse().map_err(|_| {
        Problem::new(format!("BIND is {text:?}: give an IP address and a port, such as 127.0.0.1:8000 or [::1]:8000"))
    })
}

fn algorithm(text: Option<&str>) -> Result<Algorithm, Problem> {
    let text = text.unwrap_or("HS256");
    match text.trim().parse() {
        Ok(algorithm @ (Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)) => Ok(algorithm),
        // The library supports more of them; this server has one secret, not a key pair.
        _ => Err(Problem::new(format!("JWT_ALGORITHM is {text:?}: use HS256, HS384 or HS512"))),
    }
}

fn signing_key(secret: Option<&str>, algorithm: Algorithm) -> Result<Option<SigningKey>, Problem> {
    let Some(secret) = secret else { return Ok(None) };
    match SigningKey::from_secret(algorithm, secret.as_bytes()) {
        Ok(key) => Ok(Some(key)),
        Err(error) => Err(Problem::new(format!("JWT_SECRET can't be used: {error}"))),
    }
}

fn store(sources: &Sources, problems: &mut Problems) -> Option<Store> {
    let (url, host, port) = (given(&sources.redis_url), given(&sources.redis_host), given(&sources.redis_port));
    let number = port.and_then(|text| problems.keep(redis_port(text)));
    let settings = url.and_then(|url| problems.keep(redis_url(url)));
    match (url, host, port) {
        (None, None, None) => Some(Store::Memory),
        (Some(_), None, None) => settings.map(|settings| Store::Redis(Box::new(settings))),
        (None, Some(host), _) => Some(Store::Redis(Box::new(RedisSettings::new(host.trim(), number.unwrap_or(6379))))),
        (None, None, Some(_)) => problems.add("REDIS_PORT is set and REDIS_HOST is not: set both, or neither"),
        (Some(_), _, _) => {
            problems.add("REDIS_URL is set with REDIS_HOST or REDIS_PORT: keep the URL, or the host and the port")
        }
    }
}

fn redis_port(text: &str) -> Result<u16, Problem> {
    match text.trim().parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(Problem::new(format!("REDIS_PORT is {text:?}: give a number from 1 to 65535"))),
    }
}

fn redis_url(url: &str) -> Result<RedisSettings, Problem> {
    RedisSettings::from_url(url.trim()).map_err(|error| Problem::new(format!("REDIS_URL can't be used: {error}")))
}

fn log(text: Option<&str>) -> Result<EnvFilter, Problem> {
    let text = text.unwrap_or("info");
    EnvFilter::builder().parse(text).map_err(|_| {
        Problem::new(format!("RUST_LOG is {text:?}: give a level, or levels by module, such as info,axum_logout=debug"))
    })
}

/// One unusable setting, and how to fix it.
#[derive(Debug)]
pub struct Problem(String);

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

/// All problems of the settings.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    fn add<T>(&mut self, text: impl Into<String>) -> Option<T> {
        self.0.push(Problem::new(text));
        None
    }

    /// Adds problems found before there were settings to parse.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these settings can't be used:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
