//! One GET over HTTPS, bounded in everything but time. The caller sets the deadline.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Request, StatusCode, Uri,
    header::{self, HeaderMap},
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::TlsConnector;

use crate::{config_error::ConfigError, keys::jwks::MAX_BYTES};

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// The longest head of a response, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The reason that a fetch has failed. A closed set for the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchError {
    Connection,
    TimedOut,
    Status,
    TooLong,
    Content,
    Issuer,
    NoKey,
}

impl FetchError {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::TimedOut => "timed_out",
            Self::Status => "status",
            Self::TooLong => "too_long",
            Self::Content => "content",
            Self::Issuer => "issuer",
            Self::NoKey => "no_key",
        }
    }
}

/// An `https` URL.
#[derive(Clone)]
pub(crate) struct Url {
    authority: Authority,
    path: PathAndQuery,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = Some(text).filter(|text| text.len() <= MAX_URL_BYTES)?.parse().ok()?;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?.clone();
        (uri.scheme() == Some(&Scheme::HTTPS) && !authority.host().is_empty()).then_some(Self { authority, path })
    }

    /// The host; an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }
}

pub(crate) struct Fetched {
    pub(crate) body: Bytes,
    pub(crate) max_age: Option<Duration>,
}

#[derive(Clone)]
pub(crate) struct Client(TlsConnector);

impl Client {
    /// A client that trusts these root certificates (PEM), or those of `webpki-roots`.
    pub(crate) fn new(roots: Option<&[u8]>) -> Result<Self, ConfigError> {
        let unreadable =
            || ConfigError::setting("the root certificates for fetching keys cannot be read: they must be PEM");
        let mut store = RootCertStore::empty();
        match roots {
            None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    store.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
                }
                if store.is_empty() {
                    return Err(unreadable());
                }
            }
        }
        // Named here, because the default of the process is the program's choice.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| ConfigError::provider("the cryptography of TLS cannot be used"))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Opens a new connection each time, because minutes lie between two fetches. Nothing of it
    /// outlives this future.
    pub(crate) async fn get(&self, url: &Url) -> Result<Fetched, FetchError> {
        let broken = |_| FetchError::Connection;
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| FetchError::Connection)?;
        let port = url.authority.port_u16().unwrap_or(443);
        let stream = TcpStream::connect((url.host(), port)).await.map_err(|_| FetchError::Connection)?;
        let stream = self.0.connect(name, stream).await.map_err(|_| FetchError::Connection)?;
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Dropped with this future, which closes the connection.
        let mut driver = JoinSet::new();
        driver.spawn(connection);

        let request = Request::get(Uri::from(url.path.clone()))
            .header(header::HOST, url.authority.as_str())
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|_| FetchError::Connection)?;
        let response = sender.send_request(request).await.map_err(broken)?;
        // A redirect is an error too: the response must not choose whom to trust.
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status);
        }
        let max_age = max_age(response.headers());
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        let body =
            body.map_err(
                |error| {
                    if error.is::<LengthLimitError>() { FetchError::TooLong } else { FetchError::Connection }
                },
            )?;
        Ok(Fetched { body: body.to_bytes(), max_age })
    }
}

/// The `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let seconds = lines.flat_map(|line| line.split(',')).find_map(|directive| {
        let (name, seconds) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| seconds.trim_matches('"').parse::<u32>().ok())?
    })?;
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r73_only_https_without_a_password_is_a_url() {
        for good in [
            "https://login.example.org",
            "https://login.example.org:8443/jwks?x=1",
            "HTTPS://login.example.org/",
            "https://127.0.0.1/x",
            "https://[::1]:1/x",
        ] {
            assert!(Url::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/jwks",
            "login.example.org",
            "http://login.example.org",
            "http://127.0.0.1/jwks",
            "file:///etc/passwd",
            "ftp://login.example.org",
            "https://",
            "https:///jwks",
            "https://user@login.example.org",
            "https://user:password@login.example.org",
            "https://login.example.org@elsewhere",
            "https://login.example.org/\r\nX: y",
            " https://login.example.org",
        ] {
            assert!(Url::parse(bad).is_none(), "{bad}");
        }
        assert!(Url::parse(&format!("https://login.example.org/{}", "x".repeat(2048))).is_none());
        assert_eq!(Url::parse("https://[::1]:1/x").unwrap().host(), "::1");
    }

    #[test]
    fn max_age_is_read_where_it_is_a_number() {
        for (line, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=60, must-revalidate", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("no-store", None),
            ("s-maxage=60", None),
            ("max-age=-1", None),
            ("max-age=99999999999", None),
            ("max-age", None),
        ] {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, line.parse().unwrap())]);
            assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{line}");
        }
    }
}
