//! The number of instructions of a request with a cached token, over a mirror. Other work on the
//! machine hardly changes this number.
//!
//! `cargo bench --bench instructions` needs `valgrind` on the `PATH`, and fails if the layer needs
//! more than [`AT_MOST`].

#[path = "common/mod.rs"]
mod common;

use std::{env, process::Command};

use common::{
    mirror::{connect, fill, mirror},
    now,
    service::{inner, keys, request, verifier_and_token},
};
use http::StatusCode;
use testkit::RedisServer;
use tower::{Layer, Service, service_fn};
use tower_jwt_blocklist::JwtBlocklistLayer;

/// The limit for the layer's own instructions: a tenth more than the measured 2,660 to 2,700.
const AT_MOST: i64 = 2950;

const FEW: usize = 1_000;
const MANY: usize = 11_000;
const ALONE: &str = "the inner service alone";
const LAYERED: &str = "behind the layer";

fn serve(what: &str, url: &str, requests: usize) {
    // Runs to fill the mirror, and stands still from then on. So only the request's instructions
    // count.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mirror = runtime.block_on(async { mirror(connect(url, "jwt").await).await });
    let signing = keys().swap_remove(0).signing;
    let (verifier, token) = verifier_and_token(signing);
    let (mut alone, layer) = (service_fn(inner), JwtBlocklistLayer::access(verifier, mirror));
    let mut layered = layer.layer(service_fn(inner));
    for _ in 0..requests {
        let request = request(&token);
        let status = if what == ALONE {
            now(alone.call(request)).map(|response| response.status())
        } else {
            now(layered.call(request)).map(|response| response.status())
        };
        // A rejection would be cheap.
        assert_eq!(status, Ok(StatusCode::OK));
    }
}

/// The number of instructions of one run of this program.
fn instructions(what: &str, url: &str, requests: usize) -> i64 {
    let program = env::current_exe().expect("a path");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    let output = valgrind.arg(program).args([what, url, &requests.to_string()]).output();
    let output = output.expect("`valgrind` on the PATH: apt-get install valgrind");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{text}");
    let count = text.lines().find_map(|line| line.split_once("refs:")).unwrap_or_else(|| panic!("no count: {text}")).1;
    count.trim().replace(',', "").parse().expect("a number")
}

/// The number per request: the difference between many requests and few, divided.
fn each(what: &str, url: &str) -> i64 {
    (instructions(what, url, MANY) - instructions(what, url, FEW)) / (MANY - FEW) as i64
}

fn main() {
    let arguments: Vec<_> = env::args().collect();
    if let [_, what, url, requests] = &arguments[..] {
        return serve(what, url, requests.parse().expect("a number"));
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(RedisServer::start());
    runtime.block_on(async { fill(&connect(&server.url(), "jwt").await, 0..1_000).await });
    let [alone, layered] = [ALONE, LAYERED].map(|what| each(what, &server.url()));
    println!("| a request, its token seen before | instructions |\n|---|---|");
    println!("| {ALONE} | {alone} |\n| {LAYERED} | {layered} |\n| the layer | {} |", layered - alone);
    assert!(layered - alone <= AT_MOST, "the layer has become dearer: it may add {AT_MOST} instructions");
}
