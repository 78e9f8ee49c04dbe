//! Signing: a payload in, a compact token out.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::CryptoProvider;
use serde_json::{Map, Value, json};

use crate::{keys::SigningKey, token::verifier::Verifier};

/// A signing key and the cryptography that uses it.
pub(crate) struct Signer {
    key: SigningKey,
    provider: &'static CryptoProvider,
}

/// The key could not sign. What it says of itself may hold key material, so nothing of it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignError;

impl Signer {
    /// Signs with the cryptography of the verifier that will check it.
    pub(crate) fn new(key: SigningKey, verifier: &Verifier) -> Self {
        Self { key, provider: verifier.provider }
    }

    pub(crate) fn sign(&self, typ: &str, payload: &Map<String, Value>) -> Result<String, SignError> {
        let mut header = json!({ "alg": self.key.algorithm.name(), "typ": typ });
        if let Some(id) = &self.key.id {
            header["kid"] = json!(id);
        }
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        let payload = serde_json::to_vec(payload).map_err(|_| SignError)?;
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signer = (self.provider.signer_factory)(&self.key.algorithm.to_jsonwebtoken(), &self.key.key)
            .map_err(|_| SignError)?;
        let signature = signer.try_sign(token.as_bytes()).map_err(|_| SignError)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key", &self.key).finish_non_exhaustive()
    }
}
