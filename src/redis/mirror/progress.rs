//! The position up to which the log was read, and the moment that this proves.

use redis::Value;

use crate::{
    blocklist::Outage,
    redis::{mirror::replica::Moment, schema::stream_id::StreamId},
};

/// The reader's position in a log: it begins at the first entry and follows the news.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Everything up to this entry was read.
    pub(crate) cursor: StreamId,
    /// An end that the log had at a moment. When the cursor reaches it, that moment is proven.
    target: Option<(StreamId, Moment)>,
}

impl Progress {
    /// Notes that a page was read. Duplicates and old entries change nothing.
    pub(crate) fn read(&mut self, page: &Page) {
        self.cursor = page.entries.iter().map(|entry| entry.id).fold(self.cursor, StreamId::max);
    }

    /// Takes the end that the log had at a moment. Returns the moment up to which everything was
    /// read, if the cursor has reached an end.
    ///
    /// The end decides, not the number of entries. If writers are faster than this reader, there
    /// is always more to read, and yet each end is reached at some time.
    pub(crate) fn proves(&mut self, end: StreamId, asked: Moment) -> Option<Moment> {
        if self.cursor >= end {
            self.target = None;
            return Some(asked);
        }
        match self.target {
            Some((target, moment)) if self.cursor >= target => {
                self.target = Some((end, asked));
                Some(moment)
            }
            Some(_) => None,
            None => {
                self.target = Some((end, asked));
                None
            }
        }
    }
}

/// Entries of the log as `XREAD` returns them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) id: StreamId,
    pub(crate) field: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Page<'a> {
    /// Parses a reply to `XREAD`. Nil means no news, also if there is no log at all: the caller has
    /// to check that there is one.
    pub(crate) fn parse(reply: &'a Value) -> Result<Self, Outage> {
        let entries = match reply {
            Value::Nil => return Ok(Self::default()),
            Value::Array(streams) => match streams.as_slice() {
                [Value::Array(stream)] => stream.get(1),
                _ => None,
            },
            Value::Map(streams) => match streams.as_slice() {
                [(_, entries)] => Some(entries),
                _ => None,
            },
            _ => None,
        };
        let Some(Value::Array(entries)) = entries else { return Err(Outage::UnexpectedReply) };
        let entries: Option<_> = entries.iter().map(parse_entry).collect();
        entries.map(|entries| Self { entries }).ok_or(Outage::UnexpectedReply)
    }
}

/// Parses `[id, [field, value, ..]]`, and takes the first field only.
fn parse_entry(value: &Value) -> Option<Entry<'_>> {
    let Value::Array(parts) = value else { return None };
    let [Value::BulkString(id), Value::Array(fields)] = parts.as_slice() else { return None };
    let [Value::BulkString(field), Value::BulkString(value), ..] = fields.as_slice() else { return None };
    Some(Entry { id: StreamId::parse(id)?, field, value })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::clock::Timestamp;

    fn page(ids: &[u64]) -> Page<'static> {
        Page { entries: ids.iter().map(|id| Entry { id: StreamId(*id, 0), field: b"d", value: b"" }).collect() }
    }

    fn moment(second: u64) -> Moment {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let after = Duration::from_secs(second);
        Moment { at: *START.get_or_init(Instant::now) + after, time: Timestamp::default() + after }
    }

    #[test]
    fn r68_a_moment_is_proven_by_the_end_that_the_log_had_then() {
        let mut progress = Progress::default();
        assert_eq!(progress.proves(StreamId(3, 0), moment(1)), None, "nothing was read yet");
        progress.read(&page(&[1, 2]));
        assert_eq!(progress.proves(StreamId(5, 0), moment(2)), None);
        progress.read(&page(&[3]));
        assert_eq!(progress.proves(StreamId(9, 0), moment(3)), Some(moment(1)), "the first end is reached");
        progress.read(&page(&[4, 5, 6]));
        assert_eq!(
            progress.proves(StreamId(10, 0), moment(4)),
            None,
            "the third end is the target, the second was not kept"
        );
        progress.read(&page(&[7, 8, 9]));
        assert_eq!(progress.proves(StreamId(11, 0), moment(5)), Some(moment(3)));
        progress.read(&page(&[10, 11, 12]));
        assert_eq!(progress.proves(StreamId(11, 0), moment(6)), Some(moment(6)), "entries after the end do no harm");
    }

    #[test]
    fn r68_pages_that_come_twice_late_or_in_another_order_move_nothing_back() {
        let mut progress = Progress::default();
        for ids in [&[1, 2, 3][..], &[2, 3], &[1], &[], &[3, 2, 1]] {
            progress.read(&page(ids));
            assert_eq!(progress.cursor, StreamId(3, 0));
        }
        assert!(StreamId(9, 10) > StreamId(9, 9) && StreamId(10, 0) > StreamId(9, 10), "as numbers, not as text");
    }

    #[test]
    fn r68_a_page_of_another_form_is_none() {
        let text = |text: &str| Value::BulkString(text.into());
        let entry = |id: &str| Value::Array(vec![text(id), Value::Array(vec![text("d"), text("x")])]);
        let stream = |entries| Value::Array(vec![Value::Array(vec![text("log"), Value::Array(entries)])]);
        let expected = Entry { id: StreamId(5, 1), field: b"d", value: b"x" };
        let by_resp3 = Value::Map(vec![(text("log"), Value::Array(vec![entry("5-1")]))]);
        for reply in [stream(vec![entry("5-1")]), by_resp3] {
            assert_eq!(Page::parse(&reply).unwrap().entries, [Entry { ..expected }]);
        }
        assert_eq!(Page::parse(&Value::Nil), Ok(Page::default()));
        for reply in [
            Value::Okay,
            Value::Array(vec![]),
            stream(vec![entry("5")]),
            stream(vec![entry("-")]),
            stream(vec![Value::Nil]),
            stream(vec![Value::Array(vec![text("5-1"), Value::Nil])]),
        ] {
            assert_eq!(Page::parse(&reply), Err(Outage::UnexpectedReply), "{reply:?}");
        }
    }
}
