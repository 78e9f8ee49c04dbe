//! r18 to r20, r24: times, to the millisecond.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use testkit::tokens::sign_raw;
use tower_jwt_blocklist::{
    Guard, MemoryBlocklist, NoClaims, TokenKind, config_error::ConfigErrorKind, reject::RejectionKind,
};

use super::{Stand, lenient, with_claim, with_claims};
use crate::support::{AUDIENCE, ISSUER, NOW, SECRET, clock, good_token, header, settings};

fn at_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// A token for a clock that has been moved: valid for days.
fn lasting_token() -> String {
    with_claims(json!({ "exp": NOW + 100_000 }))
}

#[tokio::test]
async fn r18_exp_ends_at_its_millisecond() {
    for leeway in [0, 30, 300] {
        let clock = clock();
        let settings = settings().clock(clock.as_fn()).leeway(Duration::from_secs(leeway));
        let stand = Stand::of(TokenKind::Access, settings, lasting_token());
        let exp = (NOW + 3600) * 1000;
        for (value, millis) in [
            (format!("{}", NOW + 3600), exp),
            (format!("{}.0", NOW + 3600), exp),
            (format!("{}.5", NOW + 3600), exp + 500),
            (format!("{}.25", NOW + 3600), exp + 250),
            (format!("{}.875", NOW + 3600), exp + 875),
            (format!("{}.9999", NOW + 3600), exp + 999),
            ("1.7672292e9".into(), exp),
            ("17672292E2".into(), exp),
        ] {
            let name = format!("exp {value}, leeway {leeway}");
            let (token, end) = (with_claim("exp", &value), millis + leeway * 1000);
            clock.set(at_millis(end - 1));
            assert_eq!(stand.accepts(&name, &token).await.expires_at(), at_millis(millis), "{name}");
            for later in [0, 1, 999, 86_400_000] {
                clock.set(at_millis(end + later));
                stand.rejects(&name, &token, RejectionKind::Expired, "expired").await;
            }
        }
    }
}

#[tokio::test]
async fn r18_exp_that_is_no_date_is_refused() {
    let stand = Stand::new();
    let rows = [
        ("-1", "exp"),
        ("-1767229200", "exp"),
        ("-0.5", "exp"),
        ("-1e308", "exp"),
        (r#""1767229200""#, "exp"),
        (r#""2026-01-01T01:00:00Z""#, "exp"),
        ("null", "exp"),
        ("true", "exp"),
        ("[]", "exp"),
        ("[1767229200]", "exp"),
        ("{}", "exp"),
        ("253402300800", "exp"),
        ("253402300799.5", "exp"),
        ("9223372036854775807", "exp"),
        ("9223372036854775808", "exp"),
        ("18446744073709551615", "exp"),
        ("18446744073709551616", "exp"),
        ("1767229200000", "exp"),
        ("1e19", "exp"),
        ("1e308", "exp"),
        ("Infinity", "payload"),
        ("01767229200", "payload"),
        ("+1767229200", "payload"),
        ("1767229200.", "payload"),
        ("0x69560000", "payload"),
        ("253402300799", "lifetime"),
    ];
    for (value, reason) in rows {
        stand.invalid(&format!("exp: {value}"), &with_claim("exp", value), reason).await;
    }
    // With serde_json's `arbitrary_precision` this is a number, though not a usable one.
    stand.unreadable("exp: 1e400", &with_claim("exp", "1e400")).await;
    // Dates in the distant past. The token expired the moment it was issued, or soon after.
    for value in ["0", "-0", "-0.0", "0.001", "1e-300", "1"] {
        let text = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"u","jti":"j","iat":0,"exp":{value}}}"#);
        let token = sign_raw(SECRET.as_bytes(), &header(json!({})).to_string(), &text);
        stand.rejects(&format!("exp: {value}"), &token, RejectionKind::Expired, "expired").await;
    }
}

#[tokio::test]
async fn r19_nbf_begins_at_its_millisecond() {
    for leeway in [0, 30, 300] {
        let clock = clock();
        let settings = settings().clock(clock.as_fn()).leeway(Duration::from_secs(leeway));
        let stand = Stand::of(TokenKind::Access, settings, lasting_token());
        let nbf = (NOW + 1000) * 1000;
        for (value, millis) in [
            (format!("{}", NOW + 1000), nbf),
            (format!("{}.5", NOW + 1000), nbf + 500),
            (format!("{}.125", NOW + 1000), nbf + 125),
        ] {
            let (token, begin) = (with_claim("nbf", &value), millis - leeway * 1000);
            let name = format!("nbf {value}, leeway {leeway}");
            clock.set(at_millis(begin - 1));
            stand.invalid(&name, &token, "nbf").await;
            for later in [0, 1, 1_000_000] {
                clock.set(at_millis(begin + later));
                stand.accepts(&name, &token).await;
            }
        }
    }
    let stand = Stand::new();
    for value in ["-1", "\"1\"", "null", "false", "[]", "{}", "1e19", "1e308", "18446744073709551616", "253402300800"] {
        stand.invalid(&format!("nbf: {value}"), &with_claim("nbf", value), "nbf").await;
    }
    stand.accepts("nbf: 0", &with_claim("nbf", "0")).await;
}

