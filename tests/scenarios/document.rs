//! `docs/SCENARIOS.md` says what holds each thing that the reference tests. It is only worth something while it is true.

#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 6] = [
    "uxf-codec",
    "engine",
    "replication",
    "cli",
    "tests",
    "testkit",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below a folder, by their paths, with their text.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

/// What is between backticks in an item.
fn quoted(item: &str) -> impl Iterator<Item = &str> {
    item.split('`').skip(1).step_by(2)
}

fn is_test(sources: &[(String, String)], file: &str, name: &str) -> bool {
    let in_file = format!("/{file}");
    let declared = format!("fn {name}()");
    let mut files = sources.iter().filter(|(path, _)| path.ends_with(&in_file));
    files.any(|(_, text)| {
        let before = text
            .split(&declared)
            .next()
            .filter(|before| before.len() < text.len());
        before.is_some_and(|before| before.trim_end().ends_with("#[test]"))
    })
}

/// What is wrong with an item, if something is.
fn fault(sources: &[(String, String)], item: &str) -> Option<String> {
    let mut holds = item.contains("Does not apply") || item.contains("Still to come");
    for name in quoted(item) {
        if let Some((file, test)) = name.split_once("::") {
            if !is_test(sources, file, test) {
                return Some(format!("{name} is no test"));
            }
            holds = true;
        } else if Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            if !root().join("tests/vectors/profile").join(name).is_file() {
                return Some(format!("{name} is no file of vectors"));
            }
            holds = true;
        }
    }
    (!holds).then(|| "nothing holds this and no reason is given".to_owned())
}

fn items(document: &str) -> impl Iterator<Item = &str> {
    document
        .split("\n## ")
        .flat_map(|section| section.split("\n- ").skip(1))
}

#[test]
fn every_test_that_the_document_of_scenarios_names_is_there() {
    let mut found = Vec::new();
    for name in CRATES {
        sources(&root().join(name), &mut found);
    }
    let document = fs::read_to_string(root().join("docs/SCENARIOS.md")).unwrap();
    let faults: Vec<_> = items(&document)
        .filter_map(|item| Some((item, fault(&found, item)?)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(
        items(&document).count() > 50,
        "the document is read in part"
    );
}

#[test]
fn a_scenario_that_nothing_holds_is_noticed() {
    let source = "#[test]\nfn a_test() {}\nfn no_test() {}\n";
    let sources = [("/x/engine/tests/a.rs".to_owned(), source.to_owned())];
    for (item, is_sound) in [
        ("**One.** `a.rs::a_test`.", true),
        ("**One.** `tests/a.rs::a_test`, `lamport.json`.", true),
        ("**One.** Does not apply: it cannot be.", true),
        ("**One.** `a.rs::no_test`.", false),
        ("**One.** `b.rs::a_test`.", false),
        ("**One.** Does not apply: `a.rs::a_tes`.", false),
        ("**One.** `no-vector.json`.", false),
        ("**One.** `save`.", false),
    ] {
        assert_eq!(fault(&sources, item).is_none(), is_sound, "{item}");
    }
}
