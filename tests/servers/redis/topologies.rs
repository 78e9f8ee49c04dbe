//! `RedisBlocklist` behind sentinels, in a cluster, over TLS and over a Unix socket.
#![cfg(feature = "tls")]

use std::{
    net::SocketAddr,
    num::NonZeroU8,
    time::{Duration, SystemTime},
};

use crate::support::wait::{eventually, soon};
use testkit::{RedisCluster, RedisServer, SentinelGroup, TlsCertificates};
use tower_jwt_blocklist::{
    RedisBlocklist,
    blocklist::{Blocklist, Revocation, RevocationId, RevocationScope, Revoke, RevokeError, Status, TokenIds},
    clock::{Clock, SystemClock},
    redis::RedisSettings,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A token of a login that is later than any loss in these tests.
fn ids(session: &str) -> TokenIds {
    TokenIds::new(None, "token", Some(session)).with_issued_at(SystemClock.now() + MINUTE)
}

fn logout(session: &str) -> Revocation {
    let until = SystemClock.now() + 10 * MINUTE;
    Revocation::new(RevocationScope::Session, RevocationId::new(None, RevocationScope::Session, session), until)
}

async fn is_revoked(blocklist: &RedisBlocklist, session: &str) -> bool {
    blocklist.check(&ids(session), SystemTime::now()).await == Ok(Status::Revoked(RevocationScope::Session))
}

/// Asserts that the blocklist stores and reads, and that earlier entries are still there.
async fn works(blocklist: &RedisBlocklist, session: &str) {
    eventually("it is connected", async || blocklist.check(&ids("never logged out"), SystemTime::now()).await.is_ok())
        .await;
    blocklist.revoke(&logout(session)).await.unwrap();
    assert!(is_revoked(blocklist, session).await);
    assert_eq!(blocklist.check(&ids("another"), SystemTime::now()).await, Ok(Status::NotRevoked));
}

fn addresses(hosts: &[SocketAddr]) -> Vec<(String, u16)> {
    hosts.iter().map(|host| (host.ip().to_string(), host.port())).collect()
}

fn by_url(scheme: &str, user: &str, hosts: &[SocketAddr], path: &str) -> RedisSettings {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    RedisSettings::from_url(&format!("{scheme}://{user}{}{path}", hosts.join(","))).unwrap()
}

#[tokio::test]
async fn r65_sentinel_a_failover_is_followed_to_the_new_master() {
    let group = SentinelGroup::start().await;
    let settings = RedisSettings::sentinel(group.master_name(), addresses(&group.sentinels()));
    let blocklist = RedisBlocklist::connect(settings).await.unwrap();
    let url = by_url("redis+sentinel", "", &group.sentinels(), &format!("/{}", group.master_name()));
    let other = RedisBlocklist::connect(url).await.unwrap();
    works(&blocklist, "before").await;
    assert!(is_revoked(&other, "before").await);

    let old = group.master().await;
    let new = group.failover().await;
    assert_ne!(new, old);
    // The old master claims for seconds to be the master. No check goes to it any more.
    eventually("checks go to the new master", async || {
        let before = group.server(new).calls("mget").await;
        let answer = blocklist.check(&ids("before"), SystemTime::now()).await;
        group.server(new).calls("mget").await > before && answer.is_ok()
    })
    .await;
    let asked = group.server(old).calls("mget").await;
    works(&blocklist, "after").await;
    eventually("the other follows too", async || is_revoked(&other, "after").await).await;
    assert_eq!(group.server(old).calls("mget").await, asked, "no check goes to the demoted master or a replica");
}

#[tokio::test]
async fn sentinel_addresses_that_lead_nowhere_are_an_error_that_says_so() {
    let group = SentinelGroup::start().await;
    let mut dead = RedisServer::start().await;
    dead.kill();
    let connect = async |settings: RedisSettings| {
        soon(RedisBlocklist::connect(settings)).await.map(drop).map_err(|error| error.to_string())
    };
    let sentinels = addresses(&group.sentinels());
    let error = connect(RedisSettings::sentinel("other", sentinels.clone())).await.unwrap_err();
    assert!(error.contains("no master of that name"), "{error}");
    let nobody = [("127.0.0.1", dead.port())];
    let error = connect(RedisSettings::sentinel(group.master_name(), nobody)).await.unwrap_err();
    assert!(error.contains("no sentinel answers"), "{error}");
    // Sentinels that are down do no harm.
    let some = [("127.0.0.1".to_owned(), dead.port()), sentinels[0].clone()];
    connect(RedisSettings::sentinel(group.master_name(), some)).await.unwrap();
}

/// Sessions are logged out during a failover. Each logout that was acknowledged is there after it.
#[tokio::test]
async fn r65_g7_with_acknowledgements_a_failover_loses_nothing_that_was_confirmed() {
    let group = SentinelGroup::start().await;
    let settings = RedisSettings::sentinel(group.master_name(), addresses(&group.sentinels()));
    let settings = settings.replica_acks(NonZeroU8::MIN, Duration::from_millis(500));
    let blocklist = RedisBlocklist::connect(settings).await.unwrap();
    eventually("the replica acknowledges", async || blocklist.revoke(&logout("first")).await == Ok(())).await;
    let writer = blocklist.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let (mut confirmed, mut refused) = (Vec::new(), 0);
        for number in 0.. {
            if stopped.try_recv().is_ok() {
                break;
            }
            let session = number.to_string();
            match writer.revoke(&logout(&session)).await {
                Ok(()) => confirmed.push(session),
                Err(_) => refused += 1,
            }
        }
        (confirmed, refused)
    });
    let old = group.master().await;
    let new = group.failover().await;
    assert_ne!(old, new, "there was a failover");
    eventually("the old master is demoted", async || {
        group.server(old).try_cli(&["ROLE"]).await.is_ok_and(|role| role.starts_with("slave"))
    })
    .await;
    let acknowledged_by_new = group.server(new).calls("wait").await;
    eventually("it goes on with the new one", async || group.server(new).calls("wait").await > acknowledged_by_new)
        .await;
    stop.send(()).unwrap();
    let (confirmed, refused) = writing.await.unwrap();
    println!("{} confirmed, {refused} refused", confirmed.len());
    assert!(!confirmed.is_empty());
    for session in &confirmed {
        assert!(is_revoked(&blocklist, session).await, "{session} was confirmed, and is lost");
    }
}

