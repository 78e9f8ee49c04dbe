//! A compact token as text: only the signed ones are accepted.
#![no_main]

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use fuzz::{AUDIENCE, ISSUER, SECRET, blocklist, now};
use libfuzzer_sys::{Corpus, fuzz_target};
use tower_jwt_blocklist::{
    Algorithm, Guard, LoggingOut, NoClaims, TokenKind, Verifier, VerifyingKey, keys::KeySet, reject::RejectionKind,
};

/// Signed with the keys of the tests, one per kind of key.
const SIGNED: [&str; 4] = [
    include_str!("../../corpus/token/good_hs256"),
    include_str!("../../corpus/token/good_rs256"),
    include_str!("../../corpus/token/good_es256"),
    include_str!("../../corpus/token/good_eddsa"),
];

static VERIFIER: LazyLock<Arc<Verifier>> = LazyLock::new(|| {
    let key = |algorithm, pem, id: &str| VerifyingKey::from_pem(algorithm, pem).unwrap().with_id(id);
    let partner = KeySet::new([
        key(Algorithm::RS256, include_str!("../../../testkit/keys/rsa2048.pub.pem"), "rs"),
        key(Algorithm::ES256, include_str!("../../../testkit/keys/p256.pub.pem"), "es"),
        key(Algorithm::EdDSA, include_str!("../../../testkit/keys/ed25519.pub.pem"), "ed"),
    ]);
    let own = VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap().with_id("hs");
    let settings = Verifier::builder().key(own).issuer(ISSUER).audience(AUDIENCE).clock(now);
    Arc::new(settings.trust("https://partner.example.org", partner.unwrap()).build().unwrap())
});

static ACCESS: LazyLock<Guard> = LazyLock::new(|| Guard::new(TokenKind::Access, VERIFIER.clone(), blocklist()));
static REFRESH: LazyLock<Guard> = LazyLock::new(|| Guard::new(TokenKind::Refresh, VERIFIER.clone(), blocklist()));

fn ask(guard: &Guard, token: &str) -> Result<(), RejectionKind> {
    // The future is ready: the blocklist is in memory.
    let answer = guard.authenticate::<NoClaims>(token).now_or_never().unwrap();
    answer.map(drop).map_err(|rejection| rejection.kind())
}

fuzz_target!(|token: &[u8]| -> Corpus {
    let Ok(token) = str::from_utf8(token) else { return Corpus::Reject };
    let (access, refresh) = if SIGNED.contains(&token) {
        (Ok(()), Err(RejectionKind::WrongKind))
    } else {
        (Err(RejectionKind::Invalid), Err(RejectionKind::Invalid))
    };
    assert_eq!(ask(&ACCESS, token), access);
    assert_eq!(ask(&REFRESH, token), refresh);
    assert_eq!(LoggingOut::verify(&VERIFIER, token).is_ok(), access.is_ok());

    assert_eq!(ask(&ACCESS, SIGNED[token.len() % SIGNED.len()]), Ok(()));
    Corpus::Keep
});
