//! The place where keys are published, and the settings of fetching them.

use std::time::Duration;

use crate::{
    config_error::ConfigError,
    json::{self, Member},
    keys::{
        algorithm::Algorithm,
        jwks::Jwks,
        remote::fetch::{Client, FetchError, Fetched, Url},
    },
};

#[derive(Clone)]
pub(crate) struct Source {
    location: Location,
    pub(crate) client: Client,
    pub(crate) refresh_every: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) deadline: Duration,
    /// The algorithm of RSA keys without `alg`.
    pub(crate) rsa: Option<Algorithm>,
}

#[derive(Clone)]
enum Location {
    Document(Url),
    Discovery { issuer: Box<str>, configuration: Url },
}

impl Source {
    pub(crate) fn at(url: &str) -> Result<Self, ConfigError> {
        Self::new(Location::Document(https(url)?))
    }

    pub(crate) fn discover(issuer: &str) -> Result<Self, ConfigError> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let configuration = https(&format!("{base}/.well-known/openid-configuration"))?;
        Self::new(Location::Discovery { issuer: issuer.into(), configuration })
    }

    fn new(location: Location) -> Result<Self, ConfigError> {
        Ok(Self {
            location,
            client: Client::new(None)?,
            refresh_every: Duration::from_secs(3600),
            cooldown: Duration::from_secs(30),
            deadline: Duration::from_secs(10),
            rsa: None,
        })
    }

    pub(crate) fn host(&self) -> &str {
        match &self.location {
            Location::Document(url) | Location::Discovery { configuration: url, .. } => url.host(),
        }
    }

    pub(crate) async fn document(&self) -> Result<Fetched, FetchError> {
        match &self.location {
            Location::Document(url) => self.client.get(url).await,
            Location::Discovery { issuer, configuration } => {
                let configuration = self.client.get(configuration).await?;
                let url = jwks_uri(&configuration.body, issuer)?;
                self.client.get(&url).await
            }
        }
    }

    pub(crate) fn parse(&self, document: &[u8]) -> Result<Jwks, FetchError> {
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

/// The `jwks_uri` of an OpenID configuration. One that names another issuer is rejected (OpenID
/// Connect Discovery 1.0 §4.3).
fn jwks_uri(configuration: &[u8], issuer: &str) -> Result<Url, FetchError> {
    let text = std::str::from_utf8(configuration).map_err(|_| FetchError::Content)?;
    let [named, uri] = json::members(text, ["issuer", "jwks_uri"]).map_err(|_| FetchError::Content)?;
    if named.as_ref().and_then(Member::as_text) != Some(issuer) {
        return Err(FetchError::Issuer);
    }
    uri.as_ref().and_then(Member::as_text).and_then(Url::parse).ok_or(FetchError::Content)
}
