//! `tokens/` and `expect/`: a token to elements and back, alone in a package.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use uxf_codec::canonical::ElementView;
use uxf_codec::instance_chain::Strategy;
use uxf_codec::package::{Envelope, Package, Timestamp};
use uxf_codec::token::{self, AssembleOptions, Assembler, StateIndex, TokenSummary};
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{Element, ElementBatch, ElementHash, Error, NewElement};

use super::fresh::Fresh;
use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name, read_json};
use super::{car, facts, guarded, json};
use crate::MapSource;

/// The fixed clock of the reference when the vectors were made.
pub(super) const NOW_SECS: u64 = 1_750_000_000;

const KNOWN_FIELDS: &[&str] = &[
    "name",
    "origin",
    "note",
    "rootHash",
    "rootCid",
    "tokenId",
    "transactionCount",
    "elementCount",
    "typeCounts",
    "preimageEqualsBlock",
    "elements",
    "assembled",
    "assembledSha256",
    "assembledOmitted",
    "assembledFreshSha256",
    "freshDiffers",
    "assembledAtState",
    "stateIndexPastEnd",
    "equalsInput",
    "rerootFresh",
    "rerootCanonical",
    "jsonRoundTrip",
    "carExport",
    "verify",
    // What another library thinks of the token's signatures; this one does not judge them.
    "stsVerifies",
];

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    for file in vectors.files("tokens") {
        let shown = format!("uxf/tokens/{}", file_name(&file));
        if file.extension().is_none_or(|extension| extension != "json") {
            report.not_covered(shown);
            continue;
        }
        guarded(report, ("uxf/tokens", "NAME.json"), &shown, |scope| {
            if let Some(text) = scope.value("readable", std::fs::read(&file)) {
                check_token(scope, &text);
            }
        });
    }
    for file in vectors.files("expect") {
        check_expect_file(report, vectors, &file);
    }
}

fn check_expect_file(report: &mut Report, vectors: &Vectors, file: &Path) {
    let name = file_name(file);
    let shown = format!("uxf/expect/{name}");
    let token = vectors.bytes(&format!("tokens/{name}"));
    let (Some(token), true) = (
        token,
        file.extension()
            .is_some_and(|extension| extension == "json"),
    ) else {
        report.not_covered(shown);
        return;
    };
    guarded(report, ("uxf/expect", "NAME.json"), &shown, |scope| {
        if let Some(expected) = scope.value("readable", read_json(file)) {
            scope.known_fields(&expected, KNOWN_FIELDS);
            check_expectation(scope, &token, &expected);
        }
    });
}

/// What holds for every token, with no expectation at hand.
fn check_token(scope: &mut Scope<'_>, text: &[u8]) {
    let mut batch = ElementBatch::new();
    let Some(summary) = scope.value("deconstructs", token::deconstruct(text, &mut batch)) else {
        return;
    };
    let mut put = BTreeSet::new();
    for element in batch.iter() {
        if let Err(fault) = check_element(&element, &put) {
            scope.fail(element.hash.to_string(), "a canonical element", fault);
        }
        put.insert(element.hash);
    }
    scope.pass();
    let assembled = assemble(&MapSource::of(&batch), &summary.root, StateIndex::Latest);
    let Some(assembled) = scope.value("assembles", assembled) else {
        return;
    };
    // The first pass may still turn empty texts into null; from then on nothing may change.
    if let (Some(second), Some(third)) = (
        scope.value("the assembled token deconstructs", pass_through(&assembled)),
        scope.value(
            "twice",
            pass_through(&assembled).and_then(|text| pass_through(&text)),
        ),
    ) {
        scope.same_bytes("a second pass changes nothing", &second, &third);
    }
}

/// Takes a token apart and puts it together again.
fn pass_through(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut batch = ElementBatch::new();
    let summary = token::deconstruct(text, &mut batch)?;
    assemble(&MapSource::of(&batch), &summary.root, StateIndex::Latest)
}

