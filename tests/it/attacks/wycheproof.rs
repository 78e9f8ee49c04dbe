//! r26: Wycheproof's JSON Web vectors through the whole layer. `src/token/wycheproof.rs` tests the
//! verdict on each signature.

use std::{fs, path::Path};

use http::{HeaderValue, Request, header};
use http_body_util::Empty;
use serde_json::{Value, json};
use tower_jwt_blocklist::{
    Verifier,
    keys::{Jwks, KeySet},
    token::{KindSource, OptionalClaim, TokenIdSource},
};

use super::Door;
use crate::support::good_token;

/// The vectors are not part of this repository. If they are missing, prints so and returns `None`.
fn vectors(file: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/wycheproof").join(file);
    let text = fs::read_to_string(&path).map_err(|_| eprintln!("not run: {file} is not there")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// A layer with the keys of a group of tests and as few rules as possible. `None` if the keys
/// cannot be loaded.
fn door(document: &Value) -> Option<Door> {
    let text =
        if document.get("keys").is_some() { document.clone() } else { json!({ "keys": [document] }) }.to_string();
    let jwks = if text.contains("\"oct\"") { Jwks::parse_secrets(text) } else { Jwks::parse(text) };
    let keys: KeySet = jwks.and_then(Jwks::into_key_set).ok()?;
    let settings = Verifier::builder().keys(keys).any_issuer().any_audience();
    let settings = settings.optional(OptionalClaim::Sub).optional(OptionalClaim::Iat);
    let settings = settings.token_id_source(TokenIdSource::JtiOrHash).kind_source(KindSource::flag("refresh"));
    Some(Door::of(settings, String::new()))
}

#[test]
fn r26_every_string_of_wycheproof_is_refused_and_the_good_token_still_works() {
    let mut ordinary = Door::new();
    let (mut asked, mut genuine) = (0, 0);
    for file in ["json_web_signature_test.json", "json_web_key_test.json"] {
        let Some(file) = vectors(file) else { return };
        for group in file["testGroups"].as_array().unwrap() {
            let mut with_its_keys = door(group.get("public").unwrap_or(&group["private"]));
            for test in group["tests"].as_array().unwrap() {
                // A few tokens are in the JSON form. They are sent unchanged.
                let text = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
                let name = format!("{} {}", test["tcId"], test["comment"]);
                let Ok(value) = HeaderValue::from_str(&format!("Bearer {text}")) else {
                    panic!("{name}: no header can hold it");
                };
                asked += 1;
                if let Some(door) = &mut with_its_keys {
                    let request = Request::builder().header(header::AUTHORIZATION, &value).body(Empty::new()).unwrap();
                    let outcome = door.ask(request);
                    assert!([400, 401].contains(&outcome.status), "{name}: {outcome:?}");
                    assert_eq!((outcome.store_calls, outcome.inner_calls), (0, 0), "{name}");
                    genuine += usize::from(outcome.reason == Some("payload"));
                }
                assert_eq!(ordinary.good, good_token());
                ordinary.rejects(&name, &text);
            }
        }
    }
    assert_eq!(asked, 401 + 26);
    // 47 have a good signature. Some of them are empty, and some have a secret that cannot be
    // loaded.
    assert!(genuine > 30, "{genuine}: the keys of the tests were in use");
}
