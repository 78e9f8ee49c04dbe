//! r28, r33, r72: keys of several issuers, and keys that change.

use std::{cell::Cell, sync::Arc};

use serde_json::{Value, json};
use testkit::tokens::{KeyPair, sign_hs256};
use tower_jwt_blocklist::{
    Algorithm, Guard, Issuer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier, VerifyingKey,
    config_error::ConfigErrorKind, keys::KeySet, token::VerifierBuilder,
};

use super::{PROVIDERS, ask, complains, guard, reason};
use crate::support::{AUDIENCE, ISSUER, SECRET, clock, header, payload, verifying_key};

const OTHER: &str = "https://other.example.org";

fn public(pair: KeyPair, id: &str) -> VerifyingKey {
    VerifyingKey::from_pem(pair.alg().parse().unwrap(), pair.public_pem()).unwrap().with_id(id)
}

fn set(keys: impl IntoIterator<Item = VerifyingKey>) -> KeySet {
    KeySet::new(keys).unwrap()
}

fn settings() -> VerifierBuilder {
    Verifier::builder().audience(AUDIENCE).clock(clock().as_fn())
}

fn signed(pair: KeyPair, kid: &str, iss: impl Into<Value>) -> String {
    let iss: Value = iss.into();
    pair.sign(&header(json!({ "alg": pair.alg(), "kid": kid })), &payload(json!({ "iss": iss })))
}

/// Two issuers, each with a pair of keys. No key belongs to both.
fn two_parties() -> Guard {
    guard(
        settings()
            .issuer(ISSUER)
            .keys(set([public(KeyPair::es256(), "same"), public(KeyPair::rs256(), "ours")]))
            .trust(OTHER, set([public(KeyPair::eddsa(), "same"), public(KeyPair::es384(), "theirs")])),
    )
}

#[tokio::test]
async fn r33_a_key_proves_only_tokens_of_its_own_issuer() {
    let guard = two_parties();
    let (ours, theirs) = (
        [(KeyPair::es256(), "same"), (KeyPair::rs256(), "ours")],
        [(KeyPair::eddsa(), "same"), (KeyPair::es384(), "theirs")],
    );
    for (keys, own, other) in [(ours, ISSUER, OTHER), (theirs, OTHER, ISSUER)] {
        for (pair, id) in keys {
            let user = ask(&guard, &signed(pair, id, own)).await.unwrap();
            assert_eq!(user.issuer(), Some(own));
            for iss in
                [json!(other), json!([own]), json!(null), json!("https://third.example.org"), json!(format!("{own}/"))]
            {
                assert_eq!(reason(&guard, &signed(pair, id, iss.clone())).await, Some("iss"), "{id} for {iss}");
            }
        }
    }
    // The id of a key that only the other issuer has does not help either.
    assert_eq!(reason(&guard, &signed(KeyPair::es256(), "theirs", OTHER)).await, Some("algorithm"));
    assert_eq!(reason(&guard, &signed(KeyPair::es256(), "unknown", OTHER)).await, Some("unknown_key"));
}

/// An issuer publishes the other's public key under the same id. Nothing changes for the other, in
/// either order.
#[tokio::test]
async fn r33_a_party_that_copies_a_key_gains_and_spoils_nothing() {
    let copied = || set([public(KeyPair::es256(), "copied")]);
    let own_first = settings().issuer(ISSUER).keys(copied()).trust(OTHER, copied());
    let thief_first = settings().trust(OTHER, copied()).trust(ISSUER, copied());
    for (name, settings) in [("own first", own_first), ("thief first", thief_first)] {
        let guard = guard(settings);
        let user = ask(&guard, &signed(KeyPair::es256(), "copied", ISSUER)).await;
        assert_eq!(user.unwrap_or_else(|why| panic!("{name}: {why}")).issuer(), Some(ISSUER));
        assert_eq!(reason(&guard, &signed(KeyPair::es256(), "copied", "https://third")).await, Some("iss"), "{name}");
    }
}

