//! The `Authorization` header with the scheme `Bearer` (RFC 6750 §2.1).

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{guard::Reason, middleware::sources::source::non_empty_within};

/// Returns the text after `Bearer`.
///
/// Expects one `Authorization` header: the scheme (any case), one or more spaces, a token.
pub(super) fn find(headers: &HeaderMap, max_bytes: usize) -> Result<&[u8], Reason> {
    let line = headers.get(AUTHORIZATION).ok_or(Reason::NoToken)?.as_bytes();
    // If `len() == keys_len()`, no header is repeated.
    if headers.len() > headers.keys_len() && headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Reason::SeveralTokens);
    }
    let Some(rest) = after_bearer(line) else {
        // Another scheme counts as no token. Bytes that no scheme may contain are an error.
        return Err(if line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            Reason::NoToken
        } else {
            Reason::NotOneToken
        });
    };
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    if blanks == 0 {
        return Err(Reason::NotOneToken);
    }
    non_empty_within(&rest[blanks..], max_bytes)
}

fn after_bearer(line: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = line.split_first_chunk()?;
    let goes_on = rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    (scheme.map(|byte| byte.to_ascii_lowercase()) == *b"bearer" && !goes_on).then_some(rest)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::token::{VerifyError, token68};

    fn read(lines: &[&[u8]]) -> Result<String, Reason> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        let token = find(&headers, 40)?;
        token68(token).map(str::to_owned).ok_or(Reason::NotOneToken)
    }

    #[test]
    fn r35_r36_r37_r39_one_bearer_token_or_a_reason() {
        type Row = (&'static str, &'static [&'static [u8]], Result<&'static str, Reason>);
        let rows: [Row; 21] = [
            ("plain", &[b"Bearer a.b.c"], Ok("a.b.c")),
            ("lower case", &[b"bearer a.b.c"], Ok("a.b.c")),
            ("mixed case", &[b"bEaReR a.b.c"], Ok("a.b.c")),
            ("several spaces", &[b"Bearer    a.b.c"], Ok("a.b.c")),
            ("no header", &[], Err(Reason::NoToken)),
            ("empty header", &[b""], Err(Reason::NoToken)),
            ("basic", &[b"Basic dXNlcjpwYXNz"], Err(Reason::NoToken)),
            ("longer scheme", &[b"BearerX a.b.c"], Err(Reason::NoToken)),
            ("scheme alone", &[b"Bearer"], Err(Reason::NotOneToken)),
            ("scheme and space", &[b"Bearer "], Err(Reason::NotOneToken)),
            ("tab", &[b"Bearer\ta.b.c"], Err(Reason::NotOneToken)),
            ("two words", &[b"Bearer a.b.c d"], Err(Reason::NotOneToken)),
            ("trailing space", &[b"Bearer a.b.c "], Err(Reason::NotOneToken)),
            ("comma list", &[b"Bearer a.b.c,Bearer d.e.f"], Err(Reason::NotOneToken)),
            ("quoted", &[b"Bearer \"a.b.c\""], Err(Reason::NotOneToken)),
            ("JSON", &[b"Bearer {\"payload\":\"\"}"], Err(Reason::NotOneToken)),
            ("byte over 0x80", &[b"Bearer a.b.\xE9"], Err(Reason::NotOneToken)),
            ("foreign bytes alone", &[b"\xFF\xFE"], Err(Reason::NotOneToken)),
            (
                "the longest",
                &[b"Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
                Ok("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ),
            (
                "longer",
                &[b"Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xFF"],
                Err(Reason::Unacceptable(VerifyError::TooLong)),
            ),
            ("two lines", &[b"Bearer a.b.c", b"Bearer a.b.c"], Err(Reason::SeveralTokens)),
        ];
        for (name, lines, expected) in rows {
            assert_eq!(read(lines), expected.map(str::to_owned), "{name}");
        }
    }
}
