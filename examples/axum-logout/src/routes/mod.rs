//! All routes, and the layers in front of them.

mod auth;
mod health;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{
        HeaderValue, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE},
    },
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use tower_http::{
    sensitive_headers::SetSensitiveHeadersLayer,
    set_header::SetResponseHeaderLayer,
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::{Level, Span, info_span};

use crate::{error::ApiError, state::AppState};

const LARGEST_BODY: usize = 16 * 1024;
const LONGEST_REQUEST: Duration = Duration::from_secs(15);

/// The whole application.
pub fn app(state: AppState) -> Router {
    // The responses below are personal or contain tokens: no cache may keep them.
    let no_store = SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Router::new()
        .nest("/api/v1/auth", auth::routes(&state).layer(no_store))
        .route("/healthz", get(health::healthz))
        .fallback(async || ApiError::NoSuchRoute(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || ApiError::NoSuchRoute(StatusCode::METHOD_NOT_ALLOWED))
        .with_state(state)
        .layer(from_fn(deadline))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_response(DefaultOnResponse::new().level(Level::INFO)))
        .layer(SetSensitiveHeadersLayer::new([AUTHORIZATION, COOKIE, SET_COOKIE]))
}

/// Logs path and method, but not the query, where a careless client may put its token.
fn span(request: &Request) -> Span {
    info_span!("request", method = %request.method(), path = request.uri().path())
}

async fn deadline(request: Request, next: Next) -> Result<Response, ApiError> {
    tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await.map_err(|_| {
        tracing::warn!("a request took longer than {LONGEST_REQUEST:?}");
        ApiError::Unavailable
    })
}
