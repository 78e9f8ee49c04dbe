//! Checks that dependencies between the files of this crate go one way, that rooms stay small, and
//! that some things have one home. See DESIGN.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::source_tree::{
    Tree,
    arrows::{Room, Uses},
    makers::places_that_make,
    print,
};
use syn::{
    BinOp, Expr,
    visit::{self, Visit},
};

/// The rooms with their floors, the lowest first. A file uses lower floors and its own entry. There
/// are no exceptions.
const ROOMS: &[Room] = &[
    Room {
        folder: "",
        floors: &[
            &["config_error", "json", "swap"],
            &["clock", "metrics"],
            &["keys", "blocklist"],
            &["revocation"],
            &["token", "redis"],
            &["compat"],
            &["guard"],
            &["issuer"],
            &["middleware"],
            &["extract"],
            &["testing", "conformance"],
            &["guide"],
            &["lib"],
        ],
    },
    Room {
        folder: "redis",
        floors: &[
            // `loss` and `connection` need the policy, so it is not in `settings`. The registry of
            // mirrors is used by revoking and by mirroring code, so it is below both.
            &["error", "local_mirrors", "policy"],
            &["schema"],
            &["loss"],
            &["connection"],
            &["settings"],
            &["shared"],
            &["commands"],
            // The blocklist itself. The mirror is built on it.
            &["mod"],
            &["mirror"],
        ],
    },
];

/// The crates that only these folders or files may name.
const CONFINED: &[(&str, &[&str])] = &[
    ("aws_lc_rs", &["keys/provider.rs"]),
    ("axum_core", &["extract.rs"]),
    // The decision does not depend on HTTP.
    ("http", &["extract.rs", "keys/remote/", "middleware/"]),
    ("http_body", &["middleware/"]),
    ("hyper", &["keys/remote/"]),
    ("hyper_util", &["keys/remote/"]),
    ("jsonwebtoken", &["keys/"]),
    ("metrics", &["metrics.rs"]),
    ("quick_cache", &["token/cache.rs"]),
    ("redis", &["redis/"]),
    ("rustls", &["keys/remote/", "redis/connection/tls.rs"]),
    ("tokio_rustls", &["keys/remote/"]),
    ("tower_layer", &["middleware/"]),
    ("tower_service", &["middleware/"]),
];

/// The only room that makes an `Authenticated`.
const HOME_OF_AUTHENTICATED: &str = "guard/";

const MAX_FILES_OF_A_ROOM: usize = 10;
const MAX_LINES_OF_A_FILE: usize = 350;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The dependencies within `src`, and its files.
static ARROWS: LazyLock<(Uses, BTreeSet<String>)> = LazyLock::new(|| {
    let tree = Tree::read(&src());
    (tree.uses(), tree.files())
});

