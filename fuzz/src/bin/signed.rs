//! A header, a newline and a payload as text, signed with a good key to reach the code behind the
//! signature.
#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures_util::FutureExt;
use fuzz::{AUDIENCE, GOOD, ISSUER, NOW, blocklist, now, sign};
use http::{Request, header};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, Guard, Issuer, JwtBlocklistLayer, LoggingOut, MemoryBlocklist, NoClaims, Require,
    SigningKey, TokenKind, Verifier, VerifyingKey,
    blocklist::Revoke,
    guard::ClaimList,
    issuer::Refreshed,
    reject::RejectionKind,
    token::{KindSource, OptionalClaim, TokenIdSource},
};

/// Claims of an application that reads all of them.
#[derive(Deserialize)]
struct Claims {
    scope: Option<String>,
    #[serde(flatten)]
    _rest: Map<String, Value>,
}

static STRICT: LazyLock<Arc<Verifier>> = LazyLock::new(fuzz::verifier);

/// The most lenient verifier.
static LENIENT: LazyLock<Arc<Verifier>> = LazyLock::new(|| {
    let key = VerifyingKey::from_secret(Algorithm::HS256, fuzz::SECRET).unwrap();
    let settings = Verifier::builder().key(key).any_issuer().any_audience().clock(now);
    let settings = settings.optional(OptionalClaim::Sub).optional(OptionalClaim::Iat);
    let settings = settings.token_id_source(TokenIdSource::JtiOrHash);
    Arc::new(settings.kind_source(KindSource::typ_header_or_flag("refresh")).build().unwrap())
});

/// A layer with every requirement that a route can have.
static DEMANDING: LazyLock<JwtBlocklistLayer> = LazyLock::new(|| {
    let require = Require::builder().scopes(["orders:read"]).acr_values(["gold"]);
    let require = require.any_role(ClaimList::array("roles"), ["admin"]);
    let require = require.max_token_age(LOGIN_AGE * 2).max_login_age(LOGIN_AGE).build().unwrap();
    JwtBlocklistLayer::access(STRICT.clone(), blocklist()).add_requirement(require)
});
const LOGIN_AGE: Duration = Duration::from_secs(300);

fuzz_target!(|text: &[u8]| -> Corpus {
    let Some(at) = text.iter().position(|byte| *byte == b'\n') else { return Corpus::Reject };
    let (header, payload) = (&text[..at], &text[at + 1..]);
    let token = sign(header, payload);
    for verifier in [&*STRICT, &*LENIENT] {
        for kind in [TokenKind::Access, TokenKind::Refresh] {
            judge(verifier, kind, &token, header, payload);
        }
    }
    demand(&token, payload);
    let guard = Guard::new(TokenKind::Access, STRICT.clone(), blocklist());
    assert!(ask::<NoClaims>(&guard, &GOOD).is_ok());
    Corpus::Keep
});

/// The future is ready: the blocklist is in memory.
fn ask<X: DeserializeOwned>(guard: &Guard, token: &str) -> Result<Authenticated<X>, RejectionKind> {
    guard.authenticate(token).now_or_never().unwrap().map_err(|rejection| rejection.kind())
}

fn judge(verifier: &Arc<Verifier>, kind: TokenKind, token: &str, header: &[u8], payload: &[u8]) {
    let list = blocklist();
    let guard = Guard::new(kind, verifier.clone(), list.clone());
    let user = match ask::<Claims>(&guard, token) {
        Ok(user) => user,
        Err(RejectionKind::WrongKind | RejectionKind::Expired) => return check(verifier, header, payload, false),
        Err(RejectionKind::Invalid) => return,
        Err(other) => panic!("{other:?}"),
    };
    check(verifier, header, payload, true);
    check_read(&user, kind, payload);
    assert!(LoggingOut::verify(verifier, token).is_ok(), "what is accepted can be logged out");
    if kind == TokenKind::Refresh {
        redeem(verifier, list.clone(), &user, token);
    }
    // r50: every accepted token can be revoked, and is rejected from then on.
    let revocation = user.token_revocation();
    assert!(revocation.until() > now() + Duration::from_secs(1));
    list.revoke(&revocation).now_or_never().unwrap().unwrap();
    assert_eq!(ask::<Claims>(&guard, token).err(), Some(RejectionKind::Revoked));
}

