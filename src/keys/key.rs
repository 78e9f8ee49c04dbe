//! Keys, checked when they are loaded: whatever is wrong with a key is an error at start, never a failure of a request.

use std::{fmt, sync::Arc};

use jsonwebtoken::{DecodingKey, EncodingKey, crypto::CryptoProvider};

use crate::{
    config_error::ConfigError,
    keys::{
        algorithm::{Algorithm, KeyFamily},
        format::{self, PublicKey, bit_length},
        jwk::Jwk,
        provider, secret,
    },
};

/// The longest key id, in bytes; a longer `kid` in a token is refused unread.
pub(crate) const MAX_KEY_ID_BYTES: usize = 256;

/// How large an RSA key has to be. 4096 bits is always the most, so that one signature check stays cheap.
///
/// Set it with [`VerifierBuilder::rsa_minimum`](crate::VerifierBuilder::rsa_minimum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RsaMinimum {
    /// 2048 bits, as RFC 7518 §3.3 asks: some 112 bits of security. The default.
    #[default]
    Bits2048,
    /// 3072 bits, some 128 bits of security: what NIST SP 800-57 and the BSI's TR-02102-1 ask for after 2030, or already.
    Bits3072,
}

impl RsaMinimum {
    /// Keys of other kinds are always large enough.
    pub(crate) fn allows(self, key: &VerifyingKey) -> bool {
        let bits = match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
        };
        !matches!(key.public.as_deref(), Some(PublicKey::Rsa { modulus, .. }) if bit_length(modulus) < bits)
    }
}

/// A key that checks signatures, bound to the one algorithm it is for (RFC 8725 §3.1).
#[derive(Clone)]
pub struct VerifyingKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) id: Option<Box<str>>,
    pub(crate) key: DecodingKey,
    /// `None` is a secret.
    pub(crate) public: Option<Arc<PublicKey>>,
}

/// A key that signs, bound to the one algorithm it is for.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) id: Option<Box<str>>,
    pub(crate) key: EncodingKey,
}

