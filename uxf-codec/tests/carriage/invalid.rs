use uxf_codec::carriage::car::{CarLimits, CarProfile};
use uxf_codec::package::Package;

use crate::support::{check_outcome, read, read_json};

fn cases(op: &str) -> Vec<(String, serde_json::Value, Vec<u8>)> {
    let index = read_json("invalid/index.json");
    let cases = index["cases"].as_array().unwrap();
    let found: Vec<_> = cases
        .iter()
        .filter(|case| case["op"] == op)
        .map(|case| {
            let name = case["name"].as_str().unwrap().to_owned();
            let input = read(case["file"].as_str().unwrap());
            (name, case["expect"].clone(), input)
        })
        .collect();
    assert!(found.len() > 10, "{op}");
    found
}

#[test]
fn every_bad_archive_is_refused_with_the_code_of_the_reference() {
    for (name, expect, car) in cases("fromCar") {
        check_outcome(&name, &expect, &Package::from_car(&car));
    }
}

#[test]
fn a_stream_refuses_and_accepts_the_same_archives() {
    for (name, expect, car) in cases("fromCar") {
        let found = Package::read_car(car.as_slice(), CarLimits::REFERENCE);
        assert_eq!(found.is_ok(), expect["ok"] == true, "{name}: {found:?}");
        if let Ok(package) = found {
            assert_eq!(package, Package::from_car(&car).unwrap(), "{name}");
        }
    }
}

#[test]
fn every_bad_json_text_is_refused_with_the_code_of_the_reference() {
    for op in ["fromJson", "fromJson+verify"] {
        for (name, expect, text) in cases(op) {
            let found = Package::from_json(&text);
            if op == "fromJson" {
                check_outcome(&name, &expect, &found);
            } else {
                assert!(found.is_ok(), "{name}: {found:?}");
            }
        }
    }
}

#[test]
fn what_is_accepted_can_be_exported_where_the_reference_can_export_it() {
    let index = read_json("invalid/index.json");
    for case in index["cases"].as_array().unwrap() {
        if case["op"] != "fromJson" || case["expect"]["ok"] != true {
            continue;
        }
        let name = case["name"].as_str().unwrap();
        let package = Package::from_json(&read(case["file"].as_str().unwrap())).unwrap();
        let outcomes = [
            ("toJson", package.to_json().map(|_| ())),
            ("toCar", package.to_car(CarProfile::Exact).map(|_| ())),
        ];
        for (op, found) in outcomes {
            let code = found.map_or_else(|error| error.code().as_str(), |()| "ok");
            assert_eq!(code, case[op].as_str().unwrap(), "{name} {op}");
        }
    }
}
