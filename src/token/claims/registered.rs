//! The claims that this crate itself reads.

use crate::clock::Timestamp;

/// The claims that this crate reads or writes itself: no application claim may have one of these
/// names.
pub(crate) const RESERVED_CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "cnf", SESSION_BEGAN, GENERATION];

/// A claim of this crate's own: the time when the session began, in milliseconds since the Unix
/// epoch.
///
/// It is compared with cut-offs. So a login right after "log out everywhere" is accepted, and an
/// access token is rejected that is minted right after it from an older refresh token. For a token
/// without this claim, `iat` counts.
pub(crate) const SESSION_BEGAN: &str = "session_ms";

/// A claim of this crate's own, in refresh tokens: how many tokens of its session were redeemed
/// before it. A token without it is the first.
pub(crate) const GENERATION: &str = "refresh_generation";

/// The registered claims of RFC 7519 §4.1, and `sid`. One `sid` is one login: an access token, its
/// refresh token and their successors.
pub(crate) struct RegisteredClaims {
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) token_id: Box<str>,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) session_began: Option<Timestamp>,
    pub(crate) generation: u32,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
}
