//! r30, r31: keys that are rejected when they are loaded, and the error messages.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use pkcs8::{PrivateKeyInfo, spki::SubjectPublicKeyInfoRef};
use serde_json::json;
use testkit::tokens::{KeyPair, bad_keys, encode};
use tower_jwt_blocklist::{
    Algorithm, Guard, Issuer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, VerifyingKey,
    config_error::ConfigErrorKind::{KeyMismatch, MalformedKey, WeakKey},
};

use super::{PROVIDERS, complains, raw_public, reason, with_key};
use crate::support::{SECRET, der, header, pem};

#[test]
fn a_key_of_the_wrong_sort_says_what_to_do() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, PS256, RS256};
    let [rsa, p256, p384, ed] = [KeyPair::rs256(), KeyPair::es256(), KeyPair::es384(), KeyPair::eddsa()];
    for (name, algorithm, pem, words) in [
        ("secret asked, RSA given", HS256, rsa.public_pem(), "use `from_secret`"),
        ("RSA asked, EC given", RS256, p256.public_pem(), "needs an RSA key"),
        ("RSA-PSS asked, Ed25519 given", PS256, ed.public_pem(), "needs an RSA key"),
        ("P-256 asked, RSA given", ES256, rsa.public_pem(), "needs an EC key on P-256"),
        ("P-256 asked, P-384 given", ES256, p384.public_pem(), "needs an EC key on P-256"),
        ("P-384 asked, P-256 given", ES384, p256.public_pem(), "needs an EC key on P-384"),
        ("Ed25519 asked, EC given", EdDSA, p256.public_pem(), "needs an Ed25519 key"),
    ] {
        complains(name, VerifyingKey::from_pem(algorithm, pem), KeyMismatch, words);
        complains(name, VerifyingKey::from_der(algorithm, der(pem)), KeyMismatch, words);
        let private = KeyPair::all().into_iter().find(|pair| pair.public_pem() == pem).unwrap().private_pem();
        complains(name, SigningKey::from_pem(algorithm, private), KeyMismatch, words);
        complains(name, SigningKey::from_der(algorithm, der(private)), KeyMismatch, words);
    }
    for algorithm in [RS256, PS256, ES256, ES384, EdDSA] {
        let words = "use `from_pem` or `from_der`";
        complains("a secret for a pair", VerifyingKey::from_secret(algorithm, SECRET), KeyMismatch, words);
        complains("a secret for a pair", SigningKey::from_secret(algorithm, SECRET), KeyMismatch, words);
    }
}