/// Checks with an independent parser what every token not rejected as invalid must have.
fn check(verifier: &Arc<Verifier>, header: &[u8], payload: &[u8], is_accepted: bool) {
    let [header, payload]: [Map<String, Value>; 2] =
        [header, payload].map(|text| serde_json::from_slice(text).unwrap());
    assert_eq!(header["alg"], "HS256");
    for name in ["crit", "b64", "zip", "enc"] {
        assert!(!header.contains_key(name), "{name}");
    }
    assert!(!payload.contains_key("cnf"));
    let millis = |name: &str| payload.get(name).map(|number| (number.as_f64().unwrap() * 1000.0).floor() as i64);
    let now = (NOW * 1000) as i64;
    let (expires_at, leeway, day) = (millis("exp").unwrap(), 30_000, 24 * 3_600_000);
    assert!(expires_at >= 0 && (expires_at > now - leeway || !is_accepted));
    let issued_at = millis("iat");
    assert!(issued_at.is_none_or(|issued_at| issued_at <= now + leeway && issued_at <= expires_at));
    assert!(expires_at - issued_at.unwrap_or(now + leeway) <= 2 * day);
    assert!(millis("nbf").is_none_or(|not_before| not_before <= now + leeway));
    if Arc::ptr_eq(verifier, &STRICT) {
        let audience = &payload["aud"];
        assert!(audience == AUDIENCE || audience.as_array().unwrap().contains(&AUDIENCE.into()));
        assert_eq!(payload["iss"], ISSUER);
        assert!(["iat", "jti", "sub"].iter().all(|name| payload.contains_key(*name)));
    }
}

/// The parsed claims are those in the payload.
fn check_read(user: &Authenticated<Claims>, kind: TokenKind, payload: &[u8]) {
    let payload: Map<String, Value> = serde_json::from_slice(payload).unwrap();
    let text = |name: &str| payload.get(name).map(|value| value.as_str().unwrap());
    assert_eq!(user.kind(), kind);
    assert_eq!((user.issuer(), user.subject(), user.session_id()), (text("iss"), text("sub"), text("sid")));
    assert!(text("jti").is_none_or(|id| id == user.token_id()) && !user.token_id().is_empty());
    assert_eq!(user.claims().scope.as_deref(), payload.get("scope").and_then(Value::as_str));
    assert!(user.expires_at() > now() - Duration::from_secs(30));
}

/// An admitted token meets every requirement.
fn demand(token: &str, payload: &[u8]) {
    let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap();
    let response = fuzz::ask(&DEMANDING, request);
    if !response.body().starts_with("user=") {
        return assert!(matches!(response.status().as_u16(), 401 | 403), "{response:?}");
    }
    let payload: Map<String, Value> = serde_json::from_slice(payload).unwrap();
    assert!(payload["scope"].as_str().unwrap().split(' ').any(|scope| scope == "orders:read"));
    assert!(payload["roles"].as_array().unwrap().contains(&"admin".into()));
    assert_eq!(payload["acr"], "gold");
    let login = payload.get("auth_time").map(|time| time.as_f64().unwrap());
    let login = login.unwrap_or_else(|| payload["session_ms"].as_f64().unwrap() / 1000.0);
    assert!((NOW as f64 - login) < LOGIN_AGE.as_secs_f64() + 0.001 && login <= NOW as f64 + 30.0, "{login}");
}

/// A refresh token with any claims is redeemed once or not at all. Its successors are accepted.
fn redeem(verifier: &Arc<Verifier>, list: MemoryBlocklist, user: &Authenticated<Claims>, token: &str) {
    let key = SigningKey::from_secret(Algorithm::HS256, fuzz::SECRET).unwrap();
    let issuer = Issuer::builder(verifier.clone(), key, list.clone()).build().unwrap();
    let refresh = || issuer.refresh(user, &NoClaims {}).now_or_never().unwrap();
    let Ok(Refreshed::Rotated(first)) = refresh() else { return };
    let guard = |kind| Guard::new(kind, verifier.clone(), list.clone());
    ask::<NoClaims>(&guard(TokenKind::Access), first.access.as_str()).unwrap();
    ask::<NoClaims>(&guard(TokenKind::Refresh), first.refresh.as_str()).unwrap();
    match refresh() {
        Ok(Refreshed::Repeated(again)) => assert_eq!(again.refresh.as_str(), first.refresh.as_str()),
        other => panic!("{token}: {other:?}"),
    }
}
