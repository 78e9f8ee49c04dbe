//! A handler's errors and their responses. The library responds to rejected tokens.

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
use tower_jwt_blocklist::{Rejection, blocklist::RevokeError, issuer::IssueError};

use crate::password::PasswordError;

#[derive(Debug)]
pub(crate) enum ApiError {
    UnreadableBody(StatusCode, &'static str),
    InvalidInput(BTreeMap<&'static str, &'static str>),
    EmailTaken,
    /// The same for an unknown user and a wrong password, so that the response does not tell which.
    WrongCredentials,
    /// The refresh token was not exchanged.
    Refused(Rejection),
    /// The token is valid, but its user was deleted.
    UserGone,
    /// 404 or 405.
    NoSuchRoute(StatusCode),
    /// A service that the response depends on failed. Already logged.
    Unavailable,
    /// A bug in the program, or bad data. Already logged.
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
            IssueError::Outage(outage) => Self::unavailable("blocklist", &outage),
            error => Self::internal("issuer", &error),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl From<RevokeError> for ApiError {
    /// The token still works, and the client must learn it: never a 200 for a logout that was not
    /// stored.
    fn from(error: RevokeError) -> Self {
        Self::unavailable("blocklist", &error)
    }
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
                let body = body("wrong_credentials", description, "Check both and try again");
                // RFC 9110 §15.5.2: a 401 needs a challenge.
                (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer realm=\"api\"")], body).into_response()
            }
            // The layer's own response, so that the client sees the same one wherever the check
            // fails.
            Self::Refused(rejection) => rejection.into_response(),
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
                let body = body("internal_error", "The server made a mistake", "Report this to the operator");
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
