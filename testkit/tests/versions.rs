//! Every available version of the server works with the rest of the kit.

use std::env;
use std::process::Command;

use testkit::{RedisBinary, RedisCluster, RedisOptions, RedisServer, SentinelGroup, TlsCertificates, redis_versions};
use tokio::task::JoinSet;

/// Runs a test with all of them in parallel.
async fn each<F: Future<Output = ()> + Send + 'static>(test: impl Fn(RedisBinary) -> F) {
    let mut running: JoinSet<()> = redis_versions().into_iter().map(test).collect();
    while let Some(result) = running.join_next().await {
        result.unwrap();
    }
}

fn options(binary: &RedisBinary) -> RedisOptions {
    RedisServer::options().binary(binary)
}

#[tokio::test]
async fn the_machines_own_comes_first_and_none_comes_twice() {
    let versions: Vec<String> = redis_versions().iter().map(ToString::to_string).collect();
    assert_eq!(versions[0], its_own_words(&RedisServer::start().await).await);
    for (index, version) in versions.iter().enumerate() {
        assert!(!versions[..index].contains(version), "{versions:?}");
    }
}

/// `cargo xtask test` lists the versions it fetched in `REDIS_SERVERS`.
#[test]
fn what_xtask_got_is_there() {
    let versions = redis_versions();
    let list = env::var_os("REDIS_SERVERS").unwrap_or_default();
    for path in env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()) {
        let says = Command::new(&path).arg("--version").output().unwrap().stdout;
        let says = String::from_utf8(says).unwrap();
        assert!(versions.iter().any(|binary| says.contains(&format!("v={} ", binary.version()))), "{says}");
    }
}

#[tokio::test]
async fn each_starts_alone() {
    each(async |binary| {
        let server = options(&binary).start().await;
        assert_eq!(its_own_words(&server).await, binary.to_string());
    })
    .await;
}

#[tokio::test]
async fn each_starts_in_a_cluster() {
    each(async |binary| {
        let cluster = RedisCluster::options().servers(options(&binary)).start().await;
        let (from, slot) = (cluster.owner("key").await, cluster.slot("key").await);
        assert_eq!(its_own_words(&cluster.nodes()[from]).await, binary.to_string());
        cluster.migrate(slot, (from + 1) % 3).await;
    })
    .await;
}

#[tokio::test]
async fn each_starts_with_sentinels() {
    each(async |binary| {
        let group = SentinelGroup::options().servers(options(&binary)).start().await;
        for addr in group.sentinels() {
            assert_eq!(its_own_words(group.server(addr)).await, binary.to_string());
        }
        group.failover().await;
    })
    .await;
}

#[tokio::test]
async fn one_that_is_built_without_tls_is_told_apart() {
    for binary in redis_versions() {
        let starting = tokio::spawn(options(&binary).tls(&TlsCertificates::new()).start());
        if let Err(panic) = starting.await {
            let panic = panic.into_panic();
            let sentence = panic.downcast_ref::<String>().unwrap();
            assert!(sentence.contains("is built without TLS"), "{binary}: {sentence}");
        }
    }
}

/// The name and version that the running server reports.
async fn its_own_words(server: &RedisServer) -> String {
    match server.info("server", "valkey_version").await {
        Some(version) => format!("valkey {version}"),
        None => format!("redis {}", server.info("server", "redis_version").await.unwrap()),
    }
}
