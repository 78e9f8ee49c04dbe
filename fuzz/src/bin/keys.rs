//! The name of an algorithm, a newline, and a key file: PEM, DER, JWK or a secret.
#![no_main]

use std::sync::Arc;

use futures_util::FutureExt;
use fuzz::{AUDIENCE, ISSUER, blocklist, now};
use libfuzzer_sys::{Corpus, fuzz_target};
use tower_jwt_blocklist::{
    Algorithm, Guard, Issuer, NoClaims, SigningKey, TokenKind, Verifier, VerifyingKey, keys::Jwks,
};

fuzz_target!(|text: &[u8]| -> Corpus {
    let Some(at) = text.iter().position(|byte| *byte == b'\n') else { return Corpus::Reject };
    let Some(algorithm) = str::from_utf8(&text[..at]).ok().and_then(|name| name.parse::<Algorithm>().ok()) else {
        return Corpus::Reject;
    };
    let file = &text[at + 1..];
    for key in [
        VerifyingKey::from_pem(algorithm, file),
        VerifyingKey::from_der(algorithm, file),
        VerifyingKey::from_jwk(file),
        VerifyingKey::from_jwk_as(algorithm, file),
        VerifyingKey::from_secret(algorithm, file),
        VerifyingKey::from_secret_jwk(file),
    ] {
        let _ = key.map(verify);
    }
    for key in [
        SigningKey::from_pem(algorithm, file),
        SigningKey::from_der(algorithm, file),
        SigningKey::from_secret(algorithm, file),
    ] {
        let _ = key.ok().and_then(sign);
    }
    Corpus::Keep
});

/// r32: a bad key fails when it is loaded, not in a verifier, which would then reject other keys
/// too.
fn verifier(key: VerifyingKey) -> Arc<Verifier> {
    let settings = Verifier::builder().key(key).issuer(ISSUER).audience(AUDIENCE).clock(now);
    Arc::new(settings.build().unwrap())
}

/// r31: no loaded key makes a request panic. A published key is parsed again as the same key.
fn verify(key: VerifyingKey) {
    let algorithm = key.algorithm();
    let verifier = verifier(key);
    let guard = Guard::new(TokenKind::Access, verifier.clone(), blocklist());
    let forged = format!(r#"{{"alg":"{algorithm}","typ":"at+jwt"}}"#);
    let answer = guard.authenticate::<NoClaims>(&fuzz::sign(forged, "{}")).now_or_never().unwrap();
    assert!(answer.is_err() || algorithm == Algorithm::HS256);

    let published = verifier.to_jwks();
    let jwks = Jwks::parse(&published).unwrap();
    assert!(jwks.rejected().is_empty(), "{published} {:?}", jwks.rejected());
    let is_public = !matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    assert_eq!(jwks.keys().len(), usize::from(is_public), "a secret is never published, any other key is");
    if is_public {
        assert_eq!(jwks.into_key_set().unwrap().to_jwks(), published);
    }
}

/// An issuer's key signs tokens that its public half verifies.
fn sign(key: SigningKey) -> Option<()> {
    let verifier = verifier(key.verifying_key().ok()?);
    let issuer = Issuer::builder(verifier.clone(), key, blocklist()).build().ok()?;
    let pair = issuer.login("user-1", &NoClaims {}).now_or_never().unwrap().unwrap();
    let guard = Guard::new(TokenKind::Access, verifier, blocklist());
    guard.authenticate::<NoClaims>(pair.access.as_str()).now_or_never().unwrap().unwrap();
    Some(())
}
