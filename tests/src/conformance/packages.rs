//! `packages/`: whole packages, made again from tokens and compared in every form, and deltas between them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json as json_value};
use uxf_codec::carriage::car::CarProfile;
use uxf_codec::diff::{Delta, diff};
use uxf_codec::package::{GcProfile, Package};
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{Element, ElementHash};

use super::package_build::{self, BuildError, Built};
use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name, read_json};
use super::{car, elements, facts, guarded, json};

const KNOWN_FIELDS: &[&str] = &[
    "name",
    "note",
    "noJson",
    "tokensInOrder",
    "removedTokenIds",
    "removedCount",
    "removed",
    "removedElements",
    "assembleAfter",
    "elementsAfterFirst",
    "skipped",
    "dedup",
    "envelope",
    "manifest",
    "poolOrder",
    "elementCount",
    "tokenCount",
    "car",
    "carReexportAfterImport",
    "carFromJsonImport",
    "json",
    "elementsDroppedByCar",
    "indexes",
    "indexesAfterCarImport",
    "verify",
    "verifyAfterCar",
];

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    for file in vectors.files("packages") {
        let name = file_name(&file);
        let shown = format!("uxf/packages/{name}");
        if let Some(package) = name.strip_suffix(".expect.json") {
            check_expect_file(report, vectors, &file, package);
        } else if let Some(package) = name.strip_suffix(".car") {
            guarded(report, ("uxf/packages", "NAME.car"), &shown, |scope| {
                check_car_file(scope, vectors, package);
            });
        } else if name.starts_with("delta-") {
            check_delta_file(report, vectors, &file);
        } else if name.ends_with(".short-token.json") {
            // The input of another vector.
        } else if let Some(package) = name.strip_suffix(".json") {
            guarded(report, ("uxf/packages", "NAME.json"), &shown, |scope| {
                check_json_file(scope, vectors, package);
            });
        } else {
            report.not_covered(shown);
        }
    }
}

fn check_expect_file(report: &mut Report, vectors: &Vectors, file: &Path, name: &str) {
    let shown = format!("uxf/packages/{name}.expect.json");
    guarded(
        report,
        ("uxf/packages", "NAME.expect.json"),
        &shown,
        |scope| {
            let Some(expected) = scope.value("readable", read_json(file)) else {
                return;
            };
            scope.known_fields(&expected, KNOWN_FIELDS);
            match package_build::build(vectors, name) {
                Ok(built) => {
                    check_built(scope, &built, &expected);
                    check_package(scope, &built.package, &expected);
                }
                Err(BuildError::Unknown(why)) => {
                    scope.not_covered(&format!("how it was made: {why}"));
                    check_imported(scope, vectors, name, &expected);
                }
                Err(BuildError::Codec(error)) => scope.fail("is made again", "a package", error),
            }
        },
    );
}

/// What can still be said of a package that cannot be made again: its JSON text holds all of it.
fn check_imported(scope: &mut Scope<'_>, vectors: &Vectors, name: &str, expected: &Value) {
    if let Some(text) = vectors.bytes(&format!("packages/{name}.json"))
        && let Some(package) = scope.value("its JSON is read", Package::from_json(&text))
    {
        check_package(scope, &package, expected);
    }
}

/// What is told of how the package came to be.
fn check_built(scope: &mut Scope<'_>, built: &Built, expected: &Value) {
    let elements = built.package.pool().len();
    scope.field(expected, "elementsAfterFirst", built.after_first);
    scope.field(expected, "skipped", built.skipped);
    scope.field(
        expected,
        "dedup",
        json_value!({
            "sumOfPerTokenElements": built.sum_of_token_elements,
            "poolElements": elements,
            "rawTokenJsonBytes": built.raw_token_bytes,
        }),
    );
    let Some(before) = &built.before_gc else {
        return;
    };
    let removed = before.pool().len().saturating_sub(elements);
    scope.field(expected, "removedCount", removed);
    scope.field(expected, "removed", removed);
    let gone: BTreeSet<String> = before
        .pool()
        .iter()
        .filter(|(hash, _)| !built.package.pool().contains(hash))
        .map(|(hash, _)| hash.to_string())
        .collect();
    if let Some(hashes) = expected.get("removedElements").and_then(Value::as_array) {
        let hashes: BTreeSet<&str> = hashes.iter().filter_map(Value::as_str).collect();
        scope.equal(
            "removedElements",
            format!("{hashes:?}"),
            format!("{gone:?}"),
        );
    }
    let first = built
        .package
        .manifest()
        .keys()
        .next()
        .map(ToString::to_string);
    if let (Some(wanted), Some(id)) = (expected.get("assembleAfter"), &first) {
        facts::outcome(scope, "assembleAfter", wanted, &built.package.assemble(id));
    }
    check_safe_gc(scope, before, &gone);
}

