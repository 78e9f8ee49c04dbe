//! Custom responses for rejections: RFC 9457 problem details. Any closure from `&Rejection` to a
//! response works; a redirect of browsers to the login page would be as short.
//!
//! `cargo run --example custom_rejection` prints the response to a request without a token.

use std::sync::Arc;

use axum::{Router, body::Body, http::Request, routing::get};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_jwt_blocklist::{
    Algorithm, JwtBlocklistLayer, MemoryBlocklist, Rejection, SigningKey, Verifier, reject::RejectionKind,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn problem_details(rejection: &Rejection) -> Response<Bytes> {
    let (status, title) = match rejection.kind() {
        RejectionKind::Missing => (StatusCode::UNAUTHORIZED, "Log in, please"),
        RejectionKind::Expired => (StatusCode::UNAUTHORIZED, "You have been away for a while: log in again, please"),
        RejectionKind::Revoked => (StatusCode::UNAUTHORIZED, "You have logged out"),
        RejectionKind::InsufficientScope | RejectionKind::Forbidden | RejectionKind::CrossSite => {
            (StatusCode::FORBIDDEN, "You may not do this")
        }
        // Never a 401: clients would discard a valid token.
        RejectionKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "We cannot tell at the moment: try again"),
        _ => (StatusCode::UNAUTHORIZED, "This token is not valid here"),
    };
    let body = serde_json::json!({ "status": status.as_u16(), "title": title });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 §15.5.2: a 401 needs a challenge.
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn app() -> Result<Router, Error> {
    let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
    let verifier = Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?;
    let layer = JwtBlocklistLayer::access(Arc::new(verifier), MemoryBlocklist::new()).with_renderer(problem_details);
    Ok(Router::new().route("/", get(async || "hello")).route_layer(layer))
}

async fn without_a_token() -> Result<(StatusCode, String), Error> {
    let response = app()?.oneshot(Request::get("/").body(Body::empty())?).await?;
    let status = response.status();
    Ok((status, String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (status, body) = without_a_token().await?;
    println!("{status}\n{body}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_words_are_ours() {
        let expected = r#"{"status":401,"title":"Log in, please"}"#;
        assert_eq!(without_a_token().await.unwrap(), (StatusCode::UNAUTHORIZED, expected.into()));
    }
}
