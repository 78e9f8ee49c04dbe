//! r11, r14 to r17, r22: the rules for claims.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use testkit::tokens::{KeyPair, encode};
use tower_jwt_blocklist::{
    Algorithm, Guard, MemoryBlocklist, NoClaims, TokenKind, Verifier, VerifyingKey, blocklist::Revoke,
    config_error::ConfigErrorKind, token::TokenIdSource,
};

use super::{Stand, lenient, with_claim, with_claims};
use crate::support::{AUDIENCE, ISSUER, NOW, clock, good_token, header, payload, settings};

#[tokio::test]
async fn r11_what_is_required_is_required() {
    let stand = Stand::new();
    for (name, reason) in
        [("iss", "iss"), ("sub", "sub"), ("aud", "aud"), ("exp", "exp"), ("iat", "iat"), ("jti", "jti")]
    {
        // `sid` is removed too, because a token with a session needs `iat`.
        stand.invalid(&format!("no {name}"), &with_claims(json!({ name: null, "sid": null })), reason).await;
    }
    stand.accepts("no sid", &with_claims(json!({ "sid": null }))).await;
    stand.accepts("no nbf", &good_token()).await;

    let sessions = Stand::with(settings().clock(clock().as_fn()).require_session_id());
    sessions.invalid("no sid, where one is required", &with_claims(json!({ "sid": null })), "sid").await;
}

#[tokio::test]
async fn r11_what_is_not_required_must_still_be_well_formed() {
    let stand = Stand::with(lenient());
    let nothing = json!({ "iss": null, "aud": null, "sub": null, "iat": null, "jti": null, "sid": null });
    let user = stand.accepts("nothing but exp", &with_claims(nothing)).await;
    assert_eq!((user.issuer(), user.subject(), user.issued_at(), user.session_id()), (None, None, None, None));
    stand.invalid("exp is never optional", &with_claims(json!({ "exp": null })), "exp").await;

    for name in ["iss", "sub", "jti", "sid"] {
        for value in ["null", "1", "1.5", "true", "[]", r#"["user-1"]"#, "{}", r#"{"a":"b"}"#, r#""""#] {
            stand.invalid(&format!("{name}: {value}"), &with_claim(name, value), name).await;
        }
    }
    for value in ["null", "1", "true", "{}", "[1]", "[null]", r#"["https://api.example.org",1]"#, r#"[["a"]]"#] {
        stand.invalid(&format!("aud: {value}"), &with_claim("aud", value), "aud").await;
    }
    for name in ["exp", "iat", "nbf"] {
        for value in ["null", "true", "\"1767225600\"", "\"\"", "[]", "[1767225600]", "{}"] {
            stand.invalid(&format!("{name}: {value}"), &with_claim(name, value), name).await;
        }
    }
}

