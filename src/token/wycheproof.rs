//! Wycheproof's JSON Web vectors, at the stage of the signature: their payloads are no claims.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    VerifyError,
    header::Header,
    jwks::Jwks,
    trust::Parties,
    verifier::{Verifier, decode},
};

/// The vectors are not part of this repository. `None`, and a line that says so, where they are not beside it.
fn vectors(file: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/wycheproof").join(file);
    let text = fs::read_to_string(&path).map_err(|_| eprintln!("not run: {file} is not there")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// Whether a token is signed by a key of this document.
fn verifies(token: &str, document: &Value) -> Result<(), String> {
    let text = match document.get("keys") {
        Some(_) => document.to_string(),
        None => serde_json::json!({ "keys": [document] }).to_string(),
    };
    let is_secret = text.contains("\"oct\"");
    let jwks = if is_secret { Jwks::parse_secrets(&text) } else { Jwks::parse(&text) };
    let keys = jwks.and_then(Jwks::into_key_set).map_err(|error| error.to_string())?;
    let verifier = Verifier::builder().keys(keys.clone()).any_issuer().any_audience().build().unwrap();
    let decided = || {
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Shape)?;
        let (header, _) = signed.split_once('.').ok_or(VerifyError::Shape)?;
        let header = String::from_utf8(decode(header)?).map_err(|_| VerifyError::Header)?;
        let signature = decode(signature)?;
        Parties::new(Some(keys.clone()), Vec::new())
            .unwrap()
            .decide(&Header::parse(&header)?, |_, key| verifier.check_signature(key, signed, &signature))
    };
    decided().map_err(|error: VerifyError| error.as_str().to_owned())
}

#[test]
fn r26_r30_r32_of_wycheproofs_26_keys_5_verify() {
    let Some(file) = vectors("json_web_key_test.json") else { return };
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let document = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().unwrap() {
            let verdict = verifies(test["jws"].as_str().unwrap(), document);
            let expected = test["result"] == "valid";
            assert_eq!(verdict.is_ok(), expected, "{} {}: {verdict:?}", test["tcId"], test["comment"]);
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!((valid, invalid), (5, 21));
}