#[tokio::test]
async fn r33_one_set_can_speak_for_several_names() {
    let keys = set([public(KeyPair::es256(), "k")]);
    let guard = guard(settings().trust(ISSUER, keys.clone()).trust(OTHER, keys));
    for iss in [ISSUER, OTHER] {
        ask(&guard, &signed(KeyPair::es256(), "k", iss)).await.unwrap();
    }
    assert_eq!(reason(&guard, &signed(KeyPair::es256(), "k", "https://third")).await, Some("iss"));
}

thread_local! {
    static CHECKED: Cell<usize> = const { Cell::new(0) };
}

/// The work for one token: one check for each issuer that has a key of its id and algorithm, and
/// none for the others.
#[tokio::test]
async fn r33_r79_only_keys_that_the_header_names_are_tried_one_of_each_party() {
    let counting = PROVIDERS[0].1.with_observer(|_| CHECKED.set(CHECKED.get() + 1));
    let party = |own: &str| set([public(KeyPair::es256(), "same"), public(KeyPair::eddsa(), own)]);
    let settings =
        (1..=16).fold(settings(), |settings, n| settings.trust(format!("https://{n}"), party(&format!("own-{n}"))));
    let guard = guard(settings.crypto_provider(counting));
    for (name, token, expected, checks) in [
        ("unknown", signed(KeyPair::es256(), "none", "https://1"), Some("unknown_key"), 0),
        ("another algorithm", signed(KeyPair::rs256(), "same", "https://1"), Some("algorithm"), 0),
        ("one issuer's", signed(KeyPair::eddsa(), "own-16", "https://16"), None, 1),
        ("every issuer's, the first", signed(KeyPair::es256(), "same", "https://1"), None, 1),
        ("every issuer's, the last", signed(KeyPair::es256(), "same", "https://16"), None, 16),
        ("every issuer's, from an unknown one", signed(KeyPair::es256(), "same", "https://17"), Some("iss"), 16),
    ] {
        CHECKED.set(0);
        assert_eq!(reason(&guard, &token).await, expected, "{name}");
        assert_eq!(CHECKED.get(), checks, "{name}");
    }
}

/// One verifier with one issuer's secret and another's public key takes neither for the other.
#[tokio::test]
async fn r2_r33_a_trusted_public_key_is_no_secret() {
    let pair = KeyPair::rs256();
    let guard = guard(
        settings().issuer(ISSUER).key(verifying_key().with_id("secret")).trust(OTHER, set([public(pair, "public")])),
    );
    let hmac = |secret: &[u8], kid: &str, iss: &str| {
        sign_hs256(secret, &header(json!({ "kid": kid })), &payload(json!({ "iss": iss })))
    };
    ask(&guard, &hmac(SECRET.as_bytes(), "secret", ISSUER)).await.unwrap();
    ask(&guard, &signed(pair, "public", OTHER)).await.unwrap();
    for (name, token, expected) in [
        ("PEM as secret", hmac(pair.public_pem().as_bytes(), "public", OTHER), "algorithm"),
        ("PEM as secret, named ours", hmac(pair.public_pem().as_bytes(), "secret", OTHER), "signature"),
        ("our secret for them", hmac(SECRET.as_bytes(), "secret", OTHER), "iss"),
        ("their key for us", signed(pair, "public", ISSUER), "iss"),
        ("their key, named ours", signed(pair, "secret", ISSUER), "algorithm"),
    ] {
        assert_eq!(reason(&guard, &token).await, Some(expected), "{name}");
    }
    // Without a `kid` no key is tried, because two could be meant.
    let nameless = pair.sign(&header(json!({ "alg": "RS256" })), &payload(json!({ "iss": OTHER })));
    assert_eq!(reason(&guard, &nameless).await, Some("unknown_key"));
}

