//! Settings that can't work.

use std::fs;

use axum_logout::{settings::Settings, sources::Sources};
use testkit::RedisServer;

use crate::server::fails_to_start;

#[tokio::test]
async fn all_that_is_wrong_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "JWT_ALGORITHM=none\nREDIS_PORT=99999\n").unwrap();
    let settings = [
        ("JWT_SECRET", "hunter2"),
        ("BIND", "localhost"),
        ("DATABASE_URL", "mysql://ann:hunter2@example.com/users"),
        ("RUST_LOG", "loud=very"),
    ];
    let (code, output) = fails_to_start(folder.path(), &settings, &[]).await;
    assert_eq!(code, Some(2), "{output}");
    for line in [
        "JWT_ALGORITHM is \"none\": use HS256, HS384 or HS512",
        "JWT_SECRET can't be used: ",
        "BIND is \"localhost\": give an IP address and a port",
        "DATABASE_URL names no known kind of database: use sqlite:FILE or postgres://",
        "REDIS_PORT is \"99999\": give a number from 1 to 65535",
        "REDIS_PORT is set and REDIS_HOST is not",
        "RUST_LOG is \"loud=very\": ",
    ] {
        assert!(output.contains(line), "{line:?} is not in\n{output}");
    }
    assert!(!output.contains("hunter2"));
}

#[tokio::test]
async fn a_broken_env_file_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "BIND=127.0.0.1:0\nJWT_SECRET=hunter2 and more\n").unwrap();
    let (code, output) = fails_to_start(folder.path(), &[("JWT_ALGORITHM", "RS256")], &[]).await;
    assert_eq!(code, Some(2));
    assert!(output.contains(".env: the 2nd entry is not NAME=VALUE"), "{output}");
    assert!(output.contains("JWT_ALGORITHM is \"RS256\""), "{output}");
    assert!(!output.contains("hunter2"));
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_which_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "BIND=file\nJWT_ALGORITHM=file\nREDIS_PORT=file\n").unwrap();
    let settings = [("BIND", "environment"), ("JWT_ALGORITHM", "environment"), ("REDIS_PORT", "")];
    let (_, output) = fails_to_start(folder.path(), &settings, &["--bind", "flag"]).await;
    for words in ["BIND is \"flag\"", "JWT_ALGORITHM is \"environment\"", "REDIS_PORT is \"file\""] {
        assert!(output.contains(words), "{output}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = RedisServer::options().password("hunter2").start().await;
    let url = redis.url();
    redis.kill();
    let (code, output) = fails_to_start(folder.path(), &[("REDIS_URL", &url)], &[]).await;
    assert_eq!(code, Some(1));
    assert!(output.contains("Redis (REDIS_URL, or REDIS_HOST and REDIS_PORT) can't be used: "), "{output}");
    assert!(!output.contains("hunter2"));

    // Nothing listens there any more.
    let url = format!("postgres://ann:hunter2@{}/users", redis.addr());
    let (code, output) = fails_to_start(folder.path(), &[("DATABASE_URL", &url)], &[]).await;
    assert_eq!(code, Some(1));
    assert!(output.contains("PostgreSQL (DATABASE_URL) can't be used: "), "{output}");
    assert!(output.to_lowercase().contains("refused"), "{output}");
    assert!(!output.contains("hunter2"));
}

/// Each row is one problem, whose message contains the second column.
#[test]
fn problems() {
    let some = |text: &str| Some(text.to_owned());
    let table: [(Sources, &str); 9] = [
        (Sources { redis_port: some("6379"), ..Sources::default() }, "REDIS_PORT is set and REDIS_HOST is not"),
        (
            Sources { redis_url: some("redis://h"), redis_host: some("h"), ..Sources::default() },
            "REDIS_URL is set with",
        ),
        (Sources { redis_url: some("http://h"), ..Sources::default() }, "REDIS_URL can't be used"),
        (Sources { redis_host: some("h"), redis_port: some("0"), ..Sources::default() }, "REDIS_PORT is \"0\""),
        (Sources { database_url: some("sqlite::memory:"), ..Sources::default() }, "name a file"),
        (Sources { database_url: some("postgres://h:port/users"), ..Sources::default() }, "DATABASE_URL can't be read"),
        (Sources { database_url: some("sqlite:f?mode=wrong"), ..Sources::default() }, "DATABASE_URL can't be read"),
        (Sources { jwt_algorithm: some("hs256"), ..Sources::default() }, "JWT_ALGORITHM is \"hs256\""),
        (
            Sources { jwt_algorithm: some("HS512"), jwt_secret: some(&"7d3c".repeat(8)), ..Sources::default() },
            "JWT_SECRET can't be used",
        ),
    ];
    for (sources, words) in table {
        let text = Settings::read(&sources).unwrap_err().to_string();
        assert_eq!(text.lines().count(), 2, "one line after the title: {text}");
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[test]
fn nothing_set_is_no_problem_and_debug_shows_no_secret() {
    Settings::read(&Sources::default()).unwrap();
    let sources = Sources {
        jwt_secret: Some("hunter2".repeat(5)),
        redis_url: Some("redis://:hunter2@localhost".to_owned()),
        database_url: Some("postgres://ann:hunter2@localhost/users".to_owned()),
        ..Sources::default()
    };
    let settings = Settings::read(&sources).unwrap();
    assert!(!format!("{sources:?} {settings:?}").contains("hunter2"));
}
