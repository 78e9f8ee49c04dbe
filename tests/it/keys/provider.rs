//! r34: which cryptography is used, and that it works.

use jsonwebtoken::{
    DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{self, Verifier as _},
};
use tower_jwt_blocklist::ConfigErrorKind;

use super::{PROVIDERS, ask, complains, guard};
use crate::support::{clock, good_token, settings};

struct Credulous;

impl signature::Verifier<Vec<u8>> for Credulous {
    fn verify(&self, _: &[u8], _: &Vec<u8>) -> Result<(), signature::Error> {
        Ok(())
    }
}

impl JwtVerifier for Credulous {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        jsonwebtoken::Algorithm::HS256
    }
}

fn no_signer(_: &jsonwebtoken::Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn no_verifier(_: &jsonwebtoken::Algorithm, _: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn credulous_verifier(_: &jsonwebtoken::Algorithm, _: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Box::new(Credulous))
}

static USELESS: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: no_verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

static CREDULOUS: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: credulous_verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

#[test]
fn r34_cryptography_that_does_not_work_fails_the_build() {
    assert!(Credulous.verify(b"", &vec![]).is_ok());
    for (name, provider, words) in [
        ("loads no key", &USELESS, "cannot load this HS256 key"),
        ("accepts anything", &CREDULOUS, "accepts a signature that is none"),
    ] {
        complains(name, settings().crypto_provider(provider).build(), ConfigErrorKind::CryptoProvider, words);
    }
}

/// With both features, as with one, there is a choice that nobody has to make; jsonwebtoken alone would panic.
#[tokio::test]
async fn r34_two_providers_in_one_program_are_no_panic() {
    let guard = guard(settings().clock(clock().as_fn()));
    ask(&guard, &good_token()).await.unwrap();
    for (_, provider) in PROVIDERS {
        settings().crypto_provider(provider).build().unwrap();
    }
}