/// The default collection frees nothing that the reference's keeps, and no token is worse off for it.
fn check_safe_gc(scope: &mut Scope<'_>, before: &Package, gone: &BTreeSet<String>) {
    let mut safe = before.clone();
    safe.gc(GcProfile::Safe);
    for (hash, _) in before.pool().iter() {
        if !safe.pool().contains(hash) && !gone.contains(&hash.to_string()) {
            scope.fail("safe gc", format!("{hash} is kept"), "it is freed");
        }
    }
    for id in before.manifest().keys() {
        let (before, after) = (before.assemble(id.as_str()), safe.assemble(id.as_str()));
        scope.equal(
            "safe gc keeps the token",
            before.is_ok(),
            before.ok() == after.ok(),
        );
    }
}

fn check_package(scope: &mut Scope<'_>, package: &Package, expected: &Value) {
    scope.field(expected, "envelope", facts::envelope_json(package));
    scope.field(expected, "manifest", facts::manifest_json(package));
    let order: Value = package
        .pool()
        .iter()
        .map(|(hash, _)| Value::from(hash.to_string()))
        .collect();
    scope.field(expected, "poolOrder", order);
    scope.field(expected, "elementCount", package.pool().len());
    scope.field(expected, "tokenCount", package.manifest().len());
    check_indexes(scope, expected, "indexes", package);
    if let Some(wanted) = expected.get("verify") {
        facts::verify(
            scope,
            "verify",
            wanted,
            &verify(package, VerifyProfile::Exact),
        );
    }
    let json_text = package.to_json();
    if let Some(text) = scope.value("to_json", json_text) {
        if let Some(wanted) = expected.get("json") {
            scope.field(wanted, "bytes", text.len());
            scope.field(wanted, "sha256", json::sha256_hex(text.as_bytes()));
        }
        check_from_json(scope, &text, expected);
    }
    let car = package.to_car(CarProfile::Exact);
    if let Some(bytes) = scope.value("to_car", car) {
        check_car(scope, package, &bytes, expected);
    }
}

/// Maps in the order of insertion matter here: the JSON form shows it.
fn check_indexes(scope: &mut Scope<'_>, expected: &Value, name: &str, package: &Package) {
    if let Some(wanted) = expected.get(name) {
        let found = facts::indexes_json(package);
        scope.equal(name, json::sorted_text(wanted), json::sorted_text(&found));
    }
}

fn check_from_json(scope: &mut Scope<'_>, text: &str, expected: &Value) {
    let Some(read) = scope.value("from_json", Package::from_json(text.as_bytes())) else {
        return;
    };
    if let Some(again) = scope.value("to_json of the import", read.to_json()) {
        scope.same_bytes("the JSON of the import", text.as_bytes(), again.as_bytes());
    }
    if let (Some(wanted), Some(car)) = (
        expected.get("carFromJsonImport"),
        scope.value("to_car of the JSON import", read.to_car(CarProfile::Exact)),
    ) {
        scope.field(wanted, "sha256", json::sha256_hex(&car));
    }
}

fn check_car(scope: &mut Scope<'_>, package: &Package, bytes: &[u8], expected: &Value) {
    let Some(blocks) = car::blocks(bytes) else {
        scope.fail("to_car", "a CARv1", "something else");
        return;
    };
    let cids: Vec<String> = blocks.iter().map(|(cid, _)| car::cid_text(cid)).collect();
    let block = |index: usize| blocks.get(index).map(|(_, bytes)| const_hex::encode(bytes));
    if let Some(wanted) = expected.get("car") {
        scope.field(wanted, "bytes", bytes.len());
        scope.field(wanted, "sha256", json::sha256_hex(bytes));
        scope.field(wanted, "rootCid", cids.first().cloned());
        scope.field(wanted, "envelopeBlock", block(0));
        scope.field(wanted, "manifestCid", cids.get(1).cloned());
        scope.field(wanted, "manifestBlock", block(1));
        scope.field(wanted, "blockCids", cids.clone());
        let element_bytes: usize = blocks.iter().skip(2).map(|(_, bytes)| bytes.len()).sum();
        scope.field(wanted, "elementBlockBytes", element_bytes);
    }
    let written: BTreeSet<&String> = cids.iter().collect();
    let dropped: Value = package
        .pool()
        .iter()
        .filter(|(hash, _)| !written.contains(&hash.to_cid_text()))
        .map(|(hash, _)| Value::from(hash.to_string()))
        .collect();
    if let Some(wanted) = expected.get("elementsDroppedByCar") {
        scope.equal(
            "elementsDroppedByCar",
            sorted_list(wanted),
            sorted_list(&dropped),
        );
    }
    check_car_import(scope, bytes, expected);
}

