//! Login, refresh and logout. A revoked token is never accepted again.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    AUDIENCE, ISSUER, NOW, clock, good_token,
    rotation::piece,
    settings, signing_key,
    stub::{StubBlocklist, TIMED_OUT},
    token,
    world::World,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_jwt_blocklist::{
    Authenticated, Guard, Issuer, MemoryBlocklist, NoClaims, TokenKind, TokenPair, Verifier,
    blocklist::{Outage, Revocation, RevocationId, RevocationScope, Revoke, RevokeError},
    config_error::ConfigErrorKind,
    issuer::IssueError,
    reject::RejectionKind,
    token::{KindSource, OptionalClaim, TokenIdSource, VerifierBuilder},
};

/// Stores an unrelated revocation, which makes the list remove expired entries.
async fn revoke_something_else(world: &World) {
    let until = world.clock.now() + Duration::from_secs(1);
    let id = RevocationId::new(None, RevocationScope::Token, &format!("{until:?}"));
    world.store.revoke(&Revocation::new(RevocationScope::Token, id, until)).await.unwrap();
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// The payload of a token, without verification.
fn payload(token: &str) -> Value {
    piece(token, 1)
}

async fn login(issuer: &Issuer) -> TokenPair {
    issuer.login("user-1", &NoClaims {}).await.unwrap()
}

/// The pair that this refresh token is exchanged for.
async fn renew<X: Serialize + Send + Sync>(issuer: &Issuer, refresh: &Authenticated<X>) -> TokenPair {
    issuer.refresh(refresh, refresh.claims()).await.unwrap().into_pair().unwrap()
}

#[tokio::test]
async fn login_makes_an_access_and_a_refresh_token_of_one_session() {
    let world = World::new();
    let issuer = world.issuer();
    let pair = login(issuer).await;
    let access = world.access(pair.access.as_str()).await.unwrap();
    let refresh = world.refresh(pair.refresh.as_str()).await.unwrap();

    for user in [&access, &refresh] {
        assert_eq!((user.subject(), user.issuer()), (Some("user-1"), Some(ISSUER)));
        assert_eq!(user.issued_at(), Some(world.clock.now()));
        assert!(user.token_id().len() >= 22, "at least 128 bits");
    }
    assert_eq!(access.session_id(), refresh.session_id());
    assert!(access.session_id().is_some_and(|id| id.len() >= 22));
    assert_ne!(access.token_id(), refresh.token_id());
    assert_eq!(access.expires_at(), world.clock.now() + seconds(3600));
    assert_eq!(refresh.expires_at(), world.clock.now() + seconds(2 * 24 * 3600));
    assert_eq!((access.expires_at(), refresh.expires_at()), (pair.access.expires_at(), pair.refresh.expires_at()));

    let other = world.access(login(issuer).await.access.as_str()).await.unwrap();
    assert_ne!(other.session_id(), access.session_id());
    assert_ne!(other.token_id(), access.token_id());

    assert_eq!(piece(pair.access.as_str(), 0), json!({ "alg": "HS256", "typ": "at+jwt" }));
    let members = payload(pair.access.as_str());
    assert_eq!(members["aud"], json!(AUDIENCE));
    let mut names: Vec<_> = members.as_object().unwrap().keys().cloned().collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "session_ms", "sid", "sub"], "no other claims");
}

