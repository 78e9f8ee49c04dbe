//! The syntax of a token in HTTP.

/// The text of a `token68` (RFC 9110 §11.2): ASCII without blanks, quotes or commas.
pub(crate) fn token68(token: &[u8]) -> Option<&str> {
    let in_jwt = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_');
    // A loop without an early exit, so that the compiler can check many bytes at a time.
    let is_token68 = token.iter().fold(true, |all, byte| all & in_jwt(*byte))
        || token.iter().all(|byte| in_jwt(*byte) || matches!(byte, b'~' | b'+' | b'/' | b'='));
    if is_token68 { std::str::from_utf8(token).ok() } else { None }
}
