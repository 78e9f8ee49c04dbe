//! One request: `jsonwebtoken::decode` alone, the inner service alone, and the layer over a mirror
//! and over Redis.
//!
//! `cargo bench` prints criterion's figures and then one table with ratios. Compare rows of one run
//! only. The bench `allocations` counts the allocations, because counting takes time.

#[path = "common/mod.rs"]
mod common;

use std::{sync::Arc, time::Duration};

use common::{
    criterion::{estimates, median},
    mirror::{connect, fill, mirror},
    now,
    service::{Claims, Keys, inner, keys, request, validation, verifier_and_token},
};
use criterion::{BatchSize, Criterion};
use testkit::RedisServer;
use tower::{Layer, Service, service_fn};
use tower_jwt_blocklist::{JwtBlocklistLayer, blocklist::Blocklist};

/// One line of the table.
struct Row {
    id: String,
    /// The row that its time is compared with.
    baseline: Option<String>,
}

/// As many requests as fit into the processor caches, where a request from the network also is.
const BATCH: BatchSize = BatchSize::NumIterations(100);

struct Bench {
    criterion: Criterion,
    rows: Vec<Row>,
}

impl Bench {
    /// Measures `work` on inputs that are made outside of the measurement.
    fn row<I, O>(
        &mut self,
        id: &str,
        baseline: Option<&str>,
        mut input: impl FnMut() -> I,
        mut work: impl FnMut(I) -> O,
    ) {
        self.criterion.bench_function(id, |bencher| bencher.iter_batched(&mut input, &mut work, BATCH));
        self.rows.push(Row { id: id.to_owned(), baseline: baseline.map(str::to_owned) });
    }

    fn table(&self) {
        // If criterion measured nothing or only some rows, it has not written all that the table
        // needs.
        if !self.rows.iter().all(|row| estimates(&row.id).exists()) {
            return println!("no table: not every row was measured");
        }
        println!("\n| row | median | times its base | over its base, ns |\n|---|---|---|---|");
        for row in &self.rows {
            let (median, base) = (median(&row.id), row.baseline.as_deref().map(median));
            let (times, more) = base.map_or(("-".into(), "-".into()), |base| {
                (format!("{:.2}", median / base), format!("{:.0}", median - base))
            });
            println!("| {} | {median:.0} ns | {times} | {more} |", row.id);
        }
    }
}

fn main() {
    // jsonwebtoken's own `decode` needs a default provider if several are compiled in.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = runtime.block_on(RedisServer::start());
    let (redis, mirror) = runtime.block_on(async {
        let redis = connect(&server.url(), "jwt").await;
        fill(&redis, 0..100_000).await;
        (redis.clone(), mirror(redis).await)
    });

    let criterion = Criterion::default().configure_from_args().measurement_time(Duration::from_secs(3));
    let mut bench = Bench { criterion, rows: Vec::new() };
    for Keys { name, signing, decoding, algorithm } in keys() {
        let (verifier, token) = verifier_and_token(signing);
        let validation = validation(algorithm);
        let decode = format!("{name} jsonwebtoken::decode alone");
        bench.row(
            &decode,
            None,
            || (),
            |()| jsonwebtoken::decode::<Claims>(&token, &decoding, &validation).expect("a good token"),
        );

        let with = |blocklist: Arc<dyn Blocklist>| {
            JwtBlocklistLayer::access(verifier.clone(), blocklist).layer(service_fn(inner))
        };
        let over_mirror = || with(Arc::new(mirror.clone()));
        // A new service for each request, so that caching the first token is in the measurement.
        bench.row(
            &format!("{name} layer over a mirror, first sight"),
            Some(&decode),
            || (over_mirror(), request(&token)),
            |(mut service, request)| (now(service.call(request)), service),
        );
        let mut alone = service_fn(inner);
        let without = format!("{name} inner service alone");
        bench.row(&without, None, || request(&token), |request| now(alone.call(request)));
        let mut seen = over_mirror();
        let admitted = now(seen.call(request(&token))).map(|response| response.status());
        assert_eq!(admitted, Ok(http::StatusCode::OK), "a refusal would be cheap");
        let id = format!("{name} layer over a mirror, token seen before");
        bench.row(&id, Some(&without), || request(&token), |request| now(seen.call(request)));
        if name == "HS256" {
            let mut over_redis = with(Arc::new(redis.clone()));
            let id = format!("{name} layer over Redis on loopback, token seen before");
            bench.row(&id, Some(&without), || request(&token), |request| runtime.block_on(over_redis.call(request)));
        }
    }
    bench.table();
}
