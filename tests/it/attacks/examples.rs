//! The examples of the standards, and forgeries with a CVE number.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::tokens::{KeyPair, compact};
use tower_jwt_blocklist::{
    Algorithm, Guard, MemoryBlocklist, NoClaims, TokenKind, Verifier, VerifyingKey,
    token::{KindSource, OptionalClaim, TokenIdSource},
};

use super::{Door, now};
use crate::support::{AUDIENCE, ISSUER, clock, header, payload};

/// `{"iss":"joe", "exp":1300819380, "http://example.com/is_root":true}`
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// The example's name, its key, the token, and the reason for its rejection if the signature is
/// good: it names no kind, or is not JSON.
fn examples() -> [(&'static str, Value, String, &'static str); 5] {
    [
        (
            "RFC 7515 A.1, HS256",
            json!({ "kty": "oct", "alg": "HS256", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }),
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "kind",
        ),
        (
            "RFC 7515 A.2, RS256",
            json!({ "kty": "RSA", "alg": "RS256", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }),
            format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"),
            "kind",
        ),
        (
            "RFC 7515 A.3, ES256",
            json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
            format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
            "kind",
        ),
        (
            "RFC 8037 A.4, Ed25519",
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".into(),
            "payload",
        ),
        (
            "RFC 7520 4.4, HS256",
            json!({ "kty": "oct", "alg": "HS256", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg" }),
            "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0".into(),
            "payload",
        ),
    ]
}

#[test]
fn r2_the_signatures_of_the_standards_examples_hold_and_no_other() {
    for (name, jwk, token, beyond) in examples() {
        let jwk = jwk.to_string();
        let key = VerifyingKey::from_jwk(&jwk).or_else(|_| VerifyingKey::from_secret_jwk(&jwk)).unwrap();
        let settings =
            Verifier::builder().key(key).any_issuer().any_audience().kind_source(KindSource::flag("refresh"));
        let settings = settings.optional(OptionalClaim::Sub).optional(OptionalClaim::Iat);
        let settings = settings.token_id_source(TokenIdSource::JtiOrHash);
        // A minute before Joe's token expires.
        let verifier = settings.clock(|| UNIX_EPOCH + Duration::from_secs(1_300_819_320)).build().unwrap();
        let guard = Guard::new(TokenKind::Access, verifier.into(), MemoryBlocklist::new());
        let reason = |token: &str| now(guard.authenticate::<NoClaims>(token)).unwrap_err().reason();
        assert_eq!(reason(&token), beyond, "{name}");

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        assert_eq!(reason(&format!("{signed}.{other}{}", &signature[1..])), "signature", "{name}");
        let (header, payload) = signed.split_once('.').unwrap();
        assert_eq!(reason(&format!("{header}.e30{payload}.{signature}")), "signature", "{name}");
        // RFC 7515 A.5 without a signature, A.6 and A.7 in JSON.
        let protected = format!(r#""protected":"{header}","signature":"{signature}""#);
        for (name, form) in [
            ("A.5", format!("eyJhbGciOiJub25lIn0.{payload}.")),
            ("A.6", format!(r#"{{"payload":"{payload}","signatures":[{{{protected}}}]}}"#)),
            ("A.7", format!(r#"{{"payload":"{payload}",{protected}}}"#)),
        ] {
            assert!(["shape", "not_one_token"].contains(&reason(&form)), "{name}: {}", reason(&form));
        }
    }
}

/// CVE-2022-21449 and variants: `r` or `s` is zero, the order of the group, or not a number.
#[test]
fn r2_psychic_signatures_are_none() {
    #[rustfmt::skip]
    const ORDER: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let pair = KeyPair::es256();
    let head = header(json!({ "alg": "ES256" }));
    let key = VerifyingKey::from_pem(Algorithm::ES256, pair.public_pem()).unwrap();
    let settings = Verifier::builder().key(key).issuer(ISSUER).audience(AUDIENCE).clock(clock().as_fn());
    let mut door = Door::of(settings, pair.sign(&head, &payload(json!({}))));
    let one = [[0; 31].as_slice(), &[1]].concat();
    for (r, s) in [
        (vec![0; 32], vec![0; 32]),
        (ORDER.into(), ORDER.into()),
        (vec![0; 32], one.clone()),
        (one.clone(), vec![0; 32]),
        (one.clone(), ORDER.into()),
        (vec![0xFF; 32], vec![0xFF; 32]),
        // As ASN.1: a sequence of two zeros. Then other lengths.
        (vec![0x30, 6, 2, 1, 0, 2, 1, 0], vec![]),
        (vec![0], vec![]),
        (vec![0; 33], vec![0; 33]),
    ] {
        let forged = compact(head.to_string(), payload(json!({})).to_string(), [r, s].concat());
        let outcome = door.rejects("psychic", &forged);
        assert_eq!(outcome.reason, Some("signature"));
    }
}
