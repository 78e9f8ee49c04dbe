//! A token among the subprotocols that a WebSocket offers: `Sec-WebSocket-Protocol: bearer,
//! <token>`.

use http::{HeaderMap, HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};

use crate::{
    guard::Reason,
    middleware::sources::{
        TokenSourcesBuilder,
        source::{RequestHead, Respond, Source, non_empty_within},
    },
};

/// The offer before the token. The response accepts it if it accepts no other.
const NAME: &[u8] = b"bearer";

#[derive(Debug)]
struct Subprotocol;

impl TokenSourcesBuilder {
    /// Also reads the header `Sec-WebSocket-Protocol: bearer, <token>`, which a page sends with
    /// `new WebSocket(url, ["bearer", token])`.
    ///
    /// The inner service sees the other subprotocols. If it accepts none of them, the response
    /// accepts `bearer`, because browsers require one.
    pub fn websocket_protocol(self) -> Self {
        self.source(Subprotocol)
    }
}

impl Source for Subprotocol {
    fn name(&self) -> &'static str {
        "subprotocol"
    }

    fn find<'r>(&self, request: &'r dyn RequestHead, max_bytes: usize) -> Result<&'r [u8], Reason> {
        token(request.headers(), max_bytes)
    }

    fn conceal(&self, request: &mut dyn RequestHead) {
        remove(request.headers_mut());
    }

    fn respond(&self) -> Option<Respond> {
        Some(accept_bearer)
    }
}

fn token(headers: &HeaderMap, max_bytes: usize) -> Result<&[u8], Reason> {
    let mut offers = offers(headers);
    offers.find(|offer| *offer == NAME).ok_or(Reason::NoToken)?;
    let token = offers.next().ok_or(Reason::NotOneToken)?;
    if offers.any(|offer| offer == NAME) {
        return Err(Reason::SeveralTokens);
    }
    non_empty_within(token, max_bytes)
}

/// Removes the name and the token, and keeps the other offers.
fn remove(headers: &mut HeaderMap) {
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

/// A server accepts at most one offer (RFC 6455 §4.2.2), and browsers fail if it accepts none. The
/// inner service has not seen `bearer`.
fn accept_bearer(status: StatusCode, response: &mut HeaderMap) {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        response.entry(SEC_WEBSOCKET_PROTOCOL).or_insert(HeaderValue::from_static("bearer"));
    }
}

/// A list in any number of header lines (RFC 6455 §11.3.4).
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
