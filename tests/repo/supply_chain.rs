//! r78: forbidden dependencies, read from `Cargo.lock`. `deny.toml` has the same rules, and those
//! that need the network.

use std::{collections::BTreeMap, fs, path::Path};

/// The packages of a lock file, with their versions and sources.
fn packages(lock: &str) -> BTreeMap<&str, Vec<(&str, Option<&str>)>> {
    let mut packages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"'))
        };
        packages.entry(field("name").unwrap()).or_default().push((field("version").unwrap(), field("source")));
    }
    packages
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Major and minor.
fn version(text: &str) -> (u64, u64) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The problems of a lock file.
fn complaints(lock: &str) -> Vec<String> {
    let packages = packages(lock);
    let mut complaints = Vec::new();
    match packages.get("jsonwebtoken").map(Vec::as_slice) {
        Some([(found, _)]) if version(found) >= (10, 3) => {}
        other => {
            complaints.push(format!("exactly one jsonwebtoken is required, from 10.3 (GHSA-h395-gr6q-cpjc): {other:?}"))
        }
    }
    for name in ["openssl", "openssl-sys", "native-tls"] {
        if packages.contains_key(name) {
            complaints.push(format!("{name} is a dependency, but TLS must be rustls"));
        }
    }
    for (name, versions) in &packages {
        for (_, source) in versions {
            // A package without a source belongs to this workspace.
            if source.is_some_and(|source| !source.starts_with("registry+https://github.com/rust-lang/crates.io-index"))
            {
                complaints.push(format!("{name} is not from crates.io"));
            }
        }
    }
    complaints
}

#[test]
fn r78_no_jsonwebtoken_below_10_3_no_second_one_and_no_other_tls() {
    let lock = read("Cargo.lock");
    assert_eq!(complaints(&lock), [""; 0]);
    assert!(packages(&lock).len() > 100, "the reader finds the packages");

    // Each rule finds its violation.
    let package = |name: &str, version: &str, source: &str| {
        format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
    };
    let crates_io = "registry+https://github.com/rust-lang/crates.io-index";
    for (name, version, source, words) in [
        ("jsonwebtoken", "9.3.1", crates_io, "GHSA-h395-gr6q-cpjc"),
        ("jsonwebtoken", "10.2.0", crates_io, "GHSA-h395-gr6q-cpjc"),
        ("jsonwebtoken", "11.0.0", crates_io, "exactly one"),
        ("openssl", "0.10.0", crates_io, "rustls"),
        ("some", "1.0.0", "git+https://example.org/some", "not from crates.io"),
    ] {
        let found = complaints(&format!("{lock}{}", package(name, version, source)));
        assert!(found.len() == 1 && found[0].contains(words), "{name} {version}: {found:?}");
    }
    let alone = |version| complaints(&package("jsonwebtoken", version, crates_io));
    assert!(!alone("10.2.9").is_empty() && alone("10.3.0").is_empty() && !complaints("").is_empty());
}

/// The same rules for cargo-deny, which not every machine has.
#[test]
fn r78_the_rules_for_cargo_deny_name_the_same_and_say_why_an_advisory_is_ignored() {
    let rules = read("deny.toml");
    for rule in ["jsonwebtoken:<10.3", "GHSA-h395-gr6q-cpjc", "openssl-sys", "native-tls", "unknown-git = \"deny\""] {
        assert!(rules.contains(rule), "{rule}");
    }
    let ignored: Vec<&str> = rules.match_indices("RUSTSEC-").map(|(at, _)| &rules[at..at + 17]).collect();
    assert_eq!(ignored, ["RUSTSEC-2023-0071"]);
    assert!(rules.contains("Marvin") && rules.contains("rust_crypto"));
    let manifest = read("Cargo.toml");
    assert!(manifest.contains("default = [\"aws_lc_rs\","), "the crate `rsa` is not a default dependency");
}
