//! Tokens as the FastAPI tutorial makes them: alone, and together with those of our own issuer.

use std::time::Duration;

use crate::support::{NOW, SECRET, settings, token, verifying_key, world::World};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testkit::tokens;
use tower_jwt_blocklist::{
    Authenticated, Guard, NoClaims, Rejection, TokenKind, Verifier,
    config_error::ConfigErrorKind,
    issuer::IssueError,
    token::{KindSource, VerifierBuilder},
};

/// Made by PyJWT 2.15.1 with the tutorial's `create_access_token`, at `NOW`: one hour, and two days
/// with `refresh=True`.
const ACCESS: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyIjp7ImVtYWlsIjoiYWRhQGV4YW1wbGUub3JnIiwidXNlcl91aWQiOiI3YjNjNWE1Mi02YTZiLTRkN2UtOWI4YS0wYTZkMWY2YzJlMTEifSwiZXhwIjoxNzY3MjI5MjAwLCJqdGkiOiIwZjhmYWQ1Yi1kOWNiLTQ2OWYtYTE2NS03MDg2NzcyODk1MGUiLCJyZWZyZXNoIjpmYWxzZX0.CWzkuSBpDVMZIn1a57V530L1kxPeRFMhTCMnl8O66jA";
const REFRESH: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyIjp7ImVtYWlsIjoiYWRhQGV4YW1wbGUub3JnIiwidXNlcl91aWQiOiI3YjNjNWE1Mi02YTZiLTRkN2UtOWI4YS0wYTZkMWY2YzJlMTEifSwiZXhwIjoxNzY3Mzk4NDAwLCJqdGkiOiI3YzllNjY3OS03NDI1LTQwZGUtOTQ0Yi1lMDdmYzFmOTBhZTciLCJyZWZyZXNoIjp0cnVlfQ.dPsiSJ_yKci_Kt4ah7GPNBrKuqH8sE6Uu6qRXD1Y_r4";
const ACCESS_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    user: User,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct User {
    email: String,
    user_uid: String,
}

fn ada() -> Claims {
    let user_uid = "7b3c5a52-6a6b-4d7e-9b8a-0a6d1f6c2e11".into();
    Claims { user: User { email: "ada@example.org".into(), user_uid } }
}

/// A token of the tutorial with these members set; `null` removes one.
fn theirs(header: Value, payload: Value) -> String {
    let mut head = json!({ "alg": "HS256", "typ": "JWT" });
    let mut body = json!({ "user": ada().user, "exp": NOW + 3600, "jti": ACCESS_ID, "refresh": false });
    for (members, changes) in [(&mut head, header), (&mut body, payload)] {
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => members.as_object_mut().unwrap().remove(name),
                value => members.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
    }
    tokens::sign_hs256(SECRET.as_bytes(), &head, &body)
}

/// A world whose tokens have the tutorial's claims.
struct Stand(World);

impl Stand {
    fn new(settings: VerifierBuilder) -> Self {
        Self(World::with(settings))
    }

    async fn ask(&self, kind: TokenKind, token: &str) -> Result<Authenticated<Claims>, Rejection> {
        self.0.ask_with(kind, token).await
    }

    /// The results at a layer for access tokens and at one for refresh tokens.
    async fn both(&self, token: &str) -> [&'static str; 2] {
        let mut outcomes = ["", ""];
        for (outcome, kind) in outcomes.iter_mut().zip([TokenKind::Access, TokenKind::Refresh]) {
            *outcome = self.ask(kind, token).await.map_or_else(|rejection| rejection.reason(), |_| "admitted");
        }
        outcomes
    }
}

fn alone() -> Stand {
    Stand::new(Verifier::builder().key(verifying_key()).fastapi_tokens())
}

fn beside() -> Stand {
    Stand::new(settings().also_fastapi_tokens())
}

/// Our tokens have an application's claims too.
fn ours(header: Value, mut payload: Value) -> String {
    payload["user"] = json!(ada().user);
    token(header, payload)
}

#[tokio::test]
async fn tokens_of_pyjwt_are_read_alone_and_beside_ours() {
    for (name, stand) in [("alone", alone()), ("beside", beside())] {
        assert_eq!(stand.both(ACCESS).await, ["admitted", "wrong_kind"], "{name}");
        assert_eq!(stand.both(REFRESH).await, ["wrong_kind", "admitted"], "{name}");
        let user = stand.ask(TokenKind::Access, ACCESS).await.unwrap();
        assert_eq!((user.claims(), user.token_id()), (&ada(), ACCESS_ID), "{name}");
        assert_eq!((user.issuer(), user.subject(), user.session_id(), user.issued_at()), (None, None, None, None));
    }
}

