//! r2, r6, r25, r28: usable keys, alone and together.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::tokens::{KeyPair, encode, sign_hs256};
use tower_jwt_blocklist::{
    Algorithm, Guard, Issuer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier, VerifyingKey,
    config_error::ConfigErrorKind, token::VerifierBuilder,
};

use super::{PROVIDERS, Sample, ask, complains, guard, reason, with_key};
use crate::support::{AUDIENCE, ISSUER, SECRET, clock, header, payload};

#[tokio::test]
async fn r25_every_algorithm_verifies_in_every_form_of_key_on_every_provider() {
    let samples = Sample::all();
    assert_eq!(samples.len(), Algorithm::ALL.len());
    for sample in samples {
        let token = sample.token(sample.algorithm);
        for ((provider, cryptography), (form, key)) in
            PROVIDERS.iter().flat_map(|provider| sample.public.iter().map(move |key| (provider, key)))
        {
            let name = format!("{} from {form} on {provider}", sample.algorithm);
            assert_eq!(key.algorithm(), sample.algorithm, "{name}");
            let guard = guard(with_key(key.clone()).crypto_provider(*cryptography));
            ask(&guard, &token).await.unwrap_or_else(|rejection| panic!("{name}: {rejection}"));

            // One changed bit in each part; a signature too short, too long, of zeros, or of
            // another algorithm's length.
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let damaged = [
                token.replacen("eyJ", "eyK", 1),
                format!("{signed}.{}", swap_first(signature)),
                format!("{signed}.{}", &signature[..signature.len() / 4 * 2]),
                format!("{signed}.{signature}{signature}"),
                format!("{signed}.{}", encode([0; 64])),
                format!("{signed}.{}", encode([0xFF; 256])),
            ];
            for damaged in damaged {
                assert!(ask(&guard, &damaged).await.is_err(), "{name}: {damaged}");
            }
            ask(&guard, &token).await.unwrap();
        }
    }
}

fn swap_first(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", if first == "A" { "B" } else { "A" })
}

#[tokio::test]
async fn r2_a_key_is_for_one_algorithm() {
    let samples = Sample::all();
    for verifying in &samples {
        let guard = guard(with_key(verifying.verifying()));
        for signing in samples.iter().filter(|signing| signing.algorithm != verifying.algorithm) {
            let (bound, used) = (verifying.algorithm, signing.algorithm);
            let honest = signing.token(used);
            assert_eq!(reason(&guard, &honest).await, Some("algorithm"), "signed with {used}, key for {bound}");
            let lie = signing.token(bound);
            assert_eq!(reason(&guard, &lie).await, Some("signature"), "signed with {used} as {bound}");
        }
        ask(&guard, &verifying.token(verifying.algorithm)).await.unwrap();
    }
}

#[tokio::test]
async fn r25_our_issuer_mints_what_our_verifier_accepts_on_every_provider() {
    for sample in Sample::all() {
        for (provider, cryptography) in PROVIDERS {
            // All forms load as the same key, so one form is enough for the provider that signs
            // slowly.
            let forms = if *provider == "rust_crypto" { 1 } else { usize::MAX };
            for (form, key) in sample.private.iter().take(forms) {
                let name = format!("{} from {form} on {provider}", sample.algorithm);
                let public = key.verifying_key().unwrap();
                assert_eq!(public.algorithm(), key.algorithm(), "{name}");
                let verifier = Arc::new(with_key(public).crypto_provider(*cryptography).build().unwrap());
                let blocklist = MemoryBlocklist::with_capacity_and_clock(10, clock().as_fn());
                let issuer = Issuer::builder(verifier.clone(), key.clone(), blocklist.clone()).build().unwrap();
                let pair = issuer.login("user-1", &NoClaims {}).await.unwrap();

                let ours = Guard::new(TokenKind::Access, verifier, blocklist);
                let user = ask(&ours, pair.access.as_str()).await.unwrap_or_else(|why| panic!("{name}: {why}"));
                // The computed public key equals the published one.
                for (_, other) in PROVIDERS {
                    let theirs = guard(with_key(sample.verifying()).crypto_provider(*other));
                    ask(&theirs, pair.access.as_str()).await.unwrap_or_else(|why| panic!("{name}: {why}"));
                }
                issuer.logout(&user).await.unwrap();
                assert_eq!(reason(&ours, pair.access.as_str()).await, Some("session_revoked"), "{name}");
            }
        }
    }
}

