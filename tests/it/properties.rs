//! Properties of all tokens, times and bytes: nothing panics, and the decisions are those of exact
//! arithmetic.
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{AUDIENCE, ISSUER, NOW, SECRET, clock, good_token, header, http::inner, payload, settings};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use testkit::tokens::{compact, sign_hs256, sign_raw};
use tokio::runtime::Runtime;
use tower::ServiceExt;
use tower_jwt_blocklist::{
    Authenticated, Guard, JwtBlocklistLayer, MemoryBlocklist, Rejection, TokenKind,
    token::{OptionalClaim, VerifierBuilder},
};

const LAST_SECOND: i128 = 253_402_300_799;

/// A number as written in a token, and its milliseconds; `None` if it is not a date.
#[derive(Debug, Clone)]
struct Date {
    text: String,
    millis: Option<i128>,
}

impl Date {
    fn whole(seconds: impl Into<i128>) -> Self {
        let seconds = seconds.into();
        Self { text: seconds.to_string(), millis: (0..=LAST_SECOND).contains(&seconds).then(|| seconds * 1000) }
    }

    /// Eighths of a second are exact both in binary and in decimal, and are whole milliseconds.
    fn eighths(eighths: i64) -> Self {
        let in_range = (0..=LAST_SECOND * 8).contains(&i128::from(eighths));
        let seconds = eighths as f64 / 8.0;
        Self { text: json!(seconds).to_string(), millis: in_range.then_some(i128::from(eighths) * 125) }
    }
}

fn date() -> impl Strategy<Value = Date> {
    let near = -700..=700_i64;
    prop_oneof![
        6 => near.clone().prop_map(|offset| Date::whole(NOW as i64 + offset)),
        4 => near.prop_map(|offset| Date::eighths(NOW as i64 * 8 + offset)),
        1 => any::<u64>().prop_map(Date::whole),
        1 => any::<i64>().prop_map(Date::whole),
        1 => (-(1_i64 << 52)..1_i64 << 52).prop_map(Date::eighths),
        1 => select(vec![0, 1, -1, LAST_SECOND, LAST_SECOND + 1, 1 << 63, 1 << 64, i128::MAX]).prop_map(Date::whole),
        1 => any::<String>().prop_map(|text| Date { text: json!(text).to_string(), millis: None }),
        1 => select(vec!["null", "true", "[]", "{}", "[1767225600]", "1e19", "1e308", "-1e308", "-0.001"])
            .prop_map(|text| Date { text: text.into(), millis: None }),
    ]
}

/// Any time that a clock can show, in milliseconds, also before 1970 and after 9999.
fn now() -> impl Strategy<Value = i128> {
    prop_oneof![
        6 => (-700_000..=700_000_i128).prop_map(|offset| i128::from(NOW) * 1000 + offset),
        1 => any::<u64>().prop_map(i128::from),
        1 => any::<i64>().prop_map(|seconds| i128::from(seconds) * 1000),
        1 => -100_000..100_000_i128,
    ]
}

fn time(millis: i128) -> Option<SystemTime> {
    let duration = |millis: i128| {
        Some(Duration::from_secs(u64::try_from(millis / 1000).ok()?) + Duration::from_millis((millis % 1000) as u64))
    };
    if millis < 0 { UNIX_EPOCH.checked_sub(duration(-millis)?) } else { UNIX_EPOCH.checked_add(duration(millis)?) }
}

fn seconds_or_millis(most: u64) -> impl Strategy<Value = Duration> {
    prop_oneof![(0..=most).prop_map(Duration::from_secs), (0..=most * 1000).prop_map(Duration::from_millis)]
}

/// The decision in unbounded milliseconds. Times before 1970 count as 1970.
fn is_acceptable(exp: i128, nbf: Option<i128>, iat: Option<i128>, now: i128, leeway: i128, max_lifetime: i128) -> bool {
    let now = now.max(0);
    let lifetime = exp - iat.unwrap_or(now + leeway);
    now < exp + leeway
        && nbf.is_none_or(|nbf| nbf <= now + leeway)
        && iat.is_none_or(|iat| iat <= now + leeway && iat <= exp)
        && lifetime <= max_lifetime
}

