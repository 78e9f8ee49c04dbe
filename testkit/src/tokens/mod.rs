//! Tokens, good and bad, minted without the library under test.
//!
//! Nothing here checks what it signs: any header goes with any key, and the `raw` functions sign
//! text that need not even be JSON.

mod key_pair;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto::aws_lc};
use serde_json::Value;

pub use key_pair::KeyPair;

/// Public keys that a verifier must reject.
pub mod bad_keys {
    /// An RSA key of 1024 bits: too short.
    pub const RSA_1024_PUBLIC_PEM: &str = include_str!("../../keys/rsa1024.pub.pem");
    /// The private half of [`RSA_1024_PUBLIC_PEM`].
    pub const RSA_1024_PRIVATE_PEM: &str = include_str!("../../keys/rsa1024.pem");
    /// A P-256 key whose point isn't on the curve.
    pub const P256_OFF_CURVE_PUBLIC_PEM: &str = include_str!("../../keys/p256_off_curve.pub.pem");
}

/// Signs a compact token with HMAC-SHA-256, whatever its header says.
pub fn sign_hs256(secret: &[u8], header: &Value, payload: &Value) -> String {
    sign_raw(secret, &header.to_string(), &payload.to_string())
}

/// Signs a compact token with HMAC-SHA-384, whatever its header says.
pub fn sign_hs384(secret: &[u8], header: &Value, payload: &Value) -> String {
    sign(Algorithm::HS384, &EncodingKey::from_secret(secret), &header.to_string(), &payload.to_string())
}

/// Signs a compact token with HMAC-SHA-512, whatever its header says.
pub fn sign_hs512(secret: &[u8], header: &Value, payload: &Value) -> String {
    sign(Algorithm::HS512, &EncodingKey::from_secret(secret), &header.to_string(), &payload.to_string())
}

/// Signs exactly these texts with HMAC-SHA-256: for duplicate members, broken JSON, or a byte order
/// mark.
pub fn sign_raw(secret: &[u8], header_json: &str, payload_json: &str) -> String {
    sign(Algorithm::HS256, &EncodingKey::from_secret(secret), header_json, payload_json)
}

/// A token with an empty signature.
pub fn unsigned(header: &Value, payload: &Value) -> String {
    compact(header.to_string(), payload.to_string(), "")
}

/// Joins three parts in base64url with dots.
pub fn compact(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, signature: impl AsRef<[u8]>) -> String {
    [encode(header), encode(payload), encode(signature)].join(".")
}

/// Encodes as base64url without padding, as in the parts of a token.
pub fn encode(piece: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(piece)
}

fn sign(algorithm: Algorithm, key: &EncodingKey, header: &str, payload: &str) -> String {
    let signed = [encode(header), encode(payload)].join(".");
    let signer = (aws_lc::DEFAULT_PROVIDER.signer_factory)(&algorithm, key).expect("a key for this algorithm");
    let signature = signer.try_sign(signed.as_bytes()).expect("a key that can sign");
    [signed, encode(signature)].join(".")
}
