//! r5, r6: headers that try to make the verifier look something up.

use std::{fs, io::ErrorKind, net::TcpListener};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use testkit::tokens::{encode, sign_hs256};
use tower_jwt_blocklist::Verifier;

use super::Door;
use crate::support::{AUDIENCE, ISSUER, clock, header, log, payload, token, verifying_key};

const THEIRS: &str = "the attacker's own secret, which is long enough";

fn door() -> Door {
    let keys = Verifier::builder().key(verifying_key().with_id("key-1")).issuer(ISSUER).audience(AUDIENCE);
    Door::of(keys.clock(clock().as_fn()), token(json!({ "kid": "key-1" }), json!({})))
}

#[test]
fn r5_no_socket_is_opened_for_a_key_that_the_token_brings_along() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut door = door();
    let jwk = json!({ "kty": "oct", "alg": "HS256", "kid": "key-1", "k": encode(THEIRS) });
    for scheme in ["http", "https"] {
        let url = json!(format!("{scheme}://{address}/key"));
        for (name, value) in [
            ("jwk", jwk.clone()),
            ("jku", url.clone()),
            ("x5u", url.clone()),
            ("x5c", json!([STANDARD.encode(THEIRS)])),
            ("x5t", json!(encode(THEIRS))),
            ("x5t#S256", json!(encode(THEIRS))),
            ("iss", url.clone()),
        ] {
            let forged = |changes| sign_hs256(THEIRS.as_bytes(), &header(changes), &payload(json!({ "iss": url })));
            door.refuses_for(name, &forged(json!({ "kid": "key-1", name: value.clone() })), "signature", 1);
            // Also with a key id of the attacker's own.
            door.refuses_for(name, &forged(json!({ "kid": "key-2", name: value.clone() })), "unknown_key", 0);
            door.refuses_for(name, &forged(json!({ name: value, "kid": url })), "unknown_key", 0);
        }
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "the verifier has connected");
    // Proves that the listener would have noticed a connection.
    let _ours = std::net::TcpStream::connect(address).unwrap();
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap();
}

#[test]
fn r6_a_kid_is_no_path_no_query_and_no_command_and_is_not_logged() {
    let key_file = std::env::temp_dir().join(format!("c4n4ry-{}", std::process::id()));
    fs::write(&key_file, THEIRS).unwrap();
    let made = key_file.with_extension("made");
    let [path, made_path] = [&key_file, &made].map(|path| path.to_str().unwrap());
    let kids = [
        (path.to_owned(), THEIRS),
        (format!("file://{path}"), THEIRS),
        (format!("../../../../../../../..{path}"), THEIRS),
        (format!("key-1/../../../../../../..{path}"), THEIRS),
        (format!("{path}\0.pem"), THEIRS),
        ("/dev/null?c4n4ry".into(), ""),
        ("c4n4ry' UNION SELECT 'the attacker''s own secret, which is long enough' -- ".into(), THEIRS),
        ("key-1'; DROP TABLE c4n4ry; --".into(), THEIRS),
        (format!("key-1; touch {made_path}"), THEIRS),
        (format!("|touch {made_path}"), THEIRS),
        (format!("$(touch {made_path})`touch {made_path}`"), THEIRS),
        ("key-1\0c4n4ry".into(), THEIRS),
        ("key-1\r\nWARN c4n4ry".into(), THEIRS),
        ("{{c4n4ry}}${jndi:ldap://127.0.0.1:1/c4n4ry}%s%n".into(), THEIRS),
        ("c4n4ry".repeat(40), THEIRS),
        ("c4n4ry".repeat(1700), THEIRS),
    ];
    let mut door = door();
    let (log, _recording) = log::record();
    for (kid, secret) in &kids {
        let forged = sign_hs256(secret.as_bytes(), &header(json!({ "kid": kid })), &payload(json!({})));
        let outcome = door.rejects(kid, &forged);
        let reason = if forged.len() > 8192 { "too_long" } else { "unknown_key" };
        assert_eq!((outcome.reason, outcome.signature_checks), (Some(reason), 0), "{kid:?}");
    }
    let text = log.text();
    assert!(text.contains("unknown_key") && !text.contains("c4n4ry"), "{text}");
    assert!(!made.exists(), "a shell has run");
    fs::remove_file(key_file).unwrap();
}