#[tokio::test]
async fn r20_iat_is_not_of_the_future() {
    for leeway in [0, 30, 300] {
        let clock = clock();
        let settings = settings().clock(clock.as_fn()).leeway(Duration::from_secs(leeway));
        let good = with_claims(json!({ "iat": NOW - 10_000, "exp": NOW + 100_000 }));
        let stand = Stand::of(TokenKind::Access, settings, good);
        for (value, millis) in [(format!("{NOW}"), NOW * 1000), (format!("{NOW}.5"), NOW * 1000 + 500)] {
            let (token, begin) = (with_claim("iat", &value), millis - leeway * 1000);
            let name = format!("iat {value}, leeway {leeway}");
            clock.set(at_millis(begin - 1));
            stand.invalid(&name, &token, "iat").await;
            clock.set(at_millis(begin));
            assert_eq!(stand.accepts(&name, &token).await.issued_at(), Some(at_millis(millis)), "{name}");
        }
    }
    let stand = Stand::new();
    for value in ["-1", "\"1\"", "null", "false", "[]", "{}", "1e19", "1e308", "18446744073709551616", "253402300800"] {
        stand.invalid(&format!("iat: {value}"), &with_claim("iat", value), "iat").await;
    }
}

#[tokio::test]
async fn r20_a_token_lives_no_longer_than_is_allowed() {
    let max = 3600;
    let stand = Stand::with(settings().clock(clock().as_fn()).max_lifetime(Duration::from_secs(max)));
    let rows = [
        ("one second too long", json!({ "exp": NOW + max + 1 }), "lifetime"),
        ("a fraction too long", json!({ "exp": (NOW + max) as f64 + 0.5 }), "lifetime"),
        ("too long from the past", json!({ "iat": NOW - 1, "exp": NOW + max }), "lifetime"),
        ("too long by the fraction of iat", json!({ "iat": NOW as f64 - 0.5, "exp": NOW + max }), "lifetime"),
        ("for ever", json!({ "exp": 253_402_300_799_u64 }), "lifetime"),
        ("ends before it was issued", json!({ "iat": NOW + 20, "exp": NOW + 19 }), "lifetime"),
        ("ends a moment before it was issued", json!({ "iat": NOW as f64 + 0.5, "exp": NOW }), "lifetime"),
    ];
    for (name, changes, reason) in rows {
        stand.invalid(name, &with_claims(changes), reason).await;
    }
    stand.accepts("exactly as long", &with_claims(json!({ "exp": NOW + max }))).await;
    stand
        .accepts("exactly as long, from the future", &with_claims(json!({ "iat": NOW + 30, "exp": NOW + 30 + max })))
        .await;
    stand.accepts("issued as it ends", &with_claims(json!({ "iat": NOW, "exp": NOW }))).await;

    // Without `iat`, the lifetime is measured from now.
    let stand = Stand::with(lenient().max_lifetime(Duration::from_secs(max)));
    let until = |exp: u64| with_claims(json!({ "iat": null, "sid": null, "exp": exp }));
    stand.accepts("as far as a token could be, issued now", &until(NOW + 30 + max)).await;
    stand.invalid("farther", &until(NOW + 30 + max + 1), "lifetime").await;
}

#[test]
fn r24_times_that_cannot_be_reckoned_with_fail_the_build() {
    let nano = Duration::from_nanos(1);
    let ten_years = Duration::from_secs(10 * 366 * 24 * 3600);
    let rows = [
        ("leeway just over 300 s", settings().leeway(Duration::from_secs(300) + nano), "leeway is over 300 seconds"),
        ("leeway for ever", settings().leeway(Duration::MAX), "leeway is over 300 seconds"),
        ("no lifetime", settings().max_lifetime(Duration::ZERO), "maximum lifetime"),
        ("lifetime just over 10 years", settings().max_lifetime(ten_years + nano), "maximum lifetime"),
        ("lifetime for ever", settings().max_lifetime(Duration::MAX), "maximum lifetime"),
    ];
    for (name, settings, words) in rows {
        let error = settings.build().expect_err(name);
        assert_eq!(error.kind(), ConfigErrorKind::OutOfRange, "{name}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
    for (leeway, lifetime) in [(Duration::ZERO, nano), (Duration::from_secs(300), ten_years)] {
        settings().leeway(leeway).max_lifetime(lifetime).build().unwrap();
    }
}

#[tokio::test]
async fn r24_no_clock_makes_it_panic() {
    let second = Duration::from_secs;
    let rows = [
        ("just before 1970", UNIX_EPOCH.checked_sub(Duration::from_nanos(1)), "iat"),
        ("the year 0", UNIX_EPOCH.checked_sub(second(62_167_219_200)), "iat"),
        ("1970", Some(UNIX_EPOCH), "iat"),
        ("the last second of 9999", UNIX_EPOCH.checked_add(second(253_402_300_799)), "expired"),
        ("the year 10000", UNIX_EPOCH.checked_add(second(253_402_300_800)), "expired"),
        ("as many milliseconds as there are", UNIX_EPOCH.checked_add(Duration::from_millis(u64::MAX)), "expired"),
        ("as many seconds as there are", UNIX_EPOCH.checked_add(second(i64::MAX as u64)), "expired"),
    ];
    for (name, now, reason) in rows {
        // Not every platform can represent every time.
        let Some(now) = now else { continue };
        for leeway in [0, 300] {
            let settings = settings().clock(move || now).leeway(second(leeway));
            let guard = Guard::new(TokenKind::Access, Arc::new(settings.build().unwrap()), MemoryBlocklist::new());
            let rejection = guard.authenticate::<NoClaims>(&good_token()).await.unwrap_err();
            assert_eq!(rejection.reason(), reason, "{name}");
        }
    }
}
