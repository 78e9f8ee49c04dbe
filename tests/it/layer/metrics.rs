//! r61, r77: each request, outage and revocation is counted once, under the documented names.
#![cfg(feature = "metrics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use crate::support::{
    NOW, clock, good_token,
    http::{inner, request},
    metrics::count,
    stub::{CLEAR, Pace, StubBlocklist, TIMED_OUT},
    token, verifier,
};
use serde_json::json;
use tower::{Layer, ServiceExt};
use tower_jwt_blocklist::{
    Guard, JwtBlocklistLayer, MemoryBlocklist, NoClaims, OutagePolicy, Require, TokenKind,
    blocklist::{Blocklist, Outage, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds},
    danger,
    token::TokenCache,
};

async fn ask(layer: JwtBlocklistLayer, lines: &[String]) {
    let lines = lines.iter().map(String::as_str);
    layer.layer(inner()).oneshot(request(lines)).await.unwrap();
}

/// Exactly one count for each of these labels.
fn once(counted: impl IntoIterator<Item = String>) -> BTreeMap<String, u64> {
    counted.into_iter().map(|name| (name, 1)).collect()
}

#[tokio::test]
async fn r77_each_request_is_counted_once_by_what_became_of_it() {
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let good = good_token();
    let expired = token(json!({}), json!({ "iat": NOW - 7200, "exp": NOW - 3600 }));
    let refresh = token(json!({ "typ": "rt+jwt" }), json!({}));
    let deny = OutagePolicy::deny();
    let allow = danger::allow_unchecked_for(Duration::from_secs(30)).unwrap();
    let by_store = |scope| Ok(Status::Revoked(scope));
    // The request, the policy, the blocklist's answer if it is queried, and the expected count.
    let rows = [
        (vec![], deny, None, "no_token"),
        (vec!["Basic eDp5".into()], deny, None, "no_token"),
        ([bearer(&good), bearer(&good)].concat(), deny, None, "several_tokens"),
        (bearer("a b"), deny, None, "not_one_token"),
        (bearer("abc"), deny, None, "shape"),
        (bearer(&format!("{good}x")), deny, None, "signature"),
        (bearer(&"a".repeat(9000)), deny, None, "too_long"),
        (bearer(&expired), deny, None, "expired"),
        (bearer(&refresh), deny, None, "wrong_kind"),
        (bearer(&good), deny, Some(by_store(RevocationScope::Token)), "token_revoked"),
        (bearer(&good), deny, Some(by_store(RevocationScope::Session)), "session_revoked"),
        (bearer(&good), deny, Some(by_store(RevocationScope::Subject)), "subject_revoked"),
        (bearer(&good), deny, Some(by_store(RevocationScope::Issuer)), "issuer_revoked"),
        (bearer(&good), deny, Some(CLEAR), "admitted"),
        (bearer(&good), allow, Some(CLEAR), "admitted"),
        (bearer(&good), deny, Some(TIMED_OUT), "timed_out"),
        (bearer(&good), deny, Some(Err(Outage::NotConnected)), "not_connected"),
        (bearer(&good), deny, Some(Err(Outage::Failed)), "failed"),
        (bearer(&good), deny, Some(Err(Outage::UnexpectedReply)), "unexpected_reply"),
        (bearer(&good), allow, Some(TIMED_OUT), "admitted_unchecked"),
        (bearer(&refresh), allow, None, "wrong_kind"),
    ];
    let (counted, _recording) = count();
    for (lines, policy, answer, outcome) in rows {
        for pace in [Pace::AtOnce, Pace::Later] {
            let blocklist = StubBlocklist::new(answer.unwrap_or(CLEAR)).at_pace(pace);
            let guard = Guard::new(TokenKind::Access, verifier(&clock()), blocklist).with_outage_policy(policy);
            let mut expected = once([format!("jwt_blocklist_checks_total{{expected=access,outcome={outcome}}}")]);
            if let Some(Err(outage)) = answer {
                expected.extend(once([format!("jwt_blocklist_outages_total{{reason={}}}", outage.as_str())]));
            }
            if answer.is_some() && pace == Pace::Later {
                expected.extend(once(["jwt_blocklist_store_seconds{}".into()]));
            }
            let layer = JwtBlocklistLayer::from_guard(guard.clone());
            for seen in ["miss", "hit"] {
                let mut expected = expected.clone();
                if answer.is_some() {
                    expected.extend(once([format!("jwt_blocklist_token_cache_total{{outcome={seen}}}")]));
                }
                ask(layer.clone(), &lines).await;
                assert_eq!(counted.take(), expected, "{outcome}, {pace:?}, layer, {seen}");
            }
            if let [line] = &*lines
                && let Some(token) = line.strip_prefix("Bearer ")
                && !token.contains(' ')
            {
                let _ = guard.authenticate::<NoClaims>(token).await;
                assert_eq!(counted.take(), expected, "{outcome}, {pace:?}, guard");
            }
        }
    }
    ask(
        JwtBlocklistLayer::refresh(verifier(&clock()), StubBlocklist::new(TIMED_OUT)).with_outage_policy(allow),
        &bearer(&refresh),
    )
    .await;
    let expected = [
        "jwt_blocklist_checks_total{expected=refresh,outcome=timed_out}",
        "jwt_blocklist_outages_total{reason=timed_out}",
    ];
    assert_eq!(counted.take(), once(expected.map(str::to_owned)));
}

