//! The asymmetric keys.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::sign;

/// An asymmetric key and the one algorithm it signs with. The keys are fixed and public.
#[derive(Clone, Copy, Debug)]
pub struct KeyPair {
    alg: &'static str,
    algorithm: Algorithm,
    private_pem: &'static str,
    public_pem: &'static str,
}

macro_rules! key_pairs {
    ($($name:ident, $alg:ident, $file:literal;)*) => {
        $(
            #[doc = concat!("Signs with ", stringify!($alg), ".")]
            pub fn $name() -> Self {
                Self {
                    alg: stringify!($alg),
                    algorithm: Algorithm::$alg,
                    private_pem: include_str!(concat!("../../keys/", $file, ".pem")),
                    public_pem: include_str!(concat!("../../keys/", $file, ".pub.pem")),
                }
            }
        )*

        /// One pair for each algorithm.
        pub fn all() -> Vec<Self> {
            vec![$(Self::$name()),*]
        }
    };
}

impl KeyPair {
    key_pairs! {
        rs256, RS256, "rsa2048";
        rs384, RS384, "rsa2048";
        rs512, RS512, "rsa2048";
        ps256, PS256, "rsa2048";
        ps384, PS384, "rsa2048";
        ps512, PS512, "rsa2048";
        es256, ES256, "p256";
        es384, ES384, "p384";
        eddsa, EdDSA, "ed25519";
    }

    /// The algorithm's name in a token's header.
    pub fn alg(&self) -> &'static str {
        self.alg
    }

    /// The private key, in PKCS#8.
    pub fn private_pem(&self) -> &'static str {
        self.private_pem
    }

    /// The public key, in SPKI.
    pub fn public_pem(&self) -> &'static str {
        self.public_pem
    }

    /// Signs a compact token with this key, whatever its header says.
    pub fn sign(&self, header: &Value, payload: &Value) -> String {
        self.sign_raw(&header.to_string(), &payload.to_string())
    }

    /// Signs exactly these texts.
    pub fn sign_raw(&self, header_json: &str, payload_json: &str) -> String {
        sign(self.algorithm, &self.encoding_key(), header_json, payload_json)
    }

    fn encoding_key(&self) -> EncodingKey {
        let pem = self.private_pem.as_bytes();
        let key = match self.algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
            _ => EncodingKey::from_rsa_pem(pem),
        };
        key.expect("a private key in this crate's folder")
    }
}
