//! Tests, paths and figures that the documents name exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

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

fn code(folders: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = folders.iter().flat_map(|folder| sources(&root.join(folder)));
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The line before the list of all cases in `src/conformance`. `suite!` makes a test of each.
const CASES: &str = "$($argument)?";

/// The functions with a test attribute, and the cases of the conformance suite.
fn tests_of(code: &str) -> BTreeSet<&str> {
    let (mut tests, mut is_test, mut in_suite) = (BTreeSet::new(), false, false);
    for line in code.lines().map(str::trim) {
        in_suite = line == CASES || in_suite && line != "}";
        let name = match line.split_once("fn ") {
            Some((_, rest)) if is_test => rest.split('(').next(),
            _ if in_suite => line.strip_suffix(','),
            _ => None,
        };
        tests.extend(name.filter(|name| is_identifier(name)));
        is_test = line == "#[test]" || line.starts_with("#[tokio::test") || is_test && line.starts_with("#[");
    }
    tests
}

/// The texts between backticks, without fenced code.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// A test's name has a number or is a sentence. No setting and no claim has so many words.
fn is_test_name(name: &str) -> bool {
    let numbered = name.strip_prefix(['r', 'g']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_identifier(name) && name.contains('_') && (numbered || name.matches('_').count() > 2)
}

#[test]
fn the_readers_of_this_file_find_what_they_should() {
    let code = "
        #[test]
        #[cfg(unix)]
        fn a_test() {}
        fn none() {}
        #[tokio::test(start_paused = true)]
        async fn r1_another(x: u8) {}
        $callback! {
            $($argument)?
            g1_a_case,
        }
        not_a_case,";
    assert_eq!(Vec::from_iter(tests_of(code)), ["a_test", "g1_a_case", "r1_another"]);
    assert_eq!(quoted("a `b` c `d`\n```\n`e`\n```\n`f`"), ["b", "d", "f"]);
    assert!(["r1_a", "g2_g5_a", "so_it_is_said"].into_iter().all(is_test_name));
    assert!(!["max_lifetime", "allow_unchecked_for", "r1", "A::so_it_is_said"].into_iter().any(is_test_name));
}

#[test]
fn every_test_that_security_md_names_exists() {
    let code = code(&["src", "tests", "examples"]);
    let tests: BTreeSet<&str> = code.iter().flat_map(|code| tests_of(code)).collect();
    let text = read("SECURITY.md");
    let named: BTreeSet<&str> = quoted(&text).into_iter().filter(|name| is_test_name(name)).collect();
    let gone: Vec<_> = named.difference(&tests).collect();
    assert!(gone.is_empty(), "SECURITY.md names tests that do not exist: {gone:#?}");
    assert!(named.len() > 120, "only {} tests are named: the reader is broken", named.len());
}

/// A case that is missing in the list is a public function that no backend is tested with.
#[test]
fn every_case_of_the_conformance_suite_is_in_its_list() {
    let code = code(&["src/conformance"]);
    let listed: BTreeSet<&str> = code.iter().flat_map(|code| tests_of(code)).collect();
    let functions = code.iter().flat_map(|code| code.lines()).filter_map(|line| line.strip_prefix("pub async fn "));
    let written: BTreeSet<&str> = functions.filter_map(|rest| rest.split('(').next()).collect();
    assert_eq!(written, listed);
    assert!(written.len() >= 24, "only {} cases are found: the reader is broken", written.len());
}

#[test]
fn every_threat_and_every_claim_of_security_md_names_a_test() {
    let text = read("SECURITY.md");
    let (threats, standards) = text.split_once("\n## Standards").expect("the two parts of SECURITY.md");
    let rows = |part: &str| -> Vec<String> {
        let is_row = |line: &&str| line.starts_with("| ") && line.matches(" | ").count() >= 2;
        part.lines().filter(is_row).map(str::to_owned).collect()
    };
    let is_title = |row: &String| row.contains("| shown by |");
    let claims = |row: &String| row.contains("| met |") || row.contains("| partly |");
    let threats: Vec<_> = rows(threats).into_iter().filter(|row| !is_title(row)).collect();
    let claims: Vec<_> = rows(standards).into_iter().filter(claims).collect();
    for row in threats.iter().chain(&claims) {
        assert!(quoted(row).into_iter().any(is_test_name), "this row names no test: {row}");
    }
    assert!(threats.len() > 40 && claims.len() > 70, "{} and {}: the reader is broken", threats.len(), claims.len());
}

/// `Type::name` in prose, which no compiler checks.
#[test]
fn every_item_that_the_documents_name_exists() {
    let code = code(&["src"]).join("\n");
    let words: BTreeSet<&str> = words_of(&code).collect();
    let mut found = 0;
    for document in documents().into_iter().chain(["SECURITY.md".to_owned()]) {
        for item in quoted(&read(&document)).into_iter().filter(|item| item.contains("::")) {
            for part in words_of(item) {
                assert!(words.contains(part), "{document} names `{item}`, but `{part}` is not in src");
            }
            found += 1;
        }
    }
    assert!(found > 20, "only {found} items are named: the reader is broken");
}

fn documents() -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut documents: Vec<_> = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    documents.sort();
    documents.push("README.md".to_owned());
    documents
}

fn cells(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('|')).map(|cell| cell.trim().to_owned()).collect()
}

