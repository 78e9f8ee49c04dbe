//! r69, r73: the cache's size stays bounded.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use tower_jwt_blocklist::{
    MemoryBlocklist,
    blocklist::{Revocation, RevocationId, RevocationScope, Revoke},
    clock::{Clock, SystemClock},
    token::TokenCache,
};

use super::{layer, layer_with_claims, now, service, signature_checks};
use crate::support::{ISSUER, NOW, clock, good_token, header, payload, token};

/// A good token of this session, with this many bytes of application claims.
fn of_session(number: usize, bytes: usize) -> String {
    let x = "x".repeat(bytes);
    token(json!({}), json!({ "jti": format!("t-{number}"), "sid": format!("s-{number}"), "x": x }))
}

#[test]
fn r69_a_flood_of_good_tokens_stays_within_the_bytes_that_are_set() {
    const BYTES: usize = 1 << 20;
    // Claims of the application's own type, which are stored with the token.
    #[derive(Clone, serde::Deserialize)]
    struct Text {
        #[serde(default)]
        x: String,
    }
    for bytes in [0, 300, 4000] {
        let (hot, flood) = (good_token(), (0..4000).map(|number| of_session(number, bytes)).collect::<Vec<_>>());
        let list = MemoryBlocklist::new();
        let layer = layer_with_claims::<Text>(&clock(), list).with_token_cache(TokenCache::UpTo(BYTES));
        let mut service = service(&layer);
        // Makes the allocations that happen only once, such as the thread's slot in the list.
        service.ask(&hot).unwrap();
        let before = signature_checks();
        let held = allocation_counter::measure(|| {
            for (number, token) in flood.iter().enumerate() {
                assert_eq!(service.ask(token).unwrap().claims().x.len(), bytes);
                if number % 10 == 0 {
                    assert_eq!(service.ask(&hot).unwrap().session_id(), Some("session-1"));
                }
            }
        });
        assert_eq!(signature_checks() - before, flood.len(), "{bytes}: the hot token was evicted");
        // A cache full of tokens that are no longer used accepts a new one.
        let newcomer = of_session(9999, bytes);
        let checks = [(); 5].map(|()| {
            let before = signature_checks();
            service.ask(&newcomer).unwrap();
            signature_checks() - before
        });
        assert_eq!(checks[2..], [0; 3], "{bytes}: {checks:?}");
        let kept = held.bytes_current;
        assert!(kept <= BYTES as i64, "{bytes}: {kept} bytes are held");
        assert!(kept > BYTES as i64 / 4, "{bytes}: only {kept} bytes are held: nothing was flooded");
    }
}

#[test]
fn r69_a_token_that_is_too_large_for_its_place_is_not_kept_and_pushes_nothing_out() {
    let layer = layer(&clock(), MemoryBlocklist::new()).with_token_cache(TokenCache::UpTo(8 << 10));
    let mut service = service(&layer);
    let (small, large) = (good_token(), of_session(1, 5000));
    service.ask(&small).unwrap();
    for _ in 0..20 {
        let before = signature_checks();
        service.ask(&large).unwrap();
        assert_eq!(signature_checks(), before + 1);
    }
    let before = signature_checks();
    service.ask(&small).unwrap();
    assert_eq!(signature_checks(), before);
}

#[test]
fn r73_refused_tokens_leave_nothing_behind() {
    type Row = (&'static str, &'static str, fn(usize) -> String);
    let rows: [Row; 5] = [
        ("forged", "signature", |number| {
            let payload = payload(json!({ "jti": number.to_string() }));
            testkit::tokens::sign_hs256(b"another secret of more than 32 bytes.", &header(json!({})), &payload)
        }),
        ("no token at all", "shape", |number| format!("a.b{number}")),
        ("expired", "expired", |number| {
            token(json!({}), json!({ "jti": number.to_string(), "iat": NOW - 7200, "exp": NOW - 3600 }))
        }),
        ("refresh", "wrong_kind", |number| token(json!({ "typ": "rt+jwt" }), json!({ "jti": number.to_string() }))),
        ("claims that do not fit", "application_claims", |number| {
            token(json!({}), json!({ "jti": number.to_string(), "role": number }))
        }),
    ];
    #[derive(Clone, serde::Deserialize)]
    struct Role {
        #[expect(dead_code, reason = "only its deserialization matters")]
        role: Option<String>,
    }
    for (name, reason, bad) in rows {
        let mut service = service(&layer_with_claims::<Role>(&clock(), MemoryBlocklist::new()));
        let good = token(json!({}), json!({ "role": "admin" }));
        service.ask(&good).unwrap();
        let flood: Vec<_> = (0..1000).map(bad).collect();
        let held = allocation_counter::measure(|| {
            for token in &flood {
                assert_eq!(service.ask(token).map(drop), Err(reason), "{name}");
            }
        });
        assert_eq!(held.bytes_current, 0, "{name}");
        let before = signature_checks();
        service.ask(&good).unwrap();
        assert_eq!(signature_checks(), before, "{name}: the good token is still cached");
    }
}

#[test]
fn r71_nobody_passes_after_a_logout_while_many_ask_and_tokens_are_pushed_out() {
    const USERS: usize = 40;
    let tokens: Vec<_> = (0..USERS).map(|number| of_session(number, 0)).collect();
    let list = MemoryBlocklist::new();
    // Has room for only some of the tokens.
    let layer = layer(&clock(), list.clone()).with_token_cache(TokenCache::UpTo(24 << 10));
    let logged_out: Vec<_> = (0..USERS).map(|_| AtomicBool::new(false)).collect();
    let (done, passed, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for start in 0..2 {
            let (layer, tokens, logged_out) = (&layer, &tokens, &logged_out);
            let (done, passed, refused) = (&done, &passed, &refused);
            scope.spawn(move || {
                let mut service = service(layer);
                let mut number = start;
                let mut rounds = 0;
                while !done.load(Ordering::Acquire) || rounds < USERS {
                    rounds = if done.load(Ordering::Acquire) { rounds + 1 } else { 0 };
                    number = (number + 7) % USERS;
                    let was_out = logged_out[number].load(Ordering::Acquire);
                    match service.ask(&tokens[number]) {
                        Ok(user) => {
                            assert!(!was_out, "session {number} was logged out");
                            assert_eq!(user.session_id(), Some(&*format!("s-{number}")));
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(reason) => {
                            assert_eq!(reason, "session_revoked");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        let until = SystemClock.now() + Duration::from_secs(3600);
        for (number, out) in logged_out.iter().enumerate() {
            // Some requests between two logouts.
            let seen = passed.load(Ordering::Relaxed);
            while passed.load(Ordering::Relaxed) < seen + 20 {
                thread::yield_now();
            }
            let id = RevocationId::new(Some(ISSUER), RevocationScope::Session, &format!("s-{number}"));
            now(list.revoke(&Revocation::new(RevocationScope::Session, id, until))).unwrap();
            out.store(true, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    });
    assert!(passed.into_inner() >= 20 * USERS && refused.into_inner() >= USERS);
}
