//! Keys that sign, checked when they are loaded.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey};

use crate::{
    config_error::ConfigError,
    keys::{
        algorithm::{Algorithm, KeyFamily},
        format::{self, PublicKey},
        provider::CryptoProvider,
        secret,
        verifying_key::VerifyingKey,
    },
};

/// A key that signs, bound to one algorithm.
///
/// Give it to [`Issuer::builder`](crate::Issuer::builder), and its
/// [`verifying_key`](Self::verifying_key) to the verifier. Its `Debug` shows the algorithm and the
/// id.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    id: Option<Box<str>>,
    key: EncodingKey,
}

impl SigningKey {
    /// Loads a shared secret for `HS256`, `HS384` or `HS512`: the raw bytes, not decoded in any
    /// way.
    ///
    /// # Errors
    ///
    /// As for [`VerifyingKey::from_secret`].
    pub fn from_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = secret::checked(algorithm, secret.as_ref())?;
        Ok(Self { algorithm, id: None, key: EncodingKey::from_secret(secret) })
    }

    /// Loads a private key in PEM form: `PRIVATE KEY` (PKCS #8, unencrypted) for every asymmetric
    /// algorithm, or `RSA PRIVATE KEY` (PKCS #1).
    ///
    /// # Errors
    ///
    /// If the text is not such a PEM, if the key does not fit the algorithm, or if it is an RSA key
    /// that [`VerifyingKey::from_pem`] rejects. Convert an `EC PRIVATE KEY` (SEC 1) with `openssl
    /// pkcs8 -topk8 -nocrypt`.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = format::private_from_pem(algorithm.family(), pem.as_ref())?;
        Ok(Self { algorithm, id: None, key })
    }

    /// Loads the same keys as [`from_pem`](Self::from_pem) in DER form.
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = format::private_from_der(algorithm.family(), der.as_ref())?;
        Ok(Self { algorithm, id: None, key })
    }

    /// Replaces the key's id: tokens signed with it carry this `kid`. At most 256 bytes; none by
    /// default.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Returns the algorithm that the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the key that checks what this one signs: the same secret, or the public half. It has
    /// the same id.
    ///
    /// # Errors
    ///
    /// If no cryptography is compiled in (for an asymmetric key only), or if the private key is
    /// damaged.
    pub fn verifying_key(&self) -> Result<VerifyingKey, ConfigError> {
        let key = match self.public_half()? {
            Some(public) => VerifyingKey::from_public(self.algorithm, public)?,
            None => VerifyingKey::of_secret(self.algorithm, DecodingKey::from_secret(self.key.as_bytes())),
        };
        Ok(key.with_optional_id(self.id.clone()))
    }

    /// `None` for a secret.
    fn public_half(&self) -> Result<Option<PublicKey>, ConfigError> {
        let damaged = |_| {
            ConfigError::malformed_key("the public half of this private key cannot be computed: the key is damaged")
        };
        let private = self.key.as_bytes();
        let family = self.algorithm.family();
        if matches!(family, KeyFamily::Hmac { .. }) {
            return Ok(None);
        }
        let utils = CryptoProvider::compiled_in()?.key_utils();
        let public = match family {
            KeyFamily::Rsa => {
                let (n, e) = (utils.rsa_pub_components_from_private_key)(private).map_err(damaged)?;
                PublicKey::rsa(&n, &e)?
            }
            KeyFamily::P256 | KeyFamily::P384 => {
                let algorithm = self.algorithm.to_jsonwebtoken();
                let (_, x, y) = (utils.ec_pub_components_from_private_key)(private, algorithm).map_err(damaged)?;
                PublicKey::ec(&[&[0x04], x.as_slice(), &y].concat(), x.len())?
            }
            KeyFamily::Ed25519 | KeyFamily::Hmac { .. } => {
                let curve = jsonwebtoken::jwk::EllipticCurve::Ed25519;
                let x = (utils.ed_pub_components_from_private_key)(private, &curve).map_err(damaged)?;
                PublicKey::ed25519(&x)?
            }
        };
        Ok(Some(public))
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The signature of this message, if the key can sign.
    pub(crate) fn sign(&self, provider: CryptoProvider, message: &[u8]) -> Option<Vec<u8>> {
        provider.sign(self.algorithm, &self.key, message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}
