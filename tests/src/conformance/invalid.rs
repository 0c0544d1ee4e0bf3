//! `invalid/`: what must be refused, with which code, and the oddities that must not be.

use serde_json::Value;
use uxf_codec::carriage::car::CarProfile;
use uxf_codec::instance_chain::Strategy;
use uxf_codec::package::{Envelope, GcProfile, Package, Timestamp};
use uxf_codec::token::StateIndex;
use uxf_codec::verify::{VerifyProfile, verify};

use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name};
use super::{facts, guarded, large};

const FOLDER: &str = "uxf/invalid";

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    let mut listed = Vec::new();
    for file in vectors.files("invalid") {
        let name = file_name(&file);
        let index = vectors.json(&format!("invalid/{name}"));
        let Some(index) = index.filter(|index| index.get("cases").is_some_and(Value::is_array))
        else {
            continue;
        };
        listed.push(format!("invalid/{name}"));
        for case in index
            .get("cases")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            listed.extend(case.get("file").and_then(Value::as_str).map(str::to_owned));
            run_case(report, vectors, &name, &index, case);
        }
        for case in index
            .get("largeDescribed")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let shown = format!("{FOLDER}/{name}");
            guarded(report, (FOLDER, "large, described"), &shown, |scope| {
                large::check(scope, case);
            });
        }
    }
    for file in vectors.files("invalid") {
        let relative = format!("invalid/{}", file_name(&file));
        if !listed.contains(&relative) {
            report.not_covered(format!("uxf/{relative}"));
        }
    }
}

fn run_case(report: &mut Report, vectors: &Vectors, index_name: &str, index: &Value, case: &Value) {
    let text = |name: &str| case.get(name).and_then(Value::as_str);
    let name = text("name").unwrap_or("?");
    let shown = format!("{FOLDER}/{index_name} {name}");
    let (Some(op), Some(file), Some(expected)) = (text("op"), text("file"), case.get("expect"))
    else {
        report.not_covered(shown);
        return;
    };
    let Some(input) = vectors.bytes(file) else {
        report.not_covered(shown);
        return;
    };
    let known = [
        "ingest",
        "fromJson",
        "fromJson+verify",
        "fromCar",
        "assemble",
        "assembleAtState",
    ];
    if !known.contains(&op) {
        report.not_covered(format!("{shown}: operation {op}"));
        return;
    }
    guarded(report, (FOLDER, op), &shown, |scope| match op {
        "ingest" => check_ingest(scope, &input, case, expected),
        "fromCar" => check_import(scope, Package::from_car(&input), index, case, expected),
        "assemble" | "assembleAtState" => check_assemble(scope, &input, case, expected),
        _ => check_import(scope, Package::from_json(&input), index, case, expected),
    });
}

fn check_ingest(scope: &mut Scope<'_>, input: &[u8], case: &Value, expected: &Value) {
    let now = Timestamp::from_secs(super::tokens::NOW_SECS);
    let mut package = Package::new(Envelope::new(now));
    let result = package.ingest(input, now);
    facts::outcome(scope, "ingest", expected, &result);
    // The reference leaves nothing behind, and neither may an implementation that writes as it goes.
    scope.field(case, "poolAfter", package.pool().len());
}

fn check_assemble(scope: &mut Scope<'_>, input: &[u8], case: &Value, expected: &Value) {
    let Some(package) = scope.value("from_json", Package::from_json(input)) else {
        return;
    };
    let id = case
        .get("tokenId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let result = match case.get("stateIndex").and_then(Value::as_f64) {
        None => package.assemble(id),
        Some(number) => {
            StateIndex::from_number(number).and_then(|state| package.assemble_at(id, state))
        }
    };
    facts::outcome(scope, "assemble", expected, &result);
}

fn check_import(
    scope: &mut Scope<'_>,
    result: Result<Package, uxf_codec::Error>,
    index: &Value,
    case: &Value,
    expected: &Value,
) {
    facts::outcome(scope, "import", expected, &result);
    let Ok(package) = result else {
        return;
    };
    let id = index
        .pointer("/setup/tokenIdFirst")
        .and_then(Value::as_str)
        .map_or_else(
            || {
                package
                    .manifest()
                    .keys()
                    .next()
                    .map(ToString::to_string)
                    .unwrap_or_default()
            },
            str::to_owned,
        );
    // Follow-ups stand beside the expectation for JSON and inside it for CARs.
    for told in [case, expected] {
        check_follow_ups(scope, &package, &id, told);
    }
}

fn check_follow_ups(scope: &mut Scope<'_>, package: &Package, id: &str, told: &Value) {
    scope.field(told, "elementCount", package.pool().len());
    scope.field(told, "tokenCount", package.manifest().len());
    scope.field(told, "envelope", facts::envelope_json(package));
    if let Some(wanted) = told.get("verify") {
        facts::verify(
            scope,
            "verify",
            wanted,
            &verify(package, VerifyProfile::Exact),
        );
    }
    let mut outcome = |name: &str, found: &Result<(), uxf_codec::Error>| {
        if let Some(wanted) = told.get(name) {
            facts::outcome(scope, name, wanted, found);
        }
    };
    let with = |strategy| {
        package
            .assemble_with(id, StateIndex::Latest, &strategy)
            .map(drop)
    };
    outcome("assembleFirstToken", &package.assemble(id).map(drop));
    outcome("assembleLatest", &with(Strategy::Latest));
    outcome("assembleOriginal", &with(Strategy::Original));
    outcome(
        "assembleAtState0",
        &package.assemble_at(id, StateIndex::At(0)).map(drop),
    );
    outcome("toJson", &package.to_json().map(drop));
    outcome("toCar", &package.to_car(CarProfile::Exact).map(drop));
    if told.get("gcRemoved").is_some() {
        scope.field(told, "gcRemoved", package.clone().gc(GcProfile::Exact));
    }
}
