//! Without a cryptography provider, `build` returns an error that says so, and does not panic.
#![cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]

use crate::support::settings;
use testkit::tokens::KeyPair;
use tower_jwt_blocklist::{Algorithm, SigningKey, config_error::ConfigErrorKind};

#[test]
fn r34_without_cryptography_the_build_fails() {
    let error = settings().build().unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::CryptoProvider);
    assert!(error.to_string().contains("turn on the feature"), "{error}");
}

#[test]
fn r34_without_cryptography_no_public_half_is_computed() {
    for pair in KeyPair::all() {
        let algorithm: Algorithm = pair.alg().parse().unwrap();
        let error = SigningKey::from_pem(algorithm, pair.private_pem()).unwrap().verifying_key().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::CryptoProvider, "{algorithm}");
    }
}
