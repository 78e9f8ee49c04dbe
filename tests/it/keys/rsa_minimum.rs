//! r30: RSA keys of at least 3072 bits, if the setting requires them.

use serde_json::json;
use testkit::tokens::KeyPair;
use tower_jwt_blocklist::{
    Algorithm, Verifier, VerifyingKey,
    config_error::ConfigErrorKind::WeakKey,
    keys::{Jwks, KeySet, RsaMinimum},
    token::VerifierBuilder,
};

use super::{
    ask, complains, guard, jwk_of, reason,
    refused::{odd, rsa_der},
};
use crate::support::{AUDIENCE, ISSUER, clock, header, payload};

const OTHER: &str = "https://other.example.org";

fn rsa(bits: usize, id: &str) -> VerifyingKey {
    VerifyingKey::from_der(Algorithm::PS256, rsa_der(&odd(bits), &[1, 0, 1])).unwrap().with_id(id)
}

fn public(pair: KeyPair, id: &str) -> VerifyingKey {
    VerifyingKey::from_pem(pair.alg().parse().unwrap(), pair.public_pem()).unwrap().with_id(id)
}

fn settings() -> VerifierBuilder {
    Verifier::builder().issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn())
}

#[test]
fn r30_with_the_3072_profile_smaller_keys_fail_the_build_and_no_others() {
    let strict = || settings().rsa_minimum(RsaMinimum::Bits3072);
    for bits in [2048, 2049, 3071] {
        let words = "fewer than the 3072 bits of `rsa_minimum`";
        let build = strict().key(rsa(bits, "small")).build();
        complains(&format!("{bits} bits"), build.as_ref().map_err(Clone::clone), WeakKey, words);
        complains("named", build, WeakKey, "kid \"small\"");
        let beside = strict().key(rsa(3072, "large")).key(rsa(bits, "small"));
        complains(&format!("{bits} bits with 3072"), beside.build(), WeakKey, words);
        let of_another = strict().key(rsa(3072, "k")).trust(OTHER, KeySet::new([rsa(bits, "small")]).unwrap());
        complains(&format!("{bits} bits of another issuer"), of_another.build(), WeakKey, words);
        settings().key(rsa(bits, "k")).build().unwrap();
        settings().rsa_minimum(RsaMinimum::Bits2048).key(rsa(bits, "k")).build().unwrap();
    }
    for bits in [3072, 3073, 4096] {
        strict().key(rsa(bits, "k")).build().unwrap();
    }
    for pair in [KeyPair::es256(), KeyPair::es384(), KeyPair::eddsa()] {
        strict().key(public(pair, "k")).build().unwrap();
    }
    strict().key(crate::support::verifying_key()).build().unwrap();
    assert_eq!(RsaMinimum::default(), RsaMinimum::Bits2048);
}

/// Smaller keys that arrive while requests are served verify nothing, and do not affect the others.
#[tokio::test]
async fn r30_a_smaller_key_that_comes_later_verifies_nothing() {
    let signed =
        |pair: KeyPair, kid: &str| pair.sign(&header(json!({ "alg": pair.alg(), "kid": kid })), &payload(json!({})));
    for (minimum, expected) in [(RsaMinimum::Bits2048, None), (RsaMinimum::Bits3072, Some("unknown_key"))] {
        let keys = KeySet::new([public(KeyPair::es256(), "ec")]).unwrap();
        let guard = guard(settings().keys(keys.clone()).rsa_minimum(minimum));
        let document = json!({ "keys": [jwk_of(KeyPair::rs256(), "rsa"), jwk_of(KeyPair::es256(), "ec")] }).to_string();
        keys.replace(Jwks::parse(document).unwrap().keys().to_vec()).unwrap();
        assert_eq!(reason(&guard, &signed(KeyPair::rs256(), "rsa")).await, expected, "{minimum:?}");
        ask(&guard, &signed(KeyPair::es256(), "ec")).await.unwrap();
    }
}