impl VerifyingKey {
    /// A shared secret for `HS256`, `HS384` or `HS512`: the raw bytes, not decoded in any way.
    ///
    /// # Errors
    ///
    /// When the algorithm is no HMAC, or the secret is shorter than the hash (32, 48 or 64 bytes, RFC 7518 §3.2), publicly
    /// known, or really a key pair's key in text form.
    pub fn from_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = checked_secret(algorithm, secret.as_ref())?;
        Ok(Self { algorithm, id: None, key: DecodingKey::from_secret(secret), public: None })
    }

    /// A public key in PEM form: `PUBLIC KEY` (X.509 SubjectPublicKeyInfo) for every asymmetric algorithm, or
    /// `RSA PUBLIC KEY` (PKCS #1).
    ///
    /// # Errors
    ///
    /// When the text is not such a PEM, the key is of another kind than the algorithm needs, an RSA modulus is not 2048 to
    /// 4096 bits or its exponent is even or under 65537, or a point is not one of the curve.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_public(algorithm, PublicKey::from_pem(algorithm.family(), pem.as_ref())?)
    }

    /// The same keys as [`from_pem`](Self::from_pem) in DER form.
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_public(algorithm, PublicKey::from_der(algorithm.family(), der.as_ref())?)
    }

    /// A public JWK (RFC 7517), as text. Its `kid` is the key's id. `alg` says for which algorithm it is; without, a key on a
    /// curve is for the one algorithm of that curve, and an RSA key is refused: see [`from_jwk_as`](Self::from_jwk_as).
    ///
    /// # Errors
    ///
    /// When the text is not one JSON object without duplicate members; `use` is not `sig`, or `key_ops` has no `verify`; `alg` is
    /// unknown, missing where it is needed, or not one of `kty` and `crv`; private members are in it; `kid` is not a string of 1
    /// to 256 bytes; the key is a secret (see [`from_secret_jwk`](Self::from_secret_jwk)), or one that
    /// [`from_pem`](Self::from_pem) refuses.
    pub fn from_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Jwk::parse(jwk.as_ref()).and_then(|jwk| jwk.public_key(None)).map_err(|refusal| refusal.error)
    }

    /// The same for a JWK that need not have `alg`; where it has one, it must be this.
    ///
    /// # Errors
    ///
    /// As for [`from_jwk`](Self::from_jwk).
    pub fn from_jwk_as(algorithm: Algorithm, jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = Jwk::parse(jwk.as_ref()).and_then(|jwk| jwk.public_key(Some(algorithm)));
        match key {
            Ok(key) if key.algorithm == algorithm => Ok(key),
            Ok(key) => Err(ConfigError::key(format!("this JWK is for {}, not for {algorithm}", key.algorithm))),
            Err(refusal) => Err(refusal.error),
        }
    }

    /// A shared secret as a JWK: `kty` is `oct`, and `alg` is `HS256`, `HS384` or `HS512`.
    ///
    /// # Errors
    ///
    /// As for [`from_jwk`](Self::from_jwk) and [`from_secret`](Self::from_secret).
    pub fn from_secret_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Jwk::parse(jwk.as_ref()).and_then(|jwk| jwk.secret()).map_err(|refusal| refusal.error)
    }

    /// A key that the cryptography cannot load is refused here, and not by a verifier, which could only refuse all of its keys.
    pub(crate) fn from_public(algorithm: Algorithm, public: PublicKey) -> Result<Self, ConfigError> {
        let key = match &public {
            PublicKey::Rsa { modulus, exponent } => DecodingKey::from_rsa_raw_components(modulus, exponent),
            PublicKey::Ec { point } => DecodingKey::from_ec_der(point),
            PublicKey::Ed25519 { point } => DecodingKey::from_ed_der(point),
        };
        // Without cryptography of our own there is nobody to ask yet.
        let loads = |provider: &CryptoProvider| (provider.verifier_factory)(&algorithm.to_jsonwebtoken(), &key).is_ok();
        if !provider::compiled_in().map_or(true, loads) {
            return Err(ConfigError::key(format!(
                "the cryptography in use cannot load this {algorithm} key: the key is damaged or forged"
            )));
        }
        Ok(Self { algorithm, id: None, key, public: Some(Arc::new(public)) })
    }

    /// Names the key: only tokens whose header says this `kid` are checked with it, byte for byte. At most 256 bytes.
    ///
    /// A verifier with several keys needs a name for each. A lone key also checks tokens without `kid`; without a name of its own it
    /// checks every token.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The algorithm this key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` this key answers to.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl SigningKey {
    /// A shared secret for `HS256`, `HS384` or `HS512`: the raw bytes, not decoded in any way.
    ///
    /// # Errors
    ///
    /// As for [`VerifyingKey::from_secret`].
    pub fn from_secret(algorithm: Algorithm, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = checked_secret(algorithm, secret.as_ref())?;
        Ok(Self { algorithm, id: None, key: EncodingKey::from_secret(secret) })
    }

    /// A private key in PEM form: `PRIVATE KEY` (PKCS #8, unencrypted) for every asymmetric algorithm, or
    /// `RSA PRIVATE KEY` (PKCS #1).
    ///
    /// # Errors
    ///
    /// When the text is not such a PEM, the key is of another kind than the algorithm needs, or an RSA key is one that
    /// [`VerifyingKey::from_pem`] refuses. An `EC PRIVATE KEY` (SEC 1) is converted with `openssl pkcs8 -topk8 -nocrypt`.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = format::private_from_pem(algorithm.family(), pem.as_ref())?;
        Ok(Self { algorithm, id: None, key })
    }

    /// The same keys as [`from_pem`](Self::from_pem) in DER form.
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = format::private_from_der(algorithm.family(), der.as_ref())?;
        Ok(Self { algorithm, id: None, key })
    }

    /// Names the key: tokens signed with it carry this `kid`. At most 256 bytes.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The algorithm this key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that checks what this one signs: the same secret, or the public half. It has the same id.
    ///
    /// # Errors
    ///
    /// When no cryptography is compiled in (an asymmetric key only), or the private key is broken.
    pub fn verifying_key(&self) -> Result<VerifyingKey, ConfigError> {
        let broken = |_| ConfigError::key("the public half of this private key cannot be computed: the key is damaged");
        let private = self.key.as_bytes();
        let public = match self.algorithm.family() {
            KeyFamily::Hmac { .. } => {
                let key = DecodingKey::from_secret(private);
                return Ok(VerifyingKey { algorithm: self.algorithm, id: self.id.clone(), key, public: None });
            }
            KeyFamily::Rsa => {
                let (n, e) = (provider::compiled_in()?.key_utils.rsa_pub_components_from_private_key)(private)
                    .map_err(broken)?;
                PublicKey::rsa(&n, &e)?
            }
            KeyFamily::P256 | KeyFamily::P384 => {
                let algorithm = self.algorithm.to_jsonwebtoken();
                let (_, x, y) =
                    (provider::compiled_in()?.key_utils.ec_pub_components_from_private_key)(private, algorithm)
                        .map_err(broken)?;
                PublicKey::ec(&[&[0x04], x.as_slice(), &y].concat(), x.len())?
            }
            KeyFamily::Ed25519 => {
                let curve = jsonwebtoken::jwk::EllipticCurve::Ed25519;
                let x = (provider::compiled_in()?.key_utils.ed_pub_components_from_private_key)(private, &curve)
                    .map_err(broken)?;
                PublicKey::ed25519(&x)?
            }
        };
        Ok(VerifyingKey { id: self.id.clone(), ..VerifyingKey::from_public(self.algorithm, public)? })
    }
}

fn checked_secret(algorithm: Algorithm, bytes: &[u8]) -> Result<&[u8], ConfigError> {
    let KeyFamily::Hmac { min_bytes } = algorithm.family() else {
        return Err(ConfigError::key(format!(
            "{algorithm} needs a key pair, not a secret: use `from_pem` or `from_der`"
        )));
    };
    secret::check(bytes, min_bytes)?;
    Ok(bytes)
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}
