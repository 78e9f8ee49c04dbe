//! The known attacks, each through the whole layer. Each is followed by the good token, which must
//! still be admitted (r27).
#![cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod cheap;
mod confusion;
mod examples;
mod flood;
mod lookup;
mod nested;
mod wycheproof;

use std::{cell::Cell, convert::Infallible, future::Future, pin::pin, sync::Arc, task};

use crate::support::{
    http::{Inner, inner},
    stub::StubBlocklist,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, Service, util::BoxCloneService};
use tower_jwt_blocklist::{
    Authenticated, JwtBlocklistLayer, Rejection,
    keys::CryptoProvider,
    reject::{RenderRejection, Rfc6750},
    token::{TokenCache, VerifierBuilder},
};

thread_local! {
    static SIGNATURE_CHECKS: Cell<usize> = const { Cell::new(0) };
}

/// The usual cryptography, and a counter of signature checks.
fn counting() -> CryptoProvider {
    #[cfg(feature = "aws_lc_rs")]
    let usual = CryptoProvider::aws_lc_rs();
    #[cfg(not(feature = "aws_lc_rs"))]
    let usual = CryptoProvider::rust_crypto();
    usual.with_observer(|_| SIGNATURE_CHECKS.set(SIGNATURE_CHECKS.get() + 1))
}

#[derive(Clone)]
struct Reason(&'static str);

/// The response to a token, and the work it caused.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    reason: Option<&'static str>,
    signature_checks: usize,
    store_calls: usize,
    inner_calls: usize,
}

/// A layer in front of a service, and a token that it must always admit.
struct Door {
    service: BoxCloneService<Request<Empty<Bytes>>, Response<()>, Infallible>,
    store: StubBlocklist,
    inner: Inner,
    good: String,
}

impl Door {
    fn new() -> Self {
        Self::of(crate::support::settings().clock(crate::support::clock().as_fn()), crate::support::good_token())
    }

    /// Without a token cache, so the good token is verified each time.
    fn of(settings: VerifierBuilder, good: String) -> Self {
        Self::with_cache(settings, good, TokenCache::Off)
    }

    fn with_cache(settings: VerifierBuilder, good: String, token_cache: TokenCache) -> Self {
        crate::support::log::listen();
        let store = StubBlocklist::clear();
        let verifier = Arc::new(settings.crypto_provider(counting()).build().unwrap());
        let told = |rejection: &Rejection| {
            let mut response = Rfc6750::new().render(rejection);
            response.extensions_mut().insert(Reason(rejection.reason()));
            response
        };
        let inner = inner();
        let behind = inner.clone();
        let layer =
            JwtBlocklistLayer::access(verifier, store.clone()).with_token_cache(token_cache).with_renderer(told);
        let service = layer.layer(behind);
        let service = tower::ServiceExt::map_response(service, |response| {
            let (parts, body) = response.into_parts();
            drop(BodyExt::boxed(body));
            Response::from_parts(parts, ())
        });
        Self { service: BoxCloneService::new(service), store, inner, good }
    }

    fn counts(&self) -> [usize; 3] {
        [SIGNATURE_CHECKS.get(), self.store.asked(), self.inner.calls()]
    }

    fn ask(&mut self, request: Request<Empty<Bytes>>) -> Outcome {
        let before = self.counts();
        let response = now(self.service.call(request)).unwrap();
        if let Some(called) = self.inner.take() {
            assert!(called.extensions.get::<Authenticated>().is_some(), "called without proof");
        }
        let after = self.counts();
        let [signature_checks, store_calls, inner_calls] = [0, 1, 2].map(|index| after[index] - before[index]);
        let reason = response.extensions().get::<Reason>().map(|reason| reason.0);
        Outcome { status: response.status().as_u16(), reason, signature_checks, store_calls, inner_calls }
    }

    /// Asserts that the token is rejected without a query to the store, and that the good token is
    /// admitted after it.
    fn rejects(&mut self, name: &str, token: &str) -> Outcome {
        let outcome = self.ask(request(token));
        assert!([400, 401].contains(&outcome.status), "{name}: {outcome:?}");
        assert_eq!((outcome.store_calls, outcome.inner_calls), (0, 0), "{name}");
        let good = self.ask(request(&self.good));
        assert_eq!((good.status, good.store_calls, good.inner_calls), (200, 1, 1), "the good token after {name:?}");
        outcome
    }

    /// Also asserts the reason and the number of signature checks.
    fn refuses_for(&mut self, name: &str, token: &str, reason: &str, signature_checks: usize) {
        let outcome = self.rejects(name, token);
        assert_eq!((outcome.reason, outcome.signature_checks), (Some(reason), signature_checks), "{name}");
    }
}

fn request(token: &str) -> Request<Empty<Bytes>> {
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
    Request::builder().header(header::AUTHORIZATION, value).body(Empty::new()).unwrap()
}

/// The output of a future that is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    let task::Poll::Ready(output) = pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) else {
        panic!("this future is not ready");
    };
    output
}
