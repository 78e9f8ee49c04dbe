//! Shared code of the integration tests: one set of settings, and short ways to mint and check
//! tokens.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod http;
pub mod log;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod rotation;
pub mod stub;
pub mod wait;
pub mod world;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use testkit::{ManualClock, tokens};
use tower_jwt_blocklist::{Algorithm, SigningKey, Verifier, VerifyingKey, token::VerifierBuilder};

pub const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
pub const ISSUER: &str = "https://login.example.org";
pub const AUDIENCE: &str = "https://api.example.org";
/// The time at which every manual clock starts: 2026-01-01T00:00:00Z.
pub const NOW: u64 = 1_767_225_600;

pub fn clock() -> ManualClock {
    ManualClock::at_unix_seconds(NOW)
}

pub fn signing_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::HS256, SECRET).unwrap()
}

pub fn verifying_key() -> VerifyingKey {
    VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap()
}

/// A verifier's settings with the key, issuer and audience of this file.
pub fn settings() -> VerifierBuilder {
    Verifier::builder().key(verifying_key()).issuer(ISSUER).audience(AUDIENCE)
}

pub fn verifier(clock: &ManualClock) -> Arc<Verifier> {
    Arc::new(settings().clock(clock.as_fn()).build().unwrap())
}

/// The payload of a good access token, with these members set; `null` removes one.
pub fn payload(changes: Value) -> Value {
    let mut payload = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "jti": "token-1", "sid": "session-1",
        "iat": NOW, "exp": NOW + 3600,
    });
    apply(payload.as_object_mut().unwrap(), changes);
    payload
}

/// The header of a good access token, with these members set; `null` removes one.
pub fn header(changes: Value) -> Value {
    let mut header = json!({ "alg": "HS256", "typ": "at+jwt" });
    apply(header.as_object_mut().unwrap(), changes);
    header
}

fn apply(members: &mut Map<String, Value>, changes: Value) {
    let Value::Object(changes) = changes else { panic!("the changes must be an object") };
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
}

/// A token made by the test kit, not by the library under test.
pub fn token(header_changes: Value, payload_changes: Value) -> String {
    tokens::sign_hs256(SECRET.as_bytes(), &header(header_changes), &payload(payload_changes))
}

pub fn good_token() -> String {
    token(json!({}), json!({}))
}

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The bytes inside a PEM.
pub fn der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).unwrap()
}

/// Bytes as a PEM with this label.
pub fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", wrapped(&STANDARD.encode(der)))
}

fn wrapped(base64: &str) -> String {
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    lines.join("\n")
}
