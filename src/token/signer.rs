//! Signing: turns a payload into a compact token.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    keys::{CryptoProvider, SigningKey},
    token::verifier::Verifier,
};

/// A signing key and the cryptography that uses it.
pub(crate) struct Signer {
    key: SigningKey,
    provider: CryptoProvider,
}

/// The key could not sign. The error of the cryptography may show key material, so it is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignError;

impl Signer {
    /// Signs with the cryptography of the verifier that will check the token.
    pub(crate) fn new(key: SigningKey, verifier: &Verifier) -> Self {
        Self { key, provider: verifier.provider }
    }

    pub(crate) fn sign(&self, typ: &str, payload: &Map<String, Value>) -> Result<String, SignError> {
        let mut header = json!({ "alg": self.key.algorithm().name(), "typ": typ });
        if let Some(id) = self.key.id() {
            header["kid"] = json!(id);
        }
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        let payload = serde_json::to_vec(payload).map_err(|_| SignError)?;
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.key.sign(self.provider, token.as_bytes()).ok_or(SignError)?;
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
