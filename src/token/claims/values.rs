//! The values of claims. Each function reads a claim that may be absent, and fails on one of
//! another form.

use std::str::FromStr;

use crate::{clock::Timestamp, json::Member};

/// A string of 1 to `max_bytes` bytes.
pub(super) fn text(value: Option<Member<'_>>, max_bytes: usize) -> Result<Option<Box<str>>, ()> {
    match value {
        None => Ok(None),
        Some(Member::Text(text)) if !text.is_empty() && text.len() <= max_bytes => Ok(Some(text.into())),
        Some(_) => Err(()),
    }
}

/// A `NumericDate` (RFC 7519 §2): seconds, perhaps with a fraction, up to the year 9999.
pub(super) fn date(value: Option<Member<'_>>) -> Result<Option<Timestamp>, ()> {
    let Some(value) = value else { return Ok(None) };
    let Member::Number(number) = value else { return Err(()) };
    let millis = match number.parse::<u64>() {
        Ok(seconds) if seconds <= Timestamp::MAX_SECONDS => seconds * 1000,
        Ok(_) => return Err(()),
        Err(_) => match number.parse::<f64>() {
            // Within these bounds the cast only drops a fraction of a millisecond.
            Ok(seconds) if (0.0..=Timestamp::MAX_SECONDS as f64).contains(&seconds) => (seconds * 1000.0) as u64,
            _ => return Err(()),
        },
    };
    Ok(Some(Timestamp::from_millis(millis)))
}

/// A time in whole milliseconds since the Unix epoch.
pub(super) fn millis(value: Option<Member<'_>>) -> Result<Option<Timestamp>, ()> {
    Ok(whole(value)?.map(Timestamp::from_millis))
}

/// A whole number.
pub(super) fn whole<T: FromStr>(value: Option<Member<'_>>) -> Result<Option<T>, ()> {
    match value {
        None => Ok(None),
        Some(Member::Number(number)) => number.parse().map(Some).map_err(drop),
        Some(_) => Err(()),
    }
}