#[tokio::test]
async fn r13_a_refresh_token_is_no_access_token_and_the_reverse() {
    for source in [KindSource::typ_header(), KindSource::flag("refresh"), KindSource::value("use", "a", "r")] {
        let world = World::with(settings().kind_source(source.clone()));
        let pair = login(world.issuer()).await;
        world.access(pair.access.as_str()).await.unwrap();
        world.refresh(pair.refresh.as_str()).await.unwrap();
        for wrong in [world.access(pair.refresh.as_str()).await, world.refresh(pair.access.as_str()).await] {
            assert_eq!(wrong.unwrap_err().kind(), RejectionKind::WrongKind, "{source:?}");
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    role: Role,
    email: Option<String>,
    quota: f64,
    id: u64,
    tags: Vec<String>,
    tenant: Tenant,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tenant {
    name: String,
    /// In nested objects, names of registered claims have no meaning.
    exp: i64,
    flags: BTreeMap<String, bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Admin { level: u8 },
    Guest,
}

fn profile() -> Profile {
    let tenant = Tenant { name: "caf\u{e9} \"\u{1F980}\"\n".into(), exp: -1, flags: [("\u{0}".into(), true)].into() };
    let tags = vec![String::new(), "a.b".into()];
    Profile { role: Role::Admin { level: 7 }, email: None, quota: 0.1, id: u64::MAX, tags, tenant }
}

#[tokio::test]
async fn application_claims_come_back_as_they_went_in_also_after_refresh() {
    for source in [KindSource::typ_header(), KindSource::flag("refresh")] {
        let world = World::with(settings().kind_source(source));
        let issuer = world.issuer();
        let pair = issuer.login("user-1", &profile()).await.unwrap();
        let access = world.ask_with::<Profile>(TokenKind::Access, pair.access.as_str()).await.unwrap();
        let refresh = world.ask_with::<Profile>(TokenKind::Refresh, pair.refresh.as_str()).await.unwrap();
        let next = renew(issuer, &refresh).await;
        let next_access = world.ask_with::<Profile>(TokenKind::Access, next.access.as_str()).await.unwrap();
        let next_refresh = world.ask_with::<Profile>(TokenKind::Refresh, next.refresh.as_str()).await.unwrap();
        for user in [access, refresh, next_access, next_refresh] {
            assert_eq!(user.claims(), &profile());
        }
    }
    let guest = Profile { role: Role::Guest, ..profile() };
    let world = World::new();
    let pair = world.issuer().login("user-1", &guest).await.unwrap();
    assert_eq!(world.ask_with::<Profile>(TokenKind::Access, pair.access.as_str()).await.unwrap().claims(), &guest);
}

#[tokio::test]
async fn logout_ends_every_token_of_the_session_and_of_no_other() {
    let world = World::new();
    let issuer = world.issuer();
    let (pair, other) = (login(issuer).await, login(issuer).await);
    let mut pairs = vec![pair];
    for number in 0..3 {
        world.clock.advance(seconds(60));
        let refresh = world.refresh(pairs[number].refresh.as_str()).await.unwrap();
        pairs.push(renew(issuer, &refresh).await);
    }
    let refresh = world.refresh(pairs[3].refresh.as_str()).await.unwrap();

    let by_access = world.access(pairs[1].access.as_str()).await.unwrap();
    for (name, by) in [("any access token", by_access), ("refresh", refresh.clone())] {
        issuer.logout(&by).await.unwrap();
        let mut answers = Vec::new();
        for pair in &pairs {
            answers.push(world.refresh(pair.refresh.as_str()).await);
            answers.push(world.access(pair.access.as_str()).await);
        }
        for answer in answers {
            assert_eq!(answer.unwrap_err().reason(), "session_revoked", "{name}");
        }
        world.access(other.access.as_str()).await.expect("the user's other session continues");
        world.refresh(other.refresh.as_str()).await.expect("the user's other session continues");
        assert_eq!(
            world.store.len(),
            2,
            "the session's newest token and its revocation: the second logout adds no entry"
        );
    }

    // A proof from before the logout mints nothing.
    let late = issuer.refresh(&refresh, refresh.claims()).await.unwrap();
    assert_eq!(late.into_pair().unwrap_err().reason(), "session_revoked");
    world.access(login(issuer).await.access.as_str()).await.expect("the user can log in again");
}

#[tokio::test]
async fn a_token_without_sid_dies_alone() {
    let world = World::new();
    let issuer = world.issuer();
    let [one, two] = ["a", "b"].map(|jti| token(json!({}), json!({ "sid": null, "jti": jti })));
    let user = world.access(&one).await.unwrap();
    issuer.logout(&user).await.unwrap();
    issuer.logout(&user).await.unwrap();
    assert_eq!(world.access(&one).await.unwrap_err().reason(), "token_revoked");
    world.access(&two).await.unwrap();
    world.access(&good_token()).await.unwrap();
}

#[tokio::test]
async fn r51_a_session_named_like_a_token_is_another_thing() {
    let world = World::with(settings().issuer("other"));
    let same = |iss: &str, sid: Value| token(json!({}), json!({ "iss": iss, "jti": "x", "sid": sid }));
    let [by_token, by_session, elsewhere] =
        [same(ISSUER, Value::Null), same(ISSUER, json!("x")), same("other", json!("x"))];
    let user = world.access(&by_session).await.unwrap();
    world.issuer().logout(&user).await.unwrap();
    world.access(&by_token).await.expect("a token whose id is the session's");
    world.access(&elsewhere).await.expect("the same ids from another issuer");
    assert_eq!(world.access(&by_session).await.unwrap_err().reason(), "session_revoked");

    let world = World::with(settings().issuer("other"));
    let user = world.access(&elsewhere).await.unwrap();
    world.store.revoke(&user.token_revocation()).await.unwrap();
    world.access(&by_session).await.expect("the same ids from another issuer");
    assert_eq!(world.access(&elsewhere).await.unwrap_err().reason(), "token_revoked");
}

/// While an issuer is being renamed, tokens of both names are accepted and share one session.
#[tokio::test]
async fn a_refreshed_token_belongs_to_the_session_also_where_the_issuer_was_renamed() {
    let typ = json!({ "typ": "rt+jwt" });
    let rows = [
        ("renamed", settings_of("new-name").issuer("old-name"), json!({ "iss": "old-name" })),
        ("any issuer", settings().any_issuer(), json!({ "iss": "old-name" })),
        ("no issuer at all", settings().any_issuer(), json!({ "iss": null })),
    ];
    for (name, settings, changes) in rows {
        let world = World::with(settings);
        let issuer = world.issuer();
        let old = token(typ.clone(), changes);
        let session = world.refresh(&old).await.unwrap();
        let renewed = renew(issuer, &session).await;
        let user = world.access(renewed.access.as_str()).await.unwrap();
        issuer.logout(&user).await.unwrap();
        assert_eq!(
            world.refresh(&old).await.map_err(|rejection| rejection.reason()).err(),
            Some("session_revoked"),
            "{name}"
        );
    }
}

fn settings_of(issuer: &str) -> VerifierBuilder {
    Verifier::builder().key(crate::support::verifying_key()).issuer(issuer).audience(AUDIENCE)
}

#[tokio::test]
async fn r59_a_logout_that_was_not_stored_is_an_error() {
    let world = World::new();
    let user = world.access(&good_token()).await.unwrap();
    let down = Issuer::builder(world.verifier.clone(), signing_key(), StubBlocklist::new(TIMED_OUT)).build().unwrap();
    let timed_out = Err(RevokeError::Outage(Outage::TimedOut));
    assert_eq!(down.logout(&user).await, timed_out);
    assert_eq!(down.logout_others(&user).await, timed_out);
    assert_eq!(down.logout_everywhere("user-1").await, timed_out);
    assert_eq!(down.revoke_all().await, timed_out);
    assert_eq!(down.revoke_session("session-1").await, timed_out);
    assert_eq!(down.revoke_token("token-1", at_millis(NOW * 1000)).await, timed_out);
    let login = down.login("user-1", &NoClaims {}).await;
    assert_eq!(
        login.unwrap_err(),
        IssueError::Outage(Outage::TimedOut),
        "no token is minted that may be revoked already"
    );

    let full = MemoryBlocklist::with_capacity_and_clock(0, world.clock.as_fn());
    let full = Issuer::builder(world.verifier.clone(), signing_key(), full).build().unwrap();
    assert_eq!(full.logout(&user).await, Err(RevokeError::Full));
}

#[tokio::test]
async fn claims_that_cannot_be_members_are_refused() {
    let world = World::with(settings().kind_source(KindSource::flag("refresh")));
    let issuer = world.issuer();
    let ours = ["session_ms", "refresh_generation"];
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "cnf", "refresh"].into_iter().chain(ours) {
        for value in [json!("x"), Value::Null] {
            let error = issuer.login("user-1", &json!({ name: value })).await.unwrap_err();
            assert_eq!(error, IssueError::ReservedClaim, "{name}");
        }
    }
    issuer.login("user-1", &json!({ "Sub": 1, "kind": 1, "typ": 1, "": 1 })).await.unwrap();

    for (name, claims) in [
        ("list", json!([])),
        ("list of pairs", json!([["role", "admin"]])),
        ("string", json!("role")),
        ("number", json!(1)),
        ("null", Value::Null),
    ] {
        assert_eq!(issuer.login("user-1", &claims).await.unwrap_err(), IssueError::ClaimsNotAnObject, "{name}");
    }
    assert_eq!(issuer.login("user-1", &()).await.unwrap_err(), IssueError::ClaimsNotAnObject, "unit");
    let by_number = BTreeMap::from([((1, 2), "x")]);
    assert_eq!(issuer.login("user-1", &by_number).await.unwrap_err(), IssueError::ClaimsNotAnObject, "a map by pairs");
}

#[tokio::test]
async fn r10_r15_what_the_verifier_would_refuse_is_not_minted() {
    let world = World::new();
    let issuer = world.issuer();
    for (name, subject) in
        [("empty", String::new()), ("1025 bytes", "u".repeat(1025)), ("in letters", "\u{e9}".repeat(513))]
    {
        assert_eq!(issuer.login(&subject, &NoClaims {}).await.unwrap_err(), IssueError::Subject, "{name}");
    }
    world.access(issuer.login(&"u".repeat(1024), &NoClaims {}).await.unwrap().access.as_str()).await.unwrap();

    // Each length is either minted and accepted, or not minted.
    let mut minted = 0;
    for filler in 5700..5900 {
        match issuer.login("user-1", &json!({ "x": "x".repeat(filler) })).await {
            Ok(pair) => {
                minted += 1;
                world.access(pair.access.as_str()).await.unwrap();
                world.refresh(pair.refresh.as_str()).await.unwrap();
            }
            Err(error) => assert_eq!(error, IssueError::TooLong),
        }
    }
    assert!((1..200).contains(&minted), "the limit is among them: {minted}");
}

#[tokio::test]
async fn r9_claims_too_deep_to_be_read_again_are_not_minted() {
    let world = World::new();
    let issuer = world.issuer();
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let mut minted = 0;
    for depth in [1, 100, 120, 124, 125, 126, 127, 128, 129, 130, 200] {
        if let Ok(pair) = issuer.login("user-1", &json!({ "deep": nested(depth) })).await {
            minted += 1;
            let answer = world.ask_with::<Value>(TokenKind::Access, pair.access.as_str()).await;
            assert!(answer.is_ok(), "minted but rejected at depth {depth}: {answer:?}");
        }
    }
    assert!((2..11).contains(&minted), "{minted}");
}

#[test]
fn r20_lifetimes_are_those_that_the_verifier_accepts() {
    let world = World::with(settings().max_lifetime(seconds(7200)));
    let lifetimes = |access, refresh| world.issuer_settings().access_lifetime(access).refresh_lifetime(refresh).build();
    let (second, nano) = (seconds(1), Duration::from_nanos(1));
    for (name, access, refresh) in [
        ("access too short", second - nano, second),
        ("refresh too short", second, second - nano),
        ("no access", Duration::ZERO, second),
        ("no refresh", second, Duration::ZERO),
        ("access too long", seconds(7200) + nano, second),
        ("refresh too long", second, seconds(7200) + nano),
        ("access for ever", Duration::MAX, second),
        ("refresh for ever", second, Duration::MAX),
    ] {
        let error = lifetimes(access, refresh).expect_err(name);
        assert_eq!(error.kind(), ConfigErrorKind::OutOfRange, "{name}");
        assert!(error.to_string().contains("max_lifetime"), "{name}: {error}");
    }
    lifetimes(second, second).unwrap();
    lifetimes(seconds(7200), seconds(7200)).unwrap();
    // The default lifetimes fit the verifier's default bound, but not a shorter one.
    assert!(world.issuer_settings().build().is_err());
    World::new().issuer_settings().build().unwrap();
}

/// `iat` and `exp` are whole seconds, the clock is not. At any fraction, a minted token is accepted
/// and expires at the time that was returned.
#[tokio::test]
async fn r20_a_minted_token_is_accepted_at_every_fraction_of_a_second() {
    for (name, max, lifetime) in [
        ("whole", seconds(60), seconds(60)),
        ("one second", seconds(1), seconds(1)),
        ("a second and a half", Duration::from_millis(1500), Duration::from_millis(1500)),
        ("nearly two", Duration::from_millis(60_999), Duration::from_millis(60_999)),
    ] {
        let world = World::with(settings().max_lifetime(max).leeway(Duration::ZERO));
        let issuer = world.issuer_settings().access_lifetime(lifetime).refresh_lifetime(lifetime).build().unwrap();
        for fraction in [0, 1, 499, 500, 501, 999] {
            world.clock.set(at_millis(NOW * 1000 + fraction));
            let pair = login(&issuer).await;
            let user =
                world.access(pair.access.as_str()).await.unwrap_or_else(|why| panic!("{name} at {fraction}: {why}"));
            assert_eq!(user.expires_at(), pair.access.expires_at(), "{name}");
            world.refresh(pair.refresh.as_str()).await.unwrap_or_else(|why| panic!("{name} at {fraction}: {why}"));
            assert!(user.expires_at() <= world.clock.now() + lifetime, "{name}: lives longer than announced");

            world.clock.set(pair.access.expires_at() - Duration::from_millis(1));
            world.access(pair.access.as_str()).await.unwrap();
            world.clock.set(pair.access.expires_at());
            assert_eq!(world.access(pair.access.as_str()).await.unwrap_err().kind(), RejectionKind::Expired, "{name}");
        }
    }
}

#[tokio::test]
async fn r24_minting_never_panics_whatever_the_clock() {
    let world = World::new();
    let issuer = world.issuer();
    for now in [0, 1, 253_402_300_799_999, u64::MAX / 1000, u64::MAX - 1, u64::MAX].map(Duration::from_millis) {
        let Some(now) = UNIX_EPOCH.checked_add(now) else { continue };
        world.clock.set(now);
        let pair = login(issuer).await;
        assert_eq!(payload(pair.refresh.as_str())["iat"], json!(now.duration_since(UNIX_EPOCH).unwrap().as_secs()));
    }
}

#[test]
fn an_issuer_whose_tokens_its_verifier_refuses_is_not_built() {
    let clock = clock();
    let rows = [
        ("too long", settings().max_token_bytes(100), "too_long"),
        ("year 10000", settings().clock(|| UNIX_EPOCH + seconds(253_402_300_800)), "exp"),
    ];
    for (name, settings, words) in rows {
        let settings = if name == "too long" { settings.clock(clock.as_fn()) } else { settings };
        let verifier = Arc::new(settings.build().unwrap());
        let error = Issuer::builder(verifier, signing_key(), MemoryBlocklist::new()).build().expect_err(name);
        assert_eq!(error.kind(), ConfigErrorKind::Conflict, "{name}");
        let message = error.to_string();
        assert!(message.contains(words) || message.contains("too long"), "{name}: {error}");
    }
}

/// Checks a revoked token from its revocation to long after its expiry: every few seconds, and
/// every millisecond around each end. Whatever else is revoked meanwhile, it must stay rejected.
async fn stays_refused(name: &str, worlds: &[&World], kind: TokenKind, token: &str, from: u64, end: u64) {
    let around = [0, 30_000, 300_000, 301_000, 360_000, 361_000, 362_000].map(|leeway| end + leeway);
    let around = around.into_iter().flat_map(|moment| moment.saturating_sub(2)..=moment + 2);
    let mut moments: Vec<_> =
        (from..end + 1_000_000).step_by(1700).chain(around).filter(|moment| *moment >= from).collect();
    moments.sort_unstable();
    for moment in moments {
        worlds[0].clock.set(at_millis(moment));
        revoke_something_else(worlds[0]).await;
        for world in worlds {
            let answer = world.ask(kind, token).await;
            let after = (moment - from) as f64 / 1000.0;
            assert!(answer.is_err(), "{name}: accepted {after} s after it was revoked");
        }
    }
    assert!(worlds[0].store.len() <= 3, "the blocklist removes expired entries: {:?}", worlds[0].store);
}

fn worlds(revoking: VerifierBuilder, asking: impl Fn() -> VerifierBuilder) -> [World; 4] {
    let first = World::with(revoking);
    let [none, some, most] = [0, 30, 300].map(|leeway| first.beside(asking().leeway(seconds(leeway))));
    [first, none, some, most]
}

#[tokio::test]
async fn g3_a_revoked_token_never_lives_again() {
    for revoking_leeway in [0, 30, 300] {
        for (exp, end) in [
            (json!(NOW + 600), (NOW + 600) * 1000),
            (json!((NOW + 600) as f64 + 0.5), (NOW + 600) * 1000 + 500),
            (json!((NOW + 600) as f64 + 0.9995), (NOW + 600) * 1000 + 999),
        ] {
            // Revoked at once, in the last moment, and within the leeway.
            for from in [NOW * 1000, end - 1, (end + revoking_leeway * 1000) - 1] {
                let worlds = worlds(settings().leeway(seconds(revoking_leeway)), settings);
                let [revoking, .., most] = &worlds;
                let name = format!("exp {exp}, leeway {revoking_leeway}, revoked at {from}");
                let [revoked, control] =
                    ["a", "b"].map(|jti| token(json!({}), json!({ "jti": jti, "sid": null, "exp": exp })));
                revoking.clock.set(at_millis(from));
                let user = revoking.access(&revoked).await.unwrap();
                revoking.issuer().logout(&user).await.unwrap();

                stays_refused(&name, &worlds.each_ref(), TokenKind::Access, &revoked, from, end).await;
                // Proves that the unrevoked token lives as long as the loop above assumes.
                revoking.clock.set(at_millis(end + 300_000 - 1));
                most.access(&control).await.unwrap_or_else(|why| panic!("{name}: the control: {why}"));
            }
        }
    }
}

#[tokio::test]
async fn g3_a_revoked_session_never_lives_again() {
    let max = 600;
    let settings = || settings().max_lifetime(seconds(max));
    // The last tokens that can be minted before the logout. The clock that minted them may be ahead
    // by up to the largest leeway.
    for (name, kind, iat) in [
        ("access", TokenKind::Access, NOW),
        ("refresh", TokenKind::Refresh, NOW),
        ("from a fast clock", TokenKind::Refresh, NOW + 300),
    ] {
        for revoking_leeway in [0, 300] {
            let worlds = worlds(settings().leeway(seconds(revoking_leeway)), settings);
            let [revoking, .., most] = &worlds;
            let header = if kind == TokenKind::Access { json!({}) } else { json!({ "typ": "rt+jwt" }) };
            let [victim, control] = ["s", "other"]
                .map(|sid| token(header.clone(), json!({ "jti": "v", "sid": sid, "iat": iat, "exp": iat + max })));
            // The session is logged out with a short-lived token.
            let by = token(json!({}), json!({ "sid": "s", "exp": NOW + 1 }));
            revoking
                .issuer_settings()
                .access_lifetime(seconds(1))
                .refresh_lifetime(seconds(1))
                .build()
                .unwrap()
                .logout(&revoking.access(&by).await.unwrap())
                .await
                .unwrap();

            let end = (iat + max) * 1000;
            stays_refused(name, &worlds.each_ref(), kind, &victim, NOW * 1000, end).await;
            revoking.clock.set(at_millis(end + 300_000 - 1));
            most.ask(kind, &control).await.unwrap_or_else(|why| panic!("{name}: the control: {why}"));
        }
    }
}

#[tokio::test]
async fn g3_minted_tokens_of_a_session_never_live_again() {
    let names = ["first access", "second access", "first refresh", "second refresh"];
    for (fraction, which) in [0, 1, 999].into_iter().flat_map(|fraction| (0..4).map(move |which| (fraction, which))) {
        let max = seconds(900);
        let worlds = worlds(settings().max_lifetime(max), || settings().max_lifetime(max));
        let [world, ..] = &worlds;
        world.clock.set(at_millis(NOW * 1000 + fraction));
        let issuer = world.issuer_settings().access_lifetime(seconds(300)).refresh_lifetime(max).build().unwrap();
        let pair = login(&issuer).await;
        world.clock.advance(seconds(200));
        let refresh = world.refresh(pair.refresh.as_str()).await.unwrap();
        let renewed = renew(&issuer, &refresh).await;
        issuer.logout(&world.access(pair.access.as_str()).await.unwrap()).await.unwrap();
        let unix_millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let from = unix_millis(world.clock.now());
        let token = [&pair.access, &renewed.access, &pair.refresh, &renewed.refresh][which];
        let kind = if which < 2 { TokenKind::Access } else { TokenKind::Refresh };
        let end = unix_millis(token.expires_at());
        stays_refused(names[which], &worlds.each_ref(), kind, token.as_str(), from, end).await;
    }
}

/// Without `iat`, a token's lifetime is measured from now. So a token that expires far in the
/// future is rejected today and would be accepted later, after its session's revocation has
/// expired.
#[tokio::test]
async fn g3_a_session_of_tokens_without_iat_never_lives_again() {
    let max = 600;
    let settings = || settings().max_lifetime(seconds(max)).optional(OptionalClaim::Iat);
    let worlds = worlds(settings(), settings);
    let [world, ..] = &worlds;
    let of_session = |header, jti, exp: u64| token(header, json!({ "sid": "s", "jti": jti, "iat": null, "exp": exp }));
    let access = of_session(json!({}), "a", NOW + 60);
    let refresh = of_session(json!({ "typ": "rt+jwt" }), "r", NOW + 5000);
    match world.access(&access).await {
        Ok(user) => {
            let logout = user.revocation();
            world.store.revoke(&logout).await.unwrap();
            let end = (NOW + 5000) * 1000;
            stays_refused("refresh", &worlds.each_ref(), TokenKind::Refresh, &refresh, NOW * 1000, end).await;
        }
        // Equally good: such a token has no session to log out.
        Err(rejection) => assert_eq!(rejection.reason(), "iat"),
    }
    let alone = token(json!({}), json!({ "sid": null, "iat": null, "exp": NOW + 60 }));
    world.clock.set(at_millis(NOW * 1000));
    world.access(&alone).await.expect("without a session, no revocation can expire too early");
}

#[tokio::test]
async fn g3_a_token_named_by_its_hash_never_lives_again() {
    let settings = || settings().token_id_source(TokenIdSource::JtiOrHash);
    let worlds = worlds(settings(), settings);
    let [world, ..] = &worlds;
    let nameless = token(json!({}), json!({ "jti": null, "sid": null, "exp": NOW + 60 }));
    let user = world.access(&nameless).await.unwrap();
    world.issuer().logout(&user).await.unwrap();
    stays_refused("by hash", &worlds.each_ref(), TokenKind::Access, &nameless, NOW * 1000, (NOW + 60) * 1000).await;
}

#[tokio::test]
async fn every_revocation_of_an_issuer_with_a_reason_has_it() {
    let clock = clock();
    let (log, _recording) = crate::support::log::record();
    let list = MemoryBlocklist::with_capacity_and_clock(100, clock.as_fn());
    let verifier = crate::support::verifier(&clock);
    let issuer = Issuer::builder(verifier.clone(), signing_key(), list.clone()).build().unwrap();
    let pair = issuer.login("user-1", &NoClaims {}).await.unwrap();
    let user = Guard::new(TokenKind::Access, verifier, list).authenticate::<NoClaims>(pair.access.as_str()).await;
    let (user, told) = (user.unwrap(), issuer.with_reason("told_to"));
    told.logout(&user).await.unwrap();
    told.logout_others(&user).await.unwrap();
    told.logout_everywhere("user-1").await.unwrap();
    told.revoke_session("s").await.unwrap();
    told.revoke_token("t", user.expires_at()).await.unwrap();
    told.revoke_all().await.unwrap();
    assert_eq!(log.text().matches("reason=\"told_to\"").count(), 6, "{}", log.text());
    issuer.logout_everywhere("user-1").await.unwrap();
    assert_eq!(log.text().matches("reason=").count(), 6);
}