#[tokio::test]
async fn r11_to_r22_what_the_tutorial_does_not_make_is_refused() {
    let day = 24 * 3600;
    let rows = [
        ("the flag is missing", json!({}), json!({ "refresh": null }), "kind"),
        ("the flag is text", json!({}), json!({ "refresh": "false" }), "kind"),
        ("the flag is a number", json!({}), json!({ "refresh": 0 }), "kind"),
        ("no jti", json!({}), json!({ "jti": null }), "jti"),
        ("no exp", json!({}), json!({ "exp": null }), "exp"),
        ("exp is text", json!({}), json!({ "exp": "1767229200" }), "exp"),
        ("over", json!({}), json!({ "exp": NOW - 30 }), "expired"),
        ("a month", json!({}), json!({ "exp": NOW + 30 * day }), "lifetime"),
        ("another algorithm", json!({ "alg": "HS512" }), json!({}), "algorithm"),
        ("another typ", json!({ "typ": "logout+jwt" }), json!({}), "typ"),
        ("bound to a key", json!({}), json!({ "cnf": {} }), "cnf"),
        ("no user", json!({}), json!({ "user": null }), "application_claims"),
    ];
    for (name, header, payload, reason) in rows {
        for stand in [alone(), beside()] {
            assert_eq!(stand.both(&theirs(header.clone(), payload.clone())).await, [reason; 2], "{name}");
        }
    }
}

#[tokio::test]
async fn local_time_for_utc_makes_tokens_that_live_longer_and_need_a_longer_bound() {
    let two_days = 2 * 24 * 3600;
    let from_nairobi = theirs(json!({}), json!({ "refresh": true, "exp": NOW + two_days + 3 * 3600 }));
    assert_eq!(alone().both(&from_nairobi).await[1], "lifetime");
    let raised = Verifier::builder().key(verifying_key()).fastapi_tokens();
    let raised = Stand::new(raised.max_lifetime(Duration::from_secs(two_days + 3 * 3600)));
    assert_eq!(raised.both(&from_nairobi).await[1], "admitted");
}

#[tokio::test]
async fn r12_to_r16_beside_the_tutorials_ours_are_held_to_all_that_is_set() {
    let (access, refresh) = (["admitted", "wrong_kind"], ["wrong_kind", "admitted"]);
    let rt = json!({ "typ": "rt+jwt" });
    let rows = [
        ("ours", ours(json!({}), json!({})), access),
        ("ours, refresh", ours(rt.clone(), json!({})), refresh),
        ("ours, both say access", ours(json!({}), json!({ "refresh": false })), access),
        ("ours, both say refresh", ours(rt.clone(), json!({ "refresh": true })), refresh),
        ("typ access, flag refresh", ours(json!({}), json!({ "refresh": true })), ["kind"; 2]),
        ("typ refresh, flag access", ours(rt, json!({ "refresh": false })), ["kind"; 2]),
        ("typ access, flag no flag", ours(json!({}), json!({ "refresh": "no" })), ["kind"; 2]),
        ("ours without iss", ours(json!({}), json!({ "iss": null })), ["iss"; 2]),
        ("ours of another iss", ours(json!({}), json!({ "iss": "x" })), ["iss"; 2]),
        ("ours without aud", ours(json!({}), json!({ "aud": null })), ["aud"; 2]),
        ("ours for another aud", ours(json!({}), json!({ "aud": "x" })), ["aud"; 2]),
        ("ours without sub", ours(json!({}), json!({ "sub": null })), ["sub"; 2]),
        ("ours without iat", ours(json!({}), json!({ "iat": null, "sid": null })), ["iat"; 2]),
        ("ours in their header", ours(json!({ "typ": "JWT" }), json!({ "refresh": false })), ["iss"; 2]),
        ("theirs", theirs(json!({}), json!({})), access),
        ("theirs, refresh", theirs(json!({}), json!({ "refresh": true })), refresh),
        ("theirs without typ", theirs(json!({ "typ": null }), json!({})), access),
        ("theirs in our header", theirs(json!({ "typ": "at+jwt" }), json!({})), ["iss"; 2]),
        ("theirs with our iss", theirs(json!({}), json!({ "iss": crate::support::ISSUER })), ["iss"; 2]),
        ("theirs with another iss", theirs(json!({}), json!({ "iss": "x" })), ["iss"; 2]),
        ("theirs with our aud", theirs(json!({}), json!({ "aud": crate::support::AUDIENCE })), access),
        ("theirs with another aud", theirs(json!({}), json!({ "aud": "x" })), ["aud"; 2]),
        ("theirs with sub and iat", theirs(json!({}), json!({ "sub": "u", "iat": NOW })), access),
        ("theirs with sub of a kind", theirs(json!({}), json!({ "sub": 7 })), ["sub"; 2]),
    ];
    let stand = beside();
    for (name, token, expected) in rows {
        assert_eq!(stand.both(&token).await, expected, "{name}");
    }
    // Without the setting, none of the tutorial's tokens is admitted.
    let strict = Stand::new(settings());
    assert_eq!((strict.both(ACCESS).await, strict.both(REFRESH).await), (["kind"; 2], ["kind"; 2]));
}

