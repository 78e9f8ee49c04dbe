//! Key files: reads PEM and DER into the bytes that jsonwebtoken needs, with the checks that it
//! leaves to its caller.

mod roca;

use jsonwebtoken::EncodingKey;
use pkcs8::{
    Document, ObjectIdentifier, PrivateKeyInfo, SecretDocument,
    der::{Decode, asn1::AnyRef},
    spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef},
};

use crate::{
    config_error::ConfigError,
    keys::{algorithm::KeyFamily, provider::CryptoProvider},
};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key that passed its checks. Numbers are big-endian, without leading zeros; an EC point
/// is uncompressed.
#[derive(Debug)]
pub(crate) enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { point: Vec<u8> },
    Ed25519 { point: Vec<u8> },
}

impl PublicKey {
    pub(crate) fn from_pem(family: KeyFamily, pem: &[u8]) -> Result<Self, ConfigError> {
        let (label, document) = Document::from_pem(pem_text(pem)?).map_err(|_| {
            ConfigError::malformed_key("this is not a PEM public key: expected `-----BEGIN PUBLIC KEY-----`")
        })?;
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::from_der(family, document.as_bytes()),
            _ if label.contains("PRIVATE") => Err(ConfigError::key_mismatch(
                "this PEM holds a private key where a public one is needed: `openssl pkey -pubout` writes the public half",
            )),
            _ => Err(ConfigError::malformed_key(
                "this PEM is not labelled `PUBLIC KEY`: to take the key out of a certificate, use `openssl x509 -pubkey -noout`",
            )),
        }
    }

    pub(crate) fn from_der(family: KeyFamily, der: &[u8]) -> Result<Self, ConfigError> {
        if let Ok(info) = SubjectPublicKeyInfoRef::try_from(der) {
            check_kind(family, &info.algorithm)?;
            let bits = info
                .subject_public_key
                .as_bytes()
                .ok_or_else(|| ConfigError::malformed_key("this public key is damaged"))?;
            return Self::from_bits(family, bits);
        }
        if family == KeyFamily::Rsa && pkcs1::RsaPublicKey::from_der(der).is_ok() {
            return Self::from_bits(family, der);
        }
        Err(ConfigError::malformed_key(
            "this is not a DER public key: expected a SubjectPublicKeyInfo (or PKCS #1 for RSA)",
        ))
    }

    fn from_bits(family: KeyFamily, bits: &[u8]) -> Result<Self, ConfigError> {
        match family {
            KeyFamily::Hmac { .. } => {
                Err(ConfigError::key_mismatch("an HMAC algorithm needs a secret: use `from_secret`"))
            }
            KeyFamily::Rsa => {
                let key = pkcs1::RsaPublicKey::from_der(bits)
                    .map_err(|_| ConfigError::malformed_key("this RSA key is damaged"))?;
                Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
            }
            KeyFamily::P256 => Self::ec(bits, 32),
            KeyFamily::P384 => Self::ec(bits, 48),
            KeyFamily::Ed25519 => Self::ed25519(bits),
        }
    }

    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, ConfigError> {
        check_rsa(modulus, exponent)?;
        Ok(Self::Rsa { modulus: strip_zeros(modulus).to_vec(), exponent: strip_zeros(exponent).to_vec() })
    }

    /// An uncompressed point of the curve (SEC 1 §2.3.3).
    pub(crate) fn ec(point: &[u8], coordinate_bytes: usize) -> Result<Self, ConfigError> {
        if point.len() != 1 + 2 * coordinate_bytes || point[0] != 0x04 {
            return Err(ConfigError::malformed_key(
                "this EC key is not an uncompressed point: `openssl ec -pubin -conv_form uncompressed` converts it",
            ));
        }
        // Without compiled-in cryptography, the build of a verifier fails anyway.
        if CryptoProvider::compiled_in().is_ok_and(|provider| !provider.is_on_curve(point)) {
            return Err(ConfigError::malformed_key(
                "this EC key is not a point of its curve: the key is damaged or forged",
            ));
        }
        Ok(Self::Ec { point: point.to_vec() })
    }

    pub(crate) fn ed25519(point: &[u8]) -> Result<Self, ConfigError> {
        let point: [u8; 32] = point
            .try_into()
            .map_err(|_| ConfigError::malformed_key("an Ed25519 public key has 32 bytes (RFC 8032 §5.1.5)"))?;
        if is_small_order(point) {
            return Err(ConfigError::weak_key("this Ed25519 key is a point of small order: anyone could sign for it"));
        }
        Ok(Self::Ed25519 { point: point.to_vec() })
    }
}

pub(crate) fn private_from_pem(family: KeyFamily, pem: &[u8]) -> Result<EncodingKey, ConfigError> {
    let (label, document) = SecretDocument::from_pem(pem_text(pem)?)
        .map_err(|_| ConfigError::malformed_key("this is not an unencrypted PEM private key: expected `-----BEGIN PRIVATE KEY-----`, written by `openssl pkcs8 -topk8 -nocrypt`"))?;
    match label {
        "PRIVATE KEY" | "RSA PRIVATE KEY" => private_from_der(family, document.as_bytes()),
        _ if label.contains("PRIVATE") => Err(ConfigError::malformed_key(
            "this PEM private key is encrypted or in an old form: `openssl pkcs8 -topk8 -nocrypt` converts it to PKCS #8",
        )),
        _ => Err(ConfigError::key_mismatch("this PEM is not labelled `PRIVATE KEY`: signing needs the private half")),
    }
}

