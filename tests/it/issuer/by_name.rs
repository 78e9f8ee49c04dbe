//! Revoking another issuer's tokens by subject, session or issuer: `Verifier::subject_revocation`
//! and the like, through the layer.

use std::{sync::Arc, time::Duration};

use crate::support::{
    AUDIENCE, ISSUER, NOW, header,
    http::{bearer, inner},
    payload, settings, verifying_key,
    world::World,
};
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use testkit::tokens::KeyPair;
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Guard, JwtBlocklistLayer, NoClaims, Rejection, TokenKind, Verifier, VerifyingKey,
    blocklist::{Revocation, Revoke, RevokeError},
    keys::KeySet,
    token::{OptionalClaim, VerifierBuilder},
};

const SHOP: &str = "https://sso.example.org/realms/shop";
const BANK: &str = "https://sso.example.org/realms/bank";
const DAY: u64 = 24 * 3600;
const MAX_LEEWAY: u64 = 300;

fn keys_of(issuer: &str) -> KeyPair {
    if issuer == SHOP { KeyPair::es256() } else { KeyPair::eddsa() }
}

/// A verifier's settings for the tokens of two foreign issuers.
fn foreign() -> VerifierBuilder {
    [SHOP, BANK].into_iter().fold(Verifier::builder().audience(AUDIENCE), |settings, issuer| {
        let pair = keys_of(issuer);
        let key = VerifyingKey::from_pem(pair.alg().parse().unwrap(), pair.public_pem()).unwrap();
        settings.trust(issuer, KeySet::new([key.with_id("a")]).unwrap())
    })
}

/// A token as one of these issuers mints it.
fn token(issuer: &str, kind: TokenKind, changes: Value) -> String {
    let mut payload = payload(changes);
    payload["iss"] = json!(issuer);
    let (pair, typ) = (keys_of(issuer), if kind == TokenKind::Access { "at+jwt" } else { "rt+jwt" });
    pair.sign(&header(json!({ "alg": pair.alg(), "kid": "a", "typ": typ })), &payload)
}

fn access(issuer: &str, changes: Value) -> String {
    token(issuer, TokenKind::Access, changes)
}

/// A service that verifies tokens and mints none.
struct Service(World);

impl Service {
    fn new(settings: VerifierBuilder) -> Self {
        Self(World::with(settings))
    }

    async fn store(&self, revocation: Result<Revocation, RevokeError>) {
        self.0.store.revoke(&revocation.unwrap()).await.unwrap();
    }

    async fn ask(&self, token: &str) -> String {
        self.ask_for(TokenKind::Access, self.0.verifier.clone(), token).await
    }

    /// Returns "inner", or the reason for the rejection.
    async fn ask_for(&self, kind: TokenKind, verifier: Arc<Verifier>, token: &str) -> String {
        let layer = JwtBlocklistLayer::from_guard(Guard::new(kind, verifier, self.0.store.clone()))
            .with_renderer(|rejection: &Rejection| Response::new(Bytes::from(rejection.reason())));
        let response = layer.layer(inner()).oneshot(bearer(token)).await.unwrap();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }
}

#[tokio::test]
async fn r52_a_foreign_subject_is_logged_out_everywhere_and_can_log_in_again() {
    let service = Service::new(foreign());
    let before = access(SHOP, json!({ "iat": NOW - 5 }));
    let same_second = access(SHOP, json!({ "sid": "session-2" }));
    let without_session = access(SHOP, json!({ "sid": null }));
    let other_subject = access(SHOP, json!({ "sub": "user-2" }));
    let namesake = access(BANK, json!({}));
    for token in [&before, &same_second, &without_session, &other_subject, &namesake] {
        assert_eq!(service.ask(token).await, "inner");
    }
    service.0.clock.advance(Duration::from_millis(900));
    service.store(service.0.verifier.subject_revocation(Some(SHOP), "user-1")).await;
    for token in [&before, &same_second, &without_session] {
        assert_eq!(service.ask(token).await, "subject_revoked");
    }
    for token in [&other_subject, &namesake, &access(SHOP, json!({ "iat": NOW + 1 }))] {
        assert_eq!(service.ask(token).await, "inner");
    }
}

