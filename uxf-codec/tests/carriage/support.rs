use std::path::PathBuf;

use serde_json::Value;
use uxf_codec::carriage::car::{CarLimits, CarReader};
use uxf_codec::package::Package;
use uxf_codec::{ElementHash, Error};

pub(crate) fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/uxf")
}

pub(crate) fn read(path: &str) -> Vec<u8> {
    std::fs::read(vectors().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn read_json(path: &str) -> Value {
    serde_json::from_slice(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder that end so, by what stands in front of that, in order.
pub(crate) fn names(folder: &str, ending: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(vectors().join(folder))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(ending).map(ToOwned::to_owned)
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no *{ending} in {folder}");
    names
}

/// What stands under a key of a JSON object, as it stands there: the order of keys matters.
pub(crate) fn member(text: &[u8], key: &str) -> String {
    let mut tape = uxf_codec::json::Tape::new();
    let node = tape.parse(text).unwrap().get(key).unwrap();
    node.raw().to_owned()
}

/// SHA-256 as the vectors write it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    ElementHash::of(bytes).to_string()
}

/// The CIDs of an archive's blocks in the order of the file.
pub(crate) fn block_cids(car: &[u8]) -> Vec<String> {
    let mut reader = CarReader::new(car, CarLimits::REFERENCE).unwrap();
    let mut cids = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        cids.push(block.cid.element_hash().unwrap().to_cid_text());
    }
    cids
}

/// Checks an outcome against what a vector says of the reference's: fine, a code, or an exception without one.
pub(crate) fn check_outcome(name: &str, expect: &Value, found: &Result<Package, Error>) {
    match (expect["ok"].as_bool(), expect["code"].as_str(), found) {
        (Some(true), _, Ok(package)) => {
            let elements = expect["elementCount"].as_u64().unwrap();
            assert_eq!(package.pool().len() as u64, elements, "{name}");
            if let Some(tokens) = expect["tokenCount"].as_u64() {
                assert_eq!(package.manifest().len() as u64, tokens, "{name}");
            }
            if let Some(created) = expect["envelope"]["createdAt"].as_f64() {
                let found = package.envelope().created_at.as_number();
                assert!((found - created).abs() < 1e-9, "{name}: {found}");
            }
        }
        (None, Some(code), Err(error)) => {
            assert_eq!(error.code().as_str(), code, "{name}: {error}");
        }
        (None, None, Err(_)) => assert_eq!(expect["class"], "untyped", "{name}"),
        (_, _, Ok(_)) => panic!("{name}: expected {expect}, found a package"),
        (_, _, Err(error)) => panic!("{name}: expected {expect}, found {error}"),
    }
}