pub(crate) fn private_from_der(family: KeyFamily, der: &[u8]) -> Result<EncodingKey, ConfigError> {
    if family == KeyFamily::Rsa && pkcs1::RsaPrivateKey::from_der(der).is_ok() {
        return rsa_private(der);
    }
    let info = PrivateKeyInfo::try_from(der).map_err(|_| {
        ConfigError::malformed_key(
            "this is not a DER private key: expected PKCS #8 (`openssl pkcs8 -topk8 -nocrypt -outform DER`)",
        )
    })?;
    check_kind(family, &info.algorithm)?;
    match family {
        KeyFamily::Hmac { .. } => Err(ConfigError::key_mismatch("an HMAC algorithm needs a secret: use `from_secret`")),
        KeyFamily::Rsa => rsa_private(info.private_key),
        KeyFamily::P256 | KeyFamily::P384 => Ok(EncodingKey::from_ec_der(der)),
        KeyFamily::Ed25519 => Ok(EncodingKey::from_ed_der(der)),
    }
}

fn rsa_private(pkcs1: &[u8]) -> Result<EncodingKey, ConfigError> {
    let key =
        pkcs1::RsaPrivateKey::from_der(pkcs1).map_err(|_| ConfigError::malformed_key("this RSA key is damaged"))?;
    check_rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
    Ok(EncodingKey::from_rsa_der(pkcs1))
}

fn pem_text(pem: &[u8]) -> Result<&str, ConfigError> {
    std::str::from_utf8(pem.trim_ascii())
        .map_err(|_| ConfigError::malformed_key("this PEM is not text: use `from_der` for DER"))
}

/// Checks that the key is of the kind, and on the curve, that the algorithm needs.
fn check_kind(family: KeyFamily, algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), ConfigError> {
    let curve = algorithm.parameters.and_then(|any: AnyRef<'_>| any.decode_as::<ObjectIdentifier>().ok());
    let (expected, fits) = match family {
        KeyFamily::Hmac { .. } => {
            return Err(ConfigError::key_mismatch("an HMAC algorithm needs a secret: use `from_secret`"));
        }
        KeyFamily::Rsa => ("an RSA key", algorithm.oid == RSA),
        KeyFamily::P256 => ("an EC key on P-256", algorithm.oid == EC && curve == Some(P256)),
        KeyFamily::P384 => ("an EC key on P-384", algorithm.oid == EC && curve == Some(P384)),
        KeyFamily::Ed25519 => ("an Ed25519 key", algorithm.oid == ED25519),
    };
    if fits {
        Ok(())
    } else {
        Err(ConfigError::key_mismatch(format!("this key does not fit its algorithm, which needs {expected}")))
    }
}

/// The number of bits of a number in big-endian bytes.
pub(crate) fn bit_length(number: &[u8]) -> usize {
    let number = strip_zeros(number);
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// Checks that the modulus has 2048 to 4096 bits, that the exponent is odd and at least 65537, and
/// that no faulty chip made the key. Both numbers are big-endian.
///
/// RFC 7518 §3.3 sets the lower bound. The upper one keeps a signature check cheap.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), ConfigError> {
    let modulus = strip_zeros(modulus);
    let bits = bit_length(modulus);
    if !(2048..=4096).contains(&bits) {
        return Err(ConfigError::weak_key(format!(
            "this RSA key has {bits} bits and needs 2048 to 4096: make one with 3072"
        )));
    }
    let exponent = strip_zeros(exponent);
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    let large = exponent.len() > 3 || (exponent.len() == 3 && exponent >= [1, 0, 1].as_slice());
    if !odd || !large {
        return Err(ConfigError::weak_key(
            "the exponent of this RSA key is even or below 65537: make a key with the usual 65537",
        ));
    }
    if roca::has_fingerprint(modulus) {
        return Err(ConfigError::weak_key(
            "this RSA key was made by a faulty chip, and its private half can be computed (ROCA, CVE-2017-15361): make \
             a new one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072`",
        ));
    }
    Ok(())
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// Whether a point of Curve25519 has order 1, 2, 4 or 8. Signatures for such a point can be made
/// without a private key, and RFC 8032 §5.1.7 leaves the check to the application.
///
/// Compared are the y-coordinates of these points, little-endian, reduced or not. The sign bit of x
/// does not matter.
fn is_small_order(mut point: [u8; 32]) -> bool {
    point[31] &= 0x7F;
    let mut y_is_one = [0; 32];
    y_is_one[0] = 1;
    // p - 1, p and p + 1, where p = 2^255 - 19.
    let near_p = [0xEC, 0xED, 0xEE].map(|lowest| {
        let mut y = [0xFF; 32];
        y[0] = lowest;
        y[31] = 0x7F;
        y
    });
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0, 0xD5, 0xDF,
            0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
        ],
        [
            0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F, 0x2A, 0x20,
            0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
        ],
    ];
    point == [0; 32] || point == y_is_one || near_p.contains(&point) || ORDER_8.contains(&point)
}
