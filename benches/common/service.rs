//! A service behind the layer, and the tokens for its requests.

use std::{convert::Infallible, hint::black_box, sync::Arc};

use super::now;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use serde::Deserialize;
use testkit::tokens::KeyPair;
use tower_jwt_blocklist::{Algorithm, Authenticated, Issuer, MemoryBlocklist, NoClaims, SigningKey, Verifier};

pub(crate) fn request(token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    let bearer = format!("Bearer {token}").parse().expect("a token is ASCII");
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    request
}

/// Reads the user from the request.
pub(crate) async fn inner(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    black_box(request.extensions().get::<Authenticated>());
    Ok(Response::new(Full::default()))
}

/// A key pair, and jsonwebtoken's key to verify its signatures.
pub(crate) struct Keys {
    pub(crate) name: &'static str,
    pub(crate) signing: SigningKey,
    pub(crate) decoding: jsonwebtoken::DecodingKey,
    pub(crate) algorithm: jsonwebtoken::Algorithm,
}

pub(crate) const SECRET: &str = "3f9a7c02b1d84e65a0c7f1e2d3b4958677665544332211000ffeeddccbbaa998";

pub(crate) fn keys() -> Vec<Keys> {
    use jsonwebtoken::DecodingKey;
    let pem =
        |pair: KeyPair, algorithm: Algorithm| SigningKey::from_pem(algorithm, pair.private_pem()).expect("a good key");
    let public = |pair: KeyPair| pair.public_pem().as_bytes();
    vec![
        Keys {
            name: "HS256",
            signing: SigningKey::from_secret(Algorithm::HS256, SECRET).expect("a good secret"),
            decoding: DecodingKey::from_secret(SECRET.as_bytes()),
            algorithm: jsonwebtoken::Algorithm::HS256,
        },
        Keys {
            name: "RS256",
            signing: pem(KeyPair::rs256(), Algorithm::RS256),
            decoding: DecodingKey::from_rsa_pem(public(KeyPair::rs256())).expect("a good key"),
            algorithm: jsonwebtoken::Algorithm::RS256,
        },
        Keys {
            name: "ES256",
            signing: pem(KeyPair::es256(), Algorithm::ES256),
            decoding: DecodingKey::from_ec_pem(public(KeyPair::es256())).expect("a good key"),
            algorithm: jsonwebtoken::Algorithm::ES256,
        },
        Keys {
            name: "EdDSA",
            signing: pem(KeyPair::eddsa(), Algorithm::EdDSA),
            decoding: DecodingKey::from_ed_pem(public(KeyPair::eddsa())).expect("a good key"),
            algorithm: jsonwebtoken::Algorithm::EdDSA,
        },
    ]
}

pub(crate) const ISSUER: &str = "https://login.example.org";
pub(crate) const AUDIENCE: &str = "https://api.example.org";

/// A verifier, and access tokens of so many users for it.
pub(crate) fn verifier_and_tokens(signing: SigningKey, users: usize) -> (Arc<Verifier>, Vec<String>) {
    let verifying = signing.verifying_key().expect("a good key");
    let verifier = Verifier::builder().key(verifying).issuer(ISSUER).audience(AUDIENCE).build();
    let verifier = Arc::new(verifier.expect("good settings"));
    let issuer = Issuer::builder(verifier.clone(), signing, MemoryBlocklist::new()).build().expect("good settings");
    let login = |user| now(issuer.login(&format!("user-{user}"), &NoClaims {})).expect("a token").access.into_string();
    (verifier, (0..users).map(login).collect())
}

pub(crate) fn verifier_and_token(signing: SigningKey) -> (Arc<Verifier>, String) {
    let (verifier, mut tokens) = verifier_and_tokens(signing, 1);
    (verifier, tokens.remove(0))
}

/// The claims that a careful user of jsonwebtoken would read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work")]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    sid: String,
    iat: u64,
    exp: u64,
}

/// Makes jsonwebtoken check the same as the layer.
pub(crate) fn validation(algorithm: jsonwebtoken::Algorithm) -> jsonwebtoken::Validation {
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}