fn fail_if_any(problems: &[String], headline: &str) {
    assert!(problems.is_empty(), "{headline}:\n{}", problems.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let (uses, _) = &*ARROWS;
    assert!(uses.arrows.len() > 100, "only {} arrows were found: the reader is broken", uses.arrows.len());
    fail_if_any(&uses.cycles(), "Move what both sides need into a file below them");
}

#[test]
fn arrows_go_down() {
    fail_if_any(&ARROWS.0.upward(ROOMS), "These arrows do not go to a lower floor");
}

#[test]
fn every_file_has_a_floor() {
    let problems: Vec<String> = ROOMS.iter().flat_map(|room| room.disorder(&ARROWS.1)).collect();
    fail_if_any(&problems, "ROOMS does not fit `src`");
}

#[test]
fn no_room_has_more_than_ten_files() {
    let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
    for file in crate::source_tree::texts(&src()).keys() {
        let room = file.rsplit_once('/').map_or("src", |(room, _)| room);
        *rooms.entry(room.to_owned()).or_default() += 1;
    }
    let large = rooms.iter().filter(|(_, files)| **files > MAX_FILES_OF_A_ROOM);
    let large: Vec<String> = large.map(|(room, files)| format!("{room}: {files} files")).collect();
    fail_if_any(&large, "Build a room within these rooms");
}

#[test]
fn no_file_has_more_than_350_lines() {
    let lines = crate::source_tree::texts(&src()).into_iter().map(|(file, text)| (file, text.lines().count()));
    let long = lines.filter(|(_, lines)| *lines > MAX_LINES_OF_A_FILE);
    let long: Vec<String> = long.map(|(file, lines)| format!("{file}: {lines} lines")).collect();
    fail_if_any(&long, "Split these files");
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let (mut wrong, mut at_home) = (BTreeMap::<_, Vec<_>>::new(), BTreeSet::new());
    // A single name is a local variable, a type parameter or from the prelude.
    for (file, path) in ARROWS.0.foreign.iter().filter(|(_, path)| path.len() > 1) {
        let Some((name, homes)) = CONFINED.iter().find(|(name, _)| *name == path[0]) else { continue };
        if homes.iter().any(|home| file.starts_with(home)) {
            at_home.insert(*name);
        } else {
            wrong.entry((file, homes)).or_default().push(path.join("::"));
        }
    }
    let line = |((file, homes), paths): (&(_, _), &Vec<String>)| {
        format!("{file} names {}, which belongs to {homes:?}", paths.join(", "))
    };
    fail_if_any(&wrong.iter().map(line).collect::<Vec<_>>(), "These crates are named outside of their rooms");
    let missing: Vec<&str> = CONFINED.iter().map(|(name, _)| *name).filter(|name| !at_home.contains(name)).collect();
    assert!(missing.is_empty(), "no file names {missing:?}: the reader is broken, or the list is old");
}

#[test]
fn only_the_guard_makes_an_authenticated() {
    let places = places_that_make("Authenticated", &Tree::read(&src()));
    assert_eq!(places.len(), 1, "only one place makes an `Authenticated`: {places:?}");
    assert!(places[0].starts_with(HOME_OF_AUTHENTICATED), "{places:?}");
}

/// A map whose keys a stranger can choose needs a randomly keyed hash (the standard library's,
/// papaya's, foldhash's `RandomState`), or keys that are parts of a SHA-256. Only the cryptography
/// compares signatures, in constant time.
#[test]
fn r74_no_map_has_a_hash_that_can_be_foretold_and_no_signature_is_compared_here() {
    const FORETOLD: [&str; 7] =
        ["FixedState", "FxHash", "BuildHasherDefault", "DefaultHasher", "nohash", "fnv::", "ahash::"];
    let tree = Tree::read(&src());
    let mut random = 0;
    for module in &tree.modules {
        let code: String = module.items.iter().map(|item| print::text(item) + "\n").collect();
        for name in FORETOLD {
            assert!(!code.contains(name), "{} names {name}", module.file);
        }
        let mut comparisons = Comparisons(Vec::new());
        module.items.iter().for_each(|item| comparisons.visit_item(item));
        let wrong = comparisons.0.iter().find(|text| text.contains("signature"));
        assert_eq!(wrong, None, "{} compares signatures, which only the cryptography may", module.file);
        random += code.matches("foldhash::quality::RandomState").count();
    }
    assert_eq!(random, 2, "the in-memory blocklist and the token cache");
}

/// The text of every `==` and `!=`.
struct Comparisons(Vec<String>);

impl<'a> Visit<'a> for Comparisons {
    fn visit_expr_binary(&mut self, value: &'a syn::ExprBinary) {
        if matches!(value.op, BinOp::Eq(_) | BinOp::Ne(_)) {
            self.0.push(print::text(Expr::Binary(value.clone())));
        }
        visit::visit_expr_binary(self, value);
    }
}

/// A number in a test's name (`r13_…`) must exist in `docs/requirements.md`.
#[test]
fn every_requirement_that_a_test_names_is_in_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list =
        fs::read_to_string(root.join("docs/requirements.md")).expect("docs/requirements.md lists the requirements");
    let listed: BTreeSet<&str> = list.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    for folder in ["src", "tests", "testkit", "examples", "xtask"] {
        for (file, text) in crate::source_tree::texts(&root.join(folder)) {
            for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                for number in numbers(word) {
                    used.entry(number.to_owned()).or_insert_with(|| format!("{folder}/{file}: {word}"));
                }
            }
        }
    }
    assert!(used.len() > 50, "only {} numbers were found: the reader is broken", used.len());
    let missing = used.iter().filter(|(number, _)| !listed.contains(number.as_str()));
    let missing: Vec<String> = missing.map(|(number, place)| format!("{number}, in {place}")).collect();
    fail_if_any(&missing, "docs/requirements.md does not list");
}