#[test]
fn r31_key_files_of_another_form_say_how_to_convert_them() {
    let ec = KeyPair::es256();
    let pkcs8 = der(ec.private_pem());
    let sec1 = PrivateKeyInfo::try_from(&*pkcs8).unwrap().private_key;
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                         -----END RSA PRIVATE KEY-----\n";
    let half = &ec.public_pem()[..ec.public_pem().len() / 2];
    for (name, text, kind, words) in [
        ("private key", ec.private_pem().to_owned(), KeyMismatch, "openssl pkey -pubout"),
        ("private key of the old form", pem("EC PRIVATE KEY", sec1), KeyMismatch, "openssl pkey -pubout"),
        ("encrypted private key", pem("ENCRYPTED PRIVATE KEY", &pkcs8), KeyMismatch, "openssl pkey -pubout"),
        ("certificate", pem("CERTIFICATE", &der(ec.public_pem())), MalformedKey, "openssl x509 -pubkey"),
        ("another label", pem("PARAMETERS", &der(ec.public_pem())), MalformedKey, "PUBLIC KEY"),
        ("half of it", half.to_owned(), MalformedKey, "-----BEGIN PUBLIC KEY-----"),
        ("empty", String::new(), MalformedKey, "-----BEGIN PUBLIC KEY-----"),
        ("base64 alone", STANDARD.encode(der(ec.public_pem())), MalformedKey, "-----BEGIN PUBLIC KEY-----"),
        (
            "not base64",
            "-----BEGIN PUBLIC KEY-----\n****\n-----END PUBLIC KEY-----\n".into(),
            MalformedKey,
            "-----BEGIN PUBLIC KEY-----",
        ),
    ] {
        complains(name, VerifyingKey::from_pem(Algorithm::ES256, &text), kind, words);
    }
    complains(
        "DER as PEM",
        VerifyingKey::from_pem(Algorithm::ES256, der(ec.public_pem())),
        MalformedKey,
        "use `from_der`",
    );
    complains(
        "PEM as DER",
        VerifyingKey::from_der(Algorithm::ES256, ec.public_pem()),
        MalformedKey,
        "SubjectPublicKeyInfo",
    );
    complains(
        "private DER as public",
        VerifyingKey::from_der(Algorithm::ES256, &pkcs8),
        MalformedKey,
        "SubjectPublicKeyInfo",
    );
    complains(
        "a byte too many",
        VerifyingKey::from_der(Algorithm::ES256, [der(ec.public_pem()), vec![0]].concat()),
        MalformedKey,
        "DER",
    );

    for (name, text, kind, words) in [
        ("public key", ec.public_pem().to_owned(), KeyMismatch, "signing needs the private half"),
        ("old form", pem("EC PRIVATE KEY", sec1), MalformedKey, "openssl pkcs8 -topk8 -nocrypt"),
        ("encrypted", pem("ENCRYPTED PRIVATE KEY", &pkcs8), MalformedKey, "openssl pkcs8 -topk8 -nocrypt"),
        ("encrypted, old form", old_encrypted.to_owned(), MalformedKey, "PRIVATE KEY"),
        ("OpenSSH", pem("OPENSSH PRIVATE KEY", b"openssh-key-v1\0"), MalformedKey, "openssl pkcs8 -topk8 -nocrypt"),
        ("certificate", pem("CERTIFICATE", &pkcs8), KeyMismatch, "PRIVATE KEY"),
        ("empty", String::new(), MalformedKey, "-----BEGIN PRIVATE KEY-----"),
    ] {
        complains(name, SigningKey::from_pem(Algorithm::ES256, &text), kind, words);
    }
    complains("old form", SigningKey::from_der(Algorithm::ES256, sec1), MalformedKey, "openssl pkcs8 -topk8 -nocrypt");
    complains("public", SigningKey::from_der(Algorithm::ES256, der(ec.public_pem())), MalformedKey, "PKCS #8");
    complains("PEM as DER", SigningKey::from_der(Algorithm::ES256, ec.private_pem()), MalformedKey, "PKCS #8");
    complains("DER as PEM", SigningKey::from_pem(Algorithm::ES256, &pkcs8), MalformedKey, "use `from_der`");
}

/// One ASN.1 value.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let long = [vec![0x80 | length.len() as u8], length.to_vec()].concat();
    [vec![tag], if content.len() < 0x80 { vec![content.len() as u8] } else { long }, content.to_vec()].concat()
}

/// A public key file with the algorithm identifier of `like` and other key bytes.
fn public_der(like: KeyPair, key: &[u8]) -> Vec<u8> {
    use pkcs8::der::Encode;
    let like = der(like.public_pem());
    let algorithm = SubjectPublicKeyInfoRef::try_from(&*like).unwrap().algorithm.to_der().unwrap();
    tlv(0x30, &[algorithm, tlv(0x03, &[&[0], key].concat())].concat())
}

pub(crate) fn rsa_der(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let positive = |number: &[u8]| {
        tlv(
            0x02,
            &if number.first().is_some_and(|first| *first >= 0x80) { [&[0], number].concat() } else { number.to_vec() },
        )
    };
    public_der(KeyPair::rs256(), &tlv(0x30, &[positive(modulus), positive(exponent)].concat()))
}

/// An odd number of exactly this many bits.
pub(crate) fn odd(bits: usize) -> Vec<u8> {
    let mut number = vec![0xFF; bits.div_ceil(8)];
    number[0] >>= (8 - bits % 8) % 8;
    number
}

