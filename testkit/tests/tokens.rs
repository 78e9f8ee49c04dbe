//! The tokens are what they claim to be, checked by an independent verifier.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::json;
use testkit::tokens::{self, KeyPair};

const SECRET: &[u8] = b"sixty-four bytes are enough for the longest of the three hashes.";

#[test]
fn secrets_sign_with_each_hash() {
    let (header, payload) = (json!({"alg": "whatever"}), json!({"sub": "alice"}));
    let key = DecodingKey::from_secret(SECRET);
    for (algorithm, token) in [
        (Algorithm::HS256, tokens::sign_hs256(SECRET, &header, &payload)),
        (Algorithm::HS384, tokens::sign_hs384(SECRET, &header, &payload)),
        (Algorithm::HS512, tokens::sign_hs512(SECRET, &header, &payload)),
    ] {
        assert!(verifies(&token, algorithm, &key), "{algorithm:?}");
        assert_eq!(piece(&token, 1), br#"{"sub":"alice"}"#);
    }
}

#[test]
fn key_pairs_sign_with_each_algorithm() {
    let pairs = KeyPair::all();
    assert_eq!(pairs.len(), 9);
    for pair in pairs {
        let token = pair.sign(&json!({"alg": pair.alg()}), &json!({"sub": "alice"}));
        let algorithm: Algorithm = pair.alg().parse().unwrap();
        let pem = pair.public_pem().as_bytes();
        let key = match &pair.alg()[..2] {
            "ES" => DecodingKey::from_ec_pem(pem),
            "Ed" => DecodingKey::from_ed_pem(pem),
            _ => DecodingKey::from_rsa_pem(pem),
        };
        assert!(verifies(&token, algorithm, &key.unwrap()), "{}", pair.alg());
        assert!(pair.private_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}

#[test]
fn raw_texts_are_signed_as_they_are() {
    let payload = "\u{feff}{\"sub\":\"alice\",\"sub\":\"bob\"";
    let token = tokens::sign_raw(SECRET, "{ }", payload);
    assert_eq!(piece(&token, 0), b"{ }");
    assert_eq!(piece(&token, 1), payload.as_bytes());
    assert!(verifies(&token, Algorithm::HS256, &DecodingKey::from_secret(SECRET)));
}

#[test]
fn unsigned_tokens_have_an_empty_third_piece() {
    let token = tokens::unsigned(&json!({"alg": "none"}), &json!({}));
    assert_eq!(token, "eyJhbGciOiJub25lIn0.e30.");
}

fn piece(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
}

fn verifies(token: &str, algorithm: Algorithm, key: &DecodingKey) -> bool {
    let (signed, _) = token.rsplit_once('.').unwrap();
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).unwrap();
    verifier.verify(signed.as_bytes(), &piece(token, 2)).is_ok()
}