#[tokio::test]
async fn r59_g7_too_few_acknowledgements_are_an_error() {
    let server = RedisServer::start().await;
    let settings = RedisSettings::new("127.0.0.1", server.port());
    let settings = settings.replica_acks(NonZeroU8::MIN, Duration::from_millis(20));
    let blocklist = RedisBlocklist::connect(settings).await.unwrap();
    for _ in 0..2 {
        assert_eq!(blocklist.revoke(&logout("out")).await, Err(RevokeError::NotReplicated));
    }
    assert!(is_revoked(&blocklist, "out").await, "the revocation is stored nevertheless");

    let replica = RedisServer::start().await;
    replica.cli(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]).await;
    // An entry that was there before is acknowledged too.
    eventually("the replica acknowledges", async || blocklist.revoke(&logout("out")).await == Ok(())).await;
    replica.pause();
    // All callers wait together. None queues behind the others until its deadline has passed.
    let names: Vec<_> = (0..50).map(|number| format!("session-{number}")).collect();
    let revoked: Vec<_> = names
        .iter()
        .map(|name| {
            let (blocklist, revocation) = (blocklist.clone(), logout(name));
            tokio::spawn(async move { blocklist.revoke(&revocation).await })
        })
        .collect();
    for (name, revoked) in names.iter().zip(revoked) {
        assert_eq!(revoked.await.unwrap(), Err(RevokeError::NotReplicated));
        assert!(is_revoked(&blocklist, name).await, "{name}");
    }
    replica.resume();
    eventually("it acknowledges again", async || blocklist.revoke(&logout("out")).await == Ok(())).await;
}

#[tokio::test]
async fn r66_cluster_all_keys_are_in_one_slot_that_is_found_and_followed() {
    let cluster = RedisCluster::start().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(RedisServer::addr).collect();
    let owner = cluster.owner("{jwt}").await;
    // The slot is found through a node that does not own it.
    let seed = nodes[(owner + 1) % nodes.len()];
    let blocklist = RedisBlocklist::connect(RedisSettings::cluster(addresses(&[seed]))).await.unwrap();
    let other = RedisBlocklist::connect(by_url("redis+cluster", "", &nodes, "")).await.unwrap();
    works(&blocklist, "before").await;
    assert!(is_revoked(&other, "before").await);

    let slot = cluster.slot("{jwt}").await;
    let next = (owner + 1) % nodes.len();
    cluster.migrate(slot, next).await;
    assert_eq!(cluster.owner("{jwt}").await, next);
    assert!(is_revoked(&blocklist, "before").await, "MOVED is followed within the check");
    assert!(is_revoked(&other, "before").await);
    works(&other, "after").await;
    assert!(is_revoked(&blocklist, "after").await);
}

