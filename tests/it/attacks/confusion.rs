//! r2: tokens signed with a public key as if it were a shared secret (CVE-2015-9235).

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use serde_json::{Value, json};
use testkit::tokens::{KeyPair, encode, sign_hs256, sign_hs384, sign_hs512};
use tower_jwt_blocklist::{Verifier, VerifyingKey, keys::KeySet};

use super::Door;
use crate::support::{AUDIENCE, ISSUER, clock, der, header, payload, pem};

/// RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4: each field is preceded by its length.
fn ssh(name: &str, fields: &[&[u8]]) -> String {
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let blob: Vec<u8> = [name.as_bytes()].iter().chain(fields).flat_map(|bytes| field(bytes)).collect();
    format!("{name} {}", STANDARD.encode(blob))
}

fn ssh_of(jwk: &Value, raw: &[u8]) -> String {
    let positive = |name: &str| {
        let number = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        if number[0] >= 0x80 { [&[0], &*number].concat() } else { number }
    };
    match jwk["kty"].as_str().unwrap() {
        "RSA" => ssh("ssh-rsa", &[&positive("e"), &positive("n")]),
        "OKP" => ssh("ssh-ed25519", &[raw]),
        _ if raw.len() == 65 => ssh("ecdsa-sha2-nistp256", &[b"nistp256", raw]),
        _ => ssh("ecdsa-sha2-nistp384", &[b"nistp384", raw]),
    }
}

/// Every form in which somebody may have the key, and may have passed it to a library as bytes.
fn forms(pair: KeyPair, key: VerifyingKey) -> Vec<(&'static str, Vec<u8>)> {
    let (text, whole) = (pair.public_pem(), der(pair.public_pem()));
    let raw = SubjectPublicKeyInfoRef::try_from(&*whole).unwrap().subject_public_key.raw_bytes().to_vec();
    let set = KeySet::new([key]).unwrap().to_jwks();
    let jwk = serde_json::from_str::<Value>(&set).unwrap()["keys"][0].clone();
    let ssh = ssh_of(&jwk, &raw);
    vec![
        ("PEM", text.into()),
        ("PEM without its last line feed", text.trim_end().into()),
        ("PEM with CRLF", text.replace('\n', "\r\n").into()),
        ("PEM on one line", text.replace('\n', "").into()),
        ("PEM's inside", STANDARD.encode(&whole).into()),
        ("DER", whole.clone()),
        ("DER in base64url", encode(&whole).into()),
        ("DER in hexadecimal", whole.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
        ("the key's bytes", raw.clone()),
        ("PKCS #1 PEM", pem("RSA PUBLIC KEY", &raw).into()),
        ("JWK", jwk.to_string().into()),
        ("JWK in lines", serde_json::to_vec_pretty(&jwk).unwrap()),
        ("JWKS", set.into()),
        ("ssh", ssh.clone().into()),
        ("ssh with a comment and a line feed", format!("{ssh} me@host\n").into()),
        ("nothing", vec![]),
    ]
}

#[test]
fn r2_a_public_key_is_no_secret_in_any_form() {
    for pair in [KeyPair::rs256(), KeyPair::ps256(), KeyPair::es256(), KeyPair::es384(), KeyPair::eddsa()] {
        let key = VerifyingKey::from_pem(pair.alg().parse().unwrap(), pair.public_pem()).unwrap().with_id("key-1");
        let good = pair.sign(&header(json!({ "alg": pair.alg(), "kid": "key-1" })), &payload(json!({})));
        let settings = Verifier::builder().key(key.clone()).issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn());
        let mut door = Door::of(settings, good);
        for (form, secret) in forms(pair, key) {
            let name = format!("{} as {form}", pair.alg());
            type Sign = fn(&[u8], &Value, &Value) -> String;
            let ways: [(&str, Sign); 3] = [("HS256", sign_hs256), ("HS384", sign_hs384), ("HS512", sign_hs512)];
            for (alg, sign) in ways {
                let forged =
                    |alg: &str| sign(&secret, &header(json!({ "alg": alg, "kid": "key-1" })), &payload(json!({})));
                door.refuses_for(&name, &forged(alg), "algorithm", 0);
                // The header names another algorithm than the one that signed it.
                door.refuses_for(&name, &forged(pair.alg()), "signature", 1);
            }
        }
    }
}
