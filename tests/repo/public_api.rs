//! Compares the public API with `docs/public_api.txt`, so each change shows in a diff.

use std::{collections::BTreeSet, env, fs, path::Path, sync::LazyLock};

use crate::source_tree::{Tree, api::Api};

const LIST: &str = "docs/public_api.txt";

/// The names at the root except modules: those of the usual path.
const MAX_NAMES_AT_THE_ROOT: usize = 20;

/// The crates whose types are part of this API, and the reasons. A new major version of one is a
/// new major version of this crate.
const PUBLIC_CRATES: [(&str, &str); 10] = [
    ("std", "the standard library"),
    ("core", "the standard library"),
    ("alloc", "the standard library"),
    ("axum_core", "extractors and `IntoResponse`, behind the feature `axum`"),
    ("bytes", "the body of a response that the middleware makes"),
    ("http", "requests and responses, as in every Tower service for HTTP"),
    ("http_body", "the bodies of the services inside and outside"),
    ("serde", "the claims of the application"),
    ("tower_layer", "`Layer`"),
    ("tower_service", "`Service`"),
];

static API: LazyLock<Api> = LazyLock::new(|| Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).api());

#[test]
fn the_public_api_is_the_listed_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
    let now = &API.lines;
    assert!(now.len() > 100, "only {} lines: the reader is broken", now.len());
    if env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(&file, now.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    let listed = fs::read_to_string(&file).unwrap_or_default();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let gone = listed.difference(now).map(|line| format!("- {line}"));
    let new = now.difference(&listed).map(|line| format!("+ {line}"));
    let mut changes: Vec<String> = gone.chain(new).collect();
    changes.sort_by(|a, b| a[2..].cmp(&b[2..]));
    assert!(
        changes.is_empty(),
        "The public API is not the one in {LIST}. To accept this, run the test with UPDATE_PUBLIC_API=1.\n{}",
        changes.join("\n")
    );
}

#[test]
fn signatures_name_only_public_crates() {
    let foreign = &API.foreign;
    assert!(foreign.contains_key("http"), "no signature with `http`: the reader is broken");
    let wrong = foreign.iter().filter(|(name, _)| !PUBLIC_CRATES.iter().any(|(public, _)| public == name));
    let wrong: Vec<String> =
        wrong.flat_map(|(name, lines)| lines.iter().map(move |line| format!("{name}, in {line}"))).collect();
    assert!(wrong.is_empty(), "These crates are not in PUBLIC_CRATES:\n{}", wrong.join("\n"));
}

#[test]
fn the_root_has_the_names_of_the_usual_path_only() {
    let names = &API.root;
    assert!(
        names.len() <= MAX_NAMES_AT_THE_ROOT,
        "{} names at the root, instead of {MAX_NAMES_AT_THE_ROOT}: {names:?}",
        names.len()
    );
}

#[test]
fn the_reader_follows_re_exports_and_leaves_private_things_out() {
    let files = [
        ("lib.rs", "mod room; pub mod open { pub use crate::room::{Shown, make}; } pub use room::Shown;"),
        (
            "room.rs",
            "use std::fmt; use foreign::Secret; use serde::Serialize;
             #[derive(Clone, Serialize)] #[non_exhaustive]
             pub struct Shown<X = u8> { pub open: Vec<X>, hidden: u8, }
             pub struct Private;
             trait Inner {}
             impl Inner for Shown {}
             impl<X> fmt::Debug for Shown<X> { fn fmt(&self) {} }
             impl<X: Copy,> Shown<X> {
                 #[must_use] pub fn with(mut self, x: &'static [X],) -> Self { self }
                 pub(crate) fn no(&self) {}
                 #[cfg(test)] pub fn test(&self) {}
             }
             #[cfg(feature = \"extra\")]
             pub fn make(secret: Secret) -> impl Fn(u8) -> (u8,) { todo!() }",
        ),
    ];
    let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
    let Api { lines, root, foreign } = Tree::parse(files.into_iter().collect()).api();
    let expected = [
        "Shown: impl Clone for Shown<X>",
        "Shown: impl Serialize for Shown<X>",
        "Shown: impl<X> Debug for Shown<X>",
        "Shown: pub struct Shown<X = u8> { .. } #[non_exhaustive]",
        "Shown::open: pub open: Vec<X>",
        "Shown::with: pub fn with(self, x: &'static [X]) -> Self (in impl<X: Copy> Shown<X>) #[must_use]",
        "open: pub mod",
        "open::Shown: pub use Shown",
        "open::make: pub fn make(secret: Secret) -> impl Fn(u8) -> (u8,) #[cfg(feature = \"extra\")]",
    ];
    assert_eq!(lines.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(root.into_iter().collect::<Vec<_>>(), ["Shown"]);
    assert_eq!(foreign.keys().collect::<Vec<_>>(), ["foreign", "serde", "std"]);
}
