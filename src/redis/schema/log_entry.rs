//! An entry of the log: a revocation (field `d`) in 25 to 57 bytes, or many restored ones (field
//! `b`), each after a byte with its length.
//!
//! The bytes of a revocation are `<scope: 1> <id: 16> <until: 8>`. `<all: 8>` follows if tokens
//! issued later are accepted, then `<others: 8> <except: 16>` if a session is excepted. Times are in
//! milliseconds since the Unix epoch, big-endian.

use crate::{
    blocklist::{CutOff, Revocation, RevocationId, RevocationScope},
    clock::Timestamp,
};

/// The field of an entry with one revocation.
pub(crate) const ONE: &[u8] = b"d";
/// The field of an entry with many revocations.
const MANY: &[u8] = b"b";

/// The revocations in an entry of the log; `None` for each that cannot be read.
pub(crate) fn revocations<'a>(field: &[u8], value: &'a [u8]) -> impl Iterator<Item = Option<Revocation>> + use<'a> {
    let (one, mut many) = match field {
        ONE => (Some(value), [].as_slice()),
        MANY => (None, value),
        _ => (None, [].as_slice()),
    };
    let rest = std::iter::from_fn(move || {
        let (length, rest) = many.split_first()?;
        let (packed, rest) = rest.split_at_checked(usize::from(*length)).unwrap_or_default();
        many = rest;
        Some(packed)
    });
    one.into_iter().chain(rest).map(unpack)
}

/// The bytes of a revocation.
pub(crate) fn pack(revocation: &Revocation) -> Vec<u8> {
    let CutOff { all, others, except } = revocation.cut_off();
    let mut packed = Vec::with_capacity(57);
    packed.push(revocation.scope().tag());
    packed.extend_from_slice(revocation.id().as_bytes());
    packed.extend_from_slice(&revocation.expiry().as_millis().to_be_bytes());
    if revocation.cut_off() != CutOff::ALWAYS {
        packed.extend_from_slice(&all.as_millis().to_be_bytes());
    }
    if let Some(session) = except {
        packed.extend_from_slice(&others.as_millis().to_be_bytes());
        packed.extend_from_slice(session.as_bytes());
    }
    packed
}

/// Reads the bytes of a revocation; `None` for any other bytes.
fn unpack(packed: &[u8]) -> Option<Revocation> {
    let (tag, rest) = packed.split_first()?;
    let scope = [RevocationScope::Token, RevocationScope::Session, RevocationScope::Subject, RevocationScope::Issuer]
        .into_iter()
        .find(|s| s.tag() == *tag)?;
    let (id, rest) = take_id(rest)?;
    let (until, rest) = take_time(rest)?;
    let revocation = Revocation::expiring_at(scope, id, until);
    if rest.is_empty() {
        return Some(revocation);
    }
    let (all, rest) = take_time(rest)?;
    let cut_off = if rest.is_empty() {
        CutOff::up_to(all)
    } else {
        let (others, rest) = take_time(rest)?;
        let (except, rest) = take_id(rest)?;
        if !rest.is_empty() {
            return None;
        }
        CutOff { all, others, except: Some(except) }
    };
    Some(revocation.with_cut_off(cut_off))
}

fn take_id(bytes: &[u8]) -> Option<(RevocationId, &[u8])> {
    let (id, rest) = bytes.split_first_chunk()?;
    Some((RevocationId::from_bytes(*id), rest))
}

fn take_time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (millis, rest) = bytes.split_first_chunk()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*millis)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_forms() -> [Revocation; 4] {
        let id = |name| RevocationId::new(Some("issuer"), RevocationScope::Session, name);
        let (until, moment) = (Timestamp::from_millis(1_767_225_600_123), Timestamp::from_millis(1_767_000_000_456));
        let revocation = |scope| Revocation::expiring_at(scope, id("a"), until);
        [
            revocation(RevocationScope::Token),
            revocation(RevocationScope::Session),
            revocation(RevocationScope::Issuer).issued_up_to(moment.into()),
            revocation(RevocationScope::Subject).issued_up_to(moment.into()).except_session(id("b")),
        ]
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        for revocation in all_forms() {
            assert_eq!(unpack(&pack(&revocation)), Some(revocation));
        }
        assert_eq!(all_forms().map(|revocation| pack(&revocation).len()), [25, 25, 33, 57]);
    }

    #[test]
    fn an_entry_has_one_revocation_or_many_and_an_unreadable_one_is_reported() {
        let packed = all_forms().map(|revocation| pack(&revocation));
        let many: Vec<u8> =
            packed.iter().flat_map(|packed| [&[packed.len() as u8], packed.as_slice()].concat()).collect();
        let read = |field: &str, value| revocations(field.as_bytes(), value).collect::<Vec<_>>();
        assert_eq!(read("d", &packed[0]), [Some(all_forms()[0])]);
        assert_eq!(read("b", &many), all_forms().map(Some));
        assert_eq!(read("b", &many[..many.len() - 1]).last(), Some(&None), "it is cut short");
        assert_eq!((read("d", b"x"), read("e", &packed[0])), (vec![None], vec![]));
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_not_unpacked() {
        for revocation in all_forms() {
            let packed = pack(&revocation);
            for length in (0..packed.len()).filter(|length| ![25, 33].contains(length)) {
                assert_eq!(unpack(&packed[..length]), None, "{length} bytes");
            }
            assert_eq!(unpack(&[packed.as_slice(), &[0]].concat()), None);
        }
        assert_eq!(unpack(&[b'x'; 25]), None);
    }
}
