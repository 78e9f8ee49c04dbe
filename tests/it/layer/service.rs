//! The layer as a tower service: readiness, errors, bodies, extensions.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::support::{
    clock, good_token,
    http::{bearer, inner},
    stub::{Pace, StubBlocklist},
    token, verifier,
    wait::soon,
};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use serde::Deserialize;
use serde_json::json;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_jwt_blocklist::{Authenticated, Guard, JwtBlocklistLayer, MemoryBlocklist, TokenKind, blocklist::Blocklist};

fn layer(blocklist: impl Blocklist) -> JwtBlocklistLayer {
    JwtBlocklistLayer::access(verifier(&clock()), blocklist)
}

#[tokio::test]
async fn r80_the_ready_service_is_called_in_front_of_a_concurrency_limit() {
    let blocklist = StubBlocklist::clear().at_pace(Pace::OnDemand);
    let mut service = ServiceBuilder::new().layer(layer(blocklist.clone())).concurrency_limit(1).service(inner());
    for _ in 0..3 {
        // The inner service panics if it is called without being ready.
        let answer = service.ready().await.unwrap().call(bearer(&good_token()));
        blocklist.release();
        assert_eq!(soon(answer).await.unwrap().status(), 200);
    }
    let mut direct = ServiceBuilder::new().layer(layer(MemoryBlocklist::new())).concurrency_limit(1).service(inner());
    for _ in 0..3 {
        let answer = direct.ready().await.unwrap().call(bearer(&good_token()));
        assert_eq!(soon(answer).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn while_the_blocklist_is_asked_the_place_in_the_limit_is_held_and_then_given_back() {
    let blocklist = StubBlocklist::clear().at_pace(Pace::OnDemand);
    let service = ServiceBuilder::new().layer(layer(blocklist.clone())).concurrency_limit(1).service(inner());
    let (mut first, mut second) = (service.clone(), service);
    let answer = first.ready().await.unwrap().call(bearer(&good_token()));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Service::<Request<Empty<Bytes>>>::poll_ready(&mut second, &mut context).is_pending());
    // A client that disconnects frees its place.
    drop(answer);
    soon(ServiceExt::<Request<Empty<Bytes>>>::ready(&mut second)).await.unwrap();
    let answer = second.call(bearer(&good_token()));
    blocklist.release();
    assert_eq!(soon(answer).await.unwrap().status(), 200);
}

#[tokio::test]
async fn readiness_and_errors_of_the_inner_service_pass_through() {
    #[derive(Clone)]
    struct Failing;
    impl Service<Request<Empty<Bytes>>> for Failing {
        type Response = Response<Full<Bytes>>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Err("not ready"))
        }
        fn call(&mut self, _request: Request<Empty<Bytes>>) -> Self::Future {
            std::future::ready(Err("failed"))
        }
    }
    let mut service = layer(MemoryBlocklist::new()).layer(Failing);
    assert_eq!(service.ready().await.err(), Some("not ready"));
    assert_eq!(service.call(bearer(&good_token())).await.err(), Some("failed"));
    assert_eq!(service.call(bearer("bad")).await.unwrap().status(), 401, "a rejection is not an error");
}

/// Counts how often it is cloned.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl Service<Request<Empty<Bytes>>> for Counted {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _request: Request<Empty<Bytes>>) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn a_blocklist_that_knows_costs_no_clone_and_no_waiting() {
    let clones = Arc::new(AtomicUsize::new(0));
    let mut service = layer(MemoryBlocklist::new()).layer(Counted(clones.clone()));
    let mut answer = Box::pin(service.ready().await.unwrap().call(bearer(&good_token())));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(response) = answer.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!((response.unwrap().status().as_u16(), clones.load(Ordering::Relaxed)), (200, 0));
}

#[tokio::test]
async fn r47_an_identity_that_was_there_before_is_replaced_or_the_inner_service_not_called() {
    let inner = inner();
    let guard = Guard::new(TokenKind::Access, verifier(&clock()), MemoryBlocklist::new());
    let somebody_else = token(json!({}), json!({ "sub": "somebody else" }));
    let smuggled: Authenticated = guard.authenticate(&somebody_else).await.unwrap();

    let layer = layer(MemoryBlocklist::new());
    let mut good = bearer(&good_token());
    good.extensions_mut().insert(smuggled.clone());
    layer.layer(inner.clone()).oneshot(good).await.unwrap();
    let called = inner.take().unwrap();
    assert_eq!(called.extensions.get::<Authenticated>().unwrap().subject(), Some("user-1"));

    let mut bad = bearer("bad");
    bad.extensions_mut().insert(smuggled);
    assert_eq!(layer.layer(inner.clone()).oneshot(bad).await.unwrap().status(), 401);
    assert_eq!(inner.calls(), 1);
}

#[tokio::test]
async fn r75_the_inner_service_sees_the_header_marked_sensitive() {
    let inner = inner();
    let service = layer(MemoryBlocklist::new()).layer(inner.clone());
    assert_eq!(service.oneshot(bearer(&good_token())).await.unwrap().status(), 200);
    let called = inner.take().unwrap();
    assert!(called.headers[header::AUTHORIZATION].is_sensitive());
    assert!(!format!("{:?}", called.headers).contains("Bearer"));
}

#[tokio::test]
async fn bodies_of_any_kind_come_through_with_their_size_and_trailers() {
    let with_trailers = service_fn(|_request: Request<Empty<Bytes>>| async {
        let trailers = http::HeaderMap::from_iter([(header::ETAG, http::HeaderValue::from_static("x"))]);
        let body = Full::new(Bytes::from("one")).with_trailers(async { Some(Ok(trailers)) });
        Ok::<_, Infallible>(Response::new(body))
    });
    let response = layer(MemoryBlocklist::new()).layer(with_trailers).oneshot(bearer(&good_token())).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert!(collected.trailers().unwrap().contains_key(header::ETAG));
    assert_eq!(collected.to_bytes(), "one");

    let sized = layer(MemoryBlocklist::new()).layer(inner());
    let body = sized.clone().oneshot(bearer(&good_token())).await.unwrap().into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
    let refusal = sized.oneshot(bearer("bad")).await.unwrap().into_body();
    let announced = refusal.size_hint().exact().unwrap();
    assert_eq!(announced, refusal.collect().await.unwrap().to_bytes().len() as u64);
}

#[tokio::test]
async fn application_claims_come_typed_and_tokens_without_them_are_refused() {
    #[derive(Deserialize)]
    struct Claims {
        user: User,
    }
    #[derive(Deserialize)]
    struct User {
        email: String,
    }
    let inner = inner();
    let service = JwtBlocklistLayer::access_with_claims::<Claims>(verifier(&clock()), MemoryBlocklist::new())
        .layer(inner.clone());
    let with = token(json!({}), json!({ "user": { "email": "a@example.org" } }));
    service.clone().oneshot(bearer(&with)).await.unwrap();
    let called = inner.take().unwrap();
    assert_eq!(called.extensions.get::<Authenticated<Claims>>().unwrap().claims().user.email, "a@example.org");
    for user in [json!(1), json!({}), json!({ "email": 1 })] {
        let without = token(json!({}), json!({ "user": user }));
        assert_eq!(service.clone().oneshot(bearer(&without)).await.unwrap().status(), 401);
    }
}
