//! Bytes as stored in Redis: entries, epochs and records of the log.
#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, UNIX_EPOCH},
};

use futures_util::FutureExt;
use fuzz::{blocklist, stored_limit};
use libfuzzer_sys::fuzz_target;
use tower_jwt_blocklist::{
    blocklist::{Blocklist, Revoke, Status, TokenIds},
    fuzzing::{Entry, Mirror, entry_of, epoch, pack, unpack},
};

/// Tokens of all ages: with a fraction of a second, without one, and without a time.
static TOKENS: LazyLock<Vec<TokenIds>> = LazyLock::new(|| {
    let ages = [0, 1, 5, 6, 7, 1_767_225_600_000, 1_767_225_600_123, 1_767_225_600_124, 253_402_300_799_000];
    let token = |session| TokenIds::new(Some("issuer"), "t", Some(session)).with_subject("ann");
    let of_age =
        |age| [token("s"), token("other")].map(|ids| ids.with_issued_at(UNIX_EPOCH + Duration::from_millis(age)));
    ages.into_iter().flat_map(of_age).chain([token("s"), TokenIds::new(None, "t", None)]).collect()
});

fuzz_target!(|bytes: &[u8]| {
    check_epoch(bytes);
    let parts: Vec<_> = bytes.splitn(2, |byte| *byte == b'\n').collect();
    check_entries(parts[0], parts.last().unwrap());
    check_record(bytes);
});

/// r60: an unreadable entry rejects every token. A readable one rejects what it says, and is
/// written as it was read.
fn check_entries(first: &[u8], second: &[u8]) {
    let [one, other] = [first, second].map(Entry::read);
    for ids in &*TOKENS {
        let millis = ids.issued_at().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_millis());
        let expected = stored_limit(first, ids).is_none_or(|limit| millis.is_none_or(|at| at <= u128::from(limit)));
        assert_eq!(one.rejects(ids), expected, "{:?}", String::from_utf8_lossy(first));
        // G4: a merge weakens no revocation.
        let merged = one.merge(other);
        assert!(merged.rejects(ids) || !one.rejects(ids) && !other.rejects(ids), "{one:?} {other:?} {merged:?}");
        assert_eq!(merged.rejects(ids), other.merge(one).rejects(ids), "{one:?} {other:?}");
    }
    assert_eq!(Entry::read(one.write().as_bytes()), one);
    assert_eq!(one.merge(one).merge(one), one.merge(one));
}

/// The scripts compare an epoch as text, so only our own spelling is an epoch.
fn check_epoch(bytes: &[u8]) {
    let (open, floor) = epoch(bytes);
    if let Some(text) = open {
        assert_eq!(text.as_bytes(), bytes);
        assert!(text.ends_with(&format!(" {}", floor.duration_since(UNIX_EPOCH).unwrap().as_millis())));
    }
}

/// A record survives the log. It rejects the same tokens as an entry: in a mirror, in the mirror's
/// restored entries, and in memory.
fn check_record(bytes: &[u8]) {
    let Some(named) = named_like_ours(bytes) else { return };
    let Some(revocation) = unpack(&named) else {
        assert_eq!(unpack(bytes), None);
        return;
    };
    assert_eq!(unpack(&pack(&revocation)), Some(revocation));
    let (mirror, list, put_back) = (Mirror::new(10), blocklist(), Mirror::new(10));
    assert!(mirror.merge(&revocation));
    list.revoke(&revocation).now_or_never().unwrap().unwrap();
    let given = mirror.all();
    assert!(given.len() == 1 && given[0].until() >= revocation.until(), "G3: {given:?}");
    assert!(put_back.merge(&given[0]));
    let is_over = revocation.until() <= fuzz::now();
    for ids in &*TOKENS {
        let is_named = ids.each().any(|(scope, id)| (scope, id) == (revocation.scope(), revocation.id()));
        let refused = Some(revocation.scope()).filter(|_| is_named && entry_of(&revocation).rejects(ids));
        assert_eq!((mirror.refused(ids), put_back.refused(ids)), (refused, refused), "{revocation:?} {ids:?}");
        let status = list.check(ids, fuzz::now()).now_or_never().unwrap();
        assert_eq!(status, Ok(refused.filter(|_| !is_over).map_or(Status::NotRevoked, Status::Revoked)));
    }
}

/// Gives the record the id of one of the tokens, which the fuzzer would not guess.
fn named_like_ours(bytes: &[u8]) -> Option<Vec<u8>> {
    let ids = TOKENS[0];
    let id = match bytes.first()? {
        b't' => ids.token(),
        b's' => ids.session()?,
        b'u' => ids.subject()?,
        _ => ids.issuer(),
    };
    let mut named = bytes.to_vec();
    named.get_mut(1..17)?.copy_from_slice(id.as_bytes());
    Some(named)
}