#[tokio::test]
async fn r52_a_token_without_iat_is_refused_by_every_later_cut_off_of_its_subject() {
    let service = Service::new(foreign().optional(OptionalClaim::Iat));
    let timeless = access(SHOP, json!({ "iat": null, "sid": null }));
    assert_eq!(service.ask(&timeless).await, "inner");
    service.store(service.0.verifier.subject_revocation(Some(SHOP), "user-1")).await;
    assert_eq!(service.ask(&timeless).await, "subject_revoked");
}

#[tokio::test]
async fn r53_a_foreign_session_ends_by_name_and_no_other() {
    let service = Service::new(foreign());
    service.store(service.0.verifier.session_revocation(Some(SHOP), "session-1")).await;
    service.0.clock.advance(Duration::from_secs(60));
    for (kind, iat) in [(TokenKind::Access, NOW), (TokenKind::Access, NOW + 60), (TokenKind::Refresh, NOW)] {
        let token = token(SHOP, kind, json!({ "iat": iat }));
        assert_eq!(service.ask_for(kind, service.0.verifier.clone(), &token).await, "session_revoked");
    }
    for token in [access(SHOP, json!({ "sid": "session-2" })), access(BANK, json!({}))] {
        assert_eq!(service.ask(&token).await, "inner");
    }
}

#[tokio::test]
async fn r54_everybody_of_one_foreign_issuer_is_logged_out_and_can_log_in_again() {
    let service = Service::new(foreign());
    service.store(service.0.verifier.issuer_revocation(Some(SHOP))).await;
    for subject in ["user-1", "user-2"] {
        assert_eq!(service.ask(&access(SHOP, json!({ "sub": subject }))).await, "issuer_revoked");
        assert_eq!(service.ask(&access(BANK, json!({ "sub": subject }))).await, "inner");
        assert_eq!(service.ask(&access(SHOP, json!({ "sub": subject, "iat": NOW + 1 }))).await, "inner");
    }
}

#[tokio::test]
async fn r53_who_has_a_token_logs_out_everywhere_or_everywhere_else() {
    for (everywhere, of_this_one) in [(false, "inner"), (true, "subject_revoked")] {
        let service = Service::new(foreign());
        let (this, other) = (access(SHOP, json!({})), access(SHOP, json!({ "sid": "session-2" })));
        let guard = Guard::new(TokenKind::Access, service.0.verifier.clone(), service.0.store.clone());
        let user = guard.authenticate::<NoClaims>(&this).await.unwrap();
        let revocation = if everywhere { user.subject_revocation() } else { user.others_revocation() };
        service.store(Ok(revocation.unwrap())).await;
        assert_eq!(service.ask(&other).await, "subject_revoked");
        assert_eq!(service.ask(&this).await, of_this_one);
        if everywhere {
            assert_eq!(revocation, service.0.verifier.subject_revocation(user.issuer(), "user-1").ok());
        }
    }

    let service = Service::new(foreign().optional(OptionalClaim::Sub));
    let guard = Guard::new(TokenKind::Access, service.0.verifier.clone(), service.0.store.clone());
    let nobody = guard.authenticate::<NoClaims>(&access(SHOP, json!({ "sub": null }))).await.unwrap();
    assert_eq!(nobody.subject_revocation(), None);
}

