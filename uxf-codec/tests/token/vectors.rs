//! The golden vectors of `tests/vectors/uxf`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/uxf")
}

pub(crate) fn bytes(path: &str) -> Vec<u8> {
    std::fs::read(folder().join(path)).unwrap()
}

pub(crate) fn json(path: &str) -> Value {
    serde_json::from_slice(&bytes(path)).unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// Name, input and expectation of every token.
pub(crate) fn tokens() -> Vec<(String, Vec<u8>, Value)> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("tokens"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 99);
    names
        .into_iter()
        .map(|name| {
            let input = bytes(&format!("tokens/{name}.json"));
            let expect = json(&format!("expect/{name}.json"));
            (name, input, expect)
        })
        .collect()
}

/// The cases of `invalid/index.json` with one operation.
pub(crate) fn invalid(operation: &str) -> Vec<Value> {
    let index = json("invalid/index.json");
    let cases: Vec<Value> = index["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["op"] == operation)
        .cloned()
        .collect();
    assert!(!cases.is_empty());
    cases
}

/// The wallet of 1,000 tokens as one JSON array.
pub(crate) fn bench_wallet() -> Vec<u8> {
    let packed = bytes("bench-wallet-1000.json.gz");
    let mut wallet = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_end(&mut wallet)
        .unwrap();
    wallet
}
