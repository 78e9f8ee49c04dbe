//! One revocation as Redis stores it: `<all> <others> <except>`.
//!
//! `all` and `others` are in milliseconds since the Unix epoch. `except` is a session's id in
//! hexadecimal digits, or empty. `CutOff` says what they mean. An entry that rejects everything is
//! just `1`, which takes Redis less memory.

use redis::Value;

use crate::{
    blocklist::{CutOff, Revocation, RevocationId},
    clock::Timestamp,
};

/// The parts of an entry, as `revoke` in `prelude.lua` takes them.
pub(crate) fn arguments(cut_off: &CutOff) -> [String; 3] {
    let except = cut_off.except.map(|session| session.to_string()).unwrap_or_default();
    [cut_off.all.as_millis().to_string(), cut_off.others.as_millis().to_string(), except]
}

/// Reads an entry. An unreadable entry rejects everything, because its writer meant to revoke
/// something.
pub(crate) fn parse(entry: &[u8]) -> CutOff {
    try_parse(entry).unwrap_or(CutOff::ALWAYS)
}

/// Whether an entry, as `MGET` returns it, rejects everything that the revocation rejects.
pub(crate) fn holds(entry: &Value, revocation: &Revocation) -> bool {
    match entry {
        Value::BulkString(text) => {
            let stored = parse(text);
            stored.merge(revocation.cut_off()) == stored
        }
        _ => false,
    }
}

fn try_parse(entry: &[u8]) -> Option<CutOff> {
    if entry == b"1" {
        return Some(CutOff::ALWAYS);
    }
    let mut parts = std::str::from_utf8(entry).ok()?.split(' ');
    let mut time = || parse_time(parts.next()?);
    let (all, others) = (time()?, time()?);
    let except = match parts.next()? {
        "" => None,
        name => Some(RevocationId::from_hex(name)?),
    };
    if parts.next().is_some() { None } else { Some(CutOff { all, others, except }) }
}

/// Reads a time in its only form: without a sign and without leading zeros. Rust's parser accepts
/// both, but the scripts reject a sign and compare texts.
pub(crate) fn parse_time(millis: &str) -> Option<Timestamp> {
    let is_canonical = millis == "0" || millis.starts_with(|first: char| matches!(first, '1'..='9'));
    let millis = millis.parse().ok().filter(|_| is_canonical)?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::RevocationScope;

    #[test]
    fn what_is_written_is_read() {
        let session = RevocationId::new(None, RevocationScope::Session, "s");
        let moment = Timestamp::from_millis(1_767_225_600_123);
        for cut_off in [CutOff::ALWAYS, CutOff::up_to(moment), CutOff::up_to(moment).except_session(session)] {
            assert_eq!(parse(arguments(&cut_off).join(" ").as_bytes()), cut_off);
        }
        assert_eq!(try_parse(b"1"), Some(CutOff::ALWAYS));
        let [ever, others, except] = arguments(&CutOff::ALWAYS);
        assert!(include_str!("lua/prelude.lua").contains(&format!("EVER, ALWAYS = '{ever}', '1'")));
        assert_eq!((&*others, &*except), ("0", ""));
    }

    #[test]
    fn r60_what_cannot_be_read_refuses_everything() {
        for entry in [
            "",
            "2",
            "1 2",
            "x 2 ",
            "1 2 3",
            "1 2  ",
            "-1 2 ",
            "+1 2 ",
            "1 +2 ",
            "01 2 ",
            "1 00 ",
            "18446744073709551616 2 ",
            "1 2 82c97bf51ca93f69a3c9993e37ef831g",
            "1 2 82C97BF51CA93F69A3C9993E37EF8310",
            "1 2 +1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1",
        ] {
            assert_eq!(parse(entry.as_bytes()), CutOff::ALWAYS, "{entry:?}");
        }
        assert_eq!(parse(b"\xFF"), CutOff::ALWAYS);
    }
}
