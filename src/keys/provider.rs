//! The cryptography that signs and verifies.
//!
//! jsonwebtoken's process-wide default provider is not used. It panics at the first token when its
//! two features are both on or both off, and any other crate in the program may turn one on. A
//! provider that is called directly cannot panic that way, and leaves the program's own use of
//! jsonwebtoken alone.

use std::fmt;

use jsonwebtoken::{
    DecodingKey, EncodingKey,
    crypto::{CryptoProvider as Implementation, JwtVerifier, KeyUtils},
};

use crate::{config_error::ConfigError, keys::algorithm::Algorithm};

/// The cryptography that a [`Verifier`](crate::Verifier) and its [`Issuer`](crate::Issuer) use.
///
/// Without a choice it is `aws_lc_rs`, the faster one, where that feature is on; otherwise
/// `rust_crypto`. Choose one with
/// [`VerifierBuilder::crypto_provider`](crate::token::VerifierBuilder::crypto_provider).
///
/// ```
/// # #[cfg(feature = "aws_lc_rs")] {
/// use tower_jwt_blocklist::{Algorithm, Verifier, VerifyingKey, keys::CryptoProvider};
///
/// # fn main() -> Result<(), tower_jwt_blocklist::ConfigError> {
/// # let secret = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
/// let verifier = Verifier::builder()
///     .key(VerifyingKey::from_secret(Algorithm::HS256, secret)?)
///     .crypto_provider(CryptoProvider::aws_lc_rs())
///     .issuer("my-app")
///     .audience("my-app")
///     .build()?;
/// # Ok(())
/// # }
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct CryptoProvider {
    name: &'static str,
    implementation: &'static Implementation,
    is_on_curve: fn(&[u8]) -> bool,
    observer: Option<fn(Algorithm)>,
}

#[cfg(feature = "aws_lc_rs")]
impl CryptoProvider {
    /// The cryptography of AWS-LC; needs the feature `aws_lc_rs`.
    pub const fn aws_lc_rs() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
        Self {
            name: "aws_lc_rs",
            implementation: &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER,
            is_on_curve: |point| {
                let algorithm = if point.len() == 65 { &ECDSA_P256_SHA256_FIXED } else { &ECDSA_P384_SHA384_FIXED };
                ParsedPublicKey::new(algorithm, point).is_ok()
            },
            observer: None,
        }
    }
}

#[cfg(feature = "rust_crypto")]
impl CryptoProvider {
    /// The cryptography of the RustCrypto project, without C; needs the feature `rust_crypto`.
    pub const fn rust_crypto() -> Self {
        Self {
            name: "rust_crypto",
            implementation: &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER,
            is_on_curve: |point| {
                let algorithm = if point.len() == 65 { Algorithm::ES256 } else { Algorithm::ES384 };
                Self::rust_crypto().loads(algorithm, &DecodingKey::from_ec_der(point))
            },
            observer: None,
        }
    }
}

/// The faster one first.
const COMPILED_IN: &[CryptoProvider] = &[
    #[cfg(feature = "aws_lc_rs")]
    CryptoProvider::aws_lc_rs(),
    #[cfg(feature = "rust_crypto")]
    CryptoProvider::rust_crypto(),
];

impl CryptoProvider {
    /// Calls this function before each check of a signature, for example to count them.
    ///
    /// It is called on the thread of the request, and must be fast. It cannot change the result.
    #[must_use]
    pub const fn with_observer(mut self, observer: fn(Algorithm)) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The provider without a choice.
    pub(crate) fn compiled_in() -> Result<Self, ConfigError> {
        COMPILED_IN.first().copied().ok_or_else(|| {
            ConfigError::provider(
                "no cryptography is compiled in: turn on the feature `aws_lc_rs` (default) or `rust_crypto` of \
                 tower-jwt-blocklist",
            )
        })
    }

    /// Whether an uncompressed point lies on P-256 or P-384; its length says which.
    pub(crate) fn is_on_curve(&self, point: &[u8]) -> bool {
        (self.is_on_curve)(point)
    }

    /// Whether the key can be used at all.
    pub(crate) fn loads(&self, algorithm: Algorithm, key: &DecodingKey) -> bool {
        self.load(algorithm, key).is_some()
    }

    /// Whether the signature of this message is right.
    pub(crate) fn verifies(
        &self,
        algorithm: Algorithm,
        key: &DecodingKey,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> bool {
        if let Some(observe) = self.observer {
            observe(algorithm);
        }
        self.load(algorithm, key).is_some_and(|verifier| verifier.verify(message, signature).is_ok())
    }

    fn load(&self, algorithm: Algorithm, key: &DecodingKey) -> Option<Box<dyn JwtVerifier>> {
        (self.implementation.verifier_factory)(&algorithm.to_jsonwebtoken(), key).ok()
    }

    /// The signature of this message, if the key can sign. Its error may show key material, so it
    /// is dropped.
    pub(crate) fn sign(&self, algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Option<Vec<u8>> {
        let signer = (self.implementation.signer_factory)(&algorithm.to_jsonwebtoken(), key).ok()?;
        signer.try_sign(message).ok()
    }

    /// The functions that compute public keys from private ones.
    pub(crate) fn key_utils(&self) -> &'static KeyUtils {
        &self.implementation.key_utils
    }
}

impl fmt::Debug for CryptoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CryptoProvider").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{
        crypto::JwtSigner,
        errors::{Error, ErrorKind},
        signature::{self, Verifier as _},
    };

    use super::*;
    use crate::{config_error::ConfigErrorKind, keys::VerifyingKey, token::Verifier};

    struct Credulous;

    impl signature::Verifier<Vec<u8>> for Credulous {
        fn verify(&self, _: &[u8], _: &Vec<u8>) -> Result<(), signature::Error> {
            Ok(())
        }
    }

    impl JwtVerifier for Credulous {
        fn algorithm(&self) -> jsonwebtoken::Algorithm {
            jsonwebtoken::Algorithm::HS256
        }
    }

    fn no_signer(_: &jsonwebtoken::Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
        Err(ErrorKind::InvalidAlgorithm.into())
    }

    static USELESS: Implementation = Implementation {
        signer_factory: no_signer,
        verifier_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
        key_utils: KeyUtils::new_unimplemented(),
    };

    static CREDULOUS: Implementation = Implementation {
        signer_factory: no_signer,
        verifier_factory: |_, _| Ok(Box::new(Credulous)),
        key_utils: KeyUtils::new_unimplemented(),
    };

    #[test]
    fn r34_cryptography_that_does_not_work_fails_the_build() {
        assert!(Credulous.verify(b"", &vec![]).is_ok());
        for (name, implementation, words) in [
            ("loads no key", &USELESS, "cannot load this HS256 key"),
            ("accepts anything", &CREDULOUS, "accepts an invalid signature"),
        ] {
            let provider = CryptoProvider { name, implementation, is_on_curve: |_| true, observer: None };
            let key = VerifyingKey::from_secret(Algorithm::HS256, "0c7f1e2d3b4958677665544332211000f").unwrap();
            let settings = Verifier::builder().key(key).any_issuer().any_audience();
            let error = settings.crypto_provider(provider).build().expect_err(name);
            assert_eq!(error.kind(), ConfigErrorKind::CryptoProvider, "{name}");
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
    }
}
