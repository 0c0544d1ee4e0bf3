//! `bench-wallet-*.json.gz`: a whole wallet of synthetic tokens.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;
use uxf_codec::carriage::car::CarProfile;
use uxf_codec::package::{Envelope, Package, Timestamp};

use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name};
use super::{car, facts, guarded, json};

const KNOWN_FIELDS: &[&str] = &[
    "name",
    "note",
    "seed",
    "tokens",
    "createdAt",
    "updatedAt",
    "rawJsonSha256",
    "rawJsonBytes",
    "elementCount",
    "poolSortedSha256",
    "poolInInsertionOrderSha256",
    "carBytes",
    "carSha256",
    "rootCid",
    "uxfJsonSha256",
    "manifestRoots",
];
/// Largest wallet that is unpacked, in bytes.
const WALLET_BYTES_MAX: u64 = 1 << 30;

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    for file in vectors.files(".") {
        let name = file_name(&file);
        let shown = format!("uxf/{name}");
        if let Some(wallet) = name.strip_suffix(".json.gz") {
            let Some(expected) = vectors.json(&format!("{wallet}.expect.json")) else {
                report.not_covered(shown);
                continue;
            };
            guarded(report, ("uxf", "WALLET.json.gz"), &shown, |scope| {
                scope.known_fields(&expected, KNOWN_FIELDS);
                check_wallet(scope, &file, &expected);
            });
        } else if !name.ends_with(".expect.json") {
            report.not_covered(shown);
        }
    }
}

fn check_wallet(scope: &mut Scope<'_>, file: &Path, expected: &Value) {
    let Some(text) = scope.value("readable", unpack(file)) else {
        return;
    };
    scope.field(expected, "rawJsonSha256", json::sha256_hex(&text));
    scope.field(expected, "rawJsonBytes", text.len());
    let Some(tokens) = scope.value("an array", serde_json::from_slice::<Vec<&RawValue>>(&text))
    else {
        return;
    };
    scope.field(expected, "tokens", tokens.len());
    let time = |name: &str| {
        let secs = expected.get(name).and_then(Value::as_u64);
        Timestamp::from_secs(secs.unwrap_or(super::tokens::NOW_SECS))
    };
    let mut package = Package::new(Envelope::new(time("createdAt")));
    let tokens = tokens.iter().map(|token| token.get().as_bytes());
    if scope
        .value("ingest_all", package.ingest_all(tokens, time("updatedAt")))
        .is_none()
    {
        return;
    }
    check_package(scope, &package, expected);
}

fn unpack(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file)?)
        .take(WALLET_BYTES_MAX)
        .read_to_end(&mut text)?;
    Ok(text)
}

fn check_package(scope: &mut Scope<'_>, package: &Package, expected: &Value) {
    scope.field(expected, "elementCount", package.pool().len());
    scope.field(
        expected,
        "poolSortedSha256",
        facts::pool_sorted_sha256(package),
    );
    let order: Vec<String> = package
        .pool()
        .iter()
        .map(|(hash, _)| hash.to_string())
        .collect();
    let order = json::sha256_hex(order.join("\n").as_bytes());
    scope.field(expected, "poolInInsertionOrderSha256", order);
    let roots: Value = package
        .manifest()
        .iter()
        .map(|(id, root)| Value::from(vec![id.to_string(), root.to_string()]))
        .collect();
    scope.field(expected, "manifestRoots", roots);
    if let Some(bytes) = scope.value("to_car", package.to_car(CarProfile::Exact)) {
        scope.field(expected, "carBytes", bytes.len());
        scope.field(expected, "carSha256", json::sha256_hex(&bytes));
        let blocks = car::blocks(&bytes).unwrap_or_default();
        let root = blocks.first().map(|(cid, _)| car::cid_text(cid));
        scope.field(expected, "rootCid", root);
    }
    if let Some(text) = scope.value("to_json", package.to_json()) {
        scope.field(expected, "uxfJsonSha256", json::sha256_hex(text.as_bytes()));
    }
}