#[tokio::test]
async fn a_logout_takes_one_token_of_the_tutorial_or_a_whole_session_of_ours() {
    let stand = beside();
    let pair = stand.0.issuer().login("user-1", &ada()).await.unwrap();
    assert_eq!(stand.both(pair.access.as_str()).await[0], "admitted");
    stand.0.issuer().logout(&stand.ask(TokenKind::Access, ACCESS).await.unwrap()).await.unwrap();
    assert_eq!(stand.both(ACCESS).await[0], "token_revoked");
    assert_eq!(stand.both(REFRESH).await[1], "admitted", "nothing links it to the other token");
    assert_eq!(stand.both(pair.access.as_str()).await[0], "admitted");
    stand.0.issuer().logout(&stand.ask(TokenKind::Access, pair.access.as_str()).await.unwrap()).await.unwrap();
    assert_eq!(stand.both(pair.refresh.as_str()).await[1], "session_revoked");
}

#[tokio::test]
async fn what_an_issuer_revokes_by_name_it_revokes_of_the_tutorial_too() {
    let stand = beside();
    stand.0.issuer().revoke_token(ACCESS_ID, crate::support::at(NOW + 3600)).await.unwrap();
    assert_eq!(stand.both(ACCESS).await[0], "token_revoked");
    stand.0.issuer().revoke_all().await.unwrap();
    // This token has no time of issue.
    assert_eq!(stand.both(REFRESH).await[1], "issuer_revoked");
    let pair = stand.0.issuer().login("user-1", &ada()).await.unwrap();
    assert_eq!(stand.both(pair.access.as_str()).await[0], "admitted");
}

#[tokio::test]
async fn a_refresh_token_of_the_tutorial_begins_a_session_and_does_not_go_on_in_one() {
    let stand = beside();
    let old = stand.ask(TokenKind::Refresh, REFRESH).await.unwrap();
    assert_eq!(stand.0.issuer().refresh(&old, &ada()).await.unwrap_err(), IssueError::ForeignSession);
    let pair = stand.0.issuer().login(&old.claims().user.user_uid, old.claims()).await.unwrap();
    stand.0.issuer().logout(&old).await.unwrap();
    assert_eq!(stand.both(REFRESH).await[1], "token_revoked");
    let session = stand.ask(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap();
    let next = stand.0.issuer().refresh(&session, session.claims()).await.unwrap().into_pair().unwrap();
    assert_eq!(stand.both(next.access.as_str()).await, ["admitted", "wrong_kind"]);
}

#[tokio::test]
async fn an_issuer_beside_the_tutorial_writes_typ_and_one_for_it_alone_writes_the_flag() {
    #[derive(Deserialize)]
    struct Flagged {
        refresh: Option<bool>,
    }
    for (stand, flags, issuer) in
        [(alone(), [Some(false), Some(true)], None), (beside(), [None, None], Some(crate::support::ISSUER))]
    {
        let pair = stand.0.issuer().login("user-1", &ada()).await.unwrap();
        assert_eq!(stand.both(pair.access.as_str()).await, ["admitted", "wrong_kind"]);
        assert_eq!(stand.both(pair.refresh.as_str()).await, ["wrong_kind", "admitted"]);
        for (kind, token, flag) in
            [(TokenKind::Access, &pair.access, flags[0]), (TokenKind::Refresh, &pair.refresh, flags[1])]
        {
            let guard = Guard::new(kind, stand.0.verifier.clone(), stand.0.store.clone());
            let read = guard.authenticate::<Flagged>(token.as_str()).await.unwrap();
            assert_eq!((read.claims().refresh, read.issuer()), (flag, issuer));
        }
        let error = stand.0.issuer().login("user-1", &json!({ "refresh": false })).await.unwrap_err();
        assert_eq!(error, IssueError::ReservedClaim, "it would be read as the kind");
        stand.0.issuer().login("user-1", &NoClaims {}).await.unwrap();
    }
}

#[test]
fn r13_beside_the_tutorial_only_typ_can_tell_the_kind_of_ours() {
    for source in [KindSource::flag("refresh"), KindSource::value("use", "a", "r")] {
        let error = settings().kind_source(source).also_fastapi_tokens().build().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Conflict);
        assert!(error.to_string().contains("KindSource::typ_header()"), "{error}");
    }
}