fn check_element(element: &NewElement<'_>, put: &BTreeSet<ElementHash>) -> Result<(), String> {
    if ElementHash::of(element.bytes) != element.hash {
        return Err("another hash than its bytes".to_owned());
    }
    let view = ElementView::parse(element.bytes).map_err(|error| error.to_string())?;
    if view.element_type() != element.element_type {
        return Err("another type than its bytes".to_owned());
    }
    let (mut in_bytes, mut given) = (Vec::new(), element.links.to_vec());
    view.distinct_links(&mut in_bytes);
    given.sort_unstable();
    if in_bytes != given {
        return Err("other links than its bytes".to_owned());
    }
    if let Some(early) = in_bytes.iter().find(|link| !put.contains(*link)) {
        return Err(format!("it came before {early}, which it names"));
    }
    let again = Element::from_view(&view, element.form).encode();
    if again.map_err(|error| error.to_string())? == element.bytes {
        Ok(())
    } else {
        Err("its memory form encodes otherwise".to_owned())
    }
}

fn check_expectation(scope: &mut Scope<'_>, text: &[u8], expected: &Value) {
    let mut batch = ElementBatch::new();
    let Some(summary) = scope.value("deconstructs", token::deconstruct(text, &mut batch)) else {
        return;
    };
    let source = MapSource::of(&batch);
    check_elements(scope, &batch, &summary, expected);
    check_summary(scope, &source, &summary);
    check_assembled(scope, text, &source, &summary, expected);
    check_states(scope, &source, &summary, expected);
    check_package(scope, text, expected);
}

fn check_elements(
    scope: &mut Scope<'_>,
    batch: &ElementBatch,
    summary: &TokenSummary,
    expected: &Value,
) {
    scope.field(expected, "rootHash", summary.root.to_string());
    scope.field(expected, "rootCid", summary.root.to_cid_text());
    scope.field(expected, "tokenId", summary.token_id.as_str());
    scope.field(expected, "transactionCount", summary.transactions);
    let mut seen = BTreeSet::new();
    let first: Vec<_> = batch
        .iter()
        .filter(|element| seen.insert(element.hash))
        .collect();
    scope.field(expected, "elementCount", first.len());
    let mut counts = BTreeMap::<&str, usize>::new();
    for element in &first {
        *counts.entry(element.element_type.name()).or_default() += 1;
    }
    scope.field(expected, "typeCounts", json!(counts));
    let Some(elements) = expected.get("elements").and_then(Value::as_array) else {
        return;
    };
    let found: Vec<Value> = first
        .iter()
        .map(|element| {
            json!({
                "hash": element.hash.to_string(),
                "type": element.element_type.name(),
                "typeId": element.element_type.id(),
                "cid": element.hash.to_cid_text(),
                "preimage": const_hex::encode(element.bytes),
            })
        })
        .collect();
    scope.equal("number of elements", elements.len(), found.len());
    for (index, (expected, found)) in elements.iter().zip(&found).enumerate() {
        let case = format!("elements[{index}]");
        scope.equal(&case, json::sorted_text(expected), json::sorted_text(found));
    }
}

fn check_summary(scope: &mut Scope<'_>, source: &MapSource, summary: &TokenSummary) {
    match token::summary_of_root(source, &summary.root) {
        Ok(read_back) => scope.equal(
            "the summary read back from elements",
            format!("{summary:?}"),
            format!("{read_back:?}"),
        ),
        Err(error) => scope.fail("the summary read back from elements", "a summary", error),
    }
}

fn check_assembled(
    scope: &mut Scope<'_>,
    input: &[u8],
    source: &MapSource,
    summary: &TokenSummary,
    expected: &Value,
) {
    let assembled = assemble(source, &summary.root, StateIndex::Latest);
    let Some(assembled) = scope.value("assembles", assembled) else {
        return;
    };
    let Some(value) = scope.value("assembled is JSON", json::parse(&assembled)) else {
        return;
    };
    let sorted = json::sorted_text(&value);
    scope.field(expected, "assembled", value);
    scope.field(
        expected,
        "assembledSha256",
        json::sha256_hex(sorted.as_bytes()),
    );
    if let (Some(wanted), Ok(input)) = (
        expected.pointer("/equalsInput/canonical"),
        json::parse(input),
    ) {
        scope.equal(
            "equalsInput.canonical",
            wanted,
            json::sorted_text(&input) == sorted,
        );
    }
    let mut again = ElementBatch::new();
    if let Some(second) = scope.value(
        "the assembled token deconstructs",
        token::deconstruct(&assembled, &mut again),
    ) {
        scope.field(expected, "rerootCanonical", second.root == summary.root);
    }
    let count = token::transaction_count(source, &summary.root);
    if let Some(count) = scope.value("transaction count", count) {
        scope.field(expected, "transactionCount", count);
    }
}

