//! r1 to r10: the text of a token, and its header.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use serde_json::json;
use testkit::tokens::{self, encode};

use super::{Stand, sign_bytes, sign_text, with_head};
use crate::support::{AUDIENCE, ISSUER, NOW, clock, good_token, header, payload, settings, token};

#[tokio::test]
async fn r1_every_alg_but_the_configured_one_is_refused_though_the_signature_is_right() {
    let stand = Stand::new();
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""no\u006ee""#,
        r#""""#,
        r#""hs256""#,
        r#""Hs256""#,
        r#""HS256 ""#,
        r#"" HS256""#,
        r#""HS256\u0000""#,
        r#""HS-256""#,
        r#""ES512""#,
        r#""ES256K""#,
        r#""RSA1_5""#,
        r#""dir""#,
        r#""HS384""#,
        r#""RS256""#,
        r#""EdDSA""#,
        r#""Ed25519""#,
        "null",
        "0",
        "true",
        "[]",
        "{}",
        r#"["HS256"]"#,
        r#"{"HS256":null}"#,
    ] {
        stand.invalid(alg, &with_head("alg", alg), "algorithm").await;
    }
    stand.invalid("no alg", &token(json!({ "alg": null }), json!({})), "algorithm").await;
}

#[tokio::test]
async fn r1_none_is_refused_whatever_the_signature() {
    let stand = Stand::new();
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = header(json!({ "alg": alg }));
        let signed = [encode(header.to_string()), encode(payload(json!({})).to_string())].join(".");
        let genuine = good_token();
        stand.invalid(alg, &tokens::unsigned(&header, &payload(json!({}))), "shape").await;
        stand.invalid(alg, &signed, "shape").await;
        for signature in ["AA", &"A".repeat(43), genuine.rsplit('.').next().unwrap()] {
            stand.invalid(alg, &format!("{signed}.{signature}"), "algorithm").await;
        }
    }
}

