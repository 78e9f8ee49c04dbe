//! r23: no unverified content is used.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Deserializer};
use serde_json::json;
use testkit::tokens::{compact, encode, sign_raw};
use tower_jwt_blocklist::{NoClaims, reject::RejectionKind};

use super::{Stand, with_claims};
use crate::support::{good_token, header, payload};

static READ: AtomicUsize = AtomicUsize::new(0);

/// Application claims that count the attempts to deserialize them.
#[derive(Debug)]
struct Spy;

impl<'de> Deserialize<'de> for Spy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::Relaxed);
        NoClaims::deserialize(deserializer).map(|_| Self)
    }
}

#[tokio::test]
async fn r23_nothing_of_the_payload_counts_before_the_signature() {
    let stand = Stand::new();
    let head = header(json!({})).to_string();
    for (name, payload) in [
        ("a good payload", payload(json!({})).to_string()),
        ("expired", payload(json!({ "iat": 0, "exp": 1 })).to_string()),
        ("of another issuer", payload(json!({ "iss": "x" })).to_string()),
        ("no JSON", "\u{0}".into()),
        ("deep", "[".repeat(5000)),
        ("twice", r#"{"exp":1,"exp":2}"#.into()),
    ] {
        for forged in [
            compact(&head, &payload, [0; 32]),
            compact(&head, &payload, [7]),
            sign_raw(b"another secret of more than 32 bytes.", &head, &payload),
        ] {
            stand.invalid(name, &forged, "signature").await;
            stand.guard.authenticate::<Spy>(&forged).await.unwrap_err();
        }
    }
    let not_base64 = format!("{}.{}.{}", encode(&head), "***", encode([0; 32]));
    stand.invalid("a payload that is no base64url", &not_base64, "signature").await;
    let refused_claims = with_claims(json!({ "iss": "x" }));
    stand.guard.authenticate::<Spy>(&refused_claims).await.unwrap_err();
    assert_eq!(READ.load(Ordering::Relaxed), 0);
    stand.guard.authenticate::<Spy>(&good_token()).await.unwrap();
    assert_eq!(READ.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn r23_the_store_is_not_asked_about_claims_that_the_application_cannot_read() {
    #[derive(Debug, Deserialize)]
    struct Role {
        #[expect(dead_code, reason = "only its deserialization matters")]
        role: String,
    }
    let stand = Stand::new();
    for (name, changes) in [("missing", json!({})), ("of another type", json!({ "role": 1 }))] {
        let rejection = stand.guard.authenticate::<Role>(&with_claims(changes)).await.unwrap_err();
        assert_eq!((rejection.kind(), rejection.reason()), (RejectionKind::Invalid, "application_claims"), "{name}");
    }
    assert_eq!(stand.asked(), 0);
    stand.guard.authenticate::<Role>(&with_claims(json!({ "role": "admin" }))).await.unwrap();
    assert_eq!(stand.asked(), 1);
}
