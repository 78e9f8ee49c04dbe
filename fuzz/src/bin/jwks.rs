//! A JWKS document.
#![no_main]

use fuzz::{AUDIENCE, ISSUER, now};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_jwt_blocklist::{Algorithm, ConfigError, Verifier, VerifyingKey, keys::Jwks};

fuzz_target!(|text: &[u8]| {
    for jwks in [Jwks::parse(text), Jwks::parse_assuming(Algorithm::PS256, text), Jwks::parse_secrets(text)] {
        check(text, jwks);
    }
    let _ = (VerifyingKey::from_jwk(text), VerifyingKey::from_secret_jwk(text));
});

fn check(text: &[u8], jwks: Result<Jwks, ConfigError>) {
    let Ok(jwks) = jwks else { return };
    // Each key of the document is used or rejected, and a bad one does not drop the others (r32).
    let document: Value = serde_json::from_slice(text).unwrap_or_default();
    if let Some(keys) = document["keys"].as_array() {
        assert_eq!(jwks.keys().len() + jwks.rejected().len(), keys.len());
    }
    assert!(jwks.rejected().windows(2).all(|pair| pair[0].index() < pair[1].index()));
    for rejected in jwks.rejected() {
        let shown = rejected.key_id().unwrap_or_default();
        assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{shown}");
    }
    for (index, key) in jwks.keys().iter().enumerate() {
        assert!(jwks.keys()[..index].iter().all(|earlier| earlier.id() != key.id()), "{key:?} is named twice");
    }

    let has_keys = !jwks.keys().is_empty();
    let set = jwks.into_key_set();
    assert_eq!(set.is_ok(), has_keys, "{set:?}");
    let Ok(set) = set else { return };
    let settings = Verifier::builder().keys(set.clone()).issuer(ISSUER).audience(AUDIENCE).clock(now);
    settings.build().unwrap();
    // A published document can be parsed again completely.
    let published = set.to_jwks();
    let again = Jwks::parse(&published).unwrap();
    assert!(again.rejected().is_empty(), "{:?}", again.rejected());
    if let Ok(again) = again.into_key_set() {
        assert_eq!(again.to_jwks(), published);
    }
}
