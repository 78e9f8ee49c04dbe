//! A guard's decision about one token. Each rejected token is followed by the good one, which must
//! still be admitted (r27).
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod claims;
mod form;
mod kind;
mod order;
mod times;
#[cfg(feature = "compat")]
mod tutorial;

use std::sync::Arc;

use crate::support::{SECRET, clock, good_token, header, payload, settings, stub::StubBlocklist, token};
use jsonwebtoken::{EncodingKey, crypto::aws_lc};
use serde_json::{Value, json};
use testkit::tokens::{encode, sign_raw};
use tower_jwt_blocklist::{
    Authenticated, Guard, NoClaims, TokenKind, Verifier,
    reject::RejectionKind,
    token::{OptionalClaim, TokenIdSource, VerifierBuilder},
};

/// A guard, and a token that it must always accept.
struct Stand {
    guard: Guard,
    store: StubBlocklist,
    good: String,
}

impl Stand {
    fn new() -> Self {
        Self::with(settings().clock(clock().as_fn()))
    }

    fn with(settings: VerifierBuilder) -> Self {
        Self::of(TokenKind::Access, settings, good_token())
    }

    fn of(kind: TokenKind, settings: VerifierBuilder, good: String) -> Self {
        let store = StubBlocklist::clear();
        Self { guard: Guard::new(kind, Arc::new(settings.build().unwrap()), store.clone()), store, good }
    }

    fn asked(&self) -> usize {
        self.store.asked()
    }

    async fn accepts(&self, name: &str, token: &str) -> Authenticated {
        let before = self.asked();
        let decision = self.guard.authenticate::<NoClaims>(token).await;
        assert_eq!(self.asked(), before + usize::from(decision.is_ok()), "{name}: the store is queried once");
        decision.unwrap_or_else(|rejection| panic!("{name}: {rejection}"))
    }

    /// Asserts that the token is rejected as unreadable, whichever part it is.
    async fn unreadable(&self, name: &str, token: &str) {
        let rejection = self.guard.authenticate::<NoClaims>(token).await.expect_err(name);
        assert!(["shape", "header", "payload", "exp"].contains(&rejection.reason()), "{name}: {rejection}");
        self.invalid(name, token, rejection.reason()).await;
    }

    async fn rejects(&self, name: &str, token: &str, kind: RejectionKind, reason: &str) {
        let before = self.asked();
        let Err(rejection) = self.guard.authenticate::<NoClaims>(token).await else { panic!("{name}: accepted") };
        assert_eq!((rejection.kind(), rejection.reason()), (kind, reason), "{name}");
        assert_eq!(self.asked(), before, "{name}: the store was queried");
        self.accepts(&format!("the good token after {name:?}"), &self.good).await;
    }

    async fn invalid(&self, name: &str, token: &str, reason: &str) {
        self.rejects(name, token, RejectionKind::Invalid, reason).await;
    }
}

fn with_claims(changes: Value) -> String {
    token(json!({}), changes)
}

/// A genuine token with this text as a claim's value, which may not be JSON.
fn with_claim(name: &str, value: &str) -> String {
    sign_raw(
        SECRET.as_bytes(),
        &header(json!({})).to_string(),
        &with_member(payload(json!({ name: null })), name, value),
    )
}

/// A token with this text as a header parameter's value, always signed with HS256 and the right
/// secret.
fn with_head(name: &str, value: &str) -> String {
    sign_raw(
        SECRET.as_bytes(),
        &with_member(header(json!({ name: null })), name, value),
        &payload(json!({})).to_string(),
    )
}

fn with_member(object: Value, name: &str, value: &str) -> String {
    let text = object.to_string();
    format!(r#"{},"{name}":{value}}}"#, text.strip_suffix('}').unwrap())
}

/// Signs exactly this text, even if its parts are not base64url.
fn sign_text(text: &str) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signer = (aws_lc::DEFAULT_PROVIDER.signer_factory)(&jsonwebtoken::Algorithm::HS256, &key).unwrap();
    format!("{text}.{}", encode(signer.try_sign(text.as_bytes()).unwrap()))
}

fn sign_bytes(header: &[u8], payload: &[u8]) -> String {
    sign_text(&[encode(header), encode(payload)].join("."))
}

/// The most lenient settings.
fn lenient() -> VerifierBuilder {
    Verifier::builder()
        .key(crate::support::verifying_key())
        .any_issuer()
        .any_audience()
        .optional(OptionalClaim::Sub)
        .optional(OptionalClaim::Iat)
        .token_id_source(TokenIdSource::JtiOrHash)
        .clock(clock().as_fn())
}
