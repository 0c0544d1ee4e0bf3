use std::path::Path;

use uxf_tests::properties::{by_name, replay};

/// Every input that a fuzzing campaign ever broke something with stays here and has to hold.
#[test]
fn every_input_that_once_broke_a_property_now_holds() {
    let crashers = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/crashers");
    let outcome = replay(&crashers).unwrap();
    assert!(outcome.inputs > 0, "nothing was replayed");
    assert!(
        outcome.unknown.is_empty(),
        "no property for {:?}",
        outcome.unknown
    );
    assert!(outcome.broken.is_empty(), "{:#?}", outcome.broken);
}

/// A property that no bytes can break proves nothing about the ones that hold.
#[test]
fn the_property_of_json_sees_a_difference() {
    let json = by_name("json_tape").unwrap();
    assert!(json(br#"{"a":[1,2.5e3,"\u00e4\ud83d\ude00"],"1":null}"#).is_ok());
    assert!(json(b"[1,]").is_ok(), "both readers refuse it");
    assert!(by_name("no such target").is_none());
}

#[test]
fn the_golden_vectors_hold_every_property() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/uxf");
    for (target, folder, extension) in [
        ("token_deconstruct", "tokens", "json"),
        ("uxf_json_read", "packages", "json"),
        ("uxf_json_read", "invalid", "json"),
        ("car_read", "packages", "car"),
        ("car_read", "invalid", "car"),
        ("transfer_payload", "transfer", "car"),
    ] {
        let property = by_name(target).unwrap();
        for file in std::fs::read_dir(vectors.join(folder)).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|found| found == extension) {
                let verdict = property(&std::fs::read(&file).unwrap());
                assert!(verdict.is_ok(), "{target} {}: {verdict:?}", file.display());
            }
        }
    }
}

/// Not a campaign: enough random inputs that a property which cannot hold at all is noticed without one.
#[test]
fn properties_hold_for_a_few_hundred_random_inputs() {
    let mut rng = uxf_testkit::Rng::new(1);
    for (name, inputs) in [("reassemble_hostile", 2_000), ("store_ops", 60)] {
        let property = by_name(name).unwrap();
        for _ in 0..inputs {
            let mut bytes = [0; 600];
            rng.fill(&mut bytes);
            let verdict = property(&bytes);
            assert!(verdict.is_ok(), "{name}: {verdict:?} for {bytes:?}");
        }
    }
}