#[test]
fn an_issuer_is_not_built_on_the_verifier_of_another_key() {
    let (rsa, ec) = (Sample::of_pair(KeyPair::rs256()), Sample::of_pair(KeyPair::es256()));
    let hmac = Sample::of_secret(Algorithm::HS256, sign_hs256);
    let other = SigningKey::from_secret(Algorithm::HS256, "another secret that is long enough.").unwrap();
    let (public, private) = (Sample::verifying, Sample::signing);
    let rows = [
        ("another secret", public(&hmac), other, "signature"),
        ("another algorithm of the same pair", public(&rsa), private(&Sample::of_pair(KeyPair::ps256())), "algorithm"),
        ("another kind of key", public(&rsa), private(&ec), "algorithm"),
        ("another kind of key", public(&hmac), private(&rsa), "algorithm"),
        ("another id", public(&hmac).with_id("a"), private(&hmac).with_id("b"), "unknown_key"),
        ("an id too long", public(&hmac), private(&hmac).with_id("k".repeat(257)), "unknown_key"),
    ];
    for (name, public, private, words) in rows {
        let verifier = Arc::new(with_key(public).build().unwrap());
        let built = Issuer::builder(verifier, private, MemoryBlocklist::new()).build();
        complains(name, built.as_ref().map_err(Clone::clone), ConfigErrorKind::Conflict, words);
        complains(name, built, ConfigErrorKind::Conflict, "SigningKey::verifying_key");
    }
    let several = Verifier::builder().key(public(&rsa).with_id("rsa")).key(public(&ec).with_id("ec"));
    let verifier = Arc::new(several.issuer(ISSUER).audience(AUDIENCE).build().unwrap());
    let build = |key| Issuer::builder(verifier.clone(), key, MemoryBlocklist::new()).build();
    complains("no id among several", build(private(&ec)), ConfigErrorKind::Conflict, "unknown_key");
    complains("the id of the other", build(private(&ec).with_id("rsa")), ConfigErrorKind::Conflict, "algorithm");
    build(private(&ec).with_id("ec")).unwrap();
}

/// Three keys of two kinds; `one` and `two` are bound to different algorithms.
fn several_keys() -> Guard {
    let key = |pair: KeyPair, id: &str| Sample::of_pair(pair).verifying().with_id(id);
    guard(
        Verifier::builder()
            .key(key(KeyPair::rs256(), "one"))
            .key(key(KeyPair::es256(), "two"))
            .key(key(KeyPair::eddsa(), "k\u{e9}y/../3"))
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .clock(clock().as_fn()),
    )
}