fn sorted_list(value: &Value) -> String {
    let mut items: Vec<&str> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    items.sort_unstable();
    format!("{items:?}")
}

fn check_car_import(scope: &mut Scope<'_>, bytes: &[u8], expected: &Value) {
    let Some(read) = scope.value("from_car", Package::from_car(bytes)) else {
        return;
    };
    check_indexes(scope, expected, "indexesAfterCarImport", &read);
    if let Some(wanted) = expected.get("verifyAfterCar") {
        facts::verify(
            scope,
            "verifyAfterCar",
            wanted,
            &verify(&read, VerifyProfile::Exact),
        );
    }
    let Some(again) = scope.value("to_car of the import", read.to_car(CarProfile::Exact)) else {
        return;
    };
    let Some(wanted) = expected.get("carReexportAfterImport") else {
        return;
    };
    scope.field(wanted, "identical", again == bytes);
    scope.field(wanted, "bytes", again.len());
    scope.field(wanted, "sha256", json::sha256_hex(&again));
    let cids: Vec<String> = car::blocks(&again)
        .into_iter()
        .flatten()
        .map(|(cid, _)| car::cid_text(cid))
        .collect();
    scope.field(wanted, "rootCid", cids.first().cloned());
    scope.field(wanted, "blockCids", cids);
    if let Some(second) = scope.value("from_car of the re-export", Package::from_car(&again))
        && let Some(third) = scope.value("a third CAR", second.to_car(CarProfile::Exact))
    {
        scope.same_bytes("a second round trip changes nothing", &again, &third);
    }
}

fn check_car_file(scope: &mut Scope<'_>, vectors: &Vectors, name: &str) {
    let bytes = vectors
        .bytes(&format!("packages/{name}.car"))
        .unwrap_or_default();
    let Some(read) = scope.value("from_car", Package::from_car(&bytes)) else {
        return;
    };
    if let Some(expected) = vectors.json(&format!("packages/{name}.expect.json")) {
        check_car_import(scope, &bytes, &expected);
        scope.field(&expected, "tokenCount", read.manifest().len());
    }
    if let Ok(built) = package_build::build(vectors, name)
        && let Some(written) = scope.value("to_car", built.package.to_car(CarProfile::Exact))
    {
        scope.same_bytes("the package made again", &bytes, &written);
    }
}

fn check_json_file(scope: &mut Scope<'_>, vectors: &Vectors, name: &str) {
    let text = vectors
        .bytes(&format!("packages/{name}.json"))
        .unwrap_or_default();
    let Some(read) = scope.value("from_json", Package::from_json(&text)) else {
        return;
    };
    if let Some(again) = scope.value("to_json of the import", read.to_json()) {
        scope.same_bytes("the JSON of the import", &text, again.as_bytes());
    }
    if let Some(expected) = vectors.json(&format!("packages/{name}.expect.json")) {
        check_package(scope, &read, &expected);
    }
    if let Ok(built) = package_build::build(vectors, name)
        && let Some(written) = scope.value("to_json", built.package.to_json())
    {
        scope.same_bytes("the package made again", &text, written.as_bytes());
    }
}