#[tokio::test]
async fn r60_cluster_while_the_slot_moves_a_check_waits_or_is_an_outage_and_never_wrong() {
    let cluster = RedisCluster::start().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(RedisServer::addr).collect();
    let settings = RedisSettings::cluster(addresses(&nodes)).check_deadline(Duration::from_millis(50));
    let blocklist = RedisBlocklist::connect(settings.clone()).await.unwrap();
    let patient = RedisBlocklist::connect(settings.check_deadline(Duration::from_secs(20))).await.unwrap();
    works(&blocklist, "out").await;

    let (slot, owner) = (cluster.slot("{jwt}").await, cluster.owner("{jwt}").await);
    let next = (owner + 1) % nodes.len();
    cluster.begin_migration(slot, owner, next).await;
    cluster.migrate_keys(slot).await;
    assert!(cluster.nodes()[owner].try_cli(&["GET", "{jwt}:epoch"]).await.unwrap_err().starts_with("ASK"));
    for session in ["out", "in"] {
        assert!(blocklist.check(&ids(session), SystemTime::now()).await.is_err(), "{session}");
    }
    assert!(blocklist.revoke(&logout("late")).await.is_err());
    let waiting = tokio::spawn(patient.check(&ids("out"), SystemTime::now()));
    cluster.finish_migration(slot).await;
    assert_eq!(soon(waiting).await.unwrap(), Ok(Status::Revoked(RevocationScope::Session)));
    eventually("it is good again", async || is_revoked(&blocklist, "out").await).await;
    works(&blocklist, "after").await;
}

#[tokio::test]
async fn cluster_the_owner_dies_and_its_replica_is_asked() {
    let mut cluster = RedisCluster::options().replicas(1).start().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(RedisServer::addr).collect();
    let blocklist = RedisBlocklist::connect(RedisSettings::cluster(addresses(&nodes))).await.unwrap();
    works(&blocklist, "before").await;
    let owner = cluster.owner("{jwt}").await;
    eventually("the replica has it", async || {
        let offset = cluster.nodes()[owner].cli(&["WAIT", "1", "1000"]).await;
        offset == "1"
    })
    .await;
    cluster.node_mut(owner).kill();
    cluster.new_owner("{jwt}", owner).await;
    eventually("the new owner is asked", async || is_revoked(&blocklist, "before").await).await;
    works(&blocklist, "after").await;
}

#[tokio::test]
async fn a_node_of_a_cluster_and_no_cluster_at_all_are_errors_that_say_what_to_do() {
    let cluster = RedisCluster::start().await;
    let owner = cluster.owner("{jwt}").await;
    let wrong = cluster.nodes()[(owner + 1) % 3].addr();
    let error = RedisBlocklist::connect(RedisSettings::new("127.0.0.1", wrong.port())).await.unwrap_err();
    assert!(error.to_string().contains("RedisSettings::cluster"), "{error}");
    let alone = RedisServer::start().await;
    let settings = RedisSettings::cluster(addresses(&[alone.addr()]));
    assert!(RedisBlocklist::connect(settings).await.is_err());
    let mut dead = RedisServer::start().await;
    dead.kill();
    let settings = RedisSettings::cluster(addresses(&[dead.addr()]));
    let error = RedisBlocklist::connect(settings).await.unwrap_err();
    assert!(error.to_string().contains("nothing listens") || error.to_string().contains("no node"), "{error}");
    let settings = RedisSettings::cluster(addresses(&[alone.addr()])).database(1);
    let error = RedisBlocklist::connect(settings).await.unwrap_err();
    assert!(error.to_string().contains("only database 0"), "{error}");
}

