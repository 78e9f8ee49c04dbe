//! A position in the log: the id of an entry, and the digest of its bytes.

use std::fmt;

use redis::{RedisWrite, ToRedisArgs, Value};
use sha2::{Digest as _, Sha256};

/// The id of an entry: `<milliseconds>-<number>`. Ids are compared as numbers, not as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct StreamId(pub(crate) u64, pub(crate) u64);

/// The first 8 bytes of the SHA-256 of an entry's field and value.
///
/// After a failover, the old and the new master may give one id to different entries, so an id
/// alone does not tell which log an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(u64);

/// An entry of the log that a process has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Position {
    pub(crate) id: StreamId,
    pub(crate) digest: Digest,
}

impl StreamId {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }
}

impl Digest {
    pub(crate) fn of(field: &[u8], value: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(field).chain_update(b" ").chain_update(value).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(first))
    }
}

impl Position {
    /// The position before the first entry. No log holds it.
    pub(crate) const START: Self = Self { id: StreamId(0, 0), digest: Digest(0) };

    pub(crate) fn of(id: StreamId, field: &[u8], value: &[u8]) -> Self {
        Self { id, digest: Digest::of(field, value) }
    }

    /// Parses what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, digest) = text.split_once(':')?;
        let digest = u64::from_str_radix(digest, 16).ok()?;
        Some(Self { id: StreamId::parse(id.as_bytes())?, digest: Digest(digest) })
    }

    /// Reads the first entry of a reply to `XREVRANGE`. The outer `None` is for a reply of another
    /// form.
    pub(crate) fn first_of(entries: &Value) -> Option<Option<Self>> {
        let Value::Array(entries) = entries else { return None };
        let Some(entry) = entries.first() else { return Some(None) };
        let (id, field, value) = entry_parts(entry)?;
        Some(Some(Self::of(id, field, value)))
    }
}

/// Reads one entry of a stream, `[id, [field, value, ..]]`: its id and its first field.
pub(crate) fn entry_parts(entry: &Value) -> Option<(StreamId, &[u8], &[u8])> {
    let Value::Array(parts) = entry else { return None };
    let [Value::BulkString(id), Value::Array(fields)] = parts.as_slice() else { return None };
    let [Value::BulkString(field), Value::BulkString(value), ..] = fields.as_slice() else { return None };
    Some((StreamId::parse(id)?, field, value))
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.id, self.digest.0)
    }
}

impl ToRedisArgs for StreamId {
    fn write_redis_args<W: RedisWrite + ?Sized>(&self, out: &mut W) {
        out.write_arg_fmt(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_compared_as_numbers() {
        assert!(StreamId(9, 10) > StreamId(9, 9) && StreamId(10, 0) > StreamId(9, 10));
        assert_eq!(StreamId::parse(StreamId(5, 10).to_string().as_bytes()), Some(StreamId(5, 10)));
        for text in ["", "5", "-", "5-", "-1", "5-x", "in the log already"] {
            assert_eq!(StreamId::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn g5_entries_with_one_id_and_other_bytes_are_different_positions() {
        let position = |field: &str, value: &str| Position::of(StreamId(5, 1), field.as_bytes(), value.as_bytes());
        let ours = position("d", "x");
        assert_eq!(Position::parse(&ours.to_string()), Some(ours));
        for other in [position("d", "y"), position("b", "x"), Position { id: StreamId(5, 2), ..ours }] {
            assert_ne!(ours, other);
        }
        for text in ["", "5-1", "5-1:", ":1", "5:1", "5-1:x"] {
            assert_eq!(Position::parse(text), None, "{text:?}");
        }
    }
}