fn check_delta_file(report: &mut Report, vectors: &Vectors, file: &Path) {
    let shown = format!("uxf/packages/{}", file_name(file));
    guarded(
        report,
        ("uxf/packages", "delta-NAME.json"),
        &shown,
        |scope| {
            let Some(expected) = scope.value("readable", read_json(file)) else {
                return;
            };
            let package = |name: &str| {
                let described = expected
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                described_package(vectors, described)
            };
            match (package("source"), package("target")) {
                (Ok(source), Ok(target)) => check_delta(scope, &source, &target, &expected),
                (Err(BuildError::Codec(error)), _) | (_, Err(BuildError::Codec(error))) => {
                    scope.fail("its packages", "two packages", error);
                }
                (Err(BuildError::Unknown(why)), _) | (_, Err(BuildError::Unknown(why))) => {
                    scope.not_covered(&why);
                }
            }
        },
    );
}

/// `NAME`, `(package of TOKEN,TOKEN)` or `(NAME plus TOKEN)`.
fn described_package(vectors: &Vectors, described: &str) -> Result<Package, BuildError> {
    let Some(inner) = described
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    else {
        return Ok(package_build::build(vectors, described)?.package);
    };
    let now = package_build::updated_at(&Value::Null);
    if let Some(tokens) = inner.strip_prefix("package of ") {
        let names: Vec<&str> = tokens.split(',').map(str::trim).collect();
        let envelope = package_build::envelope(&Value::Null);
        return Ok(package_build::ingested(vectors, &names, envelope, now)?.package);
    }
    if let Some((base, token)) = inner.split_once(" plus ") {
        let mut package = package_build::build(vectors, base)?.package;
        return match vectors.bytes(&format!("tokens/{token}.json")) {
            Some(text) => {
                package.ingest(&text, now)?;
                Ok(package)
            }
            None => Err(BuildError::Unknown(format!("no token {token}"))),
        };
    }
    Err(BuildError::Unknown(format!("no way to make {described}")))
}

fn check_delta(scope: &mut Scope<'_>, source: &Package, target: &Package, expected: &Value) {
    let delta = diff(source, target);
    for (name, found) in delta_json(&delta) {
        scope.field(expected, name, found);
    }
    let mut applied = source.clone();
    if scope.value("apply", applied.apply(&delta)).is_none() {
        return;
    }
    let Some(wanted) = expected.get("afterApply") else {
        return;
    };
    scope.field(
        wanted,
        "poolSortedSha256",
        facts::pool_sorted_sha256(&applied),
    );
    scope.field(wanted, "elementCount", applied.pool().len());
    let same_manifest = sorted_manifest(&applied) == sorted_manifest(target);
    let same_pool = facts::pool_sorted_sha256(&applied) == facts::pool_sorted_sha256(target);
    scope.field(
        wanted,
        "poolAndManifestEqualTarget",
        same_manifest && same_pool,
    );
    let same_time = applied.envelope().updated_at == source.envelope().updated_at;
    scope.field(wanted, "envelopeUpdatedAtUnchanged", same_time);
    scope.field(
        wanted,
        "indexesUnchanged",
        applied.indexes() == source.indexes(),
    );
    scope.field(
        wanted,
        "verifyValid",
        verify(&applied, VerifyProfile::Exact).is_valid(),
    );
}

fn sorted_manifest(package: &Package) -> Vec<(String, ElementHash)> {
    let mut entries: Vec<_> = package
        .manifest()
        .iter()
        .map(|(id, root)| (id.to_string(), *root))
        .collect();
    entries.sort();
    entries
}

/// A delta as the vectors show it. Elements in UXF JSON form.
pub(super) fn delta_json(delta: &Delta) -> [(&'static str, Value); 5] {
    let elements = delta.added_elements.iter().map(|(hash, element)| {
        let shown = Element::decode(element.bytes(), element.form())
            .map_or(Value::Null, |element| elements::to_json(&element));
        (hash.to_string(), shown)
    });
    let added_tokens = delta
        .added_tokens
        .iter()
        .map(|(id, root)| (id.to_string(), Value::from(root.to_string())));
    let removed_elements = delta
        .removed_elements
        .iter()
        .map(|hash| Value::from(hash.to_string()));
    let removed_tokens = delta
        .removed_tokens
        .iter()
        .map(|id| Value::from(id.to_string()));
    let chains = delta
        .added_chains
        .iter()
        .map(|(head, entry)| Value::from(vec![head.to_string().into(), facts::chain_json(entry)]));
    [
        ("addedElements", Value::Object(elements.collect())),
        ("removedElements", removed_elements.collect()),
        ("addedTokens", Value::Object(added_tokens.collect())),
        ("removedTokens", removed_tokens.collect()),
        ("addedChainEntries", chains.collect()),
    ]
}
