//! Bundles to places outside the store and back, as a person and a script meet it.
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod common;

use std::path::Path;

use common::Place;
use uxf_testkit::http::{Answer, Server};

const CAR: &str = "application/vnd.ipld.car";

/// A bundle of the sample tokens as `uxf export` writes it.
struct Exported {
    cid: String,
    file: String,
    car: Vec<u8>,
}

impl Place {
    fn tokens(&self) -> usize {
        self.json(0, &["list"])
            .get("tokens")
            .unwrap()
            .as_array()
            .unwrap()
            .len()
    }

    fn export(&self) -> Exported {
        let sample = Path::new("../samples/genuine-tokens.json");
        self.expect(0, &["import", sample.to_str().unwrap()]);
        let file = self.text("tokens.car");
        let said = self.json(
            0,
            &["export", "--format", "car", "--complete", "--out", &file],
        );
        Exported {
            cid: said
                .pointer("/bundles/0")
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned(),
            car: std::fs::read(&file).unwrap(),
            file,
        }
    }
}

fn serving(answer: Answer) -> Server {
    Server::start(move |_| answer.clone()).unwrap()
}

#[test]
fn what_is_pinned_in_a_directory_is_fetched_into_another_store() {
    let place = Place::new();
    let Exported { cid, file, .. } = place.export();
    let stick = place.text("stick");
    let (said, _) = place.expect(0, &["pin", &cid, "--from", &file, "--dir", &stick]);
    assert!(said.contains("yes") && said.contains(&cid), "{said}");
    let other = Place::new();
    let (said, _) = other.expect(0, &["fetch", &cid, "--dir", &stick]);
    assert!(
        said.contains("every one checked") && said.contains("7 added"),
        "{said}"
    );
    assert_eq!(other.json(0, &["list"]), place.json(0, &["list"]));
}

#[test]
fn a_bundle_is_fetched_from_the_gateway_that_is_honest() {
    let place = Place::new();
    let Exported { cid, car, .. } = place.export();
    let mut lie = car.clone();
    *lie.last_mut().unwrap() ^= 1;
    let page = serving(Answer::ok("text/html", "<html>"));
    let liar = serving(Answer::ok(CAR, lie));
    let honest = serving(Answer::ok(CAR, car.clone()));
    let (page, liar, honest) = (page.url(), liar.url(), honest.url());
    let gateways = ["--gateway", &page, "--gateway", &liar, "--gateway", &honest];
    let other = Place::new();
    let said = other.json(0, &[&["fetch", &cid][..], &gateways].concat());
    assert_eq!(said.pointer("/imported/added"), Some(&7.into()));
    let failed = said["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 2, "{said}");
    assert_eq!(failed.first().unwrap()["from"], page);
    assert_eq!(other.tokens(), 7);

    let out = other.text("out.car");
    other.expect(0, &["fetch", &cid, "--gateway", &honest, "--out", &out]);
    let third = Place::new();
    third.expect(0, &["import", &out]);
    assert_eq!(third.tokens(), 7);
}

#[test]
fn nothing_is_made_or_imported_when_nobody_is_honest() {
    let place = Place::new();
    let Exported { cid, car, .. } = place.export();
    let half = car.get(..car.len() / 2).unwrap().to_vec();
    let bad = [
        Answer::ok("text/html", car.clone()),
        Answer::ok(CAR, half.clone()),
        Answer::Claims(CAR, 1 << 40, half),
        Answer::Body(404, "text/plain", Vec::new()),
        Answer::HangsUp,
        Answer::Silent,
    ];
    for answer in bad {
        let server = serving(answer.clone());
        let other = Place::new();
        let fetch = [
            "fetch",
            &cid,
            "--gateway",
            &server.url(),
            "--timeout",
            "1",
            "--no-retry",
        ];
        let (_, complaint) = other.expect(1, &fetch);
        assert!(
            complaint.contains("nobody gave all of"),
            "{answer:?}: {complaint}"
        );
        assert!(complaint.contains(&server.url()), "{complaint}");
        assert!(!other.path("store").exists(), "{answer:?}");
    }
}

#[test]
fn a_node_that_forgets_what_it_was_given_is_told_from_one_that_keeps_it() {
    let place = Place::new();
    let Exported { cid, file, .. } = place.export();
    let said = format!(r#"{{"Root":{{"Cid":{{"/":"{cid}"}},"PinErrorMsg":""}}}}"#);
    let forgetful = Server::start(move |request| {
        if request.target.starts_with("/api/v0/dag/import") {
            return Answer::ok("application/json", said.clone());
        }
        let lacks = r#"{"Message":"block was not found locally (offline)","Code":0}"#;
        Answer::Body(500, "application/json", lacks.into())
    });
    let forgetful = forgetful.unwrap();
    let pin = [
        "pin",
        &cid,
        "--from",
        &file,
        "--no-retry",
        "--api",
        &forgetful.url(),
    ];
    let said = place.json(1, &pin);
    assert_eq!(said.pointer("/places/0/pinned"), Some(&false.into()));
    assert_eq!(
        said.pointer("/places/0/code"),
        Some(&"BUNDLE_NOT_FOUND".into())
    );

    let stick = place.text("stick");
    let said = place.json(2, &[&pin[..], &["--dir", &stick]].concat());
    let pinned: Vec<_> = said["places"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| &place["pinned"])
        .collect();
    assert_eq!(pinned, [true, false]);
}

#[test]
fn a_secret_is_sent_to_the_node_and_printed_nowhere() {
    let place = Place::new();
    let Exported { cid, file, .. } = place.export();
    let secret = place.text("secret");
    std::fs::write(&secret, "me:s3cret\n").unwrap();
    let node = serving(Answer::Body(401, "text/plain", Vec::new()));
    let url = node.url();
    let pin = [
        "pin",
        &cid,
        "--from",
        &file,
        "--api",
        &url,
        "--api-secret-file",
        &secret,
    ];
    let (said, complaint) = place.expect(1, &pin);
    assert!(!format!("{said}{complaint}").contains("s3cret"));
    let requests = node.requests();
    let sent = requests.first().unwrap().header("authorization");
    assert_eq!(sent, Some("Basic bWU6czNjcmV0"));
}

#[test]
fn what_is_typed_wrong_is_refused_with_what_to_do() {
    let place = Place::new();
    let cid = "bafyreigaqfbqzpdb5ei5rshjnjpimwlyevzfm53ruc33inbyrcjb7xqf2m";
    let cases: [(&[&str], &str); 6] = [
        (
            &["fetch", "nonsense", "--gateway", "http://127.0.0.1:1"],
            "no content id",
        ),
        (&["fetch", cid], "nowhere to fetch it from"),
        (&["pin", cid], "nowhere to store it"),
        (
            &["fetch", cid, "--dir", "/nonexistent/x"],
            "no such directory",
        ),
        (
            &["fetch", cid, "--gateway", "ftp://x"],
            "neither http nor https",
        ),
        (
            &["fetch", cid, "--gateway", "https://user:word@x"],
            "a user or a password in it",
        ),
    ];
    for (arguments, expected) in cases {
        let (_, complaint) = place.expect(1, arguments);
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
        assert!(!complaint.contains("word@"), "{complaint}");
    }
}
