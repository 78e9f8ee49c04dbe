//! The default response to a rejected request.

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

/// Renders rejections according to RFC 6750 §3: a status, a `WWW-Authenticate: Bearer` challenge
/// and a JSON body.
///
/// | [`RejectionKind`] | status | challenge |
/// |---|---|---|
/// | `Missing` | 401 | the realm alone |
/// | `Malformed` | 400 | `error="invalid_request"` |
/// | `Invalid`, `Expired`, `WrongKind`, `Revoked` | 401 | `error="invalid_token"` and a description |
/// | `Unavailable` | 503, `Retry-After: 1` | none |
/// | `InsufficientScope` | 403 | `error="insufficient_scope"`, and `scope` if scopes are missing |
/// | `InsufficientAuthentication` | 401 | `error="insufficient_user_authentication"` with `max_age`, `acr_values` (RFC 9470) |
/// | `Forbidden`, `CrossSite` | 403 | none |
///
/// No header and no body holds a byte of the request.
///
#[doc = include_str!("../../../docs/answers.md")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rfc6750 {
    realm: Cow<'static, str>,
    detail: Detail,
}

/// Builds an [`Rfc6750`] with settings of your own.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Rfc6750Builder {
    settings: Rfc6750,
}

/// The detail that clients get about an unacceptable token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Verbose,
    Uniform,
}

/// The text of one response.
pub(super) struct ErrorText {
    error: &'static str,
    pub(super) description: &'static str,
    resolution: &'static str,
}

impl Default for Rfc6750 {
    fn default() -> Self {
        Self { realm: Cow::Borrowed("api"), detail: Detail::Verbose }
    }
}

impl Rfc6750 {
    /// Uses the realm `api`, and tells clients the reason.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with the settings of [`new`](Self::new).
    pub fn builder() -> Rfc6750Builder {
        Rfc6750Builder { settings: Self::default() }
    }

    fn challenge(&self, kind: RejectionKind, text: &ErrorText, rejection: &Rejection) -> Option<String> {
        let realm = &self.realm;
        match kind {
            RejectionKind::Unavailable | RejectionKind::Forbidden | RejectionKind::CrossSite => None,
            RejectionKind::Missing => Some(format!("Bearer realm=\"{realm}\"")),
            _ => Some(format!(
                "Bearer realm=\"{realm}\", error=\"{}\", error_description=\"{}\"{}",
                text.error,
                text.description,
                required(rejection)
            )),
        }
    }
}

/// Names what the token lacks. The values are settings of the program, which a builder has checked.
fn required(rejection: &Rejection) -> String {
    let scope = rejection.scope().map(|scope| format!(", scope=\"{scope}\""));
    let acr_values = rejection.acr_values().map(|values| format!(", acr_values=\"{values}\""));
    let max_age = rejection.max_age().map(|age| format!(", max_age=\"{}\"", age.as_secs()));
    [scope, acr_values, max_age].into_iter().flatten().collect()
}

impl Rfc6750Builder {
    /// Sets the name of the protected space (RFC 9110 §11.5); `api` by default.
    pub fn realm(mut self, realm: impl Into<Cow<'static, str>>) -> Self {
        self.settings.realm = realm.into();
        self
    }

    /// Gives every unacceptable token the same response. Only the log tells expired, revoked and
    /// wrong-kind tokens apart.
    pub fn uniform(mut self) -> Self {
        self.settings.detail = Detail::Uniform;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If the realm is not printable ASCII, or has a quote or a backslash.
    pub fn build(self) -> Result<Rfc6750, ConfigError> {
        let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !self.settings.realm.bytes().all(is_allowed) {
            return Err(ConfigError::setting("the realm must be printable ASCII without quotes and backslashes"));
        }
        Ok(self.settings)
    }
}

impl RenderRejection for Rfc6750 {
    fn render(&self, rejection: &Rejection) -> Response<Bytes> {
        let kind = match (self.detail, rejection.kind()) {
            (Detail::Uniform, RejectionKind::Expired | RejectionKind::WrongKind | RejectionKind::Revoked) => {
                RejectionKind::Invalid
            }
            (_, kind) => kind,
        };
        let text = ErrorText::new(kind, rejection.expected());
        let body = json!({ "error": text.error, "error_description": text.description, "resolution": text.resolution });
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
        // The settings were checked when they were built, and the texts are literals: a header can
        // hold them.
        if let Some(challenge) =
            self.challenge(kind, &text, rejection).and_then(|challenge| HeaderValue::try_from(challenge).ok())
        {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl ErrorText {
    pub(super) fn new(kind: RejectionKind, expected: TokenKind) -> Self {
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
                "The server cannot check revocation at the moment",
                "Keep the token and try again after the time given in Retry-After",
            ),
            (RejectionKind::InsufficientScope, _) => (
                "insufficient_scope",
                "The token does not give access to this",
                "Request a token with the required scope",
            ),
            (RejectionKind::InsufficientAuthentication, _) => (
                "insufficient_user_authentication",
                "This action needs a more recent or stronger login",
                "Log in again with the required method",
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
            assert!(Rfc6750::builder().realm(realm).build().is_err(), "{realm:?}");
        }
        assert!(Rfc6750::builder().realm("My API (test)").build().is_ok());
    }
}