#[test]
fn r30_rsa_keys_too_small_too_large_or_of_a_small_exponent_fail_at_load() {
    let load = |modulus: &[u8], exponent: &[u8]| VerifyingKey::from_der(Algorithm::RS256, rsa_der(modulus, exponent));
    let f4 = [1, 0, 1];
    for bits in [512, 1024, 2040, 2047, 4097, 8192, 16_384] {
        complains(
            &format!("{bits} bits"),
            load(&odd(bits), &f4),
            WeakKey,
            &format!("has {bits} bits and needs 2048 to 4096"),
        );
    }
    for bits in [2048, 2049, 3072, 4096] {
        load(&odd(bits), &f4).unwrap_or_else(|error| panic!("{bits} bits: {error}"));
    }
    for exponent in
        [&[0][..], &[1], &[2], &[3], &[17], &[0x7F, 0xFF], &[0xFF, 0xFF], &[1, 0, 0], &[1, 0, 2], &[1, 0, 0, 0]]
    {
        complains(&format!("exponent {exponent:?}"), load(&odd(2048), exponent), WeakKey, "usual 65537");
    }
    for exponent in [&f4[..], &[1, 0, 3], &[1, 0, 0, 1]] {
        load(&odd(2048), exponent).unwrap_or_else(|error| panic!("exponent {exponent:?}: {error}"));
    }
    use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512] {
        let words = "has 1024 bits";
        complains("1024 bits", VerifyingKey::from_pem(algorithm, bad_keys::RSA_1024_PUBLIC_PEM), WeakKey, words);
        complains(
            "1024 bits, DER",
            VerifyingKey::from_der(algorithm, der(bad_keys::RSA_1024_PUBLIC_PEM)),
            WeakKey,
            words,
        );
        complains(
            "1024 bits, private",
            SigningKey::from_pem(algorithm, bad_keys::RSA_1024_PRIVATE_PEM),
            WeakKey,
            words,
        );
        let private = der(bad_keys::RSA_1024_PRIVATE_PEM);
        complains("1024 bits, private DER", SigningKey::from_der(algorithm, &private), WeakKey, words);
        let pkcs1 = PrivateKeyInfo::try_from(&*private).unwrap().private_key;
        complains("1024 bits, private PKCS #1", SigningKey::from_der(algorithm, pkcs1), WeakKey, words);
    }
}

#[test]
fn r31_points_that_are_none_fail_at_load() {
    let [p256, p384] = [KeyPair::es256(), KeyPair::es384()].map(raw_public);
    let compressed = |point: &[u8]| [&[2 + (point[point.len() - 1] & 1)], &point[1..point.len() / 2 + 1]].concat();
    let hybrid = |point: &[u8]| [&[6 + (point[point.len() - 1] & 1)], &point[1..]].concat();
    let swapped = |point: &[u8]| [&[4], &point[point.len() / 2 + 1..], &point[1..point.len() / 2 + 1]].concat();
    for (algorithm, pair, point) in
        [(Algorithm::ES256, KeyPair::es256(), &p256), (Algorithm::ES384, KeyPair::es384(), &p384)]
    {
        let load = |point: &[u8]| VerifyingKey::from_der(algorithm, public_der(pair, point));
        load(point).unwrap();
        for (name, bad) in [
            ("compressed", compressed(point)),
            ("hybrid", hybrid(point)),
            ("at infinity", vec![0]),
            ("empty", vec![]),
            ("no prefix", point[1..].to_vec()),
            ("a byte short", point[..point.len() - 1].to_vec()),
            ("a byte long", [&**point, &[0]].concat()),
        ] {
            complains(&format!("{algorithm}: {name}"), load(&bad), MalformedKey, "-conv_form uncompressed");
        }
        for (name, bad) in [
            ("last bit flipped", [&point[..point.len() - 1], &[point[point.len() - 1] ^ 1]].concat()),
            ("x and y swapped", swapped(point)),
            ("zeros", [vec![4], vec![0; point.len() - 1]].concat()),
            ("coordinates over the prime", [vec![4], vec![0xFF; point.len() - 1]].concat()),
        ] {
            complains(&format!("{algorithm}: {name}"), load(&bad), MalformedKey, "not a point of its curve");
        }
    }
    let off_curve = VerifyingKey::from_pem(Algorithm::ES256, bad_keys::P256_OFF_CURVE_PUBLIC_PEM);
    complains("off the curve", off_curve, MalformedKey, "not a point of its curve");
    // The right length for the algorithm, but the other curve's name in front.
    let p256_as_p384 = VerifyingKey::from_der(Algorithm::ES256, public_der(KeyPair::es384(), &p256));
    complains("the name of another curve", p256_as_p384, KeyMismatch, "needs an EC key on P-256");
}

/// Every encoding of the eight points whose order divides 8. They were computed as L times random
/// points, with y both reduced and plus p where that fits 255 bits, and both signs of x.
const SMALL_ORDER: [&str; 14] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|index| u8::from_str_radix(&text[index..index + 2], 16).unwrap()).collect()
}