fn check_states(
    scope: &mut Scope<'_>,
    source: &MapSource,
    summary: &TokenSummary,
    expected: &Value,
) {
    let states = expected.get("assembledAtState").and_then(Value::as_array);
    for state in states.into_iter().flatten() {
        let Some(index) = state.get("stateIndex").and_then(Value::as_u64) else {
            scope.not_covered("a state without a stateIndex");
            continue;
        };
        let case = |what: &str| format!("assembledAtState[{index}].{what}");
        let assembled = assemble(source, &summary.root, StateIndex::At(index))
            .map_err(|error| error.to_string())
            .and_then(|text| json::parse(&text).map_err(|error| error.to_string()));
        let Some(value) = scope.value(&case("assembles"), assembled) else {
            continue;
        };
        let sorted = json::sorted_text(&value);
        if let Some(hash) = state.get("sha256Canonical").and_then(Value::as_str) {
            scope.equal(
                &case("sha256Canonical"),
                hash,
                json::sha256_hex(sorted.as_bytes()),
            );
        }
        if let Some(canonical) = state.get("canonical") {
            scope.equal(&case("canonical"), json::sorted_text(canonical), &sorted);
        }
        if let (Some(true), Some(hash)) = (
            state.get("sameAsAssembled").and_then(Value::as_bool),
            expected.get("assembledSha256").and_then(Value::as_str),
        ) {
            scope.equal(
                &case("sameAsAssembled"),
                hash,
                json::sha256_hex(sorted.as_bytes()),
            );
        }
        let transactions = value
            .get("transactions")
            .and_then(Value::as_array)
            .map(Vec::len);
        if let Some(wanted) = state.get("transactions").and_then(Value::as_u64) {
            scope.equal(
                &case("transactions"),
                wanted,
                transactions.unwrap_or(usize::MAX),
            );
        }
    }
    if let Some(wanted) = expected.get("stateIndexPastEnd") {
        let past_end = u64::try_from(summary.transactions)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let found = assemble(source, &summary.root, StateIndex::At(past_end));
        facts::outcome(scope, "stateIndexPastEnd", wanted, &found);
    }
}

fn check_package(scope: &mut Scope<'_>, text: &[u8], expected: &Value) {
    let now = Timestamp::from_secs(NOW_SECS);
    let mut package = Package::new(Envelope::new(now));
    let Some(summary) = scope.value("is ingested", package.ingest(text, now)) else {
        return;
    };
    let id = summary.token_id.as_str();
    check_fresh(scope, text, &package, &summary, expected);
    if let Some(wanted) = expected.get("verify") {
        facts::verify(
            scope,
            "verify",
            wanted,
            &verify(&package, VerifyProfile::Exact),
        );
    }
    if let Some(wanted) = expected.get("jsonRoundTrip") {
        let round_trip = package
            .to_json()
            .and_then(|text| Package::from_json(text.as_bytes()));
        facts::outcome(scope, "jsonRoundTrip", wanted, &round_trip);
        if let Ok(read) = round_trip {
            check_same_token(scope, "jsonRoundTrip.assembled", &read, id, expected);
        }
    }
    if let Some(wanted) = expected.get("carExport") {
        check_car_export(scope, &package, id, wanted, expected);
    }
}

