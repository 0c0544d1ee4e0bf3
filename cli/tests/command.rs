//! The command as a person and a script meet it.
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod common;

use std::path::Path;

use common::Place;
use serde_json::Value;
use uxf_engine::{Engine, EngineOptions};

impl Place {
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

fn sample(name: &str) -> String {
    Path::new("../samples")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_demo_leaves_a_store_that_the_other_commands_can_look_at() {
    let place = Place::new();
    let (said, _) = place.expect(0, &["demo"]);
    assert!(
        said.contains("all 47 tokens came back with the same content hash"),
        "{said}"
    );
    #[cfg(feature = "node")]
    assert!(
        said.contains("both have the same 4 values and 47 tokens"),
        "{said}"
    );
    assert_eq!(
        place.json(0, &["list"])["tokens"].as_array().unwrap().len(),
        47
    );
    assert_eq!(place.json(0, &["stats"])["elements"], 831);
    let verified = place.json(0, &["verify"]);
    assert_eq!(
        (
            &verified["tokens"],
            verified["problems"].as_array().unwrap().len()
        ),
        (&47.into(), 0)
    );
    let early = place.json(0, &["show", "96bb7", "--at", "1"]);
    let late = place.json(0, &["show", "96bb7"]);
    assert_eq!(early["transactions"].as_array().unwrap().len(), 1);
    assert_eq!(late["transactions"].as_array().unwrap().len(), 5);
    place.expect(0, &["demo"]);
    assert_eq!(
        place.json(0, &["list"])["tokens"].as_array().unwrap().len(),
        47
    );
}

#[test]
fn what_one_store_exports_another_imports_whole() {
    let place = Place::new();
    place.expect(0, &["import", &sample("genuine-tokens.json")]);
    for (format, extra) in [
        ("json", None),
        ("uxf-json", None),
        ("car", Some("--complete")),
    ] {
        let out = place.path(format);
        let out = out.to_str().unwrap();
        let export = [
            &["export", "--format", format, "--out", out][..],
            extra.as_slice(),
        ]
        .concat();
        place.expect(0, &export);
        let other = Place::new();
        other.expect(0, &["import", out]);
        assert_eq!(
            other.json(0, &["list"]),
            place.json(0, &["list"]),
            "{format}"
        );
        assert!(!Path::new(&format!("{out}.partial")).exists());
    }
}

#[test]
fn a_bad_token_is_listed_with_its_place_and_field_and_the_exit_code_says_in_part() {
    let place = Place::new();
    let text = std::fs::read_to_string(sample("genuine-tokens.json")).unwrap();
    let file = place.file("bad.json", text.replacen(r#""salt":""#, r#""salt":"q"#, 1));
    let (said, _) = place.expect(2, &["import", &file]);
    assert!(
        said.contains("6 added") && said.contains("token 0") && said.contains("salt"),
        "{said}"
    );
    let (said, _) = place.expect(2, &["--json", "import", &file]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["files"][0]["rejected"][0]["code"], "INVALID_HASH");
}

#[test]
fn files_that_cannot_be_read_are_named_with_what_to_do() {
    let place = Place::new();
    let empty = place.file("empty.json", "");
    let large = place.file("large.json", vec![b' '; (1 << 20) + 1]);
    let strange = place.file("strange.bin", "\u{89}PNG");
    for (arguments, complaint, help) in [
        (vec!["import", &empty], "empty.json: is empty", ""),
        (
            vec!["import", "--max-file", "1", &large],
            "is larger than 1.0 MiB",
            "--max-file",
        ),
        (vec!["import", &strange], "neither a token", "CARv1"),
        (vec!["import", "no-such-file"], "no-such-file", ""),
    ] {
        let (_, complaints) = place.expect(1, &arguments);
        assert!(
            complaints.contains(complaint) && complaints.contains(help),
            "{complaints}"
        );
    }
    let (_, complaints) = place.expect(2, &["import", &empty, &sample("genuine-tokens.json")]);
    assert!(complaints.contains("is empty"));
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking_at_it() {
    let place = Place::new();
    for arguments in [
        &["list"][..],
        &["stats"],
        &["verify"],
        &["gc"],
        &["show", "aa"],
    ] {
        let (_, complaints) = place.expect(1, arguments);
        assert!(
            complaints.contains("there is no store") && complaints.contains("uxf init"),
            "{complaints}"
        );
    }
    assert!(!place.path("store").exists());
    place.expect(0, &["init"]);
    let (_, complaints) = place.expect(1, &["init"]);
    assert!(complaints.contains("there is a store"), "{complaints}");
    assert_eq!(
        place.json(0, &["list"])["tokens"].as_array().unwrap().len(),
        0
    );
}

#[test]
fn a_token_is_found_by_any_beginning_that_fits_it_alone() {
    let place = Place::new();
    place.expect(0, &["import", &sample("synthetic-tokens.json")]);
    let (_, complaints) = place.expect(1, &["show", ""]);
    assert!(complaints.contains("more than one"), "{complaints}");
    let (_, complaints) = place.expect(1, &["show", "ffffffffffff"]);
    assert!(complaints.contains("no token begins"), "{complaints}");
}

#[test]
fn collecting_says_first_what_it_would_delete() {
    let place = Place::new();
    place.expect(0, &["import", &sample("genuine-tokens.json")]);
    assert_eq!(place.json(0, &["gc", "--dry-run"])["elements"], 0);
    assert_eq!(place.json(0, &["gc"])["elements"], 0);
    place.expect(0, &["compact"]);
    assert_eq!(
        place.json(0, &["list"])["tokens"].as_array().unwrap().len(),
        7
    );
}

#[test]
fn a_backup_is_a_store_like_the_first() {
    let place = Place::new();
    place.expect(0, &["import", &sample("genuine-tokens.json")]);
    let copy = Place::new();
    let to = copy.path("store");
    place.expect(0, &["backup", to.to_str().unwrap()]);
    assert_eq!(copy.json(0, &["list"]), place.json(0, &["list"]));
    copy.expect(0, &["verify"]);
    let (_, complaints) = place.expect(1, &["backup", to.to_str().unwrap()]);
    assert!(complaints.contains("store"), "{complaints}");
}

#[test]
fn a_store_that_another_process_has_open_is_left_alone() {
    let place = Place::new();
    let engine = Engine::open(place.path("store"), EngineOptions::new()).unwrap();
    let (_, complaint) = place.expect(1, &["import", &sample("genuine-tokens.json")]);
    assert!(complaint.contains("is in use"), "{complaint}");
    assert_eq!(engine.stats().unwrap().elements, 0);
    drop(engine);
    place.expect(0, &["import", &sample("genuine-tokens.json")]);
}
