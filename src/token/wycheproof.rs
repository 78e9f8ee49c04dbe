//! Wycheproof's JSON Web vectors, at the stage of the signature: their payloads are no claims.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    keys::{Algorithm, Jwks, KeySet, VerifyingKey},
    token::{
        claims::Header,
        trusted_issuers::TrustedIssuer,
        verifier::{Verifier, decode},
        verify_error::VerifyError,
    },
};

/// The vectors are not part of this repository. If they are missing, prints so and returns `None`.
fn vectors(file: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/wycheproof").join(file);
    let text = fs::read_to_string(&path).map_err(|_| eprintln!("not run: {file} is not there")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// A secret too trivial to be loaded. Its signatures are verified nevertheless.
const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn zeros(id: &str) -> VerifyingKey {
    let key = jsonwebtoken::DecodingKey::from_secret(&[0; 32]);
    VerifyingKey::of_secret(Algorithm::HS256, key).with_id(id)
}

/// Whether a token is signed by a key of this document.
fn verifies(token: &str, document: &Value) -> Result<(), String> {
    let text = match document.get("keys") {
        Some(_) => document.to_string(),
        None => serde_json::json!({ "keys": [document] }).to_string(),
    };
    let keys = if document["k"] == ZEROS {
        KeySet::new([zeros(document["kid"].as_str().unwrap())])
    } else if text.contains("\"oct\"") {
        Jwks::parse_secrets(&text).and_then(Jwks::into_key_set)
    } else {
        Jwks::parse(&text).and_then(Jwks::into_key_set)
    };
    let keys = keys.map_err(|error| error.to_string())?;
    let verifier = Verifier::builder().keys(keys).any_issuer().any_audience().build().unwrap();
    let decided = || {
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::Shape)?;
        let header = String::from_utf8(decode(header)?).map_err(|_| VerifyError::Header)?;
        let signature = decode(signature)?;
        let check = |_: &TrustedIssuer, key: &VerifyingKey| verifier.check_signature(key, signed, &signature);
        verifier.trusted.verify_with_key_of(&Header::parse(&header)?, check)?;
        decode(payload).map(drop)
    };
    decided().map_err(|error: VerifyError| error.as_str().to_owned())
}

/// Asserts the verdict on each token of a file. Returns the numbers of good and bad ones.
/// `mislabelled` are those whose label is wrong.
fn judge(file: &Value, mislabelled: &[(u64, bool)]) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let document = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().unwrap() {
            let label = (test["tcId"].as_u64().unwrap(), test["result"] == "valid");
            let expected = mislabelled.iter().find(|(id, _)| *id == label.0).unwrap_or(&label).1;
            let verdict = verifies(test["jws"].as_str().unwrap_or_default(), document);
            assert_eq!(verdict.is_ok(), expected, "{} {}: {verdict:?}", test["tcId"], test["comment"]);
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    (valid, invalid)
}

#[test]
fn r26_r30_r32_of_wycheproofs_26_keys_5_verify() {
    let Some(file) = vectors("json_web_key_test.json") else { return };
    assert_eq!(judge(&file, &[]), (5, 21));
}

/// Upstream, PS384 under a JWK for PS256 and ES512 under one that is misspelt are called valid, two
/// copies of a valid token are called invalid, and `?` is taken for base64url.
#[test]
fn r26_of_wycheproofs_401_signatures_42_verify() {
    let Some(file) = vectors("json_web_signature_test.json") else { return };
    let wrong = [346, 347, 350, 351, 372, 373].map(|id| (id, false));
    let copies = [367, 370].map(|id| (id, true));
    assert_eq!(judge(&file, &[wrong.as_slice(), &copies].concat()), (42, 359));
}