fn guard(settings: VerifierBuilder) -> Guard {
    Guard::new(TokenKind::Access, Arc::new(settings.build().unwrap()), MemoryBlocklist::new())
}

fn ask(guard: &Guard, token: &str) -> Result<Authenticated, Rejection> {
    thread_local!(static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap());
    RUNTIME.with(|runtime| runtime.block_on(guard.authenticate(token)))
}

/// A token whose claims have these texts as values.
fn dated(claims: &[(&str, Option<String>)]) -> String {
    let mut text = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"u","jti":"j""#);
    for (name, value) in claims.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        text += &format!(r#","{name}":{value}"#);
    }
    sign_raw(SECRET.as_bytes(), &header(json!({})).to_string(), &(text + "}"))
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(2500))]

    #[test]
    fn r18_r19_r20_r24_the_decision_is_that_of_arithmetic(
        (exp, nbf, iat) in (date(), option::weighted(0.3, date()), option::weighted(0.8, date())),
        has_session in any::<bool>(),
        now in now(),
        leeway in seconds_or_millis(300),
        max_lifetime in prop_oneof![seconds_or_millis(2000), Just(Duration::from_secs(300_000_000))],
    ) {
        let Some(clock) = time(now) else { return Ok(()) };
        let max_lifetime = max_lifetime.max(Duration::from_millis(1));
        let settings = settings().clock(move || clock).leeway(leeway).max_lifetime(max_lifetime);
        let guard = guard(settings.optional(OptionalClaim::Iat));
        let text = |date: &Option<Date>| date.as_ref().map(|date| date.text.clone());
        let dates = [("exp", Some(exp.text)), ("nbf", text(&nbf)), ("iat", text(&iat))];
        let sid = has_session.then(|| "\"s\"".into());
        let token = dated(&[&dates[..], &[("sid", sid)]].concat());

        // `Some(None)` if absent, and `None` if present but not a date.
        let optional = |date: Option<Date>| date.map_or(Some(None), |date| date.millis.map(Some));
        let expected = match (exp.millis, optional(nbf), optional(iat)) {
            // With a session, `iat` is never optional: the logout is remembered for the longest
            // lifetime from `iat`.
            (_, _, Some(None)) if has_session => false,
            (Some(exp), Some(nbf), Some(iat)) => {
                let (leeway, max_lifetime) = (leeway.as_millis() as i128, max_lifetime.as_millis() as i128);
                is_acceptable(exp, nbf, iat, now, leeway, max_lifetime)
            }
            _ => false,
        };
        let decision = ask(&guard, &token);
        prop_assert_eq!(decision.is_ok(), expected, "{:?}", decision);
        if let (Ok(user), Some(exp)) = (decision, exp.millis) {
            prop_assert_eq!(Some(user.expires_at()), time(exp));
        }
    }

    /// A float without exact milliseconds may be read as up to one millisecond early or late.
    #[test]
    fn r18_any_float_is_read_to_the_millisecond(
        exp in prop_oneof![any::<f64>(), (-700.0..700.0).prop_map(|offset| NOW as f64 + offset)],
        leeway in 0_u64..=300,
        offset in -2_000_000..2_000_000_i128,
    ) {
        // JSON cannot express NaN and infinity.
        let Some(text) = serde_json::Number::from_f64(exp).map(|number| number.to_string()) else { return Ok(()) };
        let (leeway_millis, exp_millis) = (i128::from(leeway) * 1000, (exp * 1000.0).clamp(-1e30, 1e30) as i128);
        let is_date = (0.0..=LAST_SECOND as f64).contains(&exp);
        for now in [i128::from(NOW) * 1000 + offset, exp_millis + leeway_millis] {
            let Some(clock) = time(now) else { continue };
            let settings = settings().clock(move || clock).leeway(Duration::from_secs(leeway));
            let guard = guard(settings.optional(OptionalClaim::Iat));
            let accepted = ask(&guard, &dated(&[("exp", Some(text.clone()))])).is_ok();
            let by = |early: i128| {
                let end = exp_millis + early;
                is_date && is_acceptable(end, None, None, now, leeway_millis, 2 * 24 * 3_600_000)
            };
            prop_assert!(accepted == by(-1) || accepted == by(0) || accepted == by(1), "{} at {}", text, now);
        }
    }
}

