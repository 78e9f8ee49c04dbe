//! The requirements of a route beyond a good token, and which response wins.

use std::{sync::Arc, time::Duration};

use crate::support::{
    NOW, clock, good_token,
    http::{bearer, inner, request},
    stub::StubBlocklist,
    token, verifier,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Authenticated, Guard, JwtBlocklistLayer, MemoryBlocklist, NoClaims, Require, TokenKind,
    blocklist::{Outage, RevocationScope, Status},
    guard::ClaimList,
    reject::{GrpcStatus, RejectionKind, Rfc6750},
};

fn layer() -> JwtBlocklistLayer {
    layer_with_claims()
}

fn layer_with_claims<X>() -> JwtBlocklistLayer<X> {
    JwtBlocklistLayer::access_with_claims(verifier(&clock()), MemoryBlocklist::new())
}

struct Answer {
    status: StatusCode,
    challenge: String,
    kind: Option<RejectionKind>,
    body: Value,
    /// The user that the inner service was called for, and the headers it saw.
    seen: Option<(Option<String>, HeaderMap)>,
}

async fn ask<X: serde::de::DeserializeOwned + Send + Sync + 'static>(
    layer: &JwtBlocklistLayer<X>,
    request: Request<Empty<Bytes>>,
) -> Answer {
    let inner = inner();
    let (parts, body) = layer.layer(inner.clone()).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let challenge = parts.headers.get(header::WWW_AUTHENTICATE);
    Answer {
        status: parts.status,
        challenge: challenge.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default(),
        kind: parts.extensions.get().copied(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        seen: inner.take().map(|called| {
            let user = called.extensions.get::<Authenticated<X>>();
            (user.map(|user| user.subject().unwrap().to_owned()), called.headers)
        }),
    }
}

fn nothing() -> Request<Empty<Bytes>> {
    request([])
}

/// The kind of rejection of a good token with these claims; `None` if it is admitted.
async fn refused(layer: &JwtBlocklistLayer, claims: Value) -> Option<RejectionKind> {
    let answer = ask(layer, bearer(&token(json!({}), claims))).await;
    assert_eq!(answer.seen.is_some(), answer.kind.is_none());
    answer.kind
}

#[tokio::test]
async fn r42_a_missing_scope_is_403_with_the_scopes_that_are_asked_for() {
    let layer = layer().add_requirement(Require::builder().scopes(["orders:read", "orders:write"]).build().unwrap());
    let rows = [
        ("both", json!("orders:read orders:write"), true),
        ("more, in another order", json!("x orders:write orders:read"), true),
        ("one", json!("orders:read"), false),
        ("none", json!(""), false),
        ("another case", json!("Orders:read orders:write"), false),
        ("a longer one", json!("orders:read2 orders:write"), false),
        ("a tab between", json!("orders:read\torders:write"), false),
        ("an array, which was not asked for", json!(["orders:read", "orders:write"]), false),
        ("a number", json!(5), false),
        ("absent", Value::Null, false),
    ];
    for (name, scope, passes) in rows {
        let answer = ask(&layer, bearer(&token(json!({}), json!({ "scope": scope })))).await;
        if passes {
            assert!(answer.seen.is_some(), "{name}");
            continue;
        }
        assert_eq!(
            (answer.status, answer.kind),
            (StatusCode::FORBIDDEN, Some(RejectionKind::InsufficientScope)),
            "{name}"
        );
        assert_eq!(
            answer.challenge,
            "Bearer realm=\"api\", error=\"insufficient_scope\", \
             error_description=\"The token does not give access to this\", scope=\"orders:read orders:write\""
        );
        assert_eq!(answer.body["error"], "insufficient_scope");
        assert!(answer.seen.is_none(), "{name}");
    }
}

#[tokio::test]
async fn r42_scopes_and_roles_are_read_from_the_claim_and_in_the_form_that_was_set() {
    let scp =
        layer().add_requirement(Require::builder().scopes_in(ClaimList::array("scp"), ["a", "b"]).build().unwrap());
    let roles = layer()
        .add_requirement(Require::builder().any_role(ClaimList::array("roles"), ["admin", "auditor"]).build().unwrap());
    let rows = [
        (&scp, json!({ "scp": ["b", "a"] }), true),
        (&scp, json!({ "scp": ["a"] }), false),
        (&scp, json!({ "scp": "a b" }), false),
        (&scp, json!({ "scp": ["a", "b", 1] }), false),
        (&scp, json!({ "scope": "a b" }), false),
        (&roles, json!({ "roles": ["auditor", "x"] }), true),
        (&roles, json!({ "roles": [] }), false),
        (&roles, json!({ "roles": "admin" }), false),
        (&roles, json!({ "roles": [["admin"]] }), false),
        (&roles, json!({}), false),
    ];
    for (layer, claims, passes) in rows {
        let expected = (!passes).then_some(RejectionKind::InsufficientScope);
        assert_eq!(refused(layer, claims.clone()).await, expected, "{claims}");
    }
    // The challenge names no scopes if only the role is missing.
    let both = Require::builder().scopes(["a"]).any_role(ClaimList::array("roles"), ["admin"]).build().unwrap();
    let answer = ask(&layer().add_requirement(both), bearer(&token(json!({}), json!({ "scope": "a" })))).await;
    assert!(
        answer.challenge.contains("insufficient_scope") && !answer.challenge.contains("scope="),
        "{}",
        answer.challenge
    );
}

#[tokio::test]
async fn r42_scopes_that_a_header_cannot_hold_are_an_error_when_they_are_set() {
    for bad in [vec![], vec![""], vec!["a b"], vec!["a\"b"], vec!["a\\b"], vec!["ok", "\u{e9}"], vec!["a\r\nb"]] {
        assert!(Require::builder().scopes(bad.clone()).build().is_err(), "{bad:?}");
        assert!(Require::builder().any_role(ClaimList::array("roles"), bad.clone()).build().is_err(), "{bad:?}");
        assert!(Require::builder().acr_values(bad.clone()).build().is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn r21_a_token_or_login_that_is_too_old_or_does_not_say_is_refused() {
    use RejectionKind::{Expired, InsufficientAuthentication, Invalid};
    let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    let token_age = layer().add_requirement(Require::builder().max_token_age(minute).build().unwrap());
    let login_age =
        layer().add_requirement(Require::builder().max_login_age(minute).max_login_age(hour).build().unwrap());
    let rows = [
        (&token_age, "at the limit", json!({ "iat": NOW - 60 }), None),
        (&token_age, "over it", json!({ "iat": NOW - 61 }), Some(Expired)),
        (&login_age, "auth_time at the limit", json!({ "auth_time": NOW - 60 }), None),
        (&login_age, "auth_time over it", json!({ "auth_time": NOW - 61 }), Some(InsufficientAuthentication)),
        (&login_age, "auth_time to come", json!({ "auth_time": NOW + 31 }), Some(InsufficientAuthentication)),
        (&login_age, "auth_time within the leeway", json!({ "auth_time": NOW + 30 }), None),
        (&login_age, "auth_time no number", json!({ "auth_time": "now" }), Some(InsufficientAuthentication)),
        (&login_age, "no time of login", json!({}), Some(InsufficientAuthentication)),
        (&login_age, "session began", json!({ "iat": NOW, "session_ms": (NOW - 60) * 1000 }), None),
        (
            &login_age,
            "session began before",
            json!({ "iat": NOW, "session_ms": (NOW - 60) * 1000 - 1 }),
            Some(InsufficientAuthentication),
        ),
        (
            &login_age,
            "a later proof in an old session",
            json!({ "iat": NOW, "session_ms": (NOW - 600) * 1000, "auth_time": NOW - 5 }),
            None,
        ),
        (
            &login_age,
            "no number, with a young session",
            json!({ "iat": NOW, "session_ms": NOW * 1000, "auth_time": {} }),
            Some(InsufficientAuthentication),
        ),
    ];
    for (layer, name, claims, expected) in rows {
        assert_eq!(refused(layer, claims).await, expected, "{name}");
    }
    // A token without the time of issue, with a verifier that allows this.
    let lenient = crate::support::settings()
        .optional(tower_jwt_blocklist::token::OptionalClaim::Iat)
        .clock(clock().as_fn())
        .build();
    let lenient = JwtBlocklistLayer::access(Arc::new(lenient.unwrap()), MemoryBlocklist::new());
    let timeless = json!({ "iat": null, "sid": null });
    assert_eq!(refused(&lenient, timeless.clone()).await, None);
    assert_eq!(
        refused(&lenient.add_requirement(Require::builder().max_token_age(hour).build().unwrap()), timeless).await,
        Some(Invalid)
    );
}

#[tokio::test]
async fn r21_the_challenge_says_how_the_user_has_to_log_in() {
    let require =
        Require::builder().max_login_age(Duration::from_secs(300)).acr_values(["phr", "urn:x:mfa"]).build().unwrap();
    let layer = layer().add_requirement(require);
    let rows = [
        (json!({ "auth_time": NOW, "acr": "phr" }), true),
        (json!({ "auth_time": NOW, "acr": "pwd" }), false),
        (json!({ "auth_time": NOW, "acr": ["phr"] }), false),
        (json!({ "auth_time": NOW }), false),
        (json!({ "acr": "phr" }), false),
    ];
    for (claims, passes) in rows {
        let answer = ask(&layer, bearer(&token(json!({}), claims.clone()))).await;
        if passes {
            assert!(answer.seen.is_some(), "{claims}");
            continue;
        }
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{claims}");
        assert_eq!(
            answer.challenge,
            "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
             error_description=\"This action needs a more recent or stronger login\", \
             acr_values=\"phr urn:x:mfa\", max_age=\"300\""
        );
    }
}

#[derive(Deserialize)]
struct Shop {
    plan: String,
}

#[tokio::test]
async fn a_condition_of_the_application_sees_its_claims_and_comes_last() {
    let paid = layer_with_claims::<Shop>().add_condition(|user| user.claims().plan == "paid");
    let both = paid.clone().add_condition(|user| user.subject() == Some("user-1"));
    let with = |plan, sub| bearer(&token(json!({}), json!({ "plan": plan, "sub": sub })));
    assert!(ask(&paid, with("paid", "user-2")).await.seen.is_some());
    assert!(ask(&both, with("paid", "user-1")).await.seen.is_some());
    for request in [with("free", "user-1"), with("paid", "user-2")] {
        let answer = ask(&both, request).await;
        assert_eq!((answer.status, answer.kind), (StatusCode::FORBIDDEN, Some(RejectionKind::Forbidden)));
        assert_eq!((answer.challenge, answer.body["error"].as_str()), (String::new(), Some("forbidden")));
    }
}

/// The constructor fixes the claims type before any condition is added. So no condition is lost,
/// and each sees the claims it was written for.
#[tokio::test]
async fn each_constructor_reads_its_claims_type_and_keeps_its_conditions() {
    let (access, list) = (verifier(&clock()), MemoryBlocklist::new());
    let guard = Guard::new(TokenKind::Access, access.clone(), list.clone());
    let is_paid = |user: &Authenticated<Shop>| user.claims().plan == "paid";
    let rows = [
        ("access", JwtBlocklistLayer::access_with_claims::<Shop>(access.clone(), list.clone()), "at+jwt"),
        ("refresh", JwtBlocklistLayer::refresh_with_claims(access, list), "rt+jwt"),
        ("guard", JwtBlocklistLayer::from_guard_with_claims(guard), "at+jwt"),
    ];
    for (name, layer, typ) in rows {
        let layer = layer.add_condition(is_paid);
        for (claims, expected) in [
            (json!({ "plan": "paid" }), None),
            (json!({ "plan": "free" }), Some(RejectionKind::Forbidden)),
            (json!({}), Some(RejectionKind::Invalid)),
        ] {
            let answer = ask(&layer, bearer(&token(json!({ "typ": typ }), claims.clone()))).await;
            assert_eq!((answer.kind, answer.seen.is_some()), (expected, expected.is_none()), "{name} {claims}");
        }
    }
}

#[tokio::test]
async fn which_answer_wins_is_that_of_the_first_fault_in_order() {
    let full = Require::builder()
        .scopes(["admin"])
        .max_login_age(Duration::from_secs(60))
        .max_token_age(Duration::from_secs(60))
        .build()
        .unwrap();
    let layer = |answer| {
        JwtBlocklistLayer::access(verifier(&clock()), StubBlocklist::new(answer))
            .add_requirement(full.clone())
            .add_condition(|_| false)
    };
    let (clear, revoked) = (Ok(Status::NotRevoked), Ok(Status::Revoked(RevocationScope::Session)));
    // Each row removes the reason for which the previous one was rejected.
    let old = json!({ "iat": NOW - 100 });
    let fresh = json!({});
    let scoped = json!({ "scope": "admin" });
    let logged_in = json!({ "scope": "admin", "auth_time": NOW });
    let rows = [
        (revoked, json!({ "exp": NOW - 100, "iat": NOW - 200 }), RejectionKind::Expired),
        (revoked, old.clone(), RejectionKind::Revoked),
        (Err(Outage::TimedOut), old.clone(), RejectionKind::Unavailable),
        (clear, old, RejectionKind::Expired),
        (clear, fresh, RejectionKind::InsufficientScope),
        (clear, scoped, RejectionKind::InsufficientAuthentication),
        (clear, logged_in, RejectionKind::Forbidden),
    ];
    for (answer, claims, expected) in rows {
        assert_eq!(refused(&layer(answer), claims.clone()).await, Some(expected), "{claims}");
    }
}

#[tokio::test]
async fn requirements_add_up_and_never_replace_one_another() {
    let layer = layer()
        .add_requirement(Require::builder().scopes(["a"]).build().unwrap())
        .add_requirement(Require::builder().scopes(["b"]).build().unwrap());
    for (scope, passes) in [("a b", true), ("a", false), ("b", false)] {
        assert_eq!(refused(&layer, json!({ "scope": scope })).await.is_none(), passes, "{scope}");
    }
    let one = Require::builder().scopes(["a"]).scopes(["b"]).build().unwrap();
    let answer = ask(&self::layer().add_requirement(one), bearer(&good_token())).await;
    assert!(answer.challenge.ends_with("scope=\"a b\""), "{}", answer.challenge);
}

#[tokio::test]
async fn grpc_and_uniform_say_403_in_their_own_way() {
    let require = || layer().add_requirement(Require::builder().scopes(["a"]).build().unwrap());
    let response = require().with_renderer(GrpcStatus).layer(inner()).oneshot(bearer(&good_token())).await.unwrap();
    assert_eq!((response.status(), &response.headers()["grpc-status"]), (StatusCode::OK, &"7".parse().unwrap()));
    let answer =
        ask(&require().with_renderer(Rfc6750::builder().uniform().build().unwrap()), bearer(&good_token())).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // With `uniform`, a token that is too old is reported as invalid.
    let old = layer()
        .add_requirement(Require::builder().max_token_age(Duration::ZERO).build().unwrap())
        .with_renderer(Rfc6750::builder().uniform().build().unwrap());
    let answer = ask(&old, bearer(&token(json!({}), json!({ "iat": NOW - 9 })))).await;
    assert!(answer.challenge.contains("The access token is not valid"), "{}", answer.challenge);
}

#[tokio::test]
async fn r47_optional_lets_nobody_through_and_refuses_what_is_bad() {
    let optional = layer().optional();
    let expired = token(json!({}), json!({ "iat": NOW - 7200, "exp": NOW - 3600 }));
    let good = format!("Bearer {}", good_token());
    let (two, basic) = (request([&*good, &good]), request(["Basic eDp5"]));
    let rows = [
        ("nothing", nothing(), Ok(None)),
        ("another scheme", basic, Ok(None)),
        ("good", bearer(&good_token()), Ok(Some("user-1".to_owned()))),
        ("forged", bearer(&format!("{}x", good_token())), Err(RejectionKind::Invalid)),
        ("expired", bearer(&expired), Err(RejectionKind::Expired)),
        ("no token", bearer(""), Err(RejectionKind::Malformed)),
        ("two", two, Err(RejectionKind::Malformed)),
        ("refresh", bearer(&token(json!({ "typ": "rt+jwt" }), json!({}))), Err(RejectionKind::WrongKind)),
    ];
    for (name, request, expected) in rows {
        let answer = ask(&optional, request).await;
        let outcome = answer.kind.map_or_else(|| Ok(answer.seen.unwrap().0), Err);
        assert_eq!(outcome, expected, "{name}");
    }
    for (answer, expected) in [
        (Ok(Status::Revoked(RevocationScope::Token)), RejectionKind::Revoked),
        (Err(Outage::NotConnected), RejectionKind::Unavailable),
    ] {
        let optional = JwtBlocklistLayer::access(verifier(&clock()), StubBlocklist::new(answer)).optional();
        assert_eq!(ask(&optional, bearer(&good_token())).await.kind, Some(expected), "not admitted as anonymous");
        assert!(ask(&optional, nothing()).await.seen.is_some());
    }
    let scoped = layer().optional().add_requirement(Require::builder().scopes(["a"]).build().unwrap());
    assert!(ask(&scoped, nothing()).await.seen.is_some());
    assert_eq!(ask(&scoped, bearer(&good_token())).await.status, StatusCode::FORBIDDEN);
}

fn preflight() -> http::request::Builder {
    Request::builder()
        .method(Method::OPTIONS)
        .uri("/")
        .header(header::ORIGIN, "https://app.example.org")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT")
}

#[tokio::test]
async fn r46_only_true_preflights_are_exempt_and_only_when_asked_for() {
    let preflight = || preflight().body(Empty::new()).unwrap();
    assert_eq!(ask(&layer(), preflight()).await.kind, Some(RejectionKind::Missing), "not by default");
    let exempt = layer().exempt_preflights();
    assert_eq!(ask(&exempt, preflight()).await.seen.map(|(user, _)| user), Some(None));

    let with = |name: HeaderName, value: &str| {
        let mut request = preflight();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let without = |name: HeaderName| {
        let mut request = preflight();
        request.headers_mut().remove(name);
        request
    };
    let mut get = preflight();
    *get.method_mut() = Method::GET;
    let good = format!("Bearer {}", good_token());
    let rows = [
        ("no origin", without(header::ORIGIN), Some(RejectionKind::Missing)),
        ("no method asked for", without(header::ACCESS_CONTROL_REQUEST_METHOD), Some(RejectionKind::Missing)),
        ("another method", get, Some(RejectionKind::Missing)),
        ("a cookie", with(header::COOKIE, "a=b"), Some(RejectionKind::Missing)),
        ("other credentials", with(header::AUTHORIZATION, "Basic eDp5"), Some(RejectionKind::Missing)),
        ("a bad token", with(header::AUTHORIZATION, "Bearer x"), Some(RejectionKind::Invalid)),
        ("a good token", with(header::AUTHORIZATION, &good), None),
    ];
    for (name, request, expected) in rows {
        let answer = ask(&exempt, request).await;
        assert_eq!(answer.kind, expected, "{name}");
        if expected.is_none() {
            assert_eq!(answer.seen.unwrap().0.as_deref(), Some("user-1"), "{name}");
        }
    }
}

#[tokio::test]
async fn r47_an_identity_of_before_is_gone_on_every_path() {
    let guard = Guard::new(TokenKind::Access, verifier(&clock()), MemoryBlocklist::new());
    let somebody_else = token(json!({}), json!({ "sub": "somebody else" }));
    let smuggled: Authenticated<NoClaims> = guard.authenticate(&somebody_else).await.unwrap();
    let layer = layer().optional().exempt_preflights().add_removed_headers([HeaderName::from_static("x-shop-user")]);
    let keeping = layer.clone().keep_identity_headers();
    let rows = [
        ("nobody", nothing(), None),
        ("preflight", preflight().body(Empty::new()).unwrap(), None),
        ("somebody", bearer(&good_token()), Some("user-1")),
    ];
    for (name, mut request, expected) in rows {
        request.extensions_mut().insert(smuggled.clone());
        for header in ["x-forwarded-user", "x-forwarded-user", "X-User-Id", "remote-user", "x-shop-user", "x-shop-id"] {
            request.headers_mut().append(header.parse::<HeaderName>().unwrap(), "root".parse().unwrap());
        }
        let kept = ask(&keeping, request.clone()).await.seen.unwrap().1;
        let (user, headers) = ask(&layer, request).await.seen.unwrap();
        assert_eq!(user.as_deref(), expected, "{name}");
        let left = |headers: &HeaderMap| headers.values().filter(|value| *value == "root").count();
        assert!(headers.contains_key("x-shop-id") && left(&headers) == 1, "{name}: {headers:?}");
        assert!(!kept.contains_key("x-shop-user") && left(&kept) == 5, "{name}: {kept:?}");
    }
}
