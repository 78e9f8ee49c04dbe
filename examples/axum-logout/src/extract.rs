//! `Valid<T>`: a JSON body that has been validated.

use axum::{
    Json,
    extract::{FromRequest, Request, rejection::JsonRejection},
};
use serde_json::{Map, Value};

use crate::{
    error::ApiError,
    input::{Fields, Input},
};

#[derive(Debug)]
pub(crate) struct Valid<T>(pub(crate) T);

impl<T: Input, S: Send + Sync> FromRequest<S> for Valid<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(body) = Json::<Map<String, Value>>::from_request(request, state).await?;
        let mut fields = Fields::new(body);
        match T::read(&mut fields) {
            Some(value) if fields.problems.is_empty() => Ok(Self(value)),
            _ => Err(ApiError::InvalidInput(fields.problems)),
        }
    }
}

impl From<JsonRejection> for ApiError {
    /// Own texts, because those of the rejection can repeat the request: a password, for instance.
    fn from(rejection: JsonRejection) -> Self {
        let description = match rejection {
            JsonRejection::JsonDataError(_) => "The body must be a JSON object",
            JsonRejection::JsonSyntaxError(_) => "The body is not well-formed JSON",
            JsonRejection::MissingJsonContentType(_) => "Send JSON, with the header Content-Type: application/json",
            _ => "The body is too large or could not be read",
        };
        Self::UnreadableBody(rejection.status(), description)
    }
}
