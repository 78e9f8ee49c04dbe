//! Redis' replies in wire format (RESP): only a reply that says so reads as "not revoked".
#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use fuzz::stored_limit;
use libfuzzer_sys::{Corpus, fuzz_target};
use redis::{Value, parse_redis_value};
use tower_jwt_blocklist::{
    blocklist::{Redemption, RevocationId, RevocationScope, Rotation, Status, TokenIds},
    fuzzing::{epoch, is_master, page, rotation, status, time, unpack, whole},
};

const EPOCH: &str = "043a718774c572bd8a25adbeb1bfcd5c 1767225600123 0";
const EPOCH_WITH_FLOOR: &str = "043a718774c572bd8a25adbeb1bfcd5c 1767225600123 1767225600123";

static IDS: LazyLock<TokenIds> = LazyLock::new(|| {
    let ids = TokenIds::new(Some("issuer"), "t", Some("s")).with_subject("ann");
    ids.with_issued_at(UNIX_EPOCH + Duration::from_millis(1_767_225_600_000))
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(reply) = parse_redis_value(bytes) else { return Corpus::Reject };
    for epoch in [EPOCH, EPOCH_WITH_FLOOR] {
        check_status(&reply, epoch);
    }
    check_heartbeat(&reply);
    check_news(&reply);
    check_rotation(&reply);
    check_server(&reply);
    Corpus::Keep
});

/// "Not revoked" needs the expected epoch, and four entries that are missing or reject only older
/// tokens.
fn check_status(reply: &Value, epoch: &str) {
    let issued_at = IDS.issued_at().unwrap().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let admits = |entry: &Value| match entry {
        Value::Nil => true,
        Value::BulkString(text) => stored_limit(text, &IDS).is_some_and(|limit| issued_at > u128::from(limit)),
        _ => false,
    };
    let is_clean = match reply {
        Value::Array(values) => match values.as_slice() {
            [Value::BulkString(found), entries @ ..] => {
                found == epoch.as_bytes() && entries.len() == 4 && entries.iter().all(admits)
            }
            _ => false,
        },
        _ => false,
    };
    match status(reply, epoch, &IDS) {
        Ok(Status::NotRevoked) => assert!(is_clean && epoch == EPOCH, "{reply:?}"),
        Ok(Status::BeforeLoss) => assert!(is_clean && epoch == EPOCH_WITH_FLOOR, "{reply:?}"),
        Ok(_) | Err(_) => assert!(!is_clean, "{reply:?}"),
    }
}

/// A store is intact if it has an open epoch, a log and the longest lifetime.
fn check_heartbeat(reply: &Value) {
    let Value::Array(replies) = reply else { return };
    let Some(found) = whole(replies) else { return };
    let [Value::Array(last), _, longest, _, _, Value::BulkString(text)] = replies.as_slice() else {
        panic!("{reply:?}");
    };
    assert!(!last.is_empty() && *longest != Value::Nil);
    assert_eq!((found.as_bytes(), epoch(text).0.as_deref()), (text.as_slice(), Some(&*found)));
}

/// Every entry of the first stream, and of those with the same name, is read.
fn check_news(reply: &Value) {
    let streams: Vec<(&Value, &Value)> = match reply {
        Value::Array(streams) => {
            let parts = streams.iter().filter_map(Value::as_sequence);
            parts.filter_map(|parts| Some((parts.first()?, parts.get(1)?))).collect()
        }
        Value::Map(streams) => streams.iter().map(|(name, entries)| (name, entries)).collect(),
        _ => Vec::new(),
    };
    let name = streams.first().map_or(b"log".as_slice(), |(name, _)| match name {
        Value::BulkString(name) => name,
        _ => b"log",
    });
    let Ok(name) = std::str::from_utf8(name) else { return };
    let Some(entries) = page(reply, name) else { return };
    let is_named = |stream: &&(&Value, &Value)| *stream.0 == Value::BulkString(name.into());
    let counts = streams.iter().filter(is_named).map(|(_, entries)| entries.as_sequence().unwrap().len());
    assert_eq!(entries.len(), counts.sum::<usize>());
    for (_, value) in entries {
        let _ = unpack(value);
    }
}

/// A token gets a successor only if the script says so, in one word.
fn check_rotation(reply: &Value) {
    let session = RevocationId::new(None, RevocationScope::Session, "s");
    let (now, later) = (UNIX_EPOCH + Duration::from_millis(5), UNIX_EPOCH + Duration::from_millis(u64::MAX));
    let redemption = Redemption {
        ids: *IDS,
        session,
        presented: u32::MAX,
        token_id: Some(5),
        successor: 7,
        now,
        grace: Duration::from_secs(10),
        kept_until: later,
        revoked_until: later,
    };
    let word = match reply {
        Value::Array(parts) => match parts.first() {
            Some(Value::BulkString(word)) => word.as_slice(),
            Some(Value::SimpleString(word)) => word.as_bytes(),
            _ => b"",
        },
        _ => b"",
    };
    match rotation(reply, &redemption) {
        Some(Rotation::Rotated) => assert_eq!(word, b"rotated", "{reply:?}"),
        Some(Rotation::Repeated(_)) => assert_eq!(word, b"repeated", "{reply:?}"),
        Some(Rotation::Replayed | Rotation::Revoked(_)) | None => {}
    }
}

/// Only a server that says so is a master, and a time is two numbers, however large.
fn check_server(reply: &Value) {
    if is_master(reply) {
        let text = format!("{reply:?}");
        assert!(text.contains("role") && text.contains("master"), "{text}");
    }
    let is_pair = |reply: &Value| reply.as_sequence().is_some_and(|parts| parts.len() == 2);
    assert!(time(reply).is_none() || is_pair(reply), "{reply:?}");
}