#[tokio::test]
async fn r3_r4_headers_that_change_the_rules_are_refused() {
    let stand = Stand::new();
    for (name, value) in [
        ("crit", "[]"),
        ("crit", "null"),
        ("crit", "{}"),
        ("crit", r#"["exp"]"#),
        ("crit", r#"["http://example.org/UNKNOWN"]"#),
        ("b64", "false"),
        ("b64", "true"),
        ("b64", "null"),
        ("zip", r#""DEF""#),
        ("zip", "null"),
        ("enc", r#""A128GCM""#),
        ("enc", "null"),
        ("cty", r#""JWT""#),
        ("cty", r#""jwt""#),
        ("cty", r#""application/jwt""#),
        ("cty", r#""APPLICATION/JWT""#),
        ("cty", "null"),
        ("cty", r#"["JWT"]"#),
        (r"cr\u0069t", "[]"),
        (r"\u0062\u00364", "false"),
    ] {
        stand.invalid(&format!("{name}: {value}"), &with_head(name, value), "header").await;
    }
    stand.accepts("a plain cty", &with_head("cty", r#""json""#)).await;
}

#[tokio::test]
async fn r5_a_key_that_the_token_brings_along_is_not_used() {
    let stand = Stand::new();
    let theirs = "the attacker's own secret, which is long enough";
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": encode(theirs) });
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/key.pem")),
        ("x5c", json!([STANDARD.encode(theirs)])),
        ("x5t", json!(encode(theirs))),
        ("x5t#S256", json!(encode(theirs))),
    ] {
        let forged =
            tokens::sign_hs256(theirs.as_bytes(), &header(json!({ name: value.clone() })), &payload(json!({})));
        stand.invalid(name, &forged, "signature").await;
        stand.accepts(name, &token(json!({ name: value }), json!({}))).await;
    }
}

#[tokio::test]
async fn r7_only_three_pieces_of_base64url_are_a_token() {
    let stand = Stand::new();
    let good = good_token();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let object = |value: &str| format!(r#"{{{value},"signature":"{signature}"}}"#);
    let rows = [
        ("empty", String::new()),
        ("no dot", header.into()),
        ("one dot", format!("{header}.{payload}")),
        ("three dots", format!("{good}.{signature}")),
        ("four dots, like a JWE", format!("{good}.{signature}.{signature}")),
        ("a dot before", format!(".{good}")),
        ("a dot after", format!("{good}.")),
        ("dots alone", "..".into()),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("padding after it", format!("{good}=")),
        ("padded header", format!("{header}==.{payload}.{signature}")),
        ("a line feed after it", format!("{good}\n")),
        ("a space in the header", format!(" {header}.{payload}.{signature}")),
        ("a line feed within", format!("{header}\n.{payload}.{signature}")),
        ("NUL after it", format!("{good}\0")),
        ("the scheme in front", format!("Bearer {good}")),
        ("quotes around it", format!("\"{good}\"")),
        ("percent-encoded dot", good.replacen('.', "%2E", 1)),
        ("full-width dot", good.replacen('.', "\u{FF0E}", 1)),
        ("a letter over ASCII", format!("{header}.{payload}.\u{e9}{signature}")),
        ("zero-width space after it", format!("{good}\u{200B}")),
        ("byte order mark before it", format!("\u{FEFF}{good}")),
        ("flattened JSON", object(&format!(r#""protected":"{header}","payload":"{payload}""#))),
        ("general JSON", format!(r#"{{"payload":"{payload}","signatures":[{}]}}"#, object(r#""protected":"e30""#))),
        ("one character of base64", format!("{header}.{payload}.A")),
    ];
    for (name, token) in rows {
        stand.unreadable(name, &token).await;
    }
}

/// Sets an unused bit in the last character of a base64url part.
fn with_stray_bit(piece: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(piece.len() % 4, 0, "this piece has no stray bits");
    let last = piece.bytes().last().unwrap();
    let value = ALPHABET.iter().position(|byte| *byte == last).unwrap();
    format!("{}{}", &piece[..piece.len() - 1], char::from(ALPHABET[value | 1]))
}

#[tokio::test]
async fn r7_other_spellings_of_the_same_bytes_are_refused_though_they_are_signed() {
    let stand = Stand::new();
    // Spaces make both lengths leave unused bits. The subject makes both special characters of the
    // alphabet appear.
    let json = [format!("{} ", header(json!({}))), format!("{} ", payload(json!({ "sub": "~~~???>>>" })))];
    let [header, payload] = json.map(|mut text| {
        while text.len() % 3 == 0 {
            text.push(' ');
        }
        text
    });
    let [h, p] = [encode(&header), encode(&payload)];
    assert!(p.contains('_') || p.contains('-'), "otherwise the alphabets do not differ: {p}");
    let canonical = sign_text(&format!("{h}.{p}"));
    stand.accepts("canonical", &canonical).await;

    let rows = [
        ("padded header", format!("{}.{p}", URL_SAFE.encode(&header))),
        ("padded payload", format!("{h}.{}", URL_SAFE.encode(&payload))),
        ("standard alphabet", format!("{h}.{}", STANDARD_NO_PAD.encode(&payload))),
        ("stray bits in the header", format!("{}.{p}", with_stray_bit(&h))),
        ("stray bits in the payload", format!("{h}.{}", with_stray_bit(&p))),
        ("line feed in the header", format!("{}\n{}.{p}", &h[..8], &h[8..])),
        ("blank in the payload", format!("{h}.{} {}", &p[..8], &p[8..])),
        ("CRLF after the payload", format!("{h}.{p}\r\n")),
    ];
    for (name, text) in rows {
        stand.unreadable(name, &sign_text(&text)).await;
    }
    let (signed, signature) = canonical.rsplit_once('.').unwrap();
    for (name, signature) in [
        ("stray bits in the signature", with_stray_bit(signature)),
        ("padded signature", format!("{signature}=")),
        ("blank in the signature", format!("{} {}", &signature[..8], &signature[8..])),
    ] {
        stand.unreadable(name, &format!("{signed}.{signature}")).await;
    }
}

#[tokio::test]
async fn r9_a_header_that_is_not_one_clean_object_is_refused() {
    let stand = Stand::new();
    let payload = payload(json!({})).to_string();
    let deep = |name: &str| {
        let nested = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        format!(r#"{{"alg":"HS256","typ":"at+jwt","{name}":{nested}}}"#).into_bytes()
    };
    let rows: [(&str, Vec<u8>); 19] = [
        ("alg twice", br#"{"alg":"HS256","alg":"HS256","typ":"at+jwt"}"#.into()),
        ("none, then HS256", br#"{"alg":"none","alg":"HS256","typ":"at+jwt"}"#.into()),
        ("alg twice by an escape", br#"{"alg":"HS256","\u0061lg":"HS256","typ":"at+jwt"}"#.into()),
        ("unknown twice", br#"{"alg":"HS256","typ":"at+jwt","x":1,"x":1}"#.into()),
        ("unknown twice by an escape", br#"{"alg":"HS256","typ":"at+jwt","x":1,"\u0078":2}"#.into()),
        ("byte order mark", b"\xEF\xBB\xBF{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}".into()),
        ("UTF-16", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("array", br#"["alg","HS256"]"#.into()),
        ("array around it", br#"[{"alg":"HS256","typ":"at+jwt"}]"#.into()),
        ("string", br#""HS256""#.into()),
        ("null", b"null".into()),
        ("trailing bytes", br#"{"alg":"HS256","typ":"at+jwt"}x"#.into()),
        ("trailing NUL", b"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}\0".into()),
        ("two objects", br#"{"alg":"HS256","typ":"at+jwt"}{}"#.into()),
        ("unclosed", br#"{"alg":"HS256","typ":"at+jwt""#.into()),
        ("not UTF-8", b"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"x\":\"\xFF\"}".into()),
        ("lone surrogate", br#"{"alg":"HS256","typ":"at+jwt","x":"\ud800"}"#.into()),
        ("deep in the unknown", deep("x")),
        ("deep in the known", deep("kid")),
    ];
    for (name, header) in rows {
        stand.invalid(name, &sign_bytes(&header, payload.as_bytes()), "header").await;
    }
    let padded = br#" {"typ" : "\u0061t+jwt" , "\u0061lg" : "HS256"} "#;
    stand.accepts("blanks and escapes", &sign_bytes(padded, payload.as_bytes())).await;
}

#[tokio::test]
async fn r9_a_payload_that_is_not_one_clean_object_is_refused() {
    let stand = Stand::new();
    let header = header(json!({})).to_string();
    let good = payload(json!({})).to_string();
    let plus = |text: &str| format!("{},{text}}}", good.strip_suffix('}').unwrap()).into_bytes();
    let nested = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let rows: [(&str, Vec<u8>); 27] = [
        ("exp twice", plus(r#""exp":9999999999"#)),
        ("sub twice, the same", plus(r#""sub":"user-1""#)),
        ("sub twice by an escape", plus(r#""s\u0075b":"root""#)),
        ("unknown twice", plus(r#""x":1,"x":1"#)),
        ("unknown twice by an escape", plus(r#""x":1,"\u0078":2"#)),
        ("empty name twice", plus(r#""":1,"":2"#)),
        ("byte order mark", [b"\xEF\xBB\xBF", good.as_bytes()].concat()),
        ("array", b"[]".into()),
        ("array of values", format!(r#"["{ISSUER}","user-1","{AUDIENCE}",{}]"#, NOW + 3600).into()),
        ("array around it", format!("[{good}]").into()),
        ("string", b"\"user-1\"".into()),
        ("number", b"1".into()),
        ("null", b"null".into()),
        ("trailing bytes", format!("{good}x").into()),
        ("trailing NUL", format!("{good}\0").into()),
        ("two objects", format!("{good}{{}}").into()),
        ("unclosed", good.strip_suffix('}').unwrap().into()),
        ("comment", plus("/* */\"x\":1")),
        ("trailing comma", plus("")),
        ("not UTF-8", [&plus(r#""x":""#)[..good.len() + 4], b"\xC0\xAF\"}"].concat()),
        ("lone surrogate in a value", plus(r#""x":"\udc00""#)),
        ("lone surrogate in a name", plus(r#""\ud800":1"#)),
        ("not a number", plus(r#""x":NaN"#)),
        ("a number that no double holds", plus(r#""x":1e400"#)),
        ("another within", plus(r#""x":[{"y":-1e400}]"#)),
        ("deep in the unknown", plus(&format!(r#""x":{nested}"#))),
        ("deep in the known", plus(&format!(r#""nbf":{nested}"#))),
    ];
    for (name, payload) in rows {
        stand.invalid(name, &sign_bytes(header.as_bytes(), &payload), "payload").await;
    }
    stand.invalid("signed nonsense", &sign_bytes(header.as_bytes(), b"\xFF\x00"), "payload").await;
    stand.accepts("blanks", &sign_bytes(header.as_bytes(), format!(" \t\r\n{good}\n").as_bytes())).await;
    stand.accepts("escaped names", &sign_bytes(header.as_bytes(), good.replace("sub", r"s\u0075b").as_bytes())).await;
    stand.accepts("some depth", &sign_bytes(header.as_bytes(), &plus(r#""x":[[{"y":[[]]}]]"#))).await;
}

/// A genuine token of this length. Base64 grows in steps, so header and payload are both padded.
fn token_of_length(length: usize) -> String {
    let filled = |header: usize, payload: usize| {
        token(json!({ "x": "x".repeat(header) }), json!({ "sub": "u", "jti": "j", "x": "x".repeat(payload) }))
    };
    let missing = (length - filled(0, 0).len()) * 3 / 4;
    (0..12)
        .flat_map(|header| (missing.saturating_sub(12)..=missing).map(move |payload| filled(header, payload)))
        .find(|token| token.len() == length)
        .unwrap()
}

#[tokio::test]
async fn r10_a_token_is_as_long_as_the_limit_or_refused() {
    let limited = Stand::with(settings().clock(clock().as_fn()).max_token_bytes(500));
    limited.accepts("500 bytes of 500", &token_of_length(500)).await;
    limited.invalid("501 bytes of 500", &token_of_length(501), "too_long").await;

    let by_default = Stand::new();
    by_default.accepts("8192 bytes", &token_of_length(8192)).await;
    by_default.invalid("8193 bytes", &token_of_length(8193), "too_long").await;
    by_default.invalid("8 MiB without a dot", &"A".repeat(8 << 20), "too_long").await;
    let bytes_not_letters = format!("{}{}", "\u{e9}".repeat(4096), ".");
    by_default.invalid("bytes, not letters, are counted", &bytes_not_letters, "too_long").await;
}
