//! r29: bad HMAC secrets.

use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::tokens::KeyPair;
use tower_jwt_blocklist::{
    Algorithm, SigningKey, VerifyingKey,
    config_error::ConfigErrorKind::{KeyMismatch, WeakKey},
};

use super::{complains, raw_public};
use crate::support::{der, pem};

#[test]
fn r29_weak_secrets_fail_at_load() {
    let random = "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a";
    for (algorithm, enough) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        SigningKey::from_secret(algorithm, &random[..enough]).unwrap();
        VerifyingKey::from_secret(algorithm, &random[..enough]).unwrap();
        let openssl = format!("openssl rand -hex {enough}");
        let rows = [
            ("empty", String::new()),
            ("one byte short", random[..enough - 1].into()),
            ("long by blanks before", format!("{}{}", " ".repeat(64), &random[..enough - 1])),
            ("long by line feeds after", format!("{}{}", &random[..enough - 1], "\n".repeat(64))),
            ("blanks", " ".repeat(64)),
            ("one letter", "a".repeat(64)),
            ("zeros", "\0".repeat(64)),
        ];
        for (name, secret) in rows {
            complains(name, SigningKey::from_secret(algorithm, &secret), WeakKey, &openssl);
            complains(name, VerifyingKey::from_secret(algorithm, &secret), WeakKey, &openssl);
        }
    }
    for published in [
        "a-string-secret-at-least-256-bits-long",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "reallyreallyreallyreallyverysafe",
        "super-secret-jwt-token-with-at-least-32-characters-long\n",
        " your-super-secret-jwt-token-with-at-least-32-characters-long",
    ] {
        complains(published, VerifyingKey::from_secret(Algorithm::HS256, published), WeakKey, "publicly known");
    }
}

/// All random bytes are good secrets.
#[test]
fn r29_raw_bytes_are_secrets_also_where_they_look_like_blanks() {
    let raw = |first: u8, last: u8| {
        let mut secret: Vec<u8> = (100..132).collect();
        (secret[0], secret[31]) = (first, last);
        secret
    };
    for byte in [b' ', b'\t', b'\n', b'\r', 0x0C, 0, 0x30, 0xEF] {
        for secret in [raw(byte, 7), raw(7, byte)] {
            let loaded = SigningKey::from_secret(Algorithm::HS256, &secret);
            assert!(loaded.is_ok(), "{byte:#x} at an end: {}", loaded.unwrap_err());
        }
    }
}

#[test]
fn r29_public_keys_are_no_secrets_in_any_text_form() {
    let ending_in = |byte: u8| {
        let mut der = der(KeyPair::eddsa().public_pem());
        *der.last_mut().unwrap() = byte;
        der
    };
    let mut rows: Vec<(String, Vec<u8>)> = vec![
        ("certificate".into(), pem("CERTIFICATE", &[0x30, 0]).into()),
        (
            "ssh-ed25519".into(),
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcBCh9rYdb5IcEPg4a4nIwn0FWFKGZv0Lm9 me@host".into(),
        ),
        ("ecdsa".into(), b"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB me@host".into()),
        ("security key".into(), b"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA me".into()),
        ("SSH2".into(), b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3NzaC1yc2EAAAADAQABAAABAQC0g\n---- END".into()),
        (
            "JWK".into(),
            br#"{ "kty" : "OKP", "crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.into(),
        ),
        (
            "JWK set".into(),
            br#"{"keys":[{"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kty":"OKP"}]}"#.into(),
        ),
    ];
    for pair in [KeyPair::rs256(), KeyPair::es256(), KeyPair::es384(), KeyPair::eddsa()] {
        let (text, alg) = (pair.public_pem(), pair.alg());
        rows.push((format!("{alg} PEM"), text.into()));
        rows.push((format!("{alg} PEM, CRLF"), text.replace('\n', "\r\n").into()));
        rows.push((format!("{alg} PEM behind a byte order mark"), format!("\u{FEFF}{text}").into()));
        rows.push((format!("{alg} PEM behind blanks"), format!(" \r\n\t{text}").into()));
        rows.push((format!("{alg} PEM behind blanks and a byte order mark"), format!("\n\u{FEFF}\n{text}").into()));
        rows.push((format!("{alg} PEM behind a comment"), format!("# the key of the login service\n{text}").into()));
        rows.push((format!("{alg} private PEM"), pair.private_pem().into()));
        rows.push((format!("{alg} DER"), der(text)));
        rows.push((format!("{alg} DER and a line feed"), [der(text), b"\n".into()].concat()));
        rows.push((format!("{alg} private DER"), der(pair.private_pem())));
        // Some login services publish this: PEM without its first and last line.
        rows.push((format!("{alg} DER in base64"), STANDARD.encode(der(text)).into()));
    }
    rows.push(("PKCS #1 DER".into(), raw_public(KeyPair::rs256())));
    rows.extend([b' ', b'\n', b'\r', b'\t', 0x0C].map(|byte| (format!("DER that ends in {byte:#x}"), ending_in(byte))));
    for (name, secret) in rows {
        complains(
            &name,
            VerifyingKey::from_secret(Algorithm::HS256, &secret),
            KeyMismatch,
            "use `from_pem` or `from_der`",
        );
        complains(
            &name,
            SigningKey::from_secret(Algorithm::HS256, &secret),
            KeyMismatch,
            "use `from_pem` or `from_der`",
        );
    }
}
