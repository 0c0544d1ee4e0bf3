//! The commands of a wallet as a person and a script meet them.
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::Place;
use serde_json::{Value, json};

impl Place {
    /// One with a store and its profile.
    fn of_laptop() -> Self {
        let place = Self::new();
        place.expect(0, &["init", "--device", "laptop"]);
        place
    }

    /// A copy of the sample of a legacy wallet.
    fn legacy(&self) -> String {
        copy(Path::new("../samples/legacy-wallet"), &self.path("old"));
        self.text("old")
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";
const SAMPLE: &str = "../samples/genuine-tokens.json";

#[test]
fn a_legacy_wallet_moves_in_reads_well_and_goes_when_asked_to() {
    let place = Place::of_laptop();
    let old = place.legacy();
    let (said, _) = place.expect(0, &["migrate", "--from", &old, "--dry-run"]);
    assert!(said.contains("5 tokens would be moved"), "{said}");
    place.expect(1, &["wallet", "status"]);
    let moved = place.json(0, &["migrate", "--from", &old]);
    assert_eq!(moved["complete"], true);
    assert_eq!(moved["addresses"][0]["byCode"]["added"], 4);
    assert_eq!(moved["addresses"][0]["byCode"]["tombstoned"], 1);
    let status = place.json(0, &["wallet", "status"]);
    assert_eq!(
        (&status["tokens"], &status["byStatus"]["spent"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(status["unsaved"], 0);
    let balances = place.json(0, &["wallet", "balance"]);
    assert!(!balances["balances"].as_array().unwrap().is_empty());
    let history = place.json(0, &["wallet", "history"]);
    let history = history["history"].as_array().unwrap();
    let types: Vec<_> = history
        .iter()
        .map(|entry| entry["type"].as_str().unwrap())
        .collect();
    for wanted in ["SENT", "RECEIVED", "MINT"] {
        assert!(types.contains(&wanted), "{types:?}");
    }
    let limited = place.json(0, &["wallet", "history", "--limit", "1"]);
    assert_eq!(limited["history"].as_array().unwrap().len(), 1);
    assert_eq!(
        place.json(0, &["bundle", "list"])["bundles"][0]["status"],
        "active"
    );
    assert_eq!(
        place.json(0, &["bundle", "consolidate"])["result"],
        "not-needed"
    );
    let again = place.json(0, &["migrate", "--from", &old, "--delete-legacy"]);
    assert_eq!(again["addresses"][0]["byCode"]["duplicate"], 4);
    assert_eq!(again["deleted"], 9);
    assert!(!Path::new(&old).exists());
    assert_eq!(
        place.json(0, &["wallet", "tokens"])["tokens"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    place.expect(0, &["verify"]);
}

#[test]
fn what_is_left_behind_keeps_a_legacy_wallet_from_being_deleted() {
    let place = Place::of_laptop();
    let old = place.legacy();
    std::fs::write(place.path("old/tokens/loose.json"), "{}").unwrap();
    let (said, complained) = place.expect(2, &["migrate", "--from", &old, "--delete-legacy"]);
    assert!(said.contains("1 files were left where they are"), "{said}");
    assert!(complained.contains("nothing was deleted"), "{complained}");
    assert!(place.path("old/wallet.json").exists());
    assert!(!place.path("old/.migrate.lock").exists());
}

#[test]
fn another_wallet_or_the_same_directory_is_not_moved_in() {
    let place = Place::of_laptop();
    let old = place.legacy();
    place.expect(0, &["put", "identity.mnemonic", "ours"]);
    std::fs::write(place.path("old/wallet.json"), r#"{"mnemonic":"theirs"}"#).unwrap();
    let (_, complained) = place.expect(1, &["migrate", "--from", &old]);
    assert!(complained.contains("different values"), "{complained}");
    place.expect(2, &["migrate", "--from", &old, "--no-verify"]);
    assert_eq!(place.expect(0, &["get", "identity.mnemonic"]).0, "ours");
    let (_, complained) = place.expect(1, &["migrate", "--from", &place.text("store")]);
    assert!(complained.contains("is no legacy wallet"), "{complained}");
}

#[test]
fn an_import_with_verdicts_counts_them_for_every_form_of_file() {
    let place = Place::of_laptop();
    let import = |extra: &[&str]| {
        let all = [&["import", "--address", ADDRESS, SAMPLE][..], extra].concat();
        place.json(0, &all)
    };
    let tried = import(&["--strict", "--dry-run"]);
    assert_eq!(tried["files"][0]["byCode"]["added"], 7);
    assert_eq!(place.json(0, &["wallet", "status"])["tokens"], 0);
    let added = import(&["--strict"]);
    assert_eq!(added["files"][0]["byCode"]["added"], 7);
    assert_eq!(added["bundles"].as_array().unwrap().len(), 1);
    assert_eq!(import(&["--lenient"])["files"][0]["byCode"]["duplicate"], 7);
    let other = Place::of_laptop();
    other.expect(0, &["import", SAMPLE]);
    for (format, number) in [("uxf-json", 0), ("car", 1)] {
        let out = place.text(format);
        other.expect(0, &["export", "--format", format, "--out", &out]);
        let found = place.json(0, &["import", "--strict", &out]);
        assert_eq!(
            found["files"][0]["byCode"]["duplicate"], 7,
            "{format} {number}"
        );
    }
    std::fs::write(place.path("bad"), r#"[null,{"genesis":{}}]"#).unwrap();
    let bad = place.text("bad");
    let refused = place.json(1, &["import", "--strict", &bad]);
    assert_eq!(refused["files"][0]["byCode"]["malformed"], 2);
    place.expect(2, &["import", "--strict", &bad, SAMPLE]);
    let (_, complained) = place.expect(1, &["import", "--dry-run", SAMPLE]);
    assert!(complained.contains("--strict"), "{complained}");
}

#[test]
fn a_wallet_is_named_where_there_are_several_and_none_is_made_by_looking() {
    let place = Place::of_laptop();
    let (_, complained) = place.expect(1, &["wallet", "tokens"]);
    assert!(complained.contains("no wallet yet"), "{complained}");
    for address in [ADDRESS, "DIRECT://000000aaaaffffff"] {
        place.expect(0, &["import", "--strict", "--address", address, SAMPLE]);
    }
    let (_, complained) = place.expect(1, &["wallet", "status"]);
    assert!(complained.contains("DIRECT_000000_ffffff"), "{complained}");
    let named = place.json(0, &["wallet", "status", "--address", ADDRESS]);
    assert_eq!(named["tokens"], 7);
    place.expect(
        1,
        &["wallet", "status", "--address", "DIRECT_111111_111111"],
    );
    place.expect(1, &["wallet", "status", "--address", "nonsense"]);
    assert_eq!(
        place.json(0, &["status"])["wallets"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let nothing = place.json(0, &["wallet", "conflicts", "--address", ADDRESS]);
    assert!(nothing["tokens"].as_array().unwrap().is_empty());
    let nothing = place.json(0, &["wallet", "outbox", "--address", ADDRESS]);
    assert!(nothing["outbox"].as_array().unwrap().is_empty());
}

#[test]
fn many_bundles_are_merged_into_one_without_losing_a_token() {
    let place = Place::of_laptop();
    let text = std::fs::read_to_string(SAMPLE).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    for (number, token) in all.iter().take(4).enumerate() {
        let name = format!("one-{number}");
        std::fs::write(place.path(&name), json!([token]).to_string()).unwrap();
        place.expect(
            0,
            &[
                "import",
                "--strict",
                "--address",
                ADDRESS,
                &place.text(&name),
            ],
        );
    }
    let merged = place.json(0, &["bundle", "consolidate"]);
    assert_eq!(merged["result"], "done");
    assert_eq!(merged["merged"].as_array().unwrap().len(), 4);
    assert_eq!(merged["results"].as_array().unwrap().len(), 1);
    let list = place.json(0, &["bundle", "list"]);
    let mut words: Vec<_> = (list["bundles"].as_array().unwrap().iter())
        .map(|bundle| bundle["status"].as_str().unwrap())
        .collect();
    words.sort_unstable();
    let gone = ["superseded"; 4];
    assert_eq!(words, [&["active"][..], &gone].concat());
    let tokens = place.json(0, &["wallet", "tokens"]);
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 4);
    let again = place.json(0, &["bundle", "consolidate"]);
    assert_eq!(again["result"], "not-needed");
    place.expect(0, &["verify"]);
}

#[test]
fn status_says_what_kind_of_directory_it_is_and_a_legacy_one_is_not_touched() {
    let place = Place::of_laptop();
    let usable = place.json(0, &["status"]);
    assert_eq!(usable["kind"], "profile");
    assert_eq!(
        (&usable["storage"], &usable["store"]),
        (&json!("profile"), &json!("usable"))
    );
    let old = place.legacy();
    let at = |directory: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_uxf"))
            .args(["--json", "--store", directory, "status"])
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        (
            output.status.code().unwrap(),
            document["kind"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(at(&old), (1, "legacy".to_owned()));
    assert_eq!(at(&place.text("nowhere")), (1, "missing".to_owned()));
    std::fs::create_dir(place.path("bare")).unwrap();
    assert_eq!(at(&place.text("bare")), (1, "empty".to_owned()));
    std::fs::write(place.path("bare/notes"), "mine").unwrap();
    assert_eq!(at(&place.text("bare")), (1, "foreign".to_owned()));
    std::fs::create_dir(place.path("bare/orbitdb")).unwrap();
    std::fs::write(place.path("bare/orbitdb/x"), "").unwrap();
    assert_eq!(at(&place.text("bare")), (1, "reference-profile".to_owned()));
    for directory in [&old, &place.text("bare")] {
        for command in [
            &["init"][..],
            &["import", SAMPLE],
            &["list"],
            &["put", "k", "v"],
        ] {
            let output = Command::new(env!("CARGO_BIN_EXE_uxf"))
                .args(["--store", directory])
                .args(command)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            let complained = String::from_utf8(output.stderr).unwrap();
            assert!(complained.contains("the directory holds"), "{complained}");
            assert!(!Path::new(directory).join("uxf.redb").exists());
        }
    }
}