/// serde_json treats objects with certain private names as numbers or raw values. Its features
/// decide which.
#[tokio::test]
async fn r11_r25_an_object_is_no_number_and_no_string_whatever_its_member_is_called() {
    let stand = Stand::with(lenient().issuer(ISSUER).audience(AUDIENCE));
    let imitation = |kind: &str, of: &str| format!(r#"{{"$serde_json::private::{kind}":{}}}"#, json!(of));
    for (name, of) in [
        ("iss", format!("\"{ISSUER}\"")),
        ("aud", format!("\"{AUDIENCE}\"")),
        ("aud", format!("[\"{AUDIENCE}\"]")),
        ("sub", "\"user-1\"".into()),
        ("jti", "\"token-1\"".into()),
        ("sid", "\"session-1\"".into()),
        ("exp", (NOW + 60).to_string()),
        ("iat", NOW.to_string()),
        ("nbf", NOW.to_string()),
    ] {
        stand.invalid(&format!("{name}: {of}"), &with_claim(name, &imitation("RawValue", &of)), name).await;
        // A text is not even an imitation of a number. It is rejected as it would be with the
        // feature.
        let reason = if of.starts_with(char::is_numeric) { name } else { "payload" };
        stand.invalid(&format!("{name}: {of}"), &with_claim(name, &imitation("Number", &of)), reason).await;
    }
    let within = format!("[{}]", imitation("RawValue", &format!("\"{AUDIENCE}\"")));
    stand.invalid("within aud", &with_claim("aud", &within), "aud").await;
}

#[tokio::test]
async fn r14_iss_is_one_string_byte_for_byte() {
    let stand = Stand::with(settings().issuer("caf\u{e9}").clock(clock().as_fn()));
    assert_eq!(
        stand.accepts("the second of two", &with_claims(json!({ "iss": "caf\u{e9}" }))).await.issuer(),
        Some("caf\u{e9}")
    );
    for (name, issuer) in [
        ("another", json!("https://evil.example.org")),
        ("trailing slash", json!(format!("{ISSUER}/"))),
        ("prefix", json!(&ISSUER[..ISSUER.len() - 1])),
        ("more", json!(format!("{ISSUER}.evil.org"))),
        ("case of the host", json!("https://LOGIN.example.org")),
        ("case of the scheme", json!("HTTPS://login.example.org")),
        ("port", json!("https://login.example.org:443")),
        ("blank after", json!(format!("{ISSUER} "))),
        ("NUL after", json!(format!("{ISSUER}\0"))),
        ("another Unicode form", json!("cafe\u{301}")),
        ("empty", json!("")),
        ("list", json!([ISSUER])),
        ("list of bad and good", json!(["https://evil.example.org", ISSUER])),
        ("number", json!(5)),
        ("object", json!({ ISSUER: ISSUER })),
    ] {
        stand.invalid(name, &with_claims(json!({ "iss": issuer })), "iss").await;
    }
    stand.invalid("null", &with_claim("iss", "null"), "iss").await;
}

#[tokio::test]
async fn r15_sub_is_a_string_of_1_to_1024_bytes_kept_as_it_is() {
    let stand = Stand::new();
    for sub in [
        "u",
        "caf\u{e9}",
        "cafe\u{301}",
        " root ",
        "a\0b",
        "'; DROP TABLE users; --",
        &"u".repeat(1024),
        &"\u{e9}".repeat(512),
    ] {
        let user = stand.accepts(sub, &with_claims(json!({ "sub": sub }))).await;
        assert_eq!(user.subject(), Some(sub));
    }
    for (name, sub) in [
        ("empty", json!("")),
        ("1025 bytes", json!("u".repeat(1025))),
        ("513 letters of 2 bytes", json!("\u{e9}".repeat(513))),
        ("number", json!(1)),
        ("list", json!(["user-1"])),
        ("object", json!({})),
        ("boolean", json!(false)),
    ] {
        stand.invalid(name, &with_claims(json!({ "sub": sub })), "sub").await;
    }
    stand.invalid("null", &with_claim("sub", "null"), "sub").await;
}

#[tokio::test]
async fn r16_aud_is_ours_or_a_list_with_ours() {
    let stand = Stand::with(settings().audience("second").clock(clock().as_fn()));
    for (name, audience) in [
        ("a string", json!(AUDIENCE)),
        ("the second of two", json!("second")),
        ("a list of one", json!([AUDIENCE])),
        ("a list of others and ours", json!(["x", "", AUDIENCE])),
    ] {
        stand.accepts(name, &with_claims(json!({ "aud": audience }))).await;
    }
    for (name, audience) in [
        ("another", json!("https://other.example.org")),
        ("case", json!("https://API.example.org")),
        ("trailing slash", json!(format!("{AUDIENCE}/"))),
        ("prefix", json!(&AUDIENCE[..AUDIENCE.len() - 1])),
        ("two in one string", json!(format!("{AUDIENCE} second"))),
        ("empty", json!("")),
        ("empty list", json!([])),
        ("list of others", json!(["x", "y"])),
        ("list with a number", json!([AUDIENCE, 1])),
        ("list with a list", json!([[AUDIENCE]])),
        ("number", json!(1)),
        ("boolean", json!(true)),
        ("object", json!({ AUDIENCE: AUDIENCE })),
    ] {
        stand.invalid(name, &with_claims(json!({ "aud": audience })), "aud").await;
    }
    stand.invalid("null", &with_claim("aud", "null"), "aud").await;
    stand.invalid("list with null", &with_claim("aud", &format!(r#"["{AUDIENCE}",null]"#)), "aud").await;
}

#[test]
fn r14_r16_issuer_and_audience_are_set_or_given_up_by_name() {
    let with_key = || Verifier::builder().key(crate::support::verifying_key());
    for (name, settings, words) in [
        ("no issuer", with_key().audience(AUDIENCE), "any_issuer()"),
        ("no audience", with_key().issuer(ISSUER), "any_audience()"),
        ("empty issuer", with_key().issuer("").audience(AUDIENCE), "issuer or audience is empty"),
        ("empty audience", with_key().issuer(ISSUER).audience(""), "issuer or audience is empty"),
        ("one of two empty", with_key().issuer(ISSUER).audience(AUDIENCE).audience(""), "issuer or audience is empty"),
    ] {
        let error = settings.build().expect_err(name);
        let is_missing = words.starts_with("any_");
        let kind = if is_missing { ConfigErrorKind::MissingSetting } else { ConfigErrorKind::InvalidSetting };
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
    with_key().any_issuer().any_audience().build().unwrap();
}

#[tokio::test]
async fn r14_r16_the_last_word_on_any_issuer_counts() {
    let strangers = with_claims(json!({ "iss": "x", "aud": "y" }));
    let open = Stand::with(settings().any_issuer().any_audience().clock(clock().as_fn()));
    open.accepts("any, after a name", &strangers).await;
    let closed = Stand::with(
        Verifier::builder()
            .key(crate::support::verifying_key())
            .any_issuer()
            .any_audience()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .clock(clock().as_fn()),
    );
    closed.invalid("a name, after any", &strangers, "iss").await;
    closed.invalid("a name, after any", &with_claims(json!({ "aud": "y" })), "aud").await;
}

#[tokio::test]
async fn r17_jti_is_a_string_of_1_to_256_bytes() {
    let stand = Stand::new();
    for id in ["j", "a{b}\n*\0", &"j".repeat(256)] {
        assert_eq!(stand.accepts(id, &with_claims(json!({ "jti": id }))).await.token_id(), id);
    }
    let by_hash = Stand::with(settings().clock(clock().as_fn()).token_id_source(TokenIdSource::JtiOrHash));
    for (name, id) in [
        ("empty", json!("")),
        ("257 bytes", json!("j".repeat(257))),
        ("129 letters of 2 bytes", json!("\u{e9}".repeat(129))),
        ("number", json!(1)),
        ("list", json!(["j"])),
    ] {
        stand.invalid(name, &with_claims(json!({ "jti": id.clone() })), "jti").await;
        // An invalid `jti` is not replaced by the hash.
        by_hash.invalid(name, &with_claims(json!({ "jti": id })), "jti").await;
    }
    stand.invalid("missing", &with_claims(json!({ "jti": null })), "jti").await;

    let without = with_claims(json!({ "jti": null }));
    let (signed, _) = without.rsplit_once('.').unwrap();
    let user = by_hash.accepts("missing, by hash", &without).await;
    assert_eq!(user.token_id(), encode(Sha256::digest(signed)));
    assert_eq!(by_hash.accepts("present, by hash", &good_token()).await.token_id(), "token-1");
}

/// ECDSA has two signatures for one text: `(r, s)` and `(r, n - s)`.
fn twin(token: &str) -> String {
    const N: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = false;
    for (s, n) in signature[32..].iter_mut().zip(N).rev() {
        let (difference, under) = n.overflowing_sub(*s);
        let (difference, under_again) = difference.overflowing_sub(u8::from(borrow));
        (*s, borrow) = (difference, under || under_again);
    }
    format!("{signed}.{}", encode(signature))
}

#[tokio::test]
async fn r17_r51_the_twin_of_a_revoked_ecdsa_token_is_revoked() {
    for (name, changes) in [("by jti", json!({ "sid": null })), ("by hash", json!({ "sid": null, "jti": null }))] {
        let pair = KeyPair::es256();
        let key = VerifyingKey::from_pem(Algorithm::ES256, pair.public_pem()).unwrap();
        let settings = Verifier::builder().key(key).issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn());
        let verifier = settings.token_id_source(TokenIdSource::JtiOrHash).build().unwrap();
        let blocklist = MemoryBlocklist::with_capacity_and_clock(10, clock().as_fn());
        let guard = Guard::new(TokenKind::Access, Arc::new(verifier), blocklist.clone());

        let token = pair.sign(&header(json!({ "alg": "ES256" })), &payload(changes));
        assert_ne!(twin(&token), token);
        guard.authenticate::<NoClaims>(&twin(&token)).await.expect("the twin is genuine too");
        let user = guard.authenticate::<NoClaims>(&token).await.unwrap();
        blocklist.revoke(&user.revocation()).await.unwrap();
        for token in [&token, &twin(&token)] {
            let rejection = guard.authenticate::<NoClaims>(token).await.unwrap_err();
            assert_eq!(rejection.reason(), "token_revoked", "{name}");
        }
    }
}

#[tokio::test]
async fn r22_a_token_bound_to_a_key_is_refused() {
    let stand = Stand::new();
    for value in ["null", "{}", "[]", "1", r#""""#, r#"{"jkt":"0ZcOCORZNYy"}"#, r#"{"x5t#S256":"bwcK0esc3"}"#] {
        stand.invalid(value, &with_claim("cnf", value), "cnf").await;
    }
    stand.invalid("by an escape", &with_claim(r"c\u006ef", "{}"), "cnf").await;
}
