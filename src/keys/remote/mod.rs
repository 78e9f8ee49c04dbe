//! Keys that somebody else publishes: fetched over HTTPS, and again in the background.
//!
//! No request ever waits for the network. A token of a key that is known is judged with what is there; one of a key that is not is
//! refused at once, and the keys are fetched anew, for the next.

pub(crate) mod fetch;
pub(crate) mod refresh;

use std::{fmt, time::Duration};

use crate::{
    config_error::ConfigError,
    json::{self, Member},
    keys::{
        algorithm::Algorithm,
        jwks::{self, Jwks},
        remote::fetch::{Client, FetchError, Fetched, Url},
        set::KeySet,
    },
};

/// Where the keys of another issuer are published, and how often they are fetched.
///
/// ```no_run
/// use tower_jwt_blocklist::{RemoteKeys, Verifier};
///
/// # async fn f() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let issuer = "https://login.example.org";
/// let keys = RemoteKeys::discover(issuer)?.load().await?;
/// let verifier = Verifier::builder().trust(issuer, keys).audience("my-app").build()?;
/// # Ok(())
/// # }
/// ```
///
/// HTTPS alone is spoken, HTTP/1.1 over TLS 1.2 or 1.3, without a proxy. No redirect is followed. A document has at most 256 KiB
/// and 100 keys; a key that [`Jwks::parse`] refuses is a warning in the log, and the others are used. When fetching fails the keys
/// stay as they are, and it is tried again after the [cooldown](Self::cooldown).
#[derive(Clone)]
pub struct RemoteKeys {
    source: Source,
    client: Client,
    refresh_every: Duration,
    cooldown: Duration,
    deadline: Duration,
    rsa: Option<Algorithm>,
}

#[derive(Clone)]
enum Source {
    Document(Url),
    Discovery { issuer: Box<str>, configuration: Url },
}

impl RemoteKeys {
    /// The JWKS document (RFC 7517 §5) at this `https://` URL.
    ///
    /// # Errors
    ///
    /// When it is no such URL, or has a user or password in it.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Self::of(Source::Document(https(url)?))
    }

    /// The document that an OpenID provider names in its configuration, at `/.well-known/openid-configuration` under the issuer's
    /// URL. What it says of its `issuer` must be this, byte for byte.
    ///
    /// # Errors
    ///
    /// As for [`at`](Self::at).
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let configuration = https(&format!("{base}/.well-known/openid-configuration"))?;
        Self::of(Source::Discovery { issuer: issuer.into(), configuration })
    }

    fn of(source: Source) -> Result<Self, ConfigError> {
        Ok(Self {
            source,
            client: Client::new(None)?,
            refresh_every: Duration::from_secs(3600),
            cooldown: Duration::from_secs(30),
            deadline: Duration::from_secs(10),
            rsa: None,
        })
    }

    /// The longest time between two fetches; 1 hour by default. `Cache-Control: max-age` makes it shorter, down to the cooldown.
    ///
    /// A key that its owner takes out of the document is accepted for so long, and for as long as fetching fails.
    #[must_use]
    pub fn refresh_every(mut self, period: Duration) -> Self {
        self.refresh_every = period;
        self
    }

    /// The shortest time between two fetches; 30 seconds by default, at least 100 milliseconds. However many tokens of unknown keys
    /// come, there is no more traffic than that.
    #[must_use]
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// How long one fetch may take, all of it; 10 seconds by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Trusts these root certificates (PEM) instead of webpki's (Mozilla's).
    ///
    /// # Errors
    ///
    /// When there is none in it, or one cannot be read.
    pub fn tls_roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.client = Client::new(Some(pem.as_ref()))?;
        Ok(self)
    }

    /// What RSA keys without `alg` are for: see [`Jwks::parse_assuming`].
    ///
    /// # Errors
    ///
    /// When the algorithm is not one of RSA.
    pub fn assume_rsa(mut self, algorithm: Algorithm) -> Result<Self, ConfigError> {
        jwks::check_assumed(algorithm)?;
        self.rsa = Some(algorithm);
        Ok(self)
    }

    /// Fetches the keys, and from then on keeps them fresh in a task that ends with the last clone of the set.
    ///
    /// # Errors
    ///
    /// When they cannot be had, or none of them can be used; with a cooldown under 100 milliseconds; outside of a tokio runtime.
    pub async fn fetch(self) -> Result<KeySet, ConfigError> {
        let keys = KeySet::empty();
        let mut refreshing = refresh::Refreshing::new(self)?;
        let host = refreshing.host().to_owned();
        let next = refreshing.fetch_into(&keys.downgrade()).await.map_err(|error| {
            ConfigError::key(format!("the keys of {host} cannot be had ({}): is the URL right?", error.as_str()))
        })?;
        keys.keep_fresh(refreshing.start(keys.downgrade(), next));
        Ok(keys)
    }

    /// The same without waiting: until the first fetch has succeeded, every token of this issuer is refused.
    ///
    /// # Errors
    ///
    /// With a cooldown under 100 milliseconds; outside of a tokio runtime.
    pub fn fetch_in_background(self) -> Result<KeySet, ConfigError> {
        let keys = KeySet::empty();
        let refreshing = refresh::Refreshing::new(self)?;
        keys.keep_fresh(refreshing.start(keys.downgrade(), refresh::Next::AtOnce));
        Ok(keys)
    }

    fn host(&self) -> &str {
        match &self.source {
            Source::Document(url) | Source::Discovery { configuration: url, .. } => url.host(),
        }
    }

    async fn document(&self) -> Result<Fetched, FetchError> {
        match &self.source {
            Source::Document(url) => self.client.get(url).await,
            Source::Discovery { issuer, configuration } => {
                let configuration = self.client.get(configuration).await?;
                let url = jwks_uri(&configuration.body, issuer)?;
                self.client.get(&url).await
            }
        }
    }

    fn parse(&self, document: &[u8]) -> Result<Jwks, FetchError> {
        let jwks = match self.rsa {
            Some(rsa) => Jwks::parse_assuming(rsa, document),
            None => Jwks::parse(document),
        };
        jwks.map_err(|_| FetchError::Content)
    }
}

fn https(url: &str) -> Result<Url, ConfigError> {
    Url::parse(url)
        .ok_or_else(|| ConfigError::setting("keys are fetched from an `https://` URL without user and password"))
}

/// OpenID Connect Discovery 1.0 §4.3: a configuration that names another issuer is not this one's.
fn jwks_uri(configuration: &[u8], issuer: &str) -> Result<Url, FetchError> {
    let text = std::str::from_utf8(configuration).map_err(|_| FetchError::Content)?;
    let [named, uri] = json::members(text, ["issuer", "jwks_uri"]).map_err(|_| FetchError::Content)?;
    if named.as_ref().and_then(Member::as_text) != Some(issuer) {
        return Err(FetchError::Issuer);
    }
    uri.as_ref().and_then(Member::as_text).and_then(Url::parse).ok_or(FetchError::Content)
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("host", &self.host())
            .field("refresh_every", &self.refresh_every)
            .field("cooldown", &self.cooldown)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