#[tokio::test]
async fn r67_tls_only_a_server_that_proves_its_name_is_trusted() {
    let certificates = TlsCertificates::new();
    let server = RedisServer::options().tls(&certificates).start().await;
    let stranger = RedisServer::options().tls(&TlsCertificates::new()).start().await;
    let of_another_host = TlsCertificates::for_hosts(&["redis.example.org"]);
    let elsewhere = RedisServer::options().tls(&of_another_host).start().await;
    let plain = RedisServer::start().await;
    let at = |server: &RedisServer| RedisSettings::new("127.0.0.1", server.port());
    let roots = |settings: RedisSettings| settings.tls_roots(&certificates.authority);

    let blocklist = RedisBlocklist::connect(roots(at(&server))).await.unwrap();
    works(&blocklist, "out").await;
    let url = RedisSettings::from_url(&format!("rediss://127.0.0.1:{}", server.port())).unwrap();
    assert!(is_revoked(&RedisBlocklist::connect(roots(url.clone())).await.unwrap(), "out").await);
    let rows = [
        ("of an authority that is not ours", roots(at(&stranger))),
        ("of no authority that webpki knows", url),
        ("for another host", at(&elsewhere).tls_roots(&of_another_host.authority)),
        ("without TLS", roots(at(&plain))),
        ("a TLS server, but a client without TLS", at(&server)),
    ];
    for (name, settings) in rows {
        let error = soon(RedisBlocklist::connect(settings)).await.expect_err(name);
        assert!(error.to_string().contains("TLS"), "{name}: {error}");
    }
}

#[tokio::test]
async fn r67_tls_a_client_certificate_is_shown_where_one_is_asked_for() {
    let certificates = TlsCertificates::new();
    let server = RedisServer::options().mutual_tls(&certificates).start().await;
    let without = RedisSettings::new("127.0.0.1", server.port()).tls_roots(&certificates.authority);
    assert!(soon(RedisBlocklist::connect(without.clone())).await.is_err());
    let with = without.tls_identity(&certificates.client, &certificates.client_key);
    works(&RedisBlocklist::connect(with.clone()).await.unwrap(), "out").await;
    assert!(!format!("{with:?}").contains("PRIVATE"), "{with:?}");
}

#[tokio::test]
async fn tls_files_that_cannot_be_read_are_an_error_at_once() {
    let certificates = TlsCertificates::new();
    let settings = || RedisSettings::new("127.0.0.1", 6379);
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
        for settings in [
            settings().tls_roots(pem),
            settings().tls_identity(pem, &certificates.client_key),
            settings().tls_identity(&certificates.client, pem),
        ] {
            let error = RedisBlocklist::connect_lazy(settings).expect_err(pem);
            assert_eq!(
                error.kind(),
                tower_jwt_blocklist::config_error::ConfigErrorKind::InvalidSetting,
                "{pem}: {error}"
            );
            assert!(error.to_string().contains("PEM"), "{pem}: {error}");
        }
    }
}

#[tokio::test]
async fn sentinel_and_cluster_over_tls_with_passwords() {
    let certificates = TlsCertificates::new();
    let servers = || RedisServer::options().tls(&certificates).password("s3cret");
    let (group, cluster) = tokio::join!(
        SentinelGroup::options().servers(servers()).start(),
        RedisCluster::options().servers(servers()).start(),
    );
    let nodes: Vec<_> = cluster.nodes().iter().map(RedisServer::addr).collect();
    let settings = by_url("rediss+cluster", ":s3cret@", &nodes, "").tls_roots(&certificates.authority);
    works(&RedisBlocklist::connect(settings).await.unwrap(), "out").await;
    let path = format!("/{}", group.master_name());
    let settings = by_url("rediss+sentinel", ":s3cret@", &group.sentinels(), &path);
    let settings = settings.tls_roots(&certificates.authority);
    works(&RedisBlocklist::connect(settings.clone()).await.unwrap(), "out").await;

    for sentinel in group.sentinels() {
        group.server(sentinel).cli(&["ACL", "SETUSER", "watcher", "on", ">w4tch", "+@all"]).await;
    }
    let as_watcher = |password| settings.clone().sentinel_login(Some("watcher"), password);
    works(&RedisBlocklist::connect(as_watcher("w4tch")).await.unwrap(), "again").await;
    assert!(RedisBlocklist::connect(as_watcher("wr0ng")).await.is_err());
}

#[tokio::test]
async fn a_unix_socket_does_as_well() {
    let server = RedisServer::options().unix_socket().start().await;
    let url = format!("unix://{}", server.unix_socket().display());
    works(&RedisBlocklist::connect(RedisSettings::from_url(&url).unwrap()).await.unwrap(), "out").await;
}
