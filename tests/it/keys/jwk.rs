//! r28 to r32: JWKs, alone and in sets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::tokens::{KeyPair, bad_keys, encode};
use tower_jwt_blocklist::{
    Algorithm, Verifier, VerifyingKey,
    config_error::ConfigErrorKind::{Conflict, KeyId, KeyMismatch, MalformedKey, WeakKey},
    keys::{Jwks, KeyRule, KeySet},
};

use super::{Sample, ask, complains, guard, jwk_of, reason, with_key};
use crate::support::{SECRET, der, good_token};

fn with(mut jwk: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// The rules that the keys of a set break, by index.
fn broken(jwks: &Jwks) -> Vec<(usize, KeyRule)> {
    jwks.rejected().iter().map(|key| (key.index(), key.rule())).collect()
}

#[tokio::test]
async fn r32_every_pairs_jwk_verifies_what_the_pair_signs() {
    for sample in Sample::all().into_iter().filter(|sample| sample.pair().is_some()) {
        let jwk = jwk_of(sample.pair().unwrap(), "key-1").to_string();
        let key = VerifyingKey::from_jwk(&jwk).unwrap();
        assert_eq!((key.algorithm(), key.id()), (sample.algorithm, Some("key-1")));
        let guard = guard(with_key(key));
        ask(&guard, &sample.token(sample.algorithm)).await.unwrap();
        assert_eq!(reason(&guard, &sample.token(Algorithm::HS256)).await, Some("algorithm"));
    }
}

/// A published key has only the public members of the key file.
#[test]
fn what_is_published_are_the_public_members_alone() {
    for pair in KeyPair::all() {
        let algorithm: Algorithm = pair.alg().parse().unwrap();
        let private =
            tower_jwt_blocklist::SigningKey::from_pem(algorithm, pair.private_pem()).unwrap().with_id("key-1");
        for key in [
            VerifyingKey::from_pem(algorithm, pair.public_pem()).unwrap().with_id("key-1"),
            private.verifying_key().unwrap(),
            VerifyingKey::from_jwk(jwk_of(pair, "key-1").to_string()).unwrap(),
        ] {
            let published = KeySet::new([key]).unwrap().to_jwks();
            let published: Value = serde_json::from_str(&published).unwrap();
            assert_eq!(published, json!({ "keys": [jwk_of(pair, "key-1")] }));
        }
    }
    let secret = VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap();
    assert_eq!(KeySet::new([secret.clone()]).unwrap().to_jwks(), r#"{"keys":[]}"#);
    assert_eq!(with_key(secret).build().unwrap().to_jwks(), r#"{"keys":[]}"#);
}

#[test]
fn r32_each_bad_key_is_named_and_does_not_drop_the_others() {
    let (rsa, p256, p384, ed) = (
        jwk_of(KeyPair::rs256(), "bad"),
        jwk_of(KeyPair::es256(), "bad"),
        jwk_of(KeyPair::es384(), "bad"),
        jwk_of(KeyPair::eddsa(), "bad"),
    );
    let off_curve = {
        let der = der(bad_keys::P256_OFF_CURVE_PUBLIC_PEM);
        let point = &der[der.len() - 64..];
        json!({ "x": encode(&point[..32]), "y": encode(&point[32..]) })
    };
    let small = {
        let der = der(bad_keys::RSA_1024_PUBLIC_PEM);
        json!({ "n": encode(&der[der.len() - 5 - 128..der.len() - 5]) })
    };
    let padded = |jwk: &Value, name: &str| json!({ name: format!("{}==", jwk[name].as_str().unwrap()) });
    use KeyRule as Rule;
    let rows = [
        ("no kty", with(ed.clone(), json!({ "kty": null })), Rule::KeyType),
        ("kty that is none", with(ed.clone(), json!({ "kty": 1 })), Rule::KeyType),
        ("kty of another case", with(ed.clone(), json!({ "kty": "okp" })), Rule::KeyType),
        ("kty of another kind", with(p256.clone(), json!({ "kty": "RSA" })), Rule::Algorithm),
        ("no curve", with(p256.clone(), json!({ "crv": null })), Rule::KeyType),
        ("P-521", with(p256.clone(), json!({ "crv": "P-521" })), Rule::KeyType),
        ("secp256k1", with(p256.clone(), json!({ "crv": "secp256k1" })), Rule::KeyType),
        ("X25519", with(ed.clone(), json!({ "crv": "X25519" })), Rule::KeyType),
        ("another curve's alg", with(p256.clone(), json!({ "alg": "ES384" })), Rule::Algorithm),
        ("another curve's name", with(p256.clone(), json!({ "crv": "P-384" })), Rule::Algorithm),
        ("another curve's name, no alg", with(p256.clone(), json!({ "crv": "P-384", "alg": null })), Rule::Strength),
        ("HMAC for a public key", with(rsa.clone(), json!({ "alg": "HS256" })), Rule::Algorithm),
        ("none", with(rsa.clone(), json!({ "alg": "none" })), Rule::Algorithm),
        ("RSA-OAEP", with(rsa.clone(), json!({ "alg": "RSA-OAEP" })), Rule::Algorithm),
        ("RSA1_5", with(rsa.clone(), json!({ "alg": "RSA1_5" })), Rule::Algorithm),
        ("alg of another case", with(rsa.clone(), json!({ "alg": "rs256" })), Rule::Algorithm),
        ("alg that is none", with(ed.clone(), json!({ "alg": 5 })), Rule::Algorithm),
        ("RSA for six algorithms", with(rsa.clone(), json!({ "alg": null })), Rule::Algorithm),
        ("use enc", with(rsa.clone(), json!({ "use": "enc" })), Rule::Use),
        ("use that is none", with(rsa.clone(), json!({ "use": ["sig"] })), Rule::Use),
        ("key_ops to sign", with(rsa.clone(), json!({ "key_ops": ["sign"] })), Rule::Use),
        ("key_ops to encrypt", with(rsa.clone(), json!({ "key_ops": ["encrypt"] })), Rule::Use),
        ("key_ops empty", with(rsa.clone(), json!({ "key_ops": [] })), Rule::Use),
        ("key_ops that are none", with(rsa.clone(), json!({ "key_ops": "verify" })), Rule::Use),
        ("key_ops mixed", with(rsa.clone(), json!({ "key_ops": ["verify", 1] })), Rule::Use),
        ("d", with(ed.clone(), json!({ "d": "AAAA" })), Rule::PrivateMember),
        ("p", with(rsa.clone(), json!({ "p": "AAAA" })), Rule::PrivateMember),
        ("oth", with(rsa.clone(), json!({ "oth": [] })), Rule::PrivateMember),
        ("k", with(rsa.clone(), json!({ "k": "AAAA" })), Rule::PrivateMember),
        ("no n", with(rsa.clone(), json!({ "n": null })), Rule::Form),
        ("no e", with(rsa.clone(), json!({ "e": null })), Rule::Form),
        ("no y", with(p256.clone(), json!({ "y": null })), Rule::Form),
        ("padding", with(ed.clone(), padded(&ed, "x")), Rule::Form),
        ("x that is none", with(ed.clone(), json!({ "x": 1 })), Rule::Form),
        ("1024 bits", with(rsa.clone(), small), Rule::Strength),
        ("exponent 1", with(rsa.clone(), json!({ "e": "AQ" })), Rule::Strength),
        ("exponent 65536", with(rsa.clone(), json!({ "e": "AQAA" })), Rule::Strength),
        ("not on the curve", with(p256.clone(), off_curve), Rule::Strength),
        ("x short", with(p256.clone(), json!({ "x": encode([1; 31]) })), Rule::Strength),
        ("x long, y short", with(p256.clone(), json!({ "x": encode([1; 33]), "y": encode([1; 31]) })), Rule::Strength),
        ("P-384 on P-256's points", with(p384, json!({ "x": p256["x"], "y": p256["y"] })), Rule::Strength),
        ("Ed25519 of 31 bytes", with(ed.clone(), json!({ "x": encode([7; 31]) })), Rule::Strength),
        ("Ed25519 of small order", with(ed.clone(), json!({ "x": encode([0; 32]) })), Rule::Strength),
        ("kid that is none", with(ed.clone(), json!({ "kid": 1 })), Rule::KeyId),
        ("kid empty", with(ed.clone(), json!({ "kid": "" })), Rule::KeyId),
        ("kid over 256 bytes", with(ed.clone(), json!({ "kid": "k".repeat(257) })), Rule::KeyId),
        ("no object", json!("key"), Rule::Form),
        ("a list", json!([]), Rule::Form),
        ("null", json!(null), Rule::Form),
        ("a secret", json!({ "kty": "oct", "alg": "HS256", "k": encode(SECRET), "kid": "bad" }), Rule::Secret),
    ];
    // All other keys of the rule `Strength` are damaged or forged.
    let weak = ["1024 bits", "exponent 1", "exponent 65536", "Ed25519 of small order"];
    let good = jwk_of(KeyPair::es256(), "good");
    for (name, bad, rule) in rows {
        let jwks = Jwks::parse(set(&[bad.clone(), good.clone()])).unwrap();
        assert_eq!(broken(&jwks), [(0, rule)], "{name}");
        assert_eq!(jwks.keys().iter().map(VerifyingKey::id).collect::<Vec<_>>(), [Some("good")], "{name}");
        jwks.into_key_set().unwrap();

        let kind = match rule {
            Rule::KeyType | Rule::Algorithm | Rule::Use | Rule::Secret => KeyMismatch,
            Rule::Strength if weak.contains(&name) => WeakKey,
            Rule::Strength | Rule::PrivateMember | Rule::Form => MalformedKey,
            Rule::KeyId => KeyId,
            other => panic!("{name}: {other:?} has no kind here"),
        };
        let error = VerifyingKey::from_jwk(bad.to_string()).expect_err(name);
        assert_eq!(error.kind(), kind, "{name}");
        let error = error.to_string();
        let alone = Jwks::parse(set(&[bad])).unwrap();
        assert!(alone.rejected()[0].to_string().ends_with(&error), "{name}");
        complains(name, alone.into_key_set(), kind, &error);
    }
    // Everything that is not forbidden is allowed.
    for (name, fine) in [
        ("no use", with(ed.clone(), json!({ "use": null }))),
        ("key_ops", with(ed.clone(), json!({ "key_ops": ["verify"] }))),
        ("no alg on a curve", with(ed.clone(), json!({ "alg": null }))),
        ("members of others", with(ed.clone(), json!({ "x5c": ["x"], "x5t": 1, "iat": {} }))),
        ("a leading zero", with(rsa.clone(), json!({ "n": zero_before(rsa["n"].as_str().unwrap()) }))),
    ] {
        let jwks = Jwks::parse(set(&[fine])).unwrap();
        assert!(jwks.rejected().is_empty(), "{name}: {:?}", jwks.rejected());
    }
}

fn zero_before(number: &str) -> String {
    encode([&[0], &*URL_SAFE_NO_PAD.decode(number).unwrap()].concat())
}

/// Cryptography providers differ in which of these keys they reject at load. With each of them, the
/// other keys stay usable.
#[test]
fn r32_a_key_that_the_cryptography_cannot_load_does_not_drop_the_others() {
    let (ed, rs) = (jwk_of(KeyPair::eddsa(), "bad"), jwk_of(KeyPair::rs256(), "bad"));
    let even = {
        let mut modulus = URL_SAFE_NO_PAD.decode(rs["n"].as_str().unwrap()).unwrap();
        *modulus.last_mut().unwrap() &= 0xFE;
        modulus
    };
    let bad_ones = [
        ("not on the curve", with(ed, json!({ "x": encode([&[2][..], &[0; 31]].concat()) }))),
        ("even modulus", with(rs.clone(), json!({ "n": encode(even) }))),
        ("exponent of 34 bits", with(rs, json!({ "e": encode([3, 0, 0, 0, 1]) }))),
    ];
    for (name, bad) in bad_ones {
        let jwks = Jwks::parse(set(&[bad, jwk_of(KeyPair::es256(), "good")])).unwrap();
        assert!(jwks.keys().iter().any(|key| key.id() == Some("good")), "{name}");
        let settings = Verifier::builder().keys(jwks.into_key_set().unwrap()).any_issuer().any_audience();
        assert!(settings.build().is_ok(), "{name}");
    }
}

#[test]
fn r9_r32_a_member_that_comes_twice_fails_that_key_alone() {
    let good = jwk_of(KeyPair::eddsa(), "good").to_string();
    let twice = good.replace(r#""kty":"OKP""#, r#""kty":"OKP","kty":"OKP""#).replace("good", "bad");
    let by_an_escape = good.replace(r#""kty":"OKP""#, r#""kty":"OKP","\u006bty":"OKP""#);
    for bad in [twice, by_an_escape] {
        assert_ne!(bad, good);
        let jwks = Jwks::parse(format!(r#"{{"keys":[{bad},{good}]}}"#)).unwrap();
        assert_eq!(broken(&jwks), [(0, KeyRule::Form)]);
        assert_eq!(jwks.keys().len(), 1);
    }
    let deep = format!(r#"{{"kty":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(broken(&Jwks::parse(format!(r#"{{"keys":[{deep},{good}]}}"#)).unwrap()), [(0, KeyRule::Form)]);
}

#[test]
fn r28_of_keys_with_one_id_none_is_used() {
    let (one, two) = (jwk_of(KeyPair::es256(), "same"), jwk_of(KeyPair::es384(), "same"));
    let jwks = Jwks::parse(set(&[one, two, jwk_of(KeyPair::eddsa(), "other")])).unwrap();
    assert_eq!(broken(&jwks), [(0, KeyRule::KeyId), (1, KeyRule::KeyId)]);
    assert_eq!(jwks.keys().len(), 1);

    // A key with another use may share the id, because it verifies no token.
    let encrypting = with(jwk_of(KeyPair::rs256(), "same"), json!({ "use": "enc" }));
    let jwks = Jwks::parse(set(&[encrypting, jwk_of(KeyPair::es256(), "same")])).unwrap();
    assert_eq!(broken(&jwks), [(0, KeyRule::Use)]);
    assert_eq!(jwks.keys().len(), 1);

    let nameless = with(jwk_of(KeyPair::es256(), ""), json!({ "kid": null }));
    assert_eq!(Jwks::parse(set(std::slice::from_ref(&nameless))).unwrap().keys().len(), 1);
    let jwks = Jwks::parse(set(&[jwk_of(KeyPair::eddsa(), "named"), nameless])).unwrap();
    assert_eq!(broken(&jwks), [(1, KeyRule::KeyId)]);
}

#[tokio::test]
async fn r28_secrets_are_loaded_by_an_explicit_call_and_never_beside_public_keys() {
    let secret = |id: &str| json!({ "kty": "oct", "alg": "HS256", "k": encode(SECRET), "kid": id });
    let text = secret("key-1").to_string();
    complains("as a public key", VerifyingKey::from_jwk(&text), KeyMismatch, "from_secret_jwk");
    let key = VerifyingKey::from_secret_jwk(&text).unwrap();
    ask(&guard(with_key(key)), &good_token()).await.unwrap();

    let public = jwk_of(KeyPair::es256(), "public");
    complains("a public key as a secret", VerifyingKey::from_secret_jwk(public.to_string()), KeyMismatch, "`oct`");
    let mixed = Jwks::parse_secrets(set(&[secret("a"), public.clone()]));
    complains("mixed", mixed, Conflict, "secrets and public keys");
    assert_eq!(broken(&Jwks::parse(set(&[secret("a"), public])).unwrap()), [(0, KeyRule::Secret)]);
    assert_eq!(Jwks::parse_secrets(set(&[secret("a"), secret("b")])).unwrap().keys().len(), 2);
    for (name, changes, rule) in [
        ("short", json!({ "k": encode("short") }), KeyRule::Strength),
        ("empty", json!({ "k": "" }), KeyRule::Strength),
        ("a public key's text", json!({ "k": encode(KeyPair::es256().public_pem()) }), KeyRule::Strength),
        ("no alg", json!({ "alg": null }), KeyRule::Algorithm),
        ("A256KW", json!({ "alg": "A256KW" }), KeyRule::Algorithm),
        ("RS256", json!({ "alg": "RS256" }), KeyRule::Algorithm),
        ("no k", json!({ "k": null }), KeyRule::Form),
        ("enc", json!({ "use": "enc" }), KeyRule::Use),
    ] {
        assert_eq!(broken(&Jwks::parse_secrets(set(&[with(secret("a"), changes)])).unwrap()), [(0, rule)], "{name}");
    }
}

#[test]
fn r32_an_rsa_key_without_alg_is_for_what_the_caller_says() {
    let jwk = with(jwk_of(KeyPair::rs256(), "key-1"), json!({ "alg": null }));
    let jwks = Jwks::parse_assuming(Algorithm::PS384, set(std::slice::from_ref(&jwk))).unwrap();
    assert_eq!(jwks.keys()[0].algorithm(), Algorithm::PS384);
    assert_eq!(VerifyingKey::from_jwk_as(Algorithm::RS512, jwk.to_string()).unwrap().algorithm(), Algorithm::RS512);
    let named = jwk_of(KeyPair::rs256(), "key-1").to_string();
    complains(
        "another",
        VerifyingKey::from_jwk_as(Algorithm::RS512, &named),
        KeyMismatch,
        "is for RS256, not for RS512",
    );
    assert_eq!(
        Jwks::parse_assuming(Algorithm::RS512, set(&[jwk_of(KeyPair::rs256(), "a")])).unwrap().keys()[0].algorithm(),
        Algorithm::RS256
    );
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        complains("no RSA", Jwks::parse_assuming(algorithm, set(&[])), KeyMismatch, "not an algorithm of RSA keys");
    }
}

#[test]
fn r32_what_is_no_key_set_is_an_error_as_a_whole() {
    for text in
        ["", "[]", "{}", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}x"#]
    {
        complains(text, Jwks::parse(text), MalformedKey, "expected a JSON object with a list `keys`");
    }
    complains("no text", Jwks::parse([0xFF, 0xFE]), MalformedKey, "JWKS");
    complains("a page", Jwks::parse("<html>"), MalformedKey, "JWKS");
    let key = jwk_of(KeyPair::eddsa(), "k");
    complains("101 keys", Jwks::parse(set(&vec![key.clone(); 101])), MalformedKey, "more than 100 keys");
    assert_eq!(Jwks::parse(set(&vec![key; 100])).unwrap().rejected().len(), 100);
    complains(
        "too long",
        Jwks::parse(format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(256 * 1024))),
        MalformedKey,
        "256 KiB",
    );
    let nothing = Jwks::parse(r#"{"keys":[]}"#).unwrap();
    assert!(nothing.into_key_set().is_err());
}

#[test]
fn r76_the_kid_of_a_bad_key_is_shown_short_and_escaped() {
    let hostile = format!("a\r\nERROR \u{1b}[31m\u{202e}\"{}", "x".repeat(150));
    let bad = with(jwk_of(KeyPair::eddsa(), &hostile), json!({ "use": "enc" }));
    let jwks = Jwks::parse(set(&[bad])).unwrap();
    let shown = [format!("{}", jwks.rejected()[0]), format!("{jwks:?}"), jwks.rejected()[0].key_id().unwrap().into()];
    for text in shown {
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
        assert!(!text.contains(&"x".repeat(65)) && text.contains("ERROR"), "{text}");
    }
}
