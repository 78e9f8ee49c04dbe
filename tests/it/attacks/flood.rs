//! r73: many different bad tokens leave nothing in memory.

use serde_json::json;
use testkit::tokens::encode;
use tower_jwt_blocklist::{Verifier, token::TokenCache};

use super::{Door, request};
use crate::support::{AUDIENCE, ISSUER, clock, payload, token, verifying_key};

const EACH: usize = 26_000;

#[test]
fn r73_a_hundred_thousand_distinct_bad_tokens_leave_nothing_in_memory() {
    let good = token(json!({ "kid": "key-1" }), json!({}));
    let keys = Verifier::builder().key(verifying_key().with_id("key-1"));
    let settings = keys.issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn());
    let mut door = Door::with_cache(settings, good.clone(), TokenCache::default());
    door.rejects("whatever is made once", "x");

    let (signed, _) = good.rsplit_once('.').unwrap();
    let body = encode(payload(json!({})).to_string());
    let long = "x".repeat(9000);
    type Bad<'a> = (&'static str, &'static str, &'a dyn Fn(usize) -> String);
    let kinds: [Bad<'_>; 4] = [
        ("forged", "signature", &|number| format!("{signed}.{}", encode(format!("{number:032}")))),
        ("of an unknown key", "unknown_key", &|number| {
            let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{number}"}}"#);
            format!("{}.{body}.{}", encode(header), encode([0; 32]))
        }),
        ("malformed", "shape", &|number| format!("a.b{number}")),
        ("oversized", "too_long", &|number| format!("{long}{number}")),
    ];
    for (name, reason, bad) in kinds {
        let mut refused = 0;
        let held = allocation_counter::measure(|| {
            for number in 0..EACH {
                let outcome = door.ask(request(&bad(number)));
                refused += usize::from(outcome.reason == Some(reason) && outcome.inner_calls == 0);
            }
        });
        assert_eq!((refused, held.bytes_current), (EACH, 0), "{name}");
        // At no time was more than one request's memory in use.
        assert!(held.bytes_max < 100_000, "{name}: {} bytes at once", held.bytes_max);
        door.rejects(name, &bad(EACH));
    }
}
