//! Replies as text.

use redis::{RedisError, Value};

/// The server's own message, without the client's text around it.
pub(super) fn words(error: RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

/// Empty for nil, one line per element for anything with elements.
pub(super) fn text(reply: &Value) -> String {
    match reply {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(status) => status.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Array(elements) | Value::Set(elements) => lines(elements.iter()),
        Value::Map(pairs) => lines(pairs.iter().flat_map(|(key, value)| [key, value])),
        Value::Double(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::VerbatimString { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

fn lines<'a>(elements: impl Iterator<Item = &'a Value>) -> String {
    elements.map(text).collect::<Vec<_>>().join("\n")
}
