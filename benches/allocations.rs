//! The allocations of one request: `jsonwebtoken::decode` alone, the inner service alone, and the
//! layer over an in-memory list.

#[path = "common/mod.rs"]
mod common;

use common::{
    now,
    service::{Claims, Keys, inner, keys, request, validation, verifier_and_token},
};
use http::{Extensions, StatusCode};
use tower::{Layer, Service, service_fn};
use tower_jwt_blocklist::{JwtBlocklistLayer, MemoryBlocklist};

fn row(name: &str, work: impl FnOnce()) {
    println!("| {name} | {} |", allocation_counter::measure(work).count_total);
}

fn main() {
    // jsonwebtoken's own `decode` needs a default provider if several are compiled in.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    println!("| one request | allocations |\n|---|---|");
    let mut extensions = Extensions::new();
    row("one insertion into `Extensions`", || {
        extensions.insert([0_u8; 16]);
    });
    for Keys { name, signing, decoding, algorithm } in keys() {
        let (verifier, token) = verifier_and_token(signing);
        let validation = validation(algorithm);
        row(&format!("{name} jsonwebtoken::decode alone"), || {
            jsonwebtoken::decode::<Claims>(&token, &decoding, &validation).expect("a good token");
        });
        let mut layered = JwtBlocklistLayer::access(verifier, MemoryBlocklist::new()).layer(service_fn(inner));
        for seen in ["first sight", "token seen before"] {
            let request = request(&token);
            row(&format!("{name} layer, {seen}"), || {
                let response = now(layered.call(request)).expect("the service cannot fail");
                assert_eq!(response.status(), StatusCode::OK);
            });
        }
    }
    let (mut alone, request) = (service_fn(inner), request("a.b.c"));
    row("inner service alone", || {
        let _ = now(alone.call(request));
    });
}