#[test]
fn r31_ed25519_keys_of_another_length_or_of_small_order_fail_at_load() {
    let load = |point: &[u8]| VerifyingKey::from_der(Algorithm::EdDSA, public_der(KeyPair::eddsa(), point));
    let good = raw_public(KeyPair::eddsa());
    load(&good).unwrap();
    for length in [0, 1, 31, 33, 64] {
        let point: Vec<_> = good.iter().copied().cycle().take(length).collect();
        complains(&format!("{length} bytes"), load(&point), MalformedKey, "32 bytes");
    }
    for point in SMALL_ORDER {
        complains(point, load(&unhex(point)), WeakKey, "small order");
    }
}

/// Keys that pass the checks of their form but are mathematically impossible. A build may reject
/// them. No request may panic, and nothing may verify.
#[tokio::test]
async fn r31_no_key_makes_a_request_panic() {
    let even_modulus = {
        let mut modulus = odd(2048);
        modulus[255] = 0xFE;
        modulus
    };
    let prime_power = [vec![0x80], vec![0; 255]].concat();
    let keys = [
        ("even modulus", Algorithm::RS256, rsa_der(&even_modulus, &[1, 0, 1])),
        ("a power of two", Algorithm::RS256, rsa_der(&prime_power, &[1, 0, 1])),
        ("exponent of 34 bits", Algorithm::RS256, rsa_der(&odd(2048), &[3, 0, 0, 0, 1])),
        ("exponent as long as the modulus", Algorithm::RS256, rsa_der(&odd(2048), &odd(2047))),
        ("exponent longer than the modulus", Algorithm::PS256, rsa_der(&odd(2048), &odd(3000))),
        ("the largest", Algorithm::PS512, rsa_der(&odd(4096), &[1, 0, 1])),
        ("y = 2, not on the curve", Algorithm::EdDSA, public_der(KeyPair::eddsa(), &[&[2][..], &[0; 31]].concat())),
        ("y = 7, not on the curve", Algorithm::EdDSA, public_der(KeyPair::eddsa(), &[&[7][..], &[0; 31]].concat())),
        (
            "y over the prime",
            Algorithm::EdDSA,
            public_der(KeyPair::eddsa(), &[&[0xF0][..], &[0xFF; 30], &[0x7F]].concat()),
        ),
    ];
    for (name, algorithm, der) in keys {
        let Ok(key) = VerifyingKey::from_der(algorithm, der) else { continue };
        for (provider, cryptography) in PROVIDERS {
            let Ok(verifier) = with_key(key.clone()).crypto_provider(*cryptography).build() else { continue };
            let guard = Guard::new(TokenKind::Access, Arc::new(verifier), MemoryBlocklist::new());
            let signed = [encode(header(json!({ "alg": algorithm.name() })).to_string()), encode("{}")].join(".");
            for signature in [vec![0; 64], vec![0; 256], vec![1; 256], vec![0xFF; 256], vec![0xFF; 512], vec![0; 1]] {
                let token = format!("{signed}.{}", encode(signature));
                assert_eq!(reason(&guard, &token).await, Some("signature"), "{name} on {provider}");
            }
        }
    }
}

#[tokio::test]
async fn r31_private_keys_that_are_broken_fail_before_the_first_token() {
    for pair in [KeyPair::rs256(), KeyPair::es256(), KeyPair::es384(), KeyPair::eddsa()] {
        let algorithm: Algorithm = pair.alg().parse().unwrap();
        let whole = der(pair.private_pem());
        let end = whole.len();
        for (name, broken) in [
            ("cut off", whole[..end - 1].to_vec()),
            ("a byte too many", [&*whole, &[0]].concat()),
            ("zeroed", [&whole[..end - 24], &[0; 24]].concat()),
        ] {
            let issuer = SigningKey::from_der(algorithm, broken).and_then(|key| {
                let verifier = Arc::new(with_key(key.verifying_key()?).build()?);
                Issuer::builder(verifier, key, MemoryBlocklist::new()).build()
            });
            // A zeroed Ed25519 seed is a different, valid key. For RSA, only values that can be
            // recomputed are zeroed.
            let may_work = name == "zeroed" && !pair.alg().starts_with("ES");
            assert!(issuer.is_err() || may_work, "{algorithm}: {name}");
            // A successful build has proved that the issuer signs tokens that verify.
            if let Ok(issuer) = issuer {
                issuer.login("user-1", &NoClaims {}).await.unwrap();
            }
        }
    }
}
