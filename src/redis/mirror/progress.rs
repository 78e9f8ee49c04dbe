//! The position up to which the log was read, and the moment that this proves.

use redis::Value;

use crate::{
    blocklist::Outage,
    redis::{
        mirror::replica::Moment,
        schema::position::{self, Position, StreamId},
    },
};

/// The reader's position in a log: it begins at the first entry and follows the news.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Everything up to this entry was read.
    pub(crate) cursor: StreamId,
    /// That entry, once one was read.
    last: Option<Position>,
    /// An end that the log had at a moment. When the cursor reaches it, that moment is proven.
    target: Option<(StreamId, Moment)>,
}

impl Progress {
    /// Notes that a page was read. Duplicates and old entries change nothing.
    pub(crate) fn read(&mut self, page: &Page) {
        let newest = page.entries.iter().max_by_key(|entry| entry.id);
        if let Some(entry) = newest.filter(|entry| entry.id > self.cursor) {
            self.cursor = entry.id;
            self.last = Some(entry.position());
        }
    }

    /// The position up to which everything was read.
    pub(crate) fn position(&self) -> Position {
        self.last.unwrap_or(Position::START)
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

/// The number of entries to read at a time. An entry with restored revocations is a hundred times as
/// long as another, and a page has to arrive within a second on a slow network.
#[derive(Debug)]
pub(crate) struct PageSize {
    count: usize,
    /// Longer pages did not arrive in time.
    ceiling: usize,
}

impl PageSize {
    const LARGEST: usize = 4000;
    const FIRST: usize = 80;
    const SMALLEST: usize = 4;
    /// The wanted length of a page in bytes.
    const GOAL: usize = 256 * 1024;

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Chooses the size of the next page by the length of this one.
    pub(crate) fn adapt(&mut self, page: &Page<'_>) {
        let bytes = page.entries.iter().map(|entry| entry.value.len() + 40).sum::<usize>();
        if let Some(average) = bytes.checked_div(page.entries.len()) {
            self.count = (Self::GOAL / average).min(self.count * 4).min(self.ceiling).max(Self::SMALLEST);
        }
    }

    /// Notes that a page did not arrive in time. Without a ceiling, the next one would be as long
    /// again.
    pub(crate) fn shrink(&mut self) {
        self.ceiling = (self.count / 4).max(Self::SMALLEST);
        self.count = self.ceiling;
    }

    /// Notes that everything was read, so the next pages are short anyway.
    pub(crate) fn forget_ceiling(&mut self) {
        self.ceiling = Self::LARGEST;
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self { count: Self::FIRST, ceiling: Self::LARGEST }
    }
}

/// Entries of one stream as `XREAD` returns them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) id: StreamId,
    pub(crate) field: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Page<'a> {
    /// Parses the news of one stream in a reply to `XREAD`. No news are also the answer if there is
    /// no log at all: the caller has to check that there is one.
    pub(crate) fn parse(reply: &'a Value, stream: &str) -> Result<Self, Outage> {
        let mut page = Self::default();
        for (name, entries) in streams(reply).ok_or(Outage::UnexpectedReply)? {
            let (Value::BulkString(name), Value::Array(entries)) = (name, entries) else {
                return Err(Outage::UnexpectedReply);
            };
            if name == stream.as_bytes() {
                let entries: Option<Vec<_>> = entries.iter().map(parse_entry).collect();
                page.entries.extend(entries.ok_or(Outage::UnexpectedReply)?);
            }
        }
        Ok(page)
    }
}

/// The names and the entries of the streams that have news. RESP2 has arrays, RESP3 has a map.
fn streams(reply: &Value) -> Option<Vec<(&Value, &Value)>> {
    match reply {
        Value::Nil => Some(Vec::new()),
        Value::Array(streams) if !streams.is_empty() => streams.iter().map(stream_of_resp2).collect(),
        Value::Map(streams) if !streams.is_empty() => {
            Some(streams.iter().map(|(name, entries)| (name, entries)).collect())
        }
        _ => None,
    }
}

fn stream_of_resp2(stream: &Value) -> Option<(&Value, &Value)> {
    match stream {
        Value::Array(parts) => match parts.as_slice() {
            [name, entries] => Some((name, entries)),
            _ => None,
        },
        _ => None,
    }
}

fn parse_entry(entry: &Value) -> Option<Entry<'_>> {
    let (id, field, value) = position::entry_parts(entry)?;
    Some(Entry { id, field, value })
}

impl Entry<'_> {
    pub(crate) fn position(&self) -> Position {
        Position::of(self.id, self.field, self.value)
    }
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
    fn pages_of_long_entries_are_short_and_grow_again() {
        let page = |length| {
            let value = vec![0; length].leak();
            Page { entries: vec![Entry { id: StreamId(1, 0), field: b"d", value }; 3] }
        };
        let mut size = PageSize::default();
        let counts = [(25, 320), (25, 1280), (25, 4000), (3_300, 78), (1_000_000, 4), (25, 16)];
        for (length, expected) in counts {
            size.adapt(&page(length));
            assert_eq!(size.count(), expected, "{length}");
        }
        size.adapt(&Page::default());
        assert_eq!(size.count(), 16, "no news say nothing");
        size.adapt(&page(25));
        size.adapt(&page(25));
        size.shrink();
        size.adapt(&page(25));
        assert_eq!(size.count(), 64, "256 did not arrive in time");
        size.forget_ceiling();
        size.adapt(&page(25));
        assert_eq!(size.count(), 256);
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
        let named = |name, entries| Value::Array(vec![text(name), Value::Array(entries)]);
        let stream = |entries| Value::Array(vec![named("log", entries)]);
        let expected = Entry { id: StreamId(5, 1), field: b"d", value: b"x" };
        let by_resp3 = |name, id| (text(name), Value::Array(vec![entry(id)]));
        for reply in [
            stream(vec![entry("5-1")]),
            Value::Array(vec![named("canary", vec![entry("6-1")]), named("log", vec![entry("5-1")])]),
            Value::Map(vec![by_resp3("log", "5-1")]),
            Value::Map(vec![by_resp3("log", "5-1"), by_resp3("canary", "6-1")]),
        ] {
            assert_eq!(Page::parse(&reply, "log").unwrap().entries, [Entry { ..expected }]);
            assert_eq!(Page::parse(&reply, "other"), Ok(Page::default()), "no news of that stream");
        }
        assert_eq!(Page::parse(&Value::Nil, "log"), Ok(Page::default()));
        for reply in [
            Value::Okay,
            Value::Array(vec![]),
            stream(vec![entry("5")]),
            stream(vec![entry("-")]),
            stream(vec![Value::Nil]),
            stream(vec![Value::Array(vec![text("5-1"), Value::Nil])]),
            Value::Array(vec![Value::Array(vec![text("log")])]),
            Value::Array(vec![named("log", vec![]), Value::Nil]),
            Value::Array(vec![Value::Array(vec![text("canary"), Value::Nil])]),
            Value::Map(vec![(text("log"), Value::Nil)]),
        ] {
            assert_eq!(Page::parse(&reply, "log"), Err(Outage::UnexpectedReply), "{reply:?}");
        }
    }
}