/// The numbers at the beginning of a name: r59 and g7 in `r59_g7_too_few_acknowledgements`.
fn numbers(name: &str) -> Vec<&str> {
    let is_number = |word: &&str| {
        word.strip_prefix(['r', 'g'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if name.contains('_') { name.split('_').take_while(is_number).collect() } else { Vec::new() }
}

/// The checks find violations, in example crates that exist only here.
mod finds {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Tree {
        Tree::parse(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
    }

    fn arrows(tree: &Tree) -> Vec<String> {
        let arrow = |((from, to), names): (&(String, String), &BTreeSet<String>)| format!("{from} -> {to}: {names:?}");
        tree.uses().arrows.iter().map(arrow).collect()
    }

    #[test]
    fn a_circle_through_a_re_export() {
        let tree = crate_of(&[
            ("lib.rs", "mod low; mod room;"),
            ("low.rs", "use crate::room::Hall; pub struct Ground; pub fn up(_: Hall) {}"),
            ("room/mod.rs", "mod door; mod hall; pub(crate) use door::Door; pub(crate) use hall::Hall;"),
            ("room/hall.rs", "use super::Door; pub struct Hall(Door);"),
            ("room/door.rs", "pub struct Door; impl Door { fn floor() -> crate::low::Ground { crate::low::Ground } }"),
        ]);
        let cycles = tree.uses().cycles();
        assert_eq!(cycles.len(), 1, "{cycles:?}");
        for line in [
            "3 files in a circle: low.rs, room/door.rs, room/hall.rs\n",
            "low.rs -> room/hall.rs: Hall\n",
            "room/hall.rs -> room/door.rs: Door\n",
            "room/door.rs -> low.rs: Ground\n",
        ] {
            assert!(cycles[0].contains(line), "{line} is not in:\n{}", cycles[0]);
        }
    }

    #[test]
    fn an_arrow_that_goes_up_or_stays_on_a_floor() {
        let room = [Room { folder: "", floors: &[&["low", "low_too"], &["high"], &["lib"]] }];
        let tree = crate_of(&[
            ("lib.rs", "mod high; mod low; mod low_too;"),
            ("low.rs", "pub fn a() { crate::high::b() }"),
            ("low_too.rs", "use crate::low::a;"),
            ("high.rs", "use crate::low::a; pub fn b() {}"),
        ]);
        assert_eq!(
            tree.uses().upward(&room),
            [
                "`low_too` is not above `low` in the crate: low_too.rs -> low.rs: a",
                "`low` is not above `high` in the crate: low.rs -> high.rs: b",
            ]
        );
        assert_eq!(
            [Room { folder: "", floors: &[&["low", "low_too"], &["cellar"], &["lib"]] }][0].disorder(&tree.files()),
            ["high.rs has no floor in the crate", "`cellar` has a floor in the crate, but no file"]
        );
    }

    #[test]
    fn paths_in_all_places() {
        let tree = crate_of(&[
            ("lib.rs", "mod a; mod b; #[path = \"elsewhere.rs\"] mod c;"),
            (
                "a.rs",
                "pub struct Kind; pub enum E { One, Two } pub fn f() {} pub const N: u8 = 1; pub mod deep { pub struct Deep; }",
            ),
            (
                "b.rs",
                "use super::a; use crate::a::*;
                 fn one() -> a::deep::Deep { todo!() }
                 fn two() { debug!(value = a::N); }
                 fn three() { use crate::a::E::One; let _ = One; f(); }
                 impl Kind {}",
            ),
            (
                "elsewhere.rs",
                "#[cfg(test)] use crate::a::f; #[cfg(test)] mod tests { use crate::a::Kind; } pub struct Quiet;",
            ),
        ]);
        assert_eq!(arrows(&tree), [r#"b.rs -> a.rs: {"Deep", "E", "Kind", "N", "f"}"#]);
    }

    #[test]
    fn the_makers_of_a_struct() {
        let tree = crate_of(&[
            ("lib.rs", "mod guard; mod thief;"),
            (
                "guard.rs",
                "pub struct Authenticated { x: u8 }
                 impl Clone for Authenticated { fn clone(&self) -> Self { Self { x: self.x } } }
                 impl Authenticated { fn make() -> Self { Self { x: 1 } } }",
            ),
            ("thief.rs", "use crate::guard::Authenticated as A; fn forge() { let a = A { x: 1 }; }"),
        ]);
        assert_eq!(places_that_make("Authenticated", &tree), ["guard.rs: make", "thief.rs: forge"]);
    }

    #[test]
    fn the_numbers_of_a_name() {
        assert_eq!(numbers("r59_g7_too_few_acknowledgements"), ["r59", "g7"]);
        assert!(["r", "r13", "ready_r1", "g_1", "raw_1"].iter().all(|name| numbers(name).is_empty()));
    }
}