#[test]
fn r33_parties_that_contradict_each_other_fail_the_build() {
    let keys = |id: &str| set([public(KeyPair::es256(), id)]);
    let nameless = set([VerifyingKey::from_pem(Algorithm::ES256, KeyPair::es256().public_pem()).unwrap()]);
    let many = (0..17).fold(settings(), |settings, n| settings.trust(format!("https://{n}"), keys("k")));
    use ConfigErrorKind::{Conflict, InvalidSetting, KeyId, MissingSetting, OutOfRange};
    for (name, settings, kind, words) in [
        (
            "any issuer",
            settings().any_issuer().keys(keys("a")).trust(OTHER, keys("b")),
            Conflict,
            "speak for the trusted issuers",
        ),
        ("own name", settings().issuer(OTHER).keys(keys("a")).trust(OTHER, keys("b")), Conflict, "two sets of keys"),
        ("twice", settings().trust(OTHER, keys("a")).trust(OTHER, keys("b")), Conflict, "two sets of keys"),
        ("no name", settings().trust("", keys("a")), InvalidSetting, "has no name"),
        ("an issuer without keys", settings().issuer(ISSUER).trust(OTHER, keys("a")), MissingSetting, "no key of it"),
        (
            "keys without an issuer",
            settings().keys(keys("a")).trust(OTHER, keys("b")),
            MissingSetting,
            "no issuer is set",
        ),
        (
            "a key and a set",
            settings().issuer(ISSUER).key(verifying_key()).keys(keys("a")),
            Conflict,
            "both `key` and `keys`",
        ),
        (
            "a key without id",
            settings().issuer(ISSUER).keys(keys("a")).trust(OTHER, nameless),
            KeyId,
            "several keys needs an id",
        ),
        ("17", many, OutOfRange, "more than 16"),
        #[cfg(feature = "compat")]
        (
            "the tutorial's",
            settings().issuer(ISSUER).keys(keys("a")).trust(OTHER, keys("b")).also_fastapi_tokens(),
            Conflict,
            "use a verifier for each",
        ),
    ] {
        complains(name, settings.build(), kind, words);
    }
    settings().trust(OTHER, keys("a")).build().unwrap();
}

/// The issuer cannot mint tokens in the name of a trusted issuer.
#[test]
fn r33_an_issuer_needs_keys_of_its_own() {
    let key = SigningKey::from_pem(Algorithm::ES256, KeyPair::es256().private_pem()).unwrap().with_id("k");
    let verifier = Arc::new(settings().trust(OTHER, set([key.verifying_key().unwrap()])).build().unwrap());
    let built = Issuer::builder(verifier, key, MemoryBlocklist::new()).build();
    complains("trusted only", built, ConfigErrorKind::Conflict, "does not accept");
}

#[tokio::test]
async fn r72_keys_are_replaced_without_a_restart_and_a_removed_one_ends_at_once() {
    let keys = set([public(KeyPair::es256(), "old")]);
    let others = set([public(KeyPair::es384(), "other")]);
    let verifier = settings().issuer(ISSUER).keys(keys.clone()).trust(OTHER, others.clone()).build().unwrap();
    let verifier = Arc::new(verifier);
    let guard = Guard::new(TokenKind::Access, verifier.clone(), MemoryBlocklist::new());
    let (old, new) = (signed(KeyPair::es256(), "old", ISSUER), signed(KeyPair::rs256(), "new", ISSUER));
    ask(&guard, &old).await.unwrap();
    assert_eq!(reason(&guard, &new).await, Some("unknown_key"));

    let mut generations = vec![verifier.key_version()];
    keys.replace([public(KeyPair::rs256(), "new"), public(KeyPair::es256(), "old")]).unwrap();
    generations.push(verifier.key_version());
    for token in [&old, &new] {
        ask(&guard, token).await.unwrap();
    }
    keys.replace([public(KeyPair::rs256(), "new")]).unwrap();
    generations.push(verifier.key_version());
    assert_eq!(reason(&guard, &old).await, Some("unknown_key"));
    ask(&guard, &new).await.unwrap();

    // An invalid set changes nothing.
    let secret = VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap().with_id("s");
    for (kind, bad) in [
        (ConfigErrorKind::MissingSetting, vec![]),
        (ConfigErrorKind::Conflict, vec![public(KeyPair::es256(), "a"), secret]),
        (ConfigErrorKind::KeyId, vec![public(KeyPair::es256(), "a"), public(KeyPair::es256(), "a")]),
    ] {
        complains("bad set", keys.replace(bad), kind, "");
        assert_eq!(verifier.key_version(), generations[2]);
        ask(&guard, &new).await.unwrap();
    }
    // The same id with another key is a different key.
    keys.replace([public(KeyPair::es384(), "new")]).unwrap();
    generations.push(verifier.key_version());
    assert_eq!(reason(&guard, &new).await, Some("algorithm"));
    others.replace([public(KeyPair::eddsa(), "other")]).unwrap();
    generations.push(verifier.key_version());
    assert!(generations.is_sorted_by(|earlier, later| earlier < later), "{generations:?}");
}