#[tokio::test]
async fn r6_the_kid_names_one_configured_key_exactly() {
    let guard = several_keys();
    let signed =
        |pair: KeyPair, kid: Value| pair.sign(&header(json!({ "alg": pair.alg(), "kid": kid })), &payload(json!({})));
    let raw = |kid: &str| {
        let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":{kid}}}"#);
        KeyPair::rs256().sign_raw(&header, &payload(json!({})).to_string())
    };
    for (pair, kid) in [(KeyPair::rs256(), "one"), (KeyPair::es256(), "two"), (KeyPair::eddsa(), "k\u{e9}y/../3")] {
        let user = ask(&guard, &signed(pair, json!(kid))).await;
        user.unwrap_or_else(|rejection| panic!("{kid}: {rejection}"));
    }
    ask(&guard, &raw(r#""o\u006ee""#)).await.expect("an escape is another spelling of the same id");

    let rows = [
        ("missing", signed(KeyPair::rs256(), Value::Null), "unknown_key"),
        ("unknown", signed(KeyPair::rs256(), json!("three")), "unknown_key"),
        ("empty", signed(KeyPair::rs256(), json!("")), "unknown_key"),
        ("other case", signed(KeyPair::rs256(), json!("One")), "unknown_key"),
        ("blank after", signed(KeyPair::rs256(), json!("one ")), "unknown_key"),
        ("NUL after", signed(KeyPair::rs256(), json!("one\0")), "unknown_key"),
        ("another Unicode form", signed(KeyPair::eddsa(), json!("ke\u{301}y/../3")), "unknown_key"),
        ("path", signed(KeyPair::rs256(), json!("../../../dev/null")), "unknown_key"),
        ("SQL", signed(KeyPair::rs256(), json!("one' OR '1'='1")), "unknown_key"),
        ("shell", signed(KeyPair::rs256(), json!("|/usr/bin/id")), "unknown_key"),
        ("URL", signed(KeyPair::rs256(), json!("http://127.0.0.1:1/key")), "unknown_key"),
        ("257 bytes", signed(KeyPair::rs256(), json!("k".repeat(257))), "unknown_key"),
        ("null", raw("null"), "unknown_key"),
        ("number", raw("1"), "unknown_key"),
        ("list", raw(r#"["one"]"#), "unknown_key"),
        ("the key of another algorithm", signed(KeyPair::rs256(), json!("two")), "algorithm"),
        ("the key of another algorithm", signed(KeyPair::es256(), json!("one")), "algorithm"),
    ];
    for (name, token, expected) in rows {
        assert_eq!(reason(&guard, &token).await, Some(expected), "{name}");
        ask(&guard, &signed(KeyPair::rs256(), json!("one"))).await.unwrap();
    }
}

#[tokio::test]
async fn r6_a_lone_key_needs_no_kid() {
    let key = || Sample::of_secret(Algorithm::HS256, sign_hs256).verifying();
    let kid = |kid: Value| sign_hs256(SECRET.as_bytes(), &header(json!({ "kid": kid })), &payload(json!({})));
    let longest = "k".repeat(256);
    for (name, settings, token, expected) in [
        ("neither has an id", with_key(key()), kid(Value::Null), None),
        ("only the token has one", with_key(key()), kid(json!("any")), None),
        ("only the key has one", with_key(key().with_id("a")), kid(Value::Null), None),
        ("the same", with_key(key().with_id("a")), kid(json!("a")), None),
        ("the longest", with_key(key().with_id(&*longest)), kid(json!(longest)), None),
        ("another", with_key(key().with_id("a")), kid(json!("b")), Some("unknown_key")),
        ("only the token has one, too long", with_key(key()), kid(json!("k".repeat(257))), Some("unknown_key")),
    ] {
        assert_eq!(reason(&guard(settings), &token).await, expected, "{name}");
    }
}

#[test]
fn r28_a_set_of_keys_that_is_ambiguous_fails_the_build() {
    let secret = || Sample::of_secret(Algorithm::HS256, sign_hs256).verifying();
    let public = || Sample::of_pair(KeyPair::rs256()).verifying();
    let with = |keys: Vec<VerifyingKey>| {
        let settings = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
        keys.into_iter().fold(settings, VerifierBuilder::key).build()
    };
    use ConfigErrorKind::{Conflict, KeyId, MissingSetting};
    for (name, keys, kind, words) in [
        ("none", vec![], MissingSetting, "no key is set: call `key(…)`"),
        (
            "secret and public key",
            vec![secret().with_id("a"), public().with_id("b")],
            Conflict,
            "use a verifier for each",
        ),
        ("one id twice", vec![public().with_id("a"), public().with_id("a")], KeyId, "two keys have the same id"),
        (
            "one id twice, apart",
            ["a", "b", "a"].map(|id| public().with_id(id)).into(),
            KeyId,
            "two keys have the same id",
        ),
        ("no ids", vec![public(), public()], KeyId, "call `with_id(…)`"),
        ("one without id", vec![public().with_id("a"), public()], KeyId, "call `with_id(…)`"),
        ("empty id", vec![public().with_id("")], KeyId, "1 to 256 bytes"),
        ("id too long", vec![public().with_id("k".repeat(257))], KeyId, "1 to 256 bytes"),
    ] {
        complains(name, with(keys), kind, words);
    }
    with(vec![public().with_id("a"), public().with_id("b")]).unwrap();
}