fn is_figure(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_digit())
}

/// Only measurements have this form: "250 ms" and "401" are settings and statuses.
fn is_measurement(cell: &str) -> bool {
    is_figure(cell)
        && (cell.ends_with(" ns") || cell.bytes().filter(u8::is_ascii_digit).count() == cell.len() && cell.len() > 4)
}

/// All figures are copied from one run of all benches.
#[test]
fn every_figure_in_the_tables_of_the_documents_is_one_of_the_last_run() {
    let measured = cells(&read("benches/RESULTS.md"));
    let readme = read("README.md");
    let (_, how_fast) = readme.split_once("\n## How fast").expect("the section of README.md");
    let how_fast = cells(how_fast.split("\n## ").next().unwrap_or_default());
    let performance = cells(&read("docs/performance.md"));
    let in_readme = how_fast.into_iter().filter(|cell| is_figure(cell)).collect::<BTreeSet<_>>();
    let figures = performance.into_iter().filter(|cell| is_figure(cell)).chain(in_readme.clone());
    let elsewhere = documents().into_iter().flat_map(|document| cells(&read(&document)));
    let figures: BTreeSet<_> = figures.chain(elsewhere.filter(|cell| is_measurement(cell))).collect();
    let others: Vec<_> = figures.difference(&measured).collect();
    assert!(others.is_empty(), "not in benches/RESULTS.md: {others:#?}");
    assert!(figures.len() > 20, "only {} figures are found: the reader is broken", figures.len());
    assert_eq!(in_readme.len(), 6, "README.md has six numbers: {in_readme:?}");
}

/// The anchor of a heading: lower case, words joined by hyphens, without punctuation.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn anchors(document: &str) -> BTreeSet<String> {
    let text = read(document);
    let prose: Vec<&str> = text.split("```").step_by(2).collect();
    prose.iter().flat_map(|part| part.lines()).filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for document in documents() {
        let folder = Path::new(&document).parent().unwrap();
        let text = read(&document);
        let prose: Vec<&str> = text.split("```").step_by(2).collect();
        let links = prose.iter().flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { PathBuf::from(&document) } else { folder.join(file) };
            assert!(root.join(&file).exists(), "{document} links to {link}");
            let is_there = heading.is_empty() || anchors(file.to_str().unwrap()).contains(heading);
            assert!(is_there, "{document} links to {link}");
            found += 1;
        }
    }
    assert!(found > 30, "only {found} links are found: the reader is broken");
}

/// The README can be read in five minutes.
#[test]
fn the_readme_is_short() {
    let readme = read("README.md");
    let words = readme.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    assert!(words <= 1000, "README.md has {words} words");
}

#[test]
fn both_languages_of_the_migration_guide_have_the_same_code_and_tables() {
    let parts = |document: &str| -> (Vec<String>, usize, usize) {
        let text = read(document);
        let code = text.split("```").skip(1).step_by(2).map(str::to_owned).collect();
        let rows = text.lines().filter(|line| line.starts_with('|')).count();
        (code, rows, anchors(document).len())
    };
    assert_eq!(parts("docs/migrating_from_fastapi.md"), parts("docs/migrating_from_fastapi.zh.md"));
}
