//! r10, r79: a token rejected by its form costs no signature check and no query to the store.

use serde_json::json;
use testkit::tokens::{compact, sign_raw};

use super::{Door, now, request};
use crate::support::{SECRET, clock, good_token, header, payload, settings, token, verifying_key};

#[test]
fn r79_unknown_alg_kid_typ_size_and_shape_cost_no_signature_check_and_no_store_call() {
    let named = |changes| token(changes, json!({}));
    let good = named(json!({ "kid": "key-1" }));
    let keys = tower_jwt_blocklist::Verifier::builder().key(verifying_key().with_id("key-1"));
    let settings = keys.issuer(crate::support::ISSUER).audience(crate::support::AUDIENCE).clock(clock().as_fn());
    let mut door = Door::of(settings, good.clone());
    let raw = |header: &str| sign_raw(SECRET.as_bytes(), header, &payload(json!({})).to_string());
    let [head, body, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let rows = [
        ("alg of another family", named(json!({ "alg": "RS256", "kid": "key-1" })), "algorithm"),
        ("alg of another size", named(json!({ "alg": "HS512", "kid": "key-1" })), "algorithm"),
        ("alg none", named(json!({ "alg": "none", "kid": "key-1" })), "algorithm"),
        ("alg of no name", named(json!({ "alg": "HS257", "kid": "key-1" })), "algorithm"),
        ("no alg", named(json!({ "alg": null, "kid": "key-1" })), "algorithm"),
        ("kid unknown", named(json!({ "kid": "key-2" })), "unknown_key"),
        ("kid too long", named(json!({ "kid": "k".repeat(257) })), "unknown_key"),
        ("kid a number", named(json!({ "kid": 1 })), "unknown_key"),
        ("typ of another profile", named(json!({ "kid": "key-1", "typ": "logout+jwt" })), "typ"),
        ("typ a number", named(json!({ "kid": "key-1", "typ": 1 })), "typ"),
        ("typ that names no kind", named(json!({ "kid": "key-1", "typ": "JWT" })), "kind"),
        ("no typ", named(json!({ "kid": "key-1", "typ": null })), "kind"),
        ("crit", named(json!({ "kid": "key-1", "crit": [] })), "header"),
        ("b64", named(json!({ "kid": "key-1", "b64": false })), "header"),
        ("zip", named(json!({ "kid": "key-1", "zip": "DEF" })), "header"),
        ("alg twice", raw(r#"{"alg":"HS256","alg":"HS256","typ":"at+jwt","kid":"key-1"}"#), "header"),
        ("no JSON", raw("{"), "header"),
        ("too long", named(json!({ "kid": "key-1", "x": "x".repeat(8192) })), "too_long"),
        ("no dot", "x".into(), "shape"),
        ("one dot", format!("{head}.{body}"), "shape"),
        ("three dots", format!("{good}.{signature}"), "shape"),
        ("no signature", format!("{head}.{body}."), "shape"),
        ("padding", format!("{head}.{body}.{signature}="), "shape"),
        ("stray signature", format!("{head}.{body}.A"), "shape"),
    ];
    for (name, token, reason) in rows {
        door.refuses_for(name, &token, reason, 0);
    }
    // A forged token does cost one signature check, which proves that the counter works.
    door.refuses_for("forged", &compact(header(json!({ "kid": "key-1" })).to_string(), "{}", [0; 32]), "signature", 1);
    let outcome = door.ask(request(&good));
    assert_eq!((outcome.signature_checks, outcome.store_calls, outcome.inner_calls), (1, 1, 1));
}

/// A rejection allocates only its response, whatever the token's size: the token is not copied,
/// decoded or hashed.
#[test]
fn r10_a_token_of_8_mib_costs_what_one_costs_that_is_just_too_long() {
    let mut door = Door::of(settings().clock(clock().as_fn()), good_token());
    let mut cost = |length: usize| {
        let request = request(&"A".repeat(length));
        let measured = allocation_counter::measure(|| {
            let outcome = door.ask(request);
            assert_eq!((outcome.reason, outcome.signature_checks, outcome.store_calls), (Some("too_long"), 0, 0));
        });
        (measured.count_total, measured.bytes_total)
    };
    cost(8193);
    let just_too_long = cost(8193);
    assert!(just_too_long.0 > 0, "allocations are counted");
    assert_eq!(cost(8 << 20), just_too_long);
    assert_eq!(now(async { door.rejects("after it", "x").reason }), Some("shape"));
}
