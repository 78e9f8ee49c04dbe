//! Shared code of the targets: good tokens, verifiers that accept them, and ways to call the layer.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use sha2::Sha256;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, JwtBlocklistLayer, MemoryBlocklist, Verifier, VerifyingKey, blocklist::TokenIds,
    token::VerifierBuilder,
};

/// A public secret: it signs only the tokens of tests.
pub const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";
pub const ISSUER: &str = "https://login.example.org";
pub const AUDIENCE: &str = "https://api.example.org";
/// 2026-01-01T00:00:00Z, where time stands still.
pub const NOW: u64 = 1_767_225_600;

/// A good access token, signed with [`SECRET`].
pub static GOOD: LazyLock<String> = LazyLock::new(|| {
    let payload = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"user-1","jti":"token-1","sid":"session-1","iat":{NOW},"exp":{}}}"#,
        NOW + 3600
    );
    sign(r#"{"alg":"HS256","typ":"at+jwt"}"#, payload)
});

/// Signs exactly this text with [`SECRET`], without the library under test.
pub fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let signed = [header.as_ref(), payload.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// The settings of a verifier for [`SECRET`]'s tokens.
pub fn settings() -> VerifierBuilder {
    let key = VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap();
    Verifier::builder().key(key).issuer(ISSUER).audience(AUDIENCE).clock(now)
}

pub fn verifier() -> Arc<Verifier> {
    Arc::new(settings().build().unwrap())
}

pub fn blocklist() -> MemoryBlocklist {
    MemoryBlocklist::with_capacity_and_clock(1000, now)
}

/// The response of a layer in front of an inner service that repeats what it sees: `user=<subject>
/// …`.
pub fn ask(layer: &JwtBlocklistLayer, request: Request<()>) -> Response<String> {
    let inner = service_fn(|request: Request<()>| {
        let user = request.extensions().get::<Authenticated>().map_or("nobody", |user| user.subject().unwrap());
        let text = format!("user={user} uri={} headers={:?}", request.uri(), request.headers());
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))))
    });
    // The future is ready: the blocklist is in memory.
    let (parts, body) = layer.layer(inner).oneshot(request).now_or_never().unwrap().unwrap().into_parts();
    let body = body.collect().now_or_never().unwrap().unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

/// A bad request does not affect later good ones (r27).
pub fn assert_still_good(layer: &JwtBlocklistLayer) {
    let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {}", *GOOD)).body(()).unwrap();
    let answer = ask(layer, request);
    assert!(answer.status() == 200 && answer.body().starts_with("user=user-1 "), "{answer:?}");
}

/// The latest time of issue that an entry in Redis rejects, by a parser independent of the
/// library's. The entry must be exactly `<all> <others> <except>`. `None` means for ever.
pub fn stored_limit(entry: &[u8], ids: &TokenIds) -> Option<u64> {
    let [all, others, except] = *str::from_utf8(entry).ok()?.split(' ').collect::<Vec<_>>() else { return None };
    let [all, others] = [all, others].map(|text| text.parse::<u64>().ok().filter(|time| time.to_string() == text));
    let is_name = except.len() == 32 && except.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match (all?, others?) {
        (all, others) if except.is_empty() => Some(all.max(others)),
        (all, _) if is_name && ids.session().is_some_and(|session| session.to_string() == except) => Some(all),
        (all, others) if is_name => Some(all.max(others)),
        _ => None,
    }
}
