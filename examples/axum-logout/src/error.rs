//! What goes wrong in a handler, and the answer it makes. Refused tokens are not among it: the library answers those.

use std::{collections::BTreeMap, fmt};

use axum::{
    Json,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;
use tower_jwt_blocklist::{IssueError, RevokeError};

use crate::password::PasswordError;

#[derive(Debug)]
pub(crate) enum ApiError {
    UnreadableBody(StatusCode, &'static str),
    InvalidInput(BTreeMap<&'static str, &'static str>),
    EmailTaken,
    /// The same for an unknown user and a wrong password.
    WrongCredentials,
    /// The refresh token is past its `exp`, and only the leeway let it through.
    SessionOver,
    /// The token is good, and its user is no longer there.
    UserGone,
    /// 404 or 405.
    NoSuchRoute(StatusCode),
    /// Something that the answer depends on didn't answer itself. Already logged.
    Unavailable,
    /// A mistake in the program or its data. Already logged.
    Internal,
}

impl ApiError {
    pub(crate) fn unavailable(what: &'static str, error: &dyn fmt::Display) -> Self {
        tracing::error!(what, %error, "can't answer a request");
        Self::Unavailable
    }

    pub(crate) fn internal(what: &'static str, error: &dyn fmt::Display) -> Self {
        tracing::error!(what, %error, "can't answer a request");
        Self::Internal
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable("database", &error)
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        Self::internal("password hashing", &error)
    }
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::SessionOver => Self::SessionOver,
            IssueError::Outage(outage) => Self::unavailable("blocklist", &outage),
            error => Self::internal("issuer", &error),
        }
    }
}

impl From<RevokeError> for ApiError {
    /// The token still works, and the client must know: never a 200 for a logout that was not stored.
    fn from(error: RevokeError) -> Self {
        Self::unavailable("blocklist", &error)
    }
}

/// RFC 9110 §15.5.2: a 401 has a challenge.
fn unauthorized(challenge: &'static str, body: Json<serde_json::Value>) -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)], body).into_response()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = |error, description, resolution| {
            Json(json!({ "error": error, "error_description": description, "resolution": resolution }))
        };
        match self {
            Self::UnreadableBody(status, description) => {
                (status, body("invalid_body", description, "Send a JSON object")).into_response()
            }
            Self::InvalidInput(fields) => {
                let body = Json(json!({ "error": "invalid_input", "fields": fields }));
                (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
            }
            Self::EmailTaken => {
                let body = body("email_taken", "This e-mail address has an account", "Log in, or use another address");
                (StatusCode::CONFLICT, body).into_response()
            }
            Self::WrongCredentials => {
                let description = "The e-mail address or the password is wrong";
                unauthorized("Bearer realm=\"api\"", body("wrong_credentials", description, "Check both and try again"))
            }
            Self::SessionOver => {
                let challenge =
                    "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"The token has expired\"";
                unauthorized(challenge, body("invalid_token", "The token has expired", "Log in again"))
            }
            Self::UserGone => {
                let body = body("user_gone", "The user of this token no longer exists", "Sign up again");
                (StatusCode::NOT_FOUND, body).into_response()
            }
            Self::NoSuchRoute(status) => {
                let body = body("no_such_route", "Nothing answers to this path and method", "See the table of routes");
                (status, body).into_response()
            }
            Self::Unavailable => {
                let description = "The server can't answer at the moment";
                let body =
                    body("temporarily_unavailable", description, "Try again after the time given in Retry-After");
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response()
            }
            Self::Internal => {
                let body = body("internal_error", "The server made a mistake", "Tell whoever runs it");
                (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_that_was_not_stored_is_never_a_success() {
        let response = ApiError::from(RevokeError::Full).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
    }
}
