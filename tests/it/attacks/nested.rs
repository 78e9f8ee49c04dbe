//! r8, r9: encrypted tokens, tokens within tokens, and duplicate claims.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use testkit::tokens::{compact, encode, sign_raw};
use tower_jwt_blocklist::{Guard, MemoryBlocklist, TokenKind};

use super::{Door, now};
use crate::support::{SECRET, clock, good_token, header, payload, verifier};

/// RFC 7519 A.1, an encrypted token.
const ENCRYPTED: &str = "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.QR1Owv2ug2WyPBnbQrRARTeEk9kDO2w8qDcjiHnSJflSdv1iNqhWXaKH4MqAkQtMoNfABIPJaZm0HaA415sv3aeuBWnD8J-Ui7Ah6cWafs3ZwwFKDFUUsWHSK-IPKxLGTkND09XyjORj_CHAgOPJ-Sd8ONQRnJvWn_hXV1BNMHzUjPyYwEsRhDhzjAD26imasOTsgruobpYGoQcXUwFDn7moXPRfDE8-NoQX7N7ZYMmpUDkR-Cx9obNGwJQ3nM52YCitxoQVPzjbl7WBuB7AohdBoZOdZ24WlN1lVIeh8v1K4krB8xgKvRU8kgFrEn_a1rZgN5TiysnmzTROF869lQ.AxY8DCtDaGlsbGljb3RoZQ.MKOle7UQrG6nSxTLX6Mqwt0orbHvAKeWnDYvpIAeZ72deHxz3roJDXQyhxx0wKaMHDjUEOKIwrtkHthpqEanSBNYHZgmNOV7sln1Eu9g3J8.fiK51VwhsxJ-siBMR-YFiA";

#[test]
fn r8_an_encrypted_token_is_refused_by_its_dots_or_its_header() {
    let mut door = Door::new();
    door.refuses_for("RFC 7519 A.1", ENCRYPTED, "shape", 0);
    let good = good_token();
    for alg in ["dir", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "A128KW", "A256GCMKW", "ECDH-ES", "PBES2-HS256+A128KW"] {
        for cty in [json!(null), json!("JWT")] {
            // RFC 7519 A.2 has a `cty`. Deriving the key with this huge `p2c` would take very long.
            let encrypting =
                json!({ "alg": alg, "enc": "A128CBC-HS256", "cty": cty, "p2c": 2_147_483_647, "p2s": "AA" });
            let protected = encode(header(encrypting.clone()).to_string());
            let five =
                format!("{protected}.{}.AAAAAAAAAAAAAAAA.{}.AAAAAAAAAAAAAAAAAAAAAA", encode([7; 32]), encode(&good));
            door.refuses_for(alg, &five, "shape", 0);
            door.refuses_for(alg, &five.replace(&format!(".{}.", encode([7; 32])), ".."), "shape", 0);
            let three = sign_raw(SECRET.as_bytes(), &header(encrypting).to_string(), &good);
            door.refuses_for(alg, &three, "header", 0);
        }
    }
}

#[test]
fn r4_r8_a_token_within_a_token_is_refused() {
    let mut door = Door::new();
    let good = good_token();
    let signed = |changes, payload: &str| sign_raw(SECRET.as_bytes(), &header(changes).to_string(), payload);
    for cty in ["JWT", "jwt", "application/jwt"] {
        door.refuses_for(cty, &signed(json!({ "cty": cty }), &good), "header", 0);
    }
    door.refuses_for("not announced", &signed(json!({}), &good), "payload", 1);
    door.refuses_for("as a string", &signed(json!({}), &json!(good).to_string()), "payload", 1);
    door.refuses_for("as a claim", &signed(json!({}), &json!({ "jwt": good }).to_string()), "iss", 1);
    // An unsigned token around a genuine one.
    let outside = compact(header(json!({ "alg": "none", "cty": "JWT" })).to_string(), &good, [0; 32]);
    door.refuses_for("unsigned around signed", &outside, "header", 0);
}

/// With `#[serde(flatten)]`, the last of two equal claims would win.
#[derive(Deserialize)]
struct Flat {
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Inner {
    role: String,
}

#[test]
fn r9_claims_that_come_twice_are_refused_where_they_are_flattened_too() {
    let guard = Guard::new(TokenKind::Access, verifier(&clock()), MemoryBlocklist::new());
    let signed = |more: &str| {
        let claims = payload(json!({ "role": "user" })).to_string();
        let claims = format!("{}{more}}}", claims.strip_suffix('}').unwrap());
        sign_raw(SECRET.as_bytes(), &header(json!({})).to_string(), &claims)
    };
    for (name, more) in [
        ("a claim of ours", r#","sub":"root""#),
        ("a claim of the application", r#","role":"admin""#),
        ("the same, by an escape", r#","r\u006fle":"admin""#),
        ("one that only the rest has", r#","x":1,"x":2"#),
        ("the same, by an escape", r#","x":1,"\u0078":1"#),
        ("thrice", r#","x":1,"y":1,"x":1,"x":1"#),
    ] {
        let rejection = now(guard.authenticate::<Flat>(&signed(more))).map(drop).expect_err(name);
        assert_eq!(rejection.reason(), "payload", "{name}");
        let user = now(guard.authenticate::<Flat>(&signed(""))).unwrap();
        assert_eq!((&*user.claims().inner.role, user.claims().rest.contains_key("x")), ("user", false));
    }
}
