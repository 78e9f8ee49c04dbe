//! The default answer to a refused request.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    config_error::ConfigError,
    guard::{Rejection, RejectionKind},
    middleware::reject::RenderRejection,
    token::TokenKind,
};

/// Answers as RFC 6750 §3 says: a status, a `WWW-Authenticate: Bearer` challenge, and a JSON body with `error`,
/// `error_description` and `resolution`.
///
/// | [`RejectionKind`] | status | challenge |
/// |---|---|---|
/// | `Missing` | 401 | the realm alone |
/// | `Malformed` | 400 | `error="invalid_request"` |
/// | `Invalid`, `Expired`, `WrongKind`, `Revoked` | 401 | `error="invalid_token"` and a description |
/// | `Unavailable` | 503, `Retry-After: 1` | none |
/// | `InsufficientScope` | 403 | `error="insufficient_scope"`, and `scope` where scopes are missing |
/// | `InsufficientAuthentication` | 401 | `error="insufficient_user_authentication"` with `max_age`, `acr_values` (RFC 9470) |
/// | `Forbidden`, `CrossSite` | 403 | none |
///
/// No header and no body holds a byte of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rfc6750 {
    realm: Cow<'static, str>,
    detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    AfterRestore,
    Terse,
}

/// The words of one answer.
pub(crate) struct Words {
    error: &'static str,
    pub(crate) description: &'static str,
    resolution: &'static str,
}

impl Default for Rfc6750 {
    fn default() -> Self {
        Self { realm: Cow::Borrowed("api"), detail: Detail::AfterRestore }
    }
}

impl Rfc6750 {
    /// The realm `api`, and the reason told.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the protected space (RFC 9110 §11.5).
    ///
    /// # Errors
    ///
    /// When the realm is not printable ASCII, or has a quote or backslash.
    pub fn realm(mut self, realm: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        let realm = realm.into();
        if realm.bytes().any(|byte| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\') {
            return Err(ConfigError::setting("the realm must be printable ASCII without quotes and backslashes"));
        }
        self.realm = realm;
        Ok(self)
    }

    /// Gives every unacceptable token the same answer: that it was expired, revoked or of the wrong kind stays in the log.
    #[must_use]
    pub fn terse(mut self) -> Self {
        self.detail = Detail::Terse;
        self
    }

    fn challenge(&self, kind: RejectionKind, words: &Words, rejection: &Rejection) -> Option<String> {
        let realm = &self.realm;
        match kind {
            RejectionKind::Unavailable | RejectionKind::Forbidden | RejectionKind::CrossSite => None,
            RejectionKind::Missing => Some(format!("Bearer realm=\"{realm}\"")),
            _ => Some(format!(
                "Bearer realm=\"{realm}\", error=\"{}\", error_description=\"{}\"{}",
                words.error,
                words.description,
                wanted(rejection)
            )),
        }
    }
}

/// What the token would need: settings of the program, checked when they were set.
fn wanted(rejection: &Rejection) -> String {
    let scope = rejection.scope().map(|scope| format!(", scope=\"{scope}\""));
    let acr_values = rejection.acr_values().map(|values| format!(", acr_values=\"{values}\""));
    let max_age = rejection.max_age().map(|age| format!(", max_age=\"{}\"", age.as_secs()));
    [scope, acr_values, max_age].into_iter().flatten().collect()
}

impl RenderRejection for Rfc6750 {
    fn render(&self, rejection: &Rejection) -> Response<Bytes> {
        let kind = match (self.detail, rejection.kind()) {
            (Detail::Terse, RejectionKind::Expired | RejectionKind::WrongKind | RejectionKind::Revoked) => {
                RejectionKind::Invalid
            }
            (_, kind) => kind,
        };
        let words = Words::of(kind, rejection.expected());
        let body =
            json!({ "error": words.error, "error_description": words.description, "resolution": words.resolution });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = match kind {
            RejectionKind::Malformed => StatusCode::BAD_REQUEST,
            RejectionKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RejectionKind::InsufficientScope | RejectionKind::Forbidden | RejectionKind::CrossSite => {
                StatusCode::FORBIDDEN
            }
            _ => StatusCode::UNAUTHORIZED,
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if kind == RejectionKind::Unavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // The realm and what is wanted were checked when they were set, and the words are ours: a header can hold them.
        if let Some(challenge) =
            self.challenge(kind, &words, rejection).and_then(|text| HeaderValue::try_from(text).ok())
        {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl Words {
    pub(crate) fn of(kind: RejectionKind, expected: TokenKind) -> Self {
        let (error, description, resolution) = match (kind, expected) {
            (RejectionKind::Missing, TokenKind::Access) => (
                "missing_token",
                "No access token was sent",
                "Send the header `Authorization: Bearer <access token>`; log in to get one",
            ),
            (RejectionKind::Missing, TokenKind::Refresh) => (
                "missing_token",
                "No refresh token was sent",
                "Send the header `Authorization: Bearer <refresh token>`; log in to get one",
            ),
            (RejectionKind::Malformed, _) => (
                "invalid_request",
                "The request does not hold exactly one bearer token",
                "Send one header `Authorization: Bearer <token>`",
            ),
            (RejectionKind::Expired, TokenKind::Access) => (
                "invalid_token",
                "The token has expired",
                "Get a new access token with the refresh token, or log in again",
            ),
            (RejectionKind::Expired, TokenKind::Refresh) => ("invalid_token", "The token has expired", "Log in again"),
            (RejectionKind::WrongKind, TokenKind::Access) => {
                ("invalid_token", "A refresh token was sent where an access token is needed", "Send the access token")
            }
            (RejectionKind::WrongKind, TokenKind::Refresh) => {
                ("invalid_token", "An access token was sent where a refresh token is needed", "Send the refresh token")
            }
            (RejectionKind::Revoked, _) => ("invalid_token", "The token has been revoked", "Log in again"),
            (RejectionKind::Unavailable, _) => (
                "temporarily_unavailable",
                "Whether the token was revoked cannot be found out at the moment",
                "Keep the token and try again after the time given in Retry-After",
            ),
            (RejectionKind::InsufficientScope, _) => (
                "insufficient_scope",
                "The token does not give access to this",
                "Get a token with the scope that is asked for, if you may",
            ),
            (RejectionKind::InsufficientAuthentication, _) => (
                "insufficient_user_authentication",
                "The login is too long ago or not strong enough for this",
                "Log in again, in the way that is asked for",
            ),
            (RejectionKind::Forbidden, _) => {
                ("forbidden", "The token does not give access to this", "Use an account that may do this")
            }
            (RejectionKind::CrossSite, _) => (
                "cross_site_request",
                "The cookie came with a request that another site may have caused",
                "Send the request from an allowed origin, or the token in the header `Authorization: Bearer <token>`",
            ),
            (RejectionKind::Invalid, TokenKind::Access) => {
                ("invalid_token", "The access token is not valid", "Get a new access token")
            }
            (RejectionKind::Invalid, TokenKind::Refresh) => {
                ("invalid_token", "The refresh token is not valid", "Log in again")
            }
        };
        Self { error, description, resolution }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r41_a_realm_cannot_break_out_of_its_header() {
        for realm in ["a\"b", "a\\b", "a\r\nX: y", "\u{e9}", "\t"] {
            assert!(Rfc6750::new().realm(realm).is_err(), "{realm:?}");
        }
        assert!(Rfc6750::new().realm("My API (test)").is_ok());
    }
}
