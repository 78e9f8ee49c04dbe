//! r69 to r73: what a layer caches of verified tokens, and which checks it repeats.
#![cfg(feature = "aws_lc_rs")]

mod again;
mod apart;
mod bound;

use std::{cell::Cell, convert::Infallible, future::Future, pin::pin, sync::Arc, task};

use crate::support::settings;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Empty;
use serde::de::DeserializeOwned;
use testkit::ManualClock;
use tower::{Layer, Service, ServiceExt, util::BoxCloneService};
use tower_jwt_blocklist::{
    Authenticated, JwtBlocklistLayer, MemoryBlocklist, Rejection, Verifier,
    blocklist::Blocklist,
    keys::CryptoProvider,
    token::{TokenCache, VerifierBuilder},
};

thread_local! {
    static SIGNATURE_CHECKS: Cell<usize> = const { Cell::new(0) };
}

/// Signature checks on this thread.
fn signature_checks() -> usize {
    SIGNATURE_CHECKS.get()
}

/// The usual cryptography, and a counter of signature checks.
const COUNTING: CryptoProvider =
    CryptoProvider::aws_lc_rs().with_observer(|_| SIGNATURE_CHECKS.set(SIGNATURE_CHECKS.get() + 1));

fn counting(clock: &ManualClock) -> VerifierBuilder {
    settings().clock(clock.as_fn()).crypto_provider(COUNTING)
}

fn layer(clock: &ManualClock, blocklist: impl Blocklist) -> JwtBlocklistLayer {
    layer_with_claims(clock, blocklist)
}

fn layer_with_claims<X>(clock: &ManualClock, blocklist: impl Blocklist) -> JwtBlocklistLayer<X> {
    JwtBlocklistLayer::access_with_claims(built(counting(clock)), blocklist)
}

fn built(settings: VerifierBuilder) -> Arc<Verifier> {
    Arc::new(settings.build().unwrap())
}

/// The user that the inner service got, or the reason for the rejection.
type Outcome<X> = Result<Authenticated<X>, &'static str>;

/// A layer's service that returns the result of each request.
struct Asked<X>(BoxCloneService<Request<Empty<Bytes>>, Outcome<X>, Infallible>);

impl<X> Asked<X> {
    fn ask(&mut self, token: &str) -> Outcome<X> {
        now(self.0.call(request(token))).unwrap()
    }
}

#[derive(Clone)]
struct Reason(&'static str);

fn request(token: &str) -> Request<Empty<Bytes>> {
    Request::builder().header(header::AUTHORIZATION, format!("Bearer {token}")).body(Empty::new()).unwrap()
}

fn service<X>(layer: &JwtBlocklistLayer<X>) -> Asked<X>
where
    X: DeserializeOwned + Send + Sync + 'static,
{
    let reasons = |rejection: &Rejection| {
        let mut response = Response::new(Bytes::new());
        response.extensions_mut().insert(Reason(rejection.reason()));
        response
    };
    let inner = tower::service_fn(async |mut request: Request<Empty<Bytes>>| {
        let mut response = Response::new(Empty::<Bytes>::new());
        response.extensions_mut().insert(request.extensions_mut().remove::<Authenticated<X>>().unwrap());
        Ok::<_, Infallible>(response)
    });
    let outcome = |mut response: Response<_>| match response.extensions().get::<Reason>() {
        Some(Reason(reason)) => Err(*reason),
        None => Ok(response.extensions_mut().remove().unwrap()),
    };
    Asked(BoxCloneService::new(layer.clone().with_renderer(reasons).layer(inner).map_response(outcome)))
}

/// The output of a future that is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    let task::Poll::Ready(output) = pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) else {
        panic!("this future is not ready");
    };
    output
}

#[test]
fn r71_a_token_that_was_seen_before_costs_no_signature_check_and_one_extension() {
    let clock = crate::support::clock();
    let token = crate::support::good_token();
    let rows =
        [(TokenCache::default(), 1), (TokenCache::UpTo(64 << 10), 1), (TokenCache::UpTo(0), 5), (TokenCache::Off, 5)];
    for (setting, expected) in rows {
        let layer = layer(&clock, MemoryBlocklist::new()).with_token_cache(setting);
        let before = signature_checks();
        // Services of one layer and of its clones.
        let mut services = [service(&layer), service(&layer.clone()), Asked(service(&layer).0.clone())];
        for index in [0, 0, 1, 2, 0] {
            let user = services[index].ask(&token).unwrap();
            assert_eq!((user.subject(), user.token_id()), (Some("user-1"), "token-1"), "{setting:?}");
        }
        assert_eq!(signature_checks() - before, expected, "{setting:?}");
        for shown in [format!("{layer:?}"), format!("{setting:?}")] {
            assert!(!shown.contains(token.split('.').nth(1).unwrap()), "{shown}");
        }
    }
}

#[test]
fn a_refresh_token_is_kept_only_where_that_was_asked_for() {
    let token = crate::support::token(serde_json::json!({ "typ": "rt+jwt" }), serde_json::json!({}));
    let layer = JwtBlocklistLayer::refresh(built(counting(&crate::support::clock())), MemoryBlocklist::new());
    for (layer, expected) in [(layer.clone(), 2), (layer.with_token_cache(TokenCache::default()), 1)] {
        let before = signature_checks();
        for _ in 0..2 {
            service(&layer).ask(&token).unwrap();
        }
        assert_eq!(signature_checks() - before, expected);
    }
}

/// With `metrics`, counting would allocate a list of labels.
#[cfg(not(feature = "metrics"))]
#[test]
fn a_token_that_was_seen_before_allocates_what_an_extension_does() {
    let layer = layer(&crate::support::clock(), MemoryBlocklist::new());
    let mut plain = layer.layer(tower::service_fn(|_: Request<Empty<Bytes>>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }));
    let token = crate::support::good_token();
    let user = service(&layer).ask(&token).unwrap();
    drop(now(plain.call(request(&token))));

    let (again, mut bare) = (request(&token), request(&token));
    let extension = allocation_counter::measure(|| {
        bare.extensions_mut().insert(user);
        drop(bare);
    });
    let hit = allocation_counter::measure(|| drop(now(plain.call(again))));
    assert_eq!((hit.count_total, hit.bytes_total), (extension.count_total, extension.bytes_total));
    assert!(extension.count_total > 0, "allocations are counted");
}
