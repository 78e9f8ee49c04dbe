//! Keys that check signatures. A key is checked when it is loaded, so a bad key is an error at
//! start and never a failure of a request.

use std::{fmt, sync::Arc};

use jsonwebtoken::DecodingKey;

use crate::{
    config_error::ConfigError,
    keys::{
        algorithm::Algorithm,
        format::{PublicKey, bit_length},
        provider::CryptoProvider,
        secret,
    },
};

/// The longest key id, in bytes; a longer `kid` in a token is rejected unread.
pub(crate) const MAX_KEY_ID_BYTES: usize = 256;

/// The smallest RSA key that is accepted. 4096 bits is always the largest, so that a signature
/// check stays cheap.
///
/// Set it with [`VerifierBuilder::rsa_minimum`](crate::token::VerifierBuilder::rsa_minimum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RsaMinimum {
    /// 2048 bits (RFC 7518 §3.3), about 112 bits of security. The default.
    #[default]
    Bits2048,
    /// 3072 bits, about 128 bits of security. NIST SP 800-57 requires it after 2030, BSI TR-02102-1
    /// already.
    Bits3072,
}

impl RsaMinimum {
    /// Keys of other kinds are always large enough.
    pub(crate) fn allows(self, key: &VerifyingKey) -> bool {
        let bits = match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
        };
        !matches!(key.public(), Some(PublicKey::Rsa { modulus, .. }) if bit_length(modulus) < bits)
    }
}

/// A key that checks signatures, bound to one algorithm (RFC 8725 §3.1).
///
/// A token whose header names another algorithm is rejected, whatever its signature. The `Debug` of
/// a key shows its algorithm and its id.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    id: Option<Box<str>>,
    key: DecodingKey,
    /// `None` for a secret.
    public: Option<Arc<PublicKey>>,
}

impl VerifyingKey {
    /// Loads a shared secret for `HS256`, `HS384` or `HS512`: the raw bytes, not decoded in any
    /// way.
    ///
    /// # Errors
    ///
    /// If the algorithm is not HMAC. If the secret is shorter than the hash (32, 48 or 64 bytes,
    /// RFC 7518 §3.2), publicly known, or in truth the key of a key pair in text form.
    pub fn from_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = secret::checked(algorithm, secret.as_ref())?;
        Ok(Self::of_secret(algorithm, DecodingKey::from_secret(secret)))
    }

    /// Loads a public key in PEM form: `PUBLIC KEY` (X.509 SubjectPublicKeyInfo) for every
    /// asymmetric algorithm, or `RSA PUBLIC KEY` (PKCS #1).
    ///
    /// # Errors
    ///
    /// If the text is not such a PEM, or the key does not fit the algorithm. If an RSA modulus does
    /// not have 2048 to 4096 bits, or its exponent is even or below 65537. If a point is not on its
    /// curve.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_public(algorithm, PublicKey::from_pem(algorithm.family(), pem.as_ref())?)
    }

    /// Loads the same keys as [`from_pem`](Self::from_pem) in DER form.
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_public(algorithm, PublicKey::from_der(algorithm.family(), der.as_ref())?)
    }

    /// A key that the cryptography cannot load is rejected here, because a verifier could only
    /// reject all of its keys.
    pub(crate) fn from_public(algorithm: Algorithm, public: PublicKey) -> Result<Self, ConfigError> {
        let key = match &public {
            PublicKey::Rsa { modulus, exponent } => DecodingKey::from_rsa_raw_components(modulus, exponent),
            PublicKey::Ec { point } => DecodingKey::from_ec_der(point),
            PublicKey::Ed25519 { point } => DecodingKey::from_ed_der(point),
        };
        // Without compiled-in cryptography there is nothing to load the key with.
        if CryptoProvider::compiled_in().is_ok_and(|provider| !provider.loads(algorithm, &key)) {
            return Err(ConfigError::malformed_key(format!(
                "the cryptography in use cannot load this {algorithm} key: the key is damaged or forged"
            )));
        }
        Ok(Self { algorithm, id: None, key, public: Some(Arc::new(public)) })
    }

    /// A secret without the checks of [`from_secret`](Self::from_secret).
    pub(crate) fn of_secret(algorithm: Algorithm, key: DecodingKey) -> Self {
        Self { algorithm, id: None, key, public: None }
    }

    /// Replaces the key's id. The key then checks only tokens whose `kid` is this, byte for byte.
    /// At most 256 bytes; none by default.
    ///
    /// A verifier with several keys needs an id for each. A single key also checks tokens without
    /// `kid`; without an id it checks every token.
    #[must_use]
    pub fn with_id(self, id: impl Into<Box<str>>) -> Self {
        self.with_optional_id(Some(id.into()))
    }

    pub(crate) fn with_optional_id(mut self, id: Option<Box<str>>) -> Self {
        self.id = id;
        self
    }

    /// Returns the algorithm that the key checks.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the key's id, which is compared with the `kid` of a token.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// `None` for a secret.
    pub(crate) fn public(&self) -> Option<&PublicKey> {
        self.public.as_deref()
    }

    /// Whether this provider can use the key.
    pub(crate) fn loads(&self, provider: CryptoProvider) -> bool {
        provider.loads(self.algorithm, &self.key)
    }

    /// Whether the signature of this message is right.
    pub(crate) fn verifies(&self, provider: CryptoProvider, message: &[u8], signature: &Vec<u8>) -> bool {
        provider.verifies(self.algorithm, &self.key, message, signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}
