use uxf_codec::carriage::car::CarProfile;
use uxf_codec::package::Package;

use crate::support::{member, names, read, read_json, sha256};

#[test]
fn a_package_is_written_as_the_text_it_was_read_from() {
    let mut texts = 0;
    for name in names("packages", ".expect.json") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        if expect["noJson"].is_null() {
            let text = read(&format!("packages/{name}.json"));
            let json = Package::from_json(&text).unwrap().to_json().unwrap();
            assert_eq!(json.as_bytes(), text, "{name}");
            assert_eq!(json.len() as u64, expect["json"]["bytes"].as_u64().unwrap());
            assert_eq!(sha256(json.as_bytes()), expect["json"]["sha256"], "{name}");
            texts += 1;
        }
    }
    assert!(texts >= 8);
}

#[test]
fn synthetic_roots_of_joins_are_never_exported() {
    for name in names("joins", ".json") {
        let text = read(&format!("joins/{name}.json"));
        for side in ["packageA", "packageB"] {
            let package = Package::from_json(member(&text, side).as_bytes()).unwrap();
            assert!(
                package.to_json().is_ok() && package.to_car(CarProfile::Exact).is_ok(),
                "{name}"
            );
        }
    }
}

#[test]
fn a_chain_is_recorded_once_under_the_member_its_index_lists_first() {
    let mut records = 0;
    for name in names("chains", ".json") {
        let case = read_json(&format!("chains/{name}.json"));
        let Some(after) = case.get("packageAfter") else {
            continue;
        };
        let package = Package::from_json(after.to_string().as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&package.to_json().unwrap()).unwrap();
        let found = json["instanceChainIndex"].as_object().unwrap();
        let chain = &case["chain"];
        assert_eq!(found.len(), 1, "{name}");
        let (key, record) = found.iter().next().unwrap();
        assert_eq!(record, chain, "{name}");
        assert_eq!(
            key,
            chain["head"].as_str().unwrap(),
            "{name}: import lists the head first"
        );
        records += 1;
    }
    assert!(records >= 4);
}