/// What the reference assembles before any round trip. This codec always answers in the canonical form; that the two
/// differ in nothing but remembered empty texts is what is checked.
fn check_fresh(
    scope: &mut Scope<'_>,
    input: &[u8],
    package: &Package,
    summary: &TokenSummary,
    expected: &Value,
) {
    let fresh = Fresh {
        package,
        strategy: &Strategy::Latest,
    };
    let assembled = |state| {
        let text = package.assemble_at(summary.token_id.as_str(), state).ok()?;
        let mut value = json::parse(&text).ok()?;
        fresh.restore(&summary.root, &mut value)?;
        Some(value)
    };
    for told in expected
        .get("assembledAtState")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let index = told
            .get("stateIndex")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let sorted = assembled(StateIndex::At(index)).map(|value| json::sorted_text(&value));
        let hash = sorted.map(|sorted| json::sha256_hex(sorted.as_bytes()));
        scope.field(told, "sha256Fresh", hash);
    }
    let Some(latest) = assembled(StateIndex::Latest) else {
        scope.fail("assembled from memory", "a token", "nothing");
        return;
    };
    let sorted = json::sorted_text(&latest);
    scope.field(
        expected,
        "assembledFreshSha256",
        json::sha256_hex(sorted.as_bytes()),
    );
    if let (Some(wanted), Ok(input)) = (expected.pointer("/equalsInput/fresh"), json::parse(input))
    {
        scope.equal(
            "equalsInput.fresh",
            wanted,
            json::sorted_text(&input) == sorted,
        );
    }
    let mut again = ElementBatch::new();
    let second = token::deconstruct(json::text(&latest).as_bytes(), &mut again);
    if let Some(second) = scope.value("the fresh token deconstructs", second) {
        scope.field(expected, "rerootFresh", second.root == summary.root);
    }
}

fn check_same_token(
    scope: &mut Scope<'_>,
    case: &str,
    package: &Package,
    id: &str,
    expected: &Value,
) {
    let Some(hash) = expected.get("assembledSha256").and_then(Value::as_str) else {
        return;
    };
    let assembled = package.assemble(id).map_err(|error| error.to_string());
    let value = assembled.and_then(|text| json::parse(&text).map_err(|error| error.to_string()));
    if let Some(value) = scope.value(case, value) {
        scope.equal(
            case,
            hash,
            json::sha256_hex(json::sorted_text(&value).as_bytes()),
        );
    }
}

fn check_car_export(
    scope: &mut Scope<'_>,
    package: &Package,
    id: &str,
    wanted: &Value,
    expected: &Value,
) {
    let bytes = package.to_car(uxf_codec::carriage::car::CarProfile::Exact);
    let Some(bytes) = scope.value("carExport", bytes) else {
        return;
    };
    scope.field(wanted, "carBytes", bytes.len());
    scope.field(wanted, "carSha256", json::sha256_hex(&bytes));
    let Some(blocks) = car::blocks(&bytes) else {
        scope.fail("carExport", "a CARv1", "something else");
        return;
    };
    scope.field(wanted, "blocks", blocks.len());
    let root = blocks.first().map(|(cid, _)| car::cid_text(cid));
    scope.field(wanted, "rootCid", root);
    let written: BTreeSet<String> = blocks.iter().map(|(cid, _)| car::cid_text(cid)).collect();
    let left_out: BTreeSet<String> = package
        .pool()
        .iter()
        .filter(|(hash, _)| !written.contains(&hash.to_cid_text()))
        .map(|(hash, _)| hash.to_string())
        .collect();
    if let Some(not_exported) = wanted.get("notExported").and_then(Value::as_array) {
        let hashes: BTreeSet<&str> = not_exported.iter().filter_map(Value::as_str).collect();
        scope.equal(
            "carExport.notExported",
            format!("{hashes:?}"),
            format!("{left_out:?}"),
        );
    }
    let complete = package
        .to_car(uxf_codec::carriage::car::CarProfile::Complete)
        .and_then(|bytes| Package::from_car(&bytes));
    if let Some(complete) = scope.value("the complete CAR is read back", complete) {
        check_same_token(
            scope,
            "the complete CAR keeps the token",
            &complete,
            id,
            expected,
        );
    }
    let Some(wanted) = wanted.get("roundTrip") else {
        return;
    };
    let Some(read) = scope.value("carExport.roundTrip is read", Package::from_car(&bytes)) else {
        return;
    };
    let assembled = read.assemble(id);
    facts::outcome(scope, "carExport.roundTrip", wanted, &assembled);
    if assembled.is_ok() {
        check_same_token(scope, "carExport.roundTrip.assembled", &read, id, expected);
    }
}

fn assemble(source: &MapSource, root: &ElementHash, state: StateIndex) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let options = AssembleOptions {
        state,
        ..AssembleOptions::default()
    };
    Assembler::new().assemble(source, root, &options, &mut out)?;
    Ok(out)
}