#[tokio::test]
async fn r77_what_a_route_asks_for_is_counted_once_too() {
    let layer = || {
        let layer = JwtBlocklistLayer::access(verifier(&clock()), StubBlocklist::clear());
        layer.with_token_cache(TokenCache::Off)
    };
    let good = [format!("Bearer {}", good_token())];
    let scope = Require::builder().scopes(["a"]).build().unwrap();
    let rows = [
        (layer().optional(), &[][..], "anonymous"),
        (layer().optional(), &good[..], "admitted"),
        (layer().add_requirement(scope), &good[..], "scope"),
        (
            layer().add_requirement(Require::builder().max_login_age(Duration::ZERO).build().unwrap()),
            &good[..],
            "login_age",
        ),
        (layer().add_condition(|_| false), &good[..], "condition"),
    ];
    let (counted, _recording) = count();
    for (layer, lines, outcome) in rows {
        ask(layer, lines).await;
        let expected = once([format!("jwt_blocklist_checks_total{{expected=access,outcome={outcome}}}")]);
        assert_eq!(counted.take(), expected);
    }
}

#[tokio::test]
async fn revocations_are_counted_by_scope_and_by_what_became_of_them() {
    let (counted, _recording) = count();
    let until = clock().now() + Duration::from_secs(60);
    let list = MemoryBlocklist::with_capacity_and_clock(2, clock().as_fn());
    let rows = [
        (RevocationScope::Token, "a", "stored"),
        (RevocationScope::Session, "b", "stored"),
        (RevocationScope::Token, "a", "stored"),
        (RevocationScope::Subject, "c", "full"),
        (RevocationScope::Issuer, "d", "full"),
    ];
    for (scope, id, outcome) in rows {
        let _ = list.revoke(&Revocation::new(scope, RevocationId::new(None, scope, id), until)).await;
        let name = format!("jwt_blocklist_revocations_total{{scope={},outcome={outcome}}}", scope.as_str());
        assert_eq!(counted.take(), once([name]));
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_lost_redis_shows_in_every_counter_that_is_about_it_and_all_are_documented() {
    use crate::support::wait::{eventually, soon};
    use std::{num::NonZeroU8, time::UNIX_EPOCH};
    use testkit::RedisServer;
    use tower_jwt_blocklist::{
        RedisBlocklist, Rejection,
        clock::{Clock, SystemClock},
        redis::RedisSettings,
        reject::RejectionKind,
    };

    let (counted, _recording) = count();
    let mut seen = BTreeMap::new();
    let mut server = RedisServer::start().await;
    let settings = RedisSettings::from_url(&server.url()).unwrap();
    let settings = settings.replica_acks(NonZeroU8::MIN, Duration::from_millis(10));
    RedisBlocklist::initialize(settings.clone(), UNIX_EPOCH).await.unwrap();
    let list = RedisBlocklist::connect(settings).await.unwrap();
    let guard = Guard::new(TokenKind::Access, verifier(&clock()), list.clone());
    let asked = async || guard.authenticate::<NoClaims>(&good_token()).await.map(drop);
    let session = RevocationId::new(None, RevocationScope::Session, "another");
    let until = SystemClock.now() + Duration::from_secs(60);
    let revocation = Revocation::new(RevocationScope::Session, session, until);
    eventually("it works", async || asked().await.is_ok()).await;
    ask(JwtBlocklistLayer::from_guard(guard.clone()), &[format!("Bearer {}", good_token())]).await;
    seen.extend(counted.take());
    assert!(!seen.contains_key("jwt_blocklist_redials_total{}"), "the first connection is no redial: {seen:?}");

    server.kill();
    eventually("Redis is down", async || soon(asked()).await.is_err()).await;
    soon(list.revoke(&revocation)).await.unwrap_err();
    server.restart().await;
    // Redis came back empty, so tokens issued earlier are rejected.
    let is_revoked = |answer: Result<(), Rejection>| answer.is_err_and(|error| error.kind() == RejectionKind::Revoked);
    eventually("it works again", async || is_revoked(asked().await)).await;
    soon(list.revoke(&revocation)).await.unwrap_err();
    replay(&list).await;
    let again = counted.take();
    seen.extend(mirrored(&counted).await);
    for name in [
        "jwt_blocklist_redials_total{}",
        "jwt_blocklist_checks_total{expected=access,outcome=not_connected}",
        "jwt_blocklist_outages_total{reason=not_connected}",
        "jwt_blocklist_revocations_total{scope=session,outcome=not_connected}",
        "jwt_blocklist_revocations_total{scope=session,outcome=not_replicated}",
        "jwt_blocklist_acks_missed_total{}",
        "jwt_blocklist_losses_total{}",
        "jwt_blocklist_replays_total{}",
    ] {
        assert!(again.contains_key(name), "{name}: {again:?}");
    }

    seen.extend(again);
    let names = |all: &mut dyn Iterator<Item = &str>| all.map(str::to_owned).collect::<BTreeSet<_>>();
    // `tests/it/remote_keys` counts fetches of keys.
    let elsewhere = |name: &&str| *name != "jwt_blocklist_key_fetches_total";
    let rows = documented();
    let documented = names(&mut rows.iter().map(|[name, ..]| &**name).filter(elsewhere));
    assert_eq!(names(&mut seen.keys().map(|name| name.split('{').next().unwrap())), documented);
    for key in seen.keys() {
        let (name, labels) = key.trim_end_matches('}').split_once('{').unwrap();
        let labels: Vec<_> = labels.split(',').map(|label| label.split('=').next().unwrap()).collect();
        let row = rows.iter().find(|[documented, ..]| documented == name).unwrap();
        assert_eq!(labels.join(","), row[2], "the labels of {name}");
    }
}

/// All metrics of a mirror: it loads, follows, and restores the revocations that Redis has lost.
#[cfg(feature = "redis")]
async fn mirrored(counted: &crate::support::metrics::Counted) -> BTreeMap<String, u64> {
    use crate::support::wait::{eventually, soon};
    use std::time::UNIX_EPOCH;
    use testkit::RedisServer;
    use tower_jwt_blocklist::{
        MirrorBlocklist, RedisBlocklist,
        clock::{Clock, SystemClock},
        redis::{MirrorPhase, MirrorSettings, RedisSettings},
    };

    let server = RedisServer::start().await;
    let settings = RedisSettings::from_url(&server.url()).unwrap();
    RedisBlocklist::initialize(settings.clone(), UNIX_EPOCH).await.unwrap();
    let redis = RedisBlocklist::connect(settings).await.unwrap();
    let until = SystemClock.now() + Duration::from_secs(60);
    redis
        .revoke(&Revocation::new(RevocationScope::Token, RevocationId::new(None, RevocationScope::Token, "a"), until))
        .await
        .unwrap();
    let mirror = MirrorBlocklist::start(redis, MirrorSettings::new()).unwrap();
    assert_eq!(
        mirror.check(&TokenIds::new(None, "b", None), SystemTime::now()).await,
        Ok(Status::NotRevoked),
        "answered by Redis"
    );
    soon(mirror.ready()).await;
    eventually("a canary comes back", async || mirror.state().propagation().is_some()).await;
    server.cli(&["FLUSHALL"]).await;
    eventually("the loss is noticed", async || mirror.state().phase() == MirrorPhase::Lost).await;
    eventually("the loss is restored", async || mirror.state().phase() == MirrorPhase::Fresh).await;
    let seen = counted.take();
    assert_eq!(seen["jwt_blocklist_mirror_bypassed_total{}"], 1, "{seen:?}");
    assert_eq!(seen["jwt_blocklist_mirror_put_back_total{}"], 1, "{seen:?}");
    assert_eq!(seen["jwt_blocklist_mirror_propagation_seconds{}"], 1, "{seen:?}");
    seen
}

/// A refresh token is used a second time.
#[cfg(feature = "redis")]
async fn replay(list: &tower_jwt_blocklist::RedisBlocklist) {
    use std::sync::Arc;
    use tower_jwt_blocklist::{Issuer, issuer::Refreshed};

    let verifier = Arc::new(crate::support::settings().build().unwrap());
    let issuer = Issuer::builder(verifier.clone(), crate::support::signing_key(), list.clone());
    let issuer = issuer.rotation_grace(Duration::ZERO).build().unwrap();
    let pair = issuer.login("user", &NoClaims {}).await.unwrap();
    let guard = Guard::new(TokenKind::Refresh, verifier, list.clone());
    let session = guard.authenticate::<NoClaims>(pair.refresh.as_str()).await.unwrap();
    assert!(matches!(issuer.refresh(&session, &NoClaims {}).await, Ok(Refreshed::Rotated(_))));
    assert!(matches!(issuer.refresh(&session, &NoClaims {}).await, Ok(Refreshed::Replayed)));
}

/// The rows of the table of metrics in `docs/observability.md`: name, kind and labels.
fn documented() -> Vec<[String; 3]> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observability.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| `jwt_blocklist_"));
    // A row of another table has fewer cells.
    let rows = rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>());
    let rows = rows.filter_map(|row| match &*row {
        [_, name, kind, labels, _, _] => Some([name.clone(), kind.clone(), labels.replace(", ", ",")]),
        _ => None,
    });
    rows.collect()
}

fn sources(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| match path.extension() {
        None => sources(&path),
        Some(extension) if extension == "rs" => std::fs::read_to_string(path).unwrap(),
        Some(_) => String::new(),
    };
    entries.map(text).collect()
}

#[test]
fn the_documented_metrics_are_those_of_the_code() {
    let code = sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let is_name = |text: &&str| text.starts_with("jwt_blocklist_");
    let named: BTreeSet<&str> = code.split('"').skip(1).filter(is_name).collect();
    let documented = documented();
    let names: BTreeSet<&str> = documented.iter().map(|[name, ..]| &**name).collect();
    assert!(names.len() > 10 && names.len() == documented.len(), "{documented:?}");
    assert_eq!(names, named);
    for [name, kind, _] in &documented {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
}