/// At the last second of the longest token in question, for a verifier with a large leeway whose
/// clock is behind, the revocation is still known. A second later the token has expired anyway.
#[tokio::test]
async fn r49_r52_what_is_revoked_by_name_is_remembered_until_its_last_token_has_ended() {
    type Revoking = fn(&Verifier) -> Result<Revocation, RevokeError>;
    let rows: [(&str, u64, Revoking); 3] = [
        ("subject_revoked", NOW, |verifier| verifier.subject_revocation(Some(SHOP), "user-1")),
        ("issuer_revoked", NOW, |verifier| verifier.issuer_revocation(Some(SHOP))),
        // A session's token can be issued in the future, by a fast clock.
        ("session_revoked", NOW + MAX_LEEWAY, |verifier| verifier.session_revocation(Some(SHOP), "session-1")),
    ];
    for (reason, issued, revoking) in rows {
        let max_lifetime = Duration::from_secs(10 * DAY);
        // The revoking verifier has no leeway.
        let service = Service::new(foreign().max_lifetime(max_lifetime).leeway(Duration::ZERO));
        service.store(revoking(&service.0.verifier)).await;

        let clock = service.0.clock.as_fn();
        let behind = move || clock() - Duration::from_secs(60);
        let generous = foreign().max_lifetime(max_lifetime).leeway(Duration::from_secs(MAX_LEEWAY)).clock(behind);
        let generous = Arc::new(generous.build().unwrap());
        let expires = issued + 10 * DAY;
        let token = access(SHOP, json!({ "iat": issued, "exp": expires }));
        service.0.clock.set(crate::support::at(expires + MAX_LEEWAY + 60 - 1));
        // The in-memory list removes expired entries when it stores another one.
        service.store(service.0.verifier.session_revocation(Some(BANK), "another")).await;
        assert_eq!(service.ask_for(TokenKind::Access, generous.clone(), &token).await, reason);
        let unrevoked = access(BANK, json!({ "iat": issued, "exp": expires }));
        assert_eq!(service.ask_for(TokenKind::Access, generous.clone(), &unrevoked).await, "inner", "{reason}");
        service.0.clock.advance(Duration::from_secs(1));
        assert_eq!(service.ask_for(TokenKind::Access, generous, &unrevoked).await, "expired", "{reason}");
    }
}

#[test]
fn r51_only_an_issuer_whose_tokens_are_accepted_can_be_named() {
    let own = || Verifier::builder().key(verifying_key()).audience(AUDIENCE);
    let (with_slash, upper) = (format!("{SHOP}/"), SHOP.to_uppercase());
    let own_beside = || foreign().key(verifying_key().with_id("own")).issuer(ISSUER);
    type Names<'a> = &'a [Option<&'a str>];
    let rows: [(&str, VerifierBuilder, Names<'_>, Names<'_>); 4 + cfg!(feature = "compat") as usize] = [
        (
            "foreign",
            foreign(),
            &[Some(SHOP), Some(BANK)],
            &[None, Some(""), Some("user-1"), Some(ISSUER), Some(&with_slash), Some(&upper)],
        ),
        ("foreign and own", own_beside(), &[Some(SHOP), Some(BANK), Some(ISSUER)], &[None, Some("")]),
        ("own", own().issuer(ISSUER).issuer("old"), &[Some(ISSUER), Some("old")], &[None, Some(SHOP)]),
        ("any", own().any_issuer(), &[None, Some(ISSUER), Some(SHOP)], &[]),
        #[cfg(feature = "compat")]
        ("the tutorial's too", settings().also_fastapi_tokens(), &[None, Some(ISSUER)], &[Some(SHOP)]),
    ];
    for (name, settings, known, unknown) in rows {
        let verifier = settings.build().unwrap();
        let all = |issuer| {
            let subject = verifier.subject_revocation(issuer, "user-1").map(|_| ());
            assert_eq!(subject, verifier.session_revocation(issuer, "session-1").map(|_| ()), "{name}: {issuer:?}");
            assert_eq!(subject, verifier.issuer_revocation(issuer).map(|_| ()), "{name}: {issuer:?}");
            subject
        };
        for issuer in known {
            assert_eq!(all(*issuer), Ok(()), "{name}: {issuer:?}");
        }
        for issuer in unknown {
            assert_eq!(all(*issuer), Err(RevokeError::UnknownIssuer), "{name}: {issuer:?}");
        }
    }
}
