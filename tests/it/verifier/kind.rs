//! r12, r13: access or refresh.

use serde_json::{Value, json};
use tower_jwt_blocklist::{TokenKind, config_error::ConfigErrorKind, reject::RejectionKind, token::KindSource};

use super::{Stand, with_head};
use crate::support::{NOW, clock, settings, token};

#[tokio::test]
async fn r12_only_the_access_media_type_is_an_access_token() {
    let stand = Stand::new();
    for typ in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"] {
        stand.accepts(typ, &token(json!({ "typ": typ }), json!({}))).await;
    }
    for typ in ["JWT", "jwt", "application/jwt"] {
        stand.invalid(typ, &token(json!({ "typ": typ }), json!({})), "kind").await;
    }
    stand.invalid("no typ", &token(json!({ "typ": null }), json!({})), "kind").await;
    for typ in [
        "\"\"",
        "null",
        "1",
        "[]",
        r#"["at+jwt"]"#,
        r#""at+jwt ""#,
        r#"" at+jwt""#,
        r#""at+jwt\u0000""#,
        r#""at+jwt;charset=utf-8""#,
        r#""at jwt""#,
        r#""at+jws""#,
        r#""at""#,
        r#""text/at+jwt""#,
        r#""/at+jwt""#,
        r#""application/""#,
        r#""application/application/at+jwt""#,
        r#""logout+jwt""#,
        r#""id+jwt""#,
        r#""dpop+jwt""#,
        r#""secevent+jwt""#,
        r#""at+jwt,rt+jwt""#,
        r#""Bearer""#,
    ] {
        stand.invalid(typ, &with_head("typ", typ), "typ").await;
    }
}

/// A kind source, and rows of header changes, payload changes and the resulting kind, if any.
struct Kinds {
    name: &'static str,
    source: KindSource,
    access: (Value, Value),
    refresh: (Value, Value),
    neither: Vec<(&'static str, Value, Value)>,
}

fn kinds() -> [Kinds; 3] {
    let jwt = || json!({ "typ": "JWT" });
    [
        Kinds {
            name: "typ header",
            source: KindSource::typ_header(),
            access: (json!({}), json!({})),
            refresh: (json!({ "typ": "RT+jwt" }), json!({})),
            neither: vec![
                ("an ID token", jwt(), json!({ "nonce": "n", "at_hash": "h" })),
                ("typ in the payload", jwt(), json!({ "typ": "at+jwt" })),
                ("the kind in the payload", json!({ "typ": null }), json!({ "token_use": "access", "refresh": false })),
            ],
        },
        Kinds {
            name: "boolean claim",
            source: KindSource::flag("refresh"),
            access: (jwt(), json!({ "refresh": false })),
            refresh: (json!({ "typ": null }), json!({ "refresh": true })),
            neither: vec![
                ("absent", jwt(), json!({})),
                ("absent, though typ names the kind", json!({}), json!({})),
                ("number", jwt(), json!({ "refresh": 0 })),
                ("string", jwt(), json!({ "refresh": "false" })),
                ("list", jwt(), json!({ "refresh": [false] })),
                ("other case", jwt(), json!({ "Refresh": false })),
                ("typ is access, the claim refresh", json!({}), json!({ "refresh": true })),
                ("typ is refresh, the claim access", json!({ "typ": "rt+jwt" }), json!({ "refresh": false })),
            ],
        },
        Kinds {
            name: "string claim",
            source: KindSource::value("token_use", "access", "refresh"),
            access: (json!({}), json!({ "token_use": "access" })),
            refresh: (jwt(), json!({ "token_use": "refresh" })),
            neither: vec![
                ("absent", jwt(), json!({})),
                ("an ID token", jwt(), json!({ "token_use": "id" })),
                ("other case", jwt(), json!({ "token_use": "Access" })),
                ("blank", jwt(), json!({ "token_use": "access " })),
                ("both", jwt(), json!({ "token_use": ["access", "refresh"] })),
                ("boolean", jwt(), json!({ "token_use": true })),
                ("empty", jwt(), json!({ "token_use": "" })),
                ("typ is refresh, the claim access", json!({ "typ": "rt+jwt" }), json!({ "token_use": "access" })),
            ],
        },
    ]
}

#[tokio::test]
async fn r13_access_is_access_and_refresh_is_refresh_and_anything_else_is_neither() {
    for Kinds { name, source, access, refresh, neither } in kinds() {
        let [access, refresh] = [access, refresh].map(|(header, payload)| token(header, payload));
        for (kind, right, wrong) in [(TokenKind::Access, &access, &refresh), (TokenKind::Refresh, &refresh, &access)] {
            let settings = settings().clock(clock().as_fn()).kind_source(source.clone());
            let stand = Stand::of(kind, settings, right.clone());
            assert_eq!(stand.accepts(name, right).await.kind(), kind, "{name}");
            stand
                .rejects(&format!("{kind}: the other kind by {name}"), wrong, RejectionKind::WrongKind, "wrong_kind")
                .await;
            for (row, header, payload) in &neither {
                let row = format!("{kind} by {name}: {row}");
                stand.invalid(&row, &token(header.clone(), payload.clone()), "kind").await;
            }
            stand.invalid(name, &token(json!({ "typ": "logout+jwt" }), json!({})), "typ").await;

            // The wrong kind is reported only for a genuine token.
            let (signed, _) = wrong.rsplit_once('.').unwrap();
            stand.invalid(name, &format!("{signed}.{}", "A".repeat(43)), "signature").await;
        }
    }
}

#[tokio::test]
async fn r13_a_token_of_the_wrong_kind_that_is_wrong_otherwise_too_is_not_called_genuine() {
    let stand = Stand::new();
    let refresh = |changes| token(json!({ "typ": "rt+jwt" }), changes);
    for (name, changes, kind, reason) in [
        ("issuer", json!({ "iss": "x" }), RejectionKind::Invalid, "iss"),
        ("audience", json!({ "aud": "x" }), RejectionKind::Invalid, "aud"),
        ("not yet", json!({ "nbf": NOW + 60 }), RejectionKind::Invalid, "nbf"),
        ("bound to a key", json!({ "cnf": {} }), RejectionKind::Invalid, "cnf"),
        ("expired", json!({ "iat": NOW - 60, "exp": NOW - 30 }), RejectionKind::Expired, "expired"),
    ] {
        stand.rejects(name, &refresh(changes), kind, reason).await;
    }
}

#[test]
fn r13_a_kind_source_that_cannot_tell_fails_the_build() {
    for (name, source) in [
        ("one value for both", KindSource::value("use", "token", "token")),
        ("a flag named exp", KindSource::flag("exp")),
        ("a value named sub", KindSource::value("sub", "a", "r")),
        ("a flag named cnf", KindSource::flag("cnf")),
    ] {
        let error = settings().kind_source(source).build().expect_err(name);
        assert_eq!(error.kind(), ConfigErrorKind::Conflict, "{name}");
    }
}