/// Any JSON, biased towards values that the library inspects.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(vec!["HS256", "none", "at+jwt", "JWT", "rt+jwt", ISSUER, AUDIENCE, "user-1", ""]).prop_map(Value::from),
        select(vec![NOW, NOW + 60, NOW + 3600, NOW - 60]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((".{0,8}", inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Changes to an object: some members replaced by anything, or removed.
fn changes(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    vec((prop_oneof![8 => select(names).prop_map(String::from), 1 => ".{0,6}"], json_value()), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

fn changed(mut object: Value, changes: &Map<String, Value>) -> Value {
    changes.iter().for_each(|(name, value)| object[name] = value.clone());
    object
}

const HEADER_NAMES: &[&str] = &[
    "alg",
    "typ",
    "kid",
    "cty",
    "crit",
    "b64",
    "zip",
    "enc",
    "jwk",
    "jku",
    "x5u",
    "x5c",
    "x5t",
    "$serde_json::private::Number",
];
const CLAIM_NAMES: &[&str] =
    &["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "cnf", "typ", "scope", "$serde_json::private::RawValue"];

proptest! {
    #![proptest_config(cases(1200))]

    /// Every genuine token gets an answer, and every accepted one has the required contents.
    #[test]
    fn r9_r80_any_signed_object_is_answered(header_changes in changes(HEADER_NAMES), claim_changes in changes(CLAIM_NAMES)) {
        let header = changed(header(json!({})), &header_changes);
        let payload = changed(payload(json!({})), &claim_changes);
        let guard = guard(settings().clock(clock().as_fn()));
        let decision = ask(&guard, &sign_hs256(SECRET.as_bytes(), &header, &payload));
        if let Ok(user) = decision {
            prop_assert_eq!(&header["alg"], "HS256");
            prop_assert_eq!(&header["typ"], "at+jwt");
            for name in ["crit", "b64", "zip", "enc"] {
                prop_assert!(header.get(name).is_none(), "{}", name);
            }
            prop_assert!(payload.get("cnf").is_none());
            prop_assert_eq!(&payload["iss"], ISSUER);
            let audience = &payload["aud"];
            prop_assert!(audience == AUDIENCE || audience.as_array().is_some_and(|list| list.contains(&AUDIENCE.into())));
            prop_assert_eq!(user.subject(), payload["sub"].as_str());
            prop_assert_eq!(Some(user.token_id()), payload["jti"].as_str());
            prop_assert_eq!(user.session_id(), payload.get("sid").map(|sid| sid.as_str().unwrap()));
            prop_assert!(payload["iat"].is_number() && payload["exp"].is_number());
        } else {
            prop_assert!(!header_changes.is_empty() || !claim_changes.is_empty(), "nothing was changed: {:?}", decision);
        }
    }

    #[test]
    fn r9_r80_any_signed_json_is_answered(any_header in json_value(), any_payload in json_value()) {
        let guard = guard(settings().clock(clock().as_fn()));
        let (good_header, good_payload) = (header(json!({})), payload(json!({})));
        for (header, payload) in
            [(&any_header, &any_payload), (&good_header, &any_payload), (&any_header, &good_payload)]
        {
            let token = sign_hs256(SECRET.as_bytes(), header, payload);
            prop_assert!(ask(&guard, &token).is_err(), "{} {}", header, payload);
        }
    }

    #[test]
    fn r9_r80_any_signed_text_is_answered(any_header in ".{0,40}", any_payload in ".{0,40}") {
        let guard = guard(settings().clock(clock().as_fn()));
        let good_header = header(json!({})).to_string();
        for header in [&any_header, &good_header] {
            let token = sign_raw(SECRET.as_bytes(), header, &any_payload);
            prop_assert!(ask(&guard, &token).is_err(), "{} {}", header, any_payload);
        }
    }

    #[test]
    fn r7_r80_any_text_is_answered_and_refused(
        text in ".{0,200}",
        pieces in [vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40)],
        words in "[A-Za-z0-9_=+/-]{0,20}(\\.[A-Za-z0-9_=+/-]{0,20}){0,4}",
    ) {
        let guard = guard(settings().clock(clock().as_fn()));
        let [header, payload, signature] = pieces;
        for token in [text, words, compact(header, payload, signature)] {
            prop_assert!(ask(&guard, &token).is_err(), "{}", token);
        }
    }
}

/// Base64url is strict and the signature covers the text, so no single character can be written
/// differently.
#[test]
fn r7_no_single_character_of_a_good_token_can_be_changed() {
    let guard = guard(settings().clock(clock().as_fn()));
    let good = good_token();
    let alphabet = ["A", "B", "a", "z", "0", "9", "-", "_", ".", "=", "+", "/", " ", "\n", "\0", "\u{e9}"];
    for at in 0..good.len() {
        let (before, rest) = good.split_at(at);
        let (this, after) = rest.split_at(1);
        let mut mutants: Vec<_> = (0..7).map(|bit| char::from(this.as_bytes()[0] ^ (1 << bit)).to_string()).collect();
        mutants.extend(alphabet.map(String::from).into_iter().filter(|other| other != this));
        let replaced = mutants.iter().map(|other| format!("{before}{other}{after}"));
        // Inserting an equal character before or after this one gives the same text, so one is
        // enough.
        let inserted = alphabet.iter().map(|other| format!("{before}{other}{rest}"));
        for mutant in replaced.chain(inserted).chain([format!("{before}{after}"), before.to_owned()]) {
            assert!(ask(&guard, &mutant).is_err(), "at {at}: {mutant:?}");
        }
    }
    ask(&guard, &good).unwrap();
}

/// Sends these `Authorization` lines through the layer. Returns the status and the number of calls
/// to the inner service.
fn send(lines: &[Vec<u8>]) -> Option<(StatusCode, usize)> {
    let inner = inner();
    let verifier = Arc::new(settings().clock(clock().as_fn()).build().unwrap());
    let service = tower::Layer::layer(&JwtBlocklistLayer::access(verifier, MemoryBlocklist::new()), inner.clone());
    let mut request = Request::new(Empty::<Bytes>::new());
    for line in lines {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(line).ok()?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let response = runtime.block_on(service.oneshot(request)).unwrap();
    Some((response.status(), inner.calls()))
}

/// A damaged line of a good token, or an unrelated line.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let good = || format!("Bearer {}", good_token()).into_bytes();
    let any_bytes = |most| vec(prop_oneof![Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8], 0..most);
    prop_oneof![
        any_bytes(80),
        any_bytes(80).prop_map(|bytes| [b"Bearer ".to_vec(), bytes].concat()),
        (any::<proptest::sample::Index>(), any_bytes(3), 0..3_usize).prop_filter_map(
            "it must be changed",
            move |(at, bytes, cut)| {
                let mut line = good();
                // More blanks after the scheme are allowed, so a blank inserted there does no
                // damage.
                let at = 8 + at.index(line.len() - 8);
                line.splice(at..(at + cut).min(line.len()), bytes);
                (line != good()).then_some(line)
            }
        ),
    ]
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn r36_r80_any_authorization_bytes_are_answered_without_the_inner_service(lines in vec(line(), 1..3)) {
        if let Some((status, calls)) = send(&lines) {
            prop_assert!(matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED), "{}", status);
            prop_assert_eq!(calls, 0);
        }
    }

    #[test]
    fn r37_a_good_token_does_not_help_a_second_line(other in line()) {
        let good = format!("Bearer {}", good_token()).into_bytes();
        for lines in [[good.clone(), other.clone()], [other, good]] {
            prop_assert_eq!(send(&lines).unwrap_or((StatusCode::BAD_REQUEST, 0)), (StatusCode::BAD_REQUEST, 0));
        }
    }
}

#[test]
fn r35_the_good_token_reaches_the_inner_service() {
    let good = format!("Bearer {}", good_token()).into_bytes();
    assert_eq!(send(&[good]), Some((StatusCode::OK, 1)));
}
