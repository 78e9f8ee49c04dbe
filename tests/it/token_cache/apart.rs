//! r70: the cache is used only for exactly the same token at the same layer.

use serde::Deserialize;
use serde_json::json;
use tower_jwt_blocklist::{Guard, JwtBlocklistLayer, MemoryBlocklist, NoClaims, TokenKind};

use super::{built, counting, layer, now, service, signature_checks};
use crate::support::{ISSUER, clock, good_token, verifying_key};

#[test]
fn r70_layers_share_nothing() {
    #[derive(Clone, Deserialize)]
    struct Role {
        #[expect(dead_code, reason = "only its deserialization matters")]
        role: String,
    }
    let clock = clock();
    let verifier = built(counting(&clock));
    let foreign = tower_jwt_blocklist::Verifier::builder().key(verifying_key()).issuer(ISSUER).audience("another");
    let foreign = built(foreign.clock(clock.as_fn()));
    let list = MemoryBlocklist::new();
    let guard = Guard::new(TokenKind::Access, verifier.clone(), list.clone());
    let first = JwtBlocklistLayer::from_guard(guard.clone());
    let token = good_token();
    service(&first).ask(&token).unwrap();

    let refused: [(&str, Result<(), &str>); 3] = [
        ("wrong_kind", service(&JwtBlocklistLayer::refresh(verifier, list.clone())).ask(&token).map(drop)),
        ("aud", service(&JwtBlocklistLayer::access(foreign, list)).ask(&token).map(drop)),
        (
            "application_claims",
            service(&JwtBlocklistLayer::from_guard_with_claims::<Role>(guard.clone())).ask(&token).map(drop),
        ),
    ];
    for (expected, outcome) in refused {
        assert_eq!(outcome, Err(expected));
    }
    // Layers with equal settings do not share a cache, and neither does a layer that was given
    // another cache setting.
    for other in [JwtBlocklistLayer::from_guard(guard.clone()), first.clone().with_token_cache(Default::default())] {
        let before = signature_checks();
        service(&other).ask(&token).unwrap();
        assert_eq!(signature_checks(), before + 1);
    }
    // Without a layer nothing is cached.
    for _ in 0..2 {
        let before = signature_checks();
        now(guard.authenticate::<NoClaims>(&token)).unwrap();
        assert_eq!(signature_checks(), before + 1);
    }
    let before = signature_checks();
    service(&first).ask(&token).unwrap();
    assert_eq!(signature_checks(), before, "the first layer still caches it");
}

#[test]
fn r70_a_token_that_differs_in_one_byte_is_another() {
    let mut service = service(&layer(&clock(), MemoryBlocklist::new()));
    let good = good_token();
    service.ask(&good).unwrap();
    let once = signature_checks();
    for at in 0..good.len() {
        let mut other = good.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        service.ask(std::str::from_utf8(&other).unwrap()).unwrap_err();
    }
    for other in [format!("{good}="), format!("{good}A"), good[..good.len() - 1].to_owned(), format!("A{good}")] {
        service.ask(&other).unwrap_err();
    }
    let all = signature_checks();
    assert!(all > once, "some altered tokens were well-formed");
    service.ask(&good).unwrap();
    assert_eq!(signature_checks(), all, "the good one is still cached");
}

#[test]
fn r70_what_one_token_says_is_never_told_of_another() {
    use crate::support::token;

    let layer = layer(&clock(), MemoryBlocklist::new());
    let mut service = service(&layer);
    let users: Vec<_> = (0..200).map(|number| format!("user-{number}")).collect();
    let tokens: Vec<_> = users.iter().map(|user| token(json!({}), json!({ "sub": user }))).collect();
    for _ in 0..2 {
        for (user, token) in users.iter().zip(&tokens) {
            assert_eq!(service.ask(token).unwrap().subject(), Some(&**user));
        }
    }
}
