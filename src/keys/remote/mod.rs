//! Keys that another issuer publishes: fetched over HTTPS, and refreshed in the background.
//!
//! No request waits for the network. A token of a known key is verified with the keys at hand. A
//! token of an unknown key is rejected at once, and the keys are fetched for the next one.

mod fetch;
mod refresh;
mod source;

use std::{fmt, time::Duration};

use crate::{
    config_error::ConfigError,
    keys::{
        algorithm::Algorithm,
        jwks,
        remote::{
            fetch::Client,
            refresh::{Next, Refreshing},
            source::Source,
        },
        set::KeySet,
    },
};

/// The URL where another issuer publishes its keys, and how often they are fetched.
///
/// ```no_run
/// use tower_jwt_blocklist::{Verifier, keys::RemoteKeys};
///
/// # async fn f() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// let issuer = "https://login.example.org";
/// let keys = RemoteKeys::discover(issuer)?.fetch().await?;
/// let verifier = Verifier::builder().trust(issuer, keys).audience("my-app").build()?;
/// # Ok(())
/// # }
/// ```
///
/// The client uses HTTPS only: HTTP/1.1 over TLS 1.2 or 1.3, without a proxy. It follows no
/// redirect. A document has at most 256 KiB and 100 keys. A key that
/// [`Jwks::parse`](crate::keys::Jwks::parse) rejects is logged as a warning, and the others are
/// used.
///
/// If a fetch fails, the keys stay as they are, and the next attempt follows after the
/// [cooldown](Self::cooldown).
#[derive(Clone)]
pub struct RemoteKeys {
    source: Source,
    /// The first setting that cannot work: fetching reports it.
    mistake: Option<ConfigError>,
}

impl RemoteKeys {
    /// Names the JWKS document (RFC 7517 §5) at this `https://` URL.
    ///
    /// # Errors
    ///
    /// If it is not such a URL, or if a user or a password is in it.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Ok(Self { source: Source::at(url)?, mistake: None })
    }

    /// Names the document that an OpenID provider lists in its configuration, which is at
    /// `/.well-known/openid-configuration` below the issuer's URL.
    ///
    /// The `issuer` of that configuration must be this one, byte for byte (OpenID Connect Discovery
    /// 1.0 §4.3).
    ///
    /// # Errors
    ///
    /// As for [`at`](Self::at).
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        Ok(Self { source: Source::discover(issuer)?, mistake: None })
    }

    /// Sets the longest time between two fetches; 1 hour by default. `Cache-Control: max-age`
    /// shortens it, but not below the cooldown.
    ///
    /// A key that its owner withdraws is accepted until the next successful fetch.
    #[must_use]
    pub fn refresh_every(mut self, period: Duration) -> Self {
        self.source.refresh_every = period;
        self
    }

    /// Sets the shortest time between two fetches; 30 seconds by default, at least 100
    /// milliseconds.
    ///
    /// It bounds the traffic, no matter how many tokens name unknown keys.
    #[must_use]
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.source.cooldown = cooldown;
        self
    }

    /// Sets the deadline of one whole fetch; 10 seconds by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.source.deadline = deadline;
        self
    }

    /// Trusts these root certificates (PEM) instead of Mozilla's, which `webpki-roots` has. Fetching
    /// is an error if there is none, or if one cannot be read.
    #[must_use]
    pub fn tls_roots(mut self, pem: impl AsRef<[u8]>) -> Self {
        match Client::new(Some(pem.as_ref())) {
            Ok(client) => self.source.client = client,
            Err(error) => self.mistake = self.mistake.or(Some(error)),
        }
        self
    }

    /// Sets the algorithm of RSA keys without `alg`: see
    /// [`Jwks::parse_assuming`](crate::keys::Jwks::parse_assuming). By default such keys are rejected.
    /// Fetching is an error if the algorithm is not one of RSA.
    #[must_use]
    pub fn assume_rsa(mut self, algorithm: Algorithm) -> Self {
        match jwks::check_assumed(algorithm) {
            Ok(()) => self.source.rsa = Some(algorithm),
            Err(error) => self.mistake = self.mistake.or(Some(error)),
        }
        self
    }

    /// Fetches the keys, and keeps them fresh from then on, in a task that ends with the last clone
    /// of the set.
    ///
    /// # Errors
    ///
    /// If the keys cannot be fetched, or none of them is usable; if a setting cannot work; outside of a
    /// tokio runtime.
    pub async fn fetch(self) -> Result<KeySet, ConfigError> {
        let keys = KeySet::empty();
        let mut refreshing = Refreshing::new(self.checked()?, &keys)?;
        let host = refreshing.host().to_owned();
        let next = refreshing.fetch().await.map_err(|error| {
            ConfigError::unreachable(format!(
                "the keys of {host} cannot be fetched ({}): is the URL right?",
                error.as_str()
            ))
        })?;
        keys.keep_fresh(refreshing.start(next));
        Ok(keys)
    }

    /// Returns at once, and fetches the keys in the background. Until the first fetch has
    /// succeeded, every token of this issuer is rejected.
    ///
    /// # Errors
    ///
    /// If a setting cannot work, or outside of a tokio runtime.
    pub fn fetch_in_background(self) -> Result<KeySet, ConfigError> {
        let keys = KeySet::empty();
        let refreshing = Refreshing::new(self.checked()?, &keys)?;
        keys.keep_fresh(refreshing.start(Next::AtOnce));
        Ok(keys)
    }

    fn checked(self) -> Result<Source, ConfigError> {
        self.mistake.map_or(Ok(self.source), Err)
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("host", &self.source.host())
            .field("refresh_every", &self.source.refresh_every)
            .field("cooldown", &self.source.cooldown)
            .field("deadline", &self.source.deadline)
            .finish_non_exhaustive()
    }
}
