//! The id of an entry of a Redis stream.

use std::fmt;

use redis::{RedisWrite, ToRedisArgs};

/// `<milliseconds>-<number>`. Ids are compared as numbers, not as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct StreamId(pub(crate) u64, pub(crate) u64);

impl StreamId {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (millis, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
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
}