/// While keys are replaced, a token whose key is in every set is never rejected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r72_requests_go_on_while_keys_change() {
    let keys = set([public(KeyPair::es256(), "kept")]);
    let guard = guard(settings().issuer(ISSUER).keys(keys.clone()));
    let token = signed(KeyPair::es256(), "kept", ISSUER);
    let replacing = tokio::task::spawn_blocking(move || {
        for round in 0..500 {
            let other = public(if round % 2 == 0 { KeyPair::es384() } else { KeyPair::eddsa() }, "other");
            keys.replace([other, public(KeyPair::es256(), "kept")]).unwrap();
        }
    });
    let mut asked = 0;
    while !replacing.is_finished() || asked < 10 {
        ask(&guard, &token).await.unwrap();
        asked += 1;
    }
    replacing.await.unwrap();
}

#[tokio::test]
async fn an_issuer_signs_with_one_key_publishes_all_and_changes_without_a_restart() {
    let key = |pair: KeyPair, id: &str| {
        SigningKey::from_pem(pair.alg().parse().unwrap(), pair.private_pem()).unwrap().with_id(id)
    };
    let (old, new) = (key(KeyPair::es256(), "old"), key(KeyPair::eddsa(), "new"));
    let keys = set([old.verifying_key().unwrap()]);
    let verifier = Arc::new(settings().issuer(ISSUER).keys(keys.clone()).build().unwrap());
    let issuer = Issuer::builder(verifier.clone(), old.clone(), MemoryBlocklist::new()).build().unwrap();
    let guard = Guard::new(TokenKind::Access, verifier.clone(), MemoryBlocklist::new());
    let access = async || issuer.login("user-1", &NoClaims {}).await.unwrap().access.into_string();
    let first = access().await;

    // A key that the verifier does not know yet is rejected, and the old key continues to sign.
    let too_early = issuer.sign_with(new.clone());
    complains("too early", too_early, ConfigErrorKind::Conflict, "does not accept what this key signs");
    ask(&guard, &access().await).await.unwrap();

    keys.replace([new.verifying_key().unwrap(), old.verifying_key().unwrap()]).unwrap();
    assert_eq!(verifier.to_jwks(), keys.to_jwks());
    assert!(["new", "old"].iter().all(|id| verifier.to_jwks().contains(id)));
    issuer.clone().sign_with(new.clone()).unwrap();
    let second = access().await;
    for token in [&first, &second] {
        ask(&guard, token).await.unwrap();
    }
    keys.replace([new.verifying_key().unwrap()]).unwrap();
    assert_eq!(reason(&guard, &first).await, Some("unknown_key"));
    ask(&guard, &second).await.unwrap();
}

/// Otherwise, clients that fetch our document would take their keys for ours.
#[test]
fn r33_the_published_keys_are_not_those_of_trusted_issuers() {
    let own = settings()
        .issuer(ISSUER)
        .keys(set([public(KeyPair::es256(), "ours")]))
        .trust(OTHER, set([public(KeyPair::es384(), "theirs")]));
    let document = own.build().unwrap().to_jwks();
    assert!(document.contains("ours") && !document.contains("theirs"), "{document}");
    let none = settings().trust(OTHER, set([public(KeyPair::es384(), "theirs")])).build().unwrap();
    assert_eq!(none.to_jwks(), r#"{"keys":[]}"#);
}
