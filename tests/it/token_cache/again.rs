//! r71, r72: the checks that are repeated for a cached token.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::tokens::sign_hs256;
use tower_jwt_blocklist::{
    Algorithm, JwtBlocklistLayer, MemoryBlocklist, Verifier, VerifyingKey,
    blocklist::{Revocation, RevocationId, RevocationScope, Revoke},
    keys::KeySet,
    token::OptionalClaim,
};

use super::{COUNTING, built, counting, layer, now, service, signature_checks};
use crate::support::{
    AUDIENCE, ISSUER, NOW, SECRET, at, clock, good_token, header, payload,
    stub::{Pace, REVOKED, StubBlocklist},
    token,
};

const MILLISECOND: Duration = Duration::from_millis(1);
/// The default leeway.
const LEEWAY: u64 = 30;

#[test]
fn r71_the_clock_is_asked_again() {
    let clock = clock();
    let verifier = built(counting(&clock).optional(OptionalClaim::Iat));
    // The claims, and the last or first moment at which they are valid. All are valid now.
    let ends = [("expired", json!({}), at(NOW + 3600 + LEEWAY) - MILLISECOND, MILLISECOND)];
    let begins = [
        ("nbf", json!({ "iat": NOW - 600, "nbf": NOW }), NOW),
        ("iat", json!({ "iat": NOW }), NOW),
        // Without `iat`, the longest lifetime is measured from now.
        ("lifetime", json!({ "iat": null, "sid": null, "exp": NOW + 2 * 24 * 3600 }), NOW),
    ];
    let begins = begins.map(|(reason, claims, first)| (reason, claims, at(first - LEEWAY), MILLISECOND));
    let check = |reason: &str, claims: &Value, holds, does_not| {
        let token = token(json!({}), claims.clone());
        let mut service = service(&JwtBlocklistLayer::access(verifier.clone(), MemoryBlocklist::new()));
        clock.set(at(NOW));
        service.ask(&token).unwrap();
        let once = signature_checks();
        clock.set(holds);
        service.ask(&token).unwrap_or_else(|other| panic!("{reason}: {other} too early"));
        clock.set(does_not);
        assert_eq!(service.ask(&token).unwrap_err(), reason);
        assert_eq!(signature_checks(), once, "{reason}: it was still cached");

        // The token was removed from the cache, but a wrong clock does no lasting harm.
        clock.set(at(NOW));
        service.ask(&token).unwrap();
        assert_eq!(signature_checks(), once + 1, "{reason}: it was removed");
    };
    for (reason, claims, last, step) in ends {
        check(reason, &claims, last, last + step);
    }
    for (reason, claims, first, step) in begins {
        check(reason, &claims, first, first - step);
    }
}

#[test]
fn r54_r71_every_scope_of_revocation_is_asked_again() {
    let clock = clock();
    let until = clock.now() + Duration::from_secs(7200);
    let id = |scope, name| RevocationId::new(Some(ISSUER), scope, name);
    for (reason, revocation) in [
        ("token_revoked", Revocation::new(RevocationScope::Token, id(RevocationScope::Token, "token-1"), until)),
        (
            "session_revoked",
            Revocation::new(RevocationScope::Session, id(RevocationScope::Session, "session-1"), until),
        ),
        ("subject_revoked", Revocation::new(RevocationScope::Subject, id(RevocationScope::Subject, "user-1"), until)),
        ("issuer_revoked", Revocation::new(RevocationScope::Issuer, RevocationId::issuer(Some(ISSUER)), until)),
    ] {
        let list = MemoryBlocklist::with_capacity_and_clock(10, clock.as_fn());
        let mut service = service(&layer(&clock, list.clone()));
        service.ask(&good_token()).unwrap();
        let once = signature_checks();
        now(list.revoke(&revocation)).unwrap();
        assert_eq!(service.ask(&good_token()).unwrap_err(), reason);
        assert_eq!(signature_checks(), once, "{reason}: the token was cached");
    }
}

#[test]
fn r71_a_check_that_has_to_be_waited_for_is_made_again() {
    let slow = StubBlocklist::clear().at_pace(Pace::Soon);
    let mut service = service(&layer(&clock(), slow.clone()));
    service.ask(&good_token()).unwrap();
    let once = signature_checks();
    slow.tell(REVOKED);
    assert_eq!(service.ask(&good_token()).unwrap_err(), "session_revoked");
    assert_eq!(signature_checks(), once);
}

/// After a key is removed, a service that has cached both tokens rejects the one of that key on its
/// next request. It verifies the signature of the other once more.
#[test]
fn r72_a_removed_key_ends_the_tokens_that_were_seen_before_the_next_request() {
    let secret = |id: &str, secret: &str| VerifyingKey::from_secret(Algorithm::HS256, secret).unwrap().with_id(id);
    let other = "another secret that is long enough.";
    let (old, new) = (secret("old", SECRET), secret("new", other));
    let keys = KeySet::new([old.clone(), new.clone()]).unwrap();
    let settings = Verifier::builder().keys(keys.clone()).issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn());
    let layer = JwtBlocklistLayer::access(built(settings.crypto_provider(COUNTING)), MemoryBlocklist::new());
    let mut service = service(&layer);
    let of_old = token(json!({ "kid": "old" }), json!({}));
    let of_new = sign_hs256(other.as_bytes(), &header(json!({ "kid": "new" })), &payload(json!({})));
    let mut asked = |token: &str| {
        let before = signature_checks();
        (service.ask(token).map(drop), signature_checks() - before)
    };
    for checks in [1, 0, 0] {
        assert_eq!((asked(&of_old), asked(&of_new)), ((Ok(()), checks), (Ok(()), checks)));
    }
    keys.replace([new.clone()]).unwrap();
    assert_eq!(asked(&of_old), (Err("unknown_key"), 0));
    assert_eq!([asked(&of_new), asked(&of_new)], [(Ok(()), 1), (Ok(()), 0)]);
    assert_eq!(asked(&of_old), (Err("unknown_key"), 0));
    // The same id with other bytes is a different key. The original key works again once it is
    // back.
    keys.replace([new.clone(), secret("old", "a third secret that is long enough..")]).unwrap();
    assert_eq!(asked(&of_old), (Err("signature"), 1));
    keys.replace([old, new]).unwrap();
    assert_eq!([asked(&of_old), asked(&of_old)], [(Ok(()), 1), (Ok(()), 0)]);
}
