//! The arrows between the parts of this crate go one way: edge -> core -> capabilities -> types. See DESIGN.md.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each part with its height. A part may use parts that are lower, and itself.
const PARTS: [(&str, u8); 16] = [
    ("middleware", 3),
    ("extract", 4),
    ("issuer", 2),
    ("by_name", 2),
    ("logout", 2),
    ("guard", 2),
    ("outage", 2),
    ("rejection", 2),
    ("require", 2),
    ("token", 1),
    ("blocklist", 1),
    ("claims", 0),
    ("clock", 0),
    ("error", 0),
    ("meter", 0),
    ("guide", 0),
];

/// The exceptions to "lower", within the core: the guard makes rejections and keeps to an outage policy, a logout is a guard's
/// decision with another time limit, a requirement looks at what the guard proved, and the issuer takes what both have proved, and
/// may find that it is worth nothing any more.
const WITHIN_CORE: [(&str, &str); 9] = [
    ("guard", "rejection"),
    ("guard", "outage"),
    ("logout", "rejection"),
    ("logout", "guard"),
    ("require", "rejection"),
    ("require", "guard"),
    ("issuer", "rejection"),
    ("issuer", "guard"),
    ("issuer", "logout"),
];

/// Crates that only these folders or files may name.
const CONFINED: [(&str, &[&str]); 10] = [
    ("jsonwebtoken", &["token/"]),
    ("rustls", &["blocklist/redis/tls.rs", "token/remote/fetch.rs"]),
    ("tokio_rustls", &["token/remote/fetch.rs"]),
    ("hyper", &["token/remote/fetch.rs"]),
    ("hyper_util", &["token/remote/fetch.rs"]),
    ("aws_lc_rs", &["token/"]),
    ("redis", &["blocklist/redis/"]),
    ("quick_cache", &["token/cache.rs"]),
    ("axum_core", &["extract.rs"]),
    ("metrics", &["meter.rs"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// A file of `src`: its path there, the part it belongs to, and its code without comments and without what follows
/// `#[cfg(test)]`.
struct Source {
    path: String,
    part: String,
    code: String,
}

fn code() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut parts = Vec::new();
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let part = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let path = inside.to_str().unwrap().to_owned();
        parts.push(Source { path, part, code: lines.collect::<Vec<_>>().join("\n") });
    }
    parts
}

fn height(part: &str) -> u8 {
    PARTS
        .iter()
        .find(|(name, _)| *name == part)
        .unwrap_or_else(|| panic!("`{part}` is no known part: add it to PARTS"))
        .1
}

/// The parts named after `crate::`, also within braces.
fn used_parts(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => top_level_names(list),
            None => vec![rest],
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        used.extend(names.into_iter().map(|name| name.chars().take_while(|c| is_name(*c)).collect::<String>()));
    }
    used
}

fn top_level_names(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(list[start..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn the_reader_of_use_lines_finds_what_it_should() {
    let code = "use crate::{a::X, b::{Y, Z},\n c};\nfn f() { crate::d::g() }\npub(crate) use e;";
    assert_eq!(used_parts(code), ["a", "b", "c", "d"]);
}

#[test]
fn arrows_go_down() {
    let mut arrows = 0;
    for Source { part, code, .. } in code() {
        if part == "lib" {
            continue;
        }
        for used in used_parts(&code) {
            let down = height(&used) < height(&part) || used == part;
            assert!(down || WITHIN_CORE.contains(&(&part, &used)), "`{part}` uses `{used}`, which is not below it");
            arrows += 1;
        }
    }
    assert!(arrows > 20, "only {arrows} arrows were found: the reader is broken");
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let mut at_home = 0;
    for Source { path, code, .. } in code() {
        for (name, homes) in CONFINED {
            // `blocklist/redis/` is a module of our own, and the file above it names it.
            let code = if path == "blocklist/mod.rs" { code.replace("pub use redis::", "") } else { code.clone() };
            // rustls has a module of the name.
            let code = if name == "aws_lc_rs" { code.replace("rustls::crypto::aws_lc_rs", "") } else { code };
            let named = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                !code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && !code[..at].ends_with("::")
            });
            let at_its_place = homes.iter().any(|home| path.starts_with(home));
            assert!(!named || at_its_place, "{path} names `{name}`, which belongs to {homes:?}");
            at_home += usize::from(named);
        }
    }
    assert!(at_home >= CONFINED.len(), "only {at_home} files name a confined crate: the reader is broken");
}

#[test]
fn only_the_guard_makes_an_authenticated() {
    for Source { path, code, .. } in code() {
        let makes = code.contains("Ok(Authenticated(");
        assert_eq!(makes, path == "guard/mod.rs", "in `{path}`");
    }
}

/// What strangers can choose is a key of maps whose hash is keyed at random (the standard library's, papaya's, foldhash's
/// `RandomState`) or is a piece of SHA-256, and a signature is only ever compared by the cryptography, in constant time.
#[test]
fn r74_no_map_has_a_hash_that_can_be_foretold_and_no_signature_is_compared_here() {
    const FORETOLD: [&str; 7] =
        ["FixedState", "FxHash", "BuildHasherDefault", "DefaultHasher", "nohash", "fnv::", "ahash::"];
    let mut random = 0;
    for Source { path, code, .. } in code() {
        for name in FORETOLD {
            assert!(!code.contains(name), "{path} names {name}");
        }
        for line in code.lines().filter(|line| line.contains("signature")) {
            let compares = line.contains("==") || line.contains("!=");
            assert!(!compares, "{path} compares what only the cryptography should: {line}");
        }
        random += code.matches("foldhash::quality::RandomState").count();
    }
    assert_eq!(random, 2, "the list in memory, and the tokens that were seen");
}
