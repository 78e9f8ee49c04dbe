//! TLS to Redis: the trusted roots, and the client certificate.

pub(crate) use backend::Tls;

#[cfg(feature = "tls")]
mod backend {
    use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult};
    use rustls::{
        crypto::CryptoProvider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        sign::CertifiedKey,
    };

    use crate::config_error::ConfigError;

    /// PEM texts. Without `roots`, the roots of webpki (Mozilla's) are trusted.
    #[derive(Clone, PartialEq, Eq, Default)]
    pub(crate) struct Tls {
        pub(crate) roots: Option<Vec<u8>>,
        pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    }

    impl Tls {
        /// Chooses the process's cryptography for rustls, unless the application has: rustls panics
        /// while connecting if none was chosen.
        pub(crate) fn new() -> Result<Self, ConfigError> {
            if CryptoProvider::get_default().is_none() {
                // An error means that another thread was faster, which is fine.
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            }
            Ok(Self::default())
        }

        pub(crate) fn roots(self, pem: &[u8]) -> Result<Self, ConfigError> {
            Self { roots: Some(pem.to_vec()), ..self }.checked("the root certificates")
        }

        pub(crate) fn identity(self, certificate: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
            Self { identity: Some((certificate.to_vec(), key.to_vec())), ..self }
                .checked("the client certificate or its key")
        }

        /// Rejects what cannot be read now, rather than at the first connection.
        fn checked(self, what: &str) -> Result<Self, ConfigError> {
            let holds_certificates = |pem: &[u8]| {
                let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
                certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
            };
            let is_good = self.roots.as_deref().is_none_or(holds_certificates)
                && self.identity.as_ref().is_none_or(|(certificate, key)| belong_together(certificate, key))
                && self.client("host", 1, |addr| addr.into_connection_info()).is_ok();
            if is_good {
                Ok(self)
            } else {
                Err(ConfigError::setting(format!(
                    "{what} for TLS to Redis cannot be read: provide PEM, and a key that belongs to its certificate"
                )))
            }
        }

        pub(crate) fn client(
            &self,
            name: &str,
            port: u16,
            info: impl Fn(ConnectionAddr) -> RedisResult<ConnectionInfo>,
        ) -> RedisResult<Client> {
            let identity = self.identity.clone();
            let certificates = redis::TlsCertificates {
                client_tls: identity
                    .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key }),
                root_cert: self.roots.clone(),
            };
            let addr = ConnectionAddr::TcpTls { host: name.to_owned(), port, insecure: false, tls_params: None };
            Client::build_with_tls(info(addr)?, certificates)
        }
    }

    /// Whether the certificate belongs to this key.
    fn belong_together(certificate: &[u8], key: &[u8]) -> bool {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let (Ok(chain), Ok(key)) = (chain, PrivateKeyDer::from_pem_slice(key)) else { return false };
        let Some(provider) = CryptoProvider::get_default() else { return false };
        CertifiedKey::from_der(chain, key, provider).is_ok()
    }
}

#[cfg(not(feature = "tls"))]
mod backend {
    use redis::{Client, ConnectionAddr, ConnectionInfo, RedisResult};

    use crate::config_error::ConfigError;

    /// Has no value without the feature `tls`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Tls {}

    impl Tls {
        pub(crate) fn new() -> Result<Self, ConfigError> {
            Err(ConfigError::unsupported("this program was built without TLS to Redis: enable the feature `tls`"))
        }

        pub(crate) fn client(
            &self,
            _: &str,
            _: u16,
            _: impl Fn(ConnectionAddr) -> RedisResult<ConnectionInfo>,
        ) -> RedisResult<Client> {
            match *self {}
        }
    }
}
