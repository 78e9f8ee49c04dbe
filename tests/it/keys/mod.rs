//! Keys: every good one works with every provider, every bad one fails when it is loaded, and none
//! is ever shown.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod good;
mod jwk;
mod provider;
mod refused;
mod rsa_minimum;
mod secrets;
mod sets;
mod shown;

use std::{fmt::Debug, sync::Arc};

use crate::support::{AUDIENCE, ISSUER, SECRET, clock, der, header, payload, pem};
use pkcs8::{PrivateKeyInfo, der::Decode, spki::SubjectPublicKeyInfoRef};
use serde_json::{Value, json};
use testkit::tokens::{KeyPair, encode, sign_hs256, sign_hs384, sign_hs512};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, ConfigError, Guard, MemoryBlocklist, Rejection, SigningKey, TokenKind, Verifier,
    VerifyingKey, config_error::ConfigErrorKind, keys::CryptoProvider, token::VerifierBuilder,
};

static PROVIDERS: &[(&str, CryptoProvider)] = &[
    #[cfg(feature = "aws_lc_rs")]
    ("aws_lc_rs", CryptoProvider::aws_lc_rs()),
    #[cfg(feature = "rust_crypto")]
    ("rust_crypto", CryptoProvider::rust_crypto()),
];

/// Signs a header and a payload with a secret.
type SignWith = fn(&[u8], &Value, &Value) -> String;

/// The key or key pair of one algorithm, in every form in which it can be loaded.
struct Sample {
    algorithm: Algorithm,
    public: Vec<(&'static str, VerifyingKey)>,
    private: Vec<(&'static str, SigningKey)>,
    signer: Signer,
}

enum Signer {
    Pair(KeyPair),
    Secret(SignWith),
}

impl Sample {
    fn of_pair(pair: KeyPair) -> Self {
        let algorithm = pair.alg().parse().unwrap();
        let (public, private) = (der(pair.public_pem()), der(pair.private_pem()));
        let verifying = |der: &[u8]| VerifyingKey::from_der(algorithm, der).unwrap();
        let signing = |der: &[u8]| SigningKey::from_der(algorithm, der).unwrap();
        let mut sample = Self {
            algorithm,
            public: vec![
                ("PEM", VerifyingKey::from_pem(algorithm, pair.public_pem()).unwrap()),
                ("PEM, CRLF", VerifyingKey::from_pem(algorithm, pair.public_pem().replace('\n', "\r\n")).unwrap()),
                ("PEM in blanks", VerifyingKey::from_pem(algorithm, format!("\n {}\t\n", pair.public_pem())).unwrap()),
                ("DER", verifying(&public)),
            ],
            private: vec![
                ("PEM", SigningKey::from_pem(algorithm, pair.private_pem()).unwrap()),
                ("DER", signing(&private)),
            ],
            signer: Signer::Pair(pair),
        };
        if pair.alg().starts_with(['R', 'P']) {
            let pkcs1 = [raw_public(pair), PrivateKeyInfo::try_from(&*private).unwrap().private_key.to_vec()];
            let pems = [pem("RSA PUBLIC KEY", &pkcs1[0]), pem("RSA PRIVATE KEY", &pkcs1[1])];
            sample.public.push(("PKCS #1 DER", verifying(&pkcs1[0])));
            sample.public.push(("PKCS #1 PEM", VerifyingKey::from_pem(algorithm, &pems[0]).unwrap()));
            sample.private.push(("PKCS #1 DER", signing(&pkcs1[1])));
            sample.private.push(("PKCS #1 PEM", SigningKey::from_pem(algorithm, &pems[1]).unwrap()));
        }
        sample
    }

    fn of_secret(algorithm: Algorithm, sign: SignWith) -> Self {
        Self {
            algorithm,
            public: vec![("secret", VerifyingKey::from_secret(algorithm, SECRET).unwrap())],
            private: vec![("secret", SigningKey::from_secret(algorithm, SECRET).unwrap())],
            signer: Signer::Secret(sign),
        }
    }

    fn all() -> Vec<Self> {
        let secrets: [(_, SignWith); 3] =
            [(Algorithm::HS256, sign_hs256), (Algorithm::HS384, sign_hs384), (Algorithm::HS512, sign_hs512)];
        let secrets = secrets.map(|(algorithm, sign)| Self::of_secret(algorithm, sign));
        KeyPair::all().into_iter().map(Self::of_pair).chain(secrets).collect()
    }

    /// A token whose header says that it was signed with `alg`.
    fn token(&self, alg: Algorithm) -> String {
        let (header, payload) = (header(json!({ "alg": alg.name() })), payload(json!({})));
        match self.signer {
            Signer::Pair(pair) => pair.sign(&header, &payload),
            Signer::Secret(sign) => sign(SECRET.as_bytes(), &header, &payload),
        }
    }

    /// The key pair, if it is not a secret.
    fn pair(&self) -> Option<KeyPair> {
        match self.signer {
            Signer::Pair(pair) => Some(pair),
            Signer::Secret(_) => None,
        }
    }

    /// The verifying key, in the first form.
    fn verifying(&self) -> VerifyingKey {
        self.public[0].1.clone()
    }

    /// The signing key, in the first form.
    fn signing(&self) -> SigningKey {
        self.private[0].1.clone()
    }
}

/// The raw key, without the wrapping that names its type.
fn raw_public(pair: KeyPair) -> Vec<u8> {
    let der = der(pair.public_pem());
    SubjectPublicKeyInfoRef::try_from(&*der).unwrap().subject_public_key.raw_bytes().to_vec()
}

/// The public key as a JWK, made without the library under test.
fn jwk_of(pair: KeyPair, id: &str) -> Value {
    let raw = raw_public(pair);
    let mut jwk = match pair.alg() {
        "ES256" | "ES384" => {
            let (x, y) = raw[1..].split_at(raw.len() / 2);
            json!({ "kty": "EC", "crv": if x.len() == 32 { "P-256" } else { "P-384" }, "x": encode(x), "y": encode(y) })
        }
        "EdDSA" => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(raw) }),
        _ => {
            let key = pkcs1::RsaPublicKey::from_der(&raw).unwrap();
            json!({ "kty": "RSA", "n": encode(key.modulus.as_bytes()), "e": encode(key.public_exponent.as_bytes()) })
        }
    };
    for (name, value) in [("use", "sig"), ("alg", pair.alg()), ("kid", id)] {
        jwk[name] = json!(value);
    }
    jwk
}

/// A verifier's settings with only this key.
fn with_key(key: VerifyingKey) -> VerifierBuilder {
    Verifier::builder().key(key).issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn())
}

fn guard(settings: VerifierBuilder) -> Guard {
    Guard::new(TokenKind::Access, Arc::new(settings.build().unwrap()), MemoryBlocklist::new())
}

async fn ask(guard: &Guard, token: &str) -> Result<Authenticated, Rejection> {
    guard.authenticate(token).await
}

async fn reason(guard: &Guard, token: &str) -> Option<&'static str> {
    ask(guard, token).await.err().map(|rejection| rejection.reason())
}

/// Asserts that the result is an error of this kind, with these words in its message.
fn complains<T: Debug>(name: &str, result: Result<T, ConfigError>, kind: ConfigErrorKind, words: &str) {
    let error = result.expect_err(name);
    assert_eq!(error.kind(), kind, "{name}: {error}");
    assert!(error.to_string().contains(words), "{name}: {error}");
}
