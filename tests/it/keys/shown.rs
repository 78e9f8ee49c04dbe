//! r75: no text from this crate shows a key or a token.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testkit::tokens::KeyPair;
use tower_jwt_blocklist::{Algorithm, Guard, Issuer, MemoryBlocklist, SigningKey, TokenKind, VerifyingKey};

use super::{Sample, with_key};
use crate::support::{ISSUER, SECRET, der};

#[tokio::test]
async fn r75_nothing_shows_a_key_or_a_token() {
    let mut shown = Vec::new();
    let mut secrets: Vec<(String, Vec<u8>)> =
        vec![("user".into(), b"the-subject".into()), ("claim".into(), b"the-claim".into())];
    for sample in Sample::all() {
        let (public, private) = (sample.verifying(), sample.signing());
        let builder = with_key(public.clone().with_id("key-1"));
        shown.push(format!("{builder:?} {builder:#?}"));
        let verifier = Arc::new(builder.build().unwrap());
        let issuer = Issuer::builder(verifier.clone(), private.clone().with_id("key-1"), MemoryBlocklist::new());
        shown.push(format!(
            "{issuer:?} {issuer:#?} {public:?} {private:?} {public:#?} {private:#?} {verifier:?} {verifier:#?}"
        ));
        let issuer = issuer.build().unwrap();
        let pair = issuer.login("the-subject", &json!({ "x": "the-claim" })).await.unwrap();
        let guard = Guard::new(TokenKind::Access, verifier, MemoryBlocklist::new());
        let user = guard.authenticate::<Value>(pair.access.as_str()).await.unwrap();
        shown.push(format!(
            "{issuer:?} {issuer:#?} {pair:?} {pair:#?} {:?} {guard:?} {guard:#?} {user:?} {user:#?}",
            pair.access
        ));
        let refused = guard.authenticate::<Value>(pair.refresh.as_str()).await.unwrap_err();
        shown.push(format!("{refused} {refused:?} {:?}", user.revocation()));
        secrets.push(("token id".into(), user.token_id().into()));
        secrets.push(("session id".into(), user.session_id().unwrap().into()));
        for piece in pair.access.as_str().split('.').chain(pair.refresh.as_str().split('.')) {
            secrets.push(("token".into(), piece[..16].into()));
        }
    }
    secrets.push(("secret".into(), SECRET.into()));
    for pair in KeyPair::all() {
        let private = der(pair.private_pem());
        let end = private.len();
        secrets.push((format!("{} private", pair.alg()), private[end - 40..end - 20].to_vec()));
        secrets.push((format!("{} PEM", pair.alg()), pair.private_pem().lines().nth(1).unwrap()[..40].into()));
    }
    for error in [
        VerifyingKey::from_secret(Algorithm::HS256, "too-short-but-secret").unwrap_err(),
        VerifyingKey::from_secret(Algorithm::RS256, "too-short-but-secret").unwrap_err(),
        VerifyingKey::from_pem(Algorithm::RS256, "too-short-but-secret").unwrap_err(),
        SigningKey::from_der(Algorithm::RS256, "too-short-but-secret").unwrap_err(),
        SigningKey::from_pem(Algorithm::RS256, KeyPair::es256().private_pem()).unwrap_err(),
    ] {
        shown.push(format!("{error} {error:?}"));
    }
    secrets.push(("short secret".into(), b"too-short-but-secret".into()));

    let shown = shown.join("\n");
    assert!(
        shown.contains("HS256") && shown.contains("key-1") && shown.contains(ISSUER),
        "otherwise nothing was shown at all"
    );
    for (name, secret) in secrets {
        let list = format!("{secret:?}");
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = String::from_utf8_lossy(&secret);
        for (form, needle) in [
            ("text", &*text),
            ("bytes", list.trim_matches(['[', ']'])),
            ("hex", &hex),
            ("base64", STANDARD.encode(&secret[..secret.len() / 3 * 3]).as_str()),
        ] {
            assert!(!shown.contains(needle), "{name} as {form}");
        }
    }
}
