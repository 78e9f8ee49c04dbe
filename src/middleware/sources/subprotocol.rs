//! A token among the subprotocols that a WebSocket offers: `Sec-WebSocket-Protocol: bearer, <token>`.

use http::{HeaderMap, HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};

use crate::{guard::Reason, middleware::sources::bearer};

/// Stands before the token, and is what the answer agrees to where nothing else was agreed.
const NAME: &[u8] = b"bearer";

pub(crate) fn token(headers: &HeaderMap, max_bytes: usize) -> Result<&[u8], Reason> {
    let mut offers = offers(headers);
    offers.find(|offer| *offer == NAME).ok_or(Reason::NoToken)?;
    let token = offers.next().ok_or(Reason::NotOneToken)?;
    if offers.any(|offer| offer == NAME) {
        return Err(Reason::SeveralTokens);
    }
    bearer::word(token, max_bytes)
}

/// Leaves the other offers.
pub(crate) fn remove(headers: &mut HeaderMap) {
    let mut others: Vec<&[u8]> = Vec::new();
    let mut offers = offers(headers);
    while let Some(offer) = offers.next() {
        if offer == NAME {
            offers.next();
        } else {
            others.push(offer);
        }
    }
    drop(offers);
    let others = HeaderValue::from_bytes(&others.join(&b", "[..]));
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Some(others) = others.ok().filter(|others| !others.is_empty()) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, others);
    }
}

/// RFC 6455 §4.2.2: at most one of the offers is agreed to, and by browsers none is taken for a failure. The inner service has not
/// seen ours.
pub(crate) fn agree(status: StatusCode, answer: &mut HeaderMap) {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        answer.entry(SEC_WEBSOCKET_PROTOCOL).or_insert(HeaderValue::from_static("bearer"));
    }
}

/// A list over any number of lines (RFC 6455 §11.3.4).
fn offers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::token68;

    #[test]
    fn r47_the_token_after_bearer_and_none_of_it_is_left() {
        type Row = (&'static [&'static str], Result<&'static str, Reason>, Option<&'static str>);
        let rows: [Row; 10] = [
            (&[], Err(Reason::NoToken), None),
            (&["chat, v2"], Err(Reason::NoToken), Some("chat, v2")),
            (&["bearer, a.b.c"], Ok("a.b.c"), None),
            (&["bearer,a.b.c"], Ok("a.b.c"), None),
            (&["chat, bearer, a.b.c, v2"], Ok("a.b.c"), Some("chat, v2")),
            (&["chat, bearer", "a.b.c"], Ok("a.b.c"), Some("chat")),
            (&["a.b.c, bearer"], Err(Reason::NotOneToken), Some("a.b.c")),
            (&["bearer, \"a\""], Err(Reason::NotOneToken), None),
            (&["bearer, bearer, a"], Ok("bearer"), Some("a")),
            (&["bearer, a, bearer, a"], Err(Reason::SeveralTokens), None),
        ];
        for (lines, expected, left) in rows {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
            }
            let found = token(&headers, 40).and_then(|token| token68(token).ok_or(Reason::NotOneToken));
            assert_eq!(found, expected, "{lines:?}");
            remove(&mut headers);
            assert_eq!(headers.get(SEC_WEBSOCKET_PROTOCOL).map(|line| line.to_str().unwrap()), left, "{lines:?}");
        }
    }
}
