//! Redeemed refresh tokens.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tower_jwt_blocklist::{TokenPair, issuer::Refreshed};

pub const GRACE: Duration = Duration::from_secs(10);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn rotated(refreshed: Refreshed) -> TokenPair {
    match refreshed {
        Refreshed::Rotated(pair) => pair,
        other => panic!("not rotated: {other:?}"),
    }
}

pub fn repeated(refreshed: Refreshed) -> TokenPair {
    match refreshed {
        Refreshed::Repeated(pair) => pair,
        other => panic!("not repeated: {other:?}"),
    }
}

/// A part of a token, without verification: 0 is the header, 1 the payload.
pub fn piece(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}
