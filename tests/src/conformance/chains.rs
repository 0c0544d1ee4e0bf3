//! `chains/`: newer instances added to a package, selected from, merged and refused.

use serde_json::Value;
use uxf_codec::canonical::ElementView;
use uxf_codec::carriage::car::CarProfile;
use uxf_codec::instance_chain::{self, ChainIndex, Strategy};
use uxf_codec::package::{GcProfile, Package, Timestamp};
use uxf_codec::token::StateIndex;
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{Element, ElementHash};

use super::elements::Unrepresentable;
use super::fresh::Fresh;
use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name, read_json};
use super::{car, chain_merges, elements, facts, guarded, json};

const SCENARIO_FIELDS: &[&str] = &[
    "name",
    "note",
    "tokenId",
    "root",
    "original",
    "originalType",
    "packageBefore",
    "added",
    "chain",
    "indexKeys",
    "selections",
    "latestAssembled",
    "packageAfter",
    "jsonSha256",
    "jsonReexportIdentical",
    "verify",
    "gcRemoved",
    "removeThenGcRemoved",
    "removeThenGcLeavesChains",
    "car",
    "fullCarImport",
];
const REJECTED_FIELDS: &[&str] = &["name", "note", "package", "cases"];

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    for file in vectors.files("chains") {
        let shown = format!("uxf/chains/{}", file_name(&file));
        let Ok(expected) = read_json(&file) else {
            report.not_covered(shown);
            continue;
        };
        let has = |name: &str| expected.get(name).is_some();
        if has("packageBefore") {
            guarded(report, ("uxf/chains", "scenario"), &shown, |scope| {
                scope.known_fields(&expected, SCENARIO_FIELDS);
                check_scenario(scope, &expected);
            });
        } else if has("packages") {
            guarded(report, ("uxf/chains", "merges"), &shown, |scope| {
                chain_merges::check(scope, &expected);
            });
        } else if has("package") {
            guarded(
                report,
                ("uxf/chains", "refused additions"),
                &shown,
                |scope| {
                    scope.known_fields(&expected, REJECTED_FIELDS);
                    check_rejected(scope, &expected);
                },
            );
        } else {
            report.not_covered(shown);
        }
    }
}

/// A package written down inside a vector.
pub(super) fn embedded(
    scope: &mut Scope<'_>,
    name: &str,
    package: Option<&Value>,
) -> Option<Package> {
    let text = json::text(package?);
    scope.value(name, Package::from_json(text.as_bytes()))
}

pub(super) fn hash(value: Option<&Value>) -> Option<ElementHash> {
    value?.as_str()?.parse().ok()
}

fn check_scenario(scope: &mut Scope<'_>, expected: &Value) {
    let Some(mut package) = embedded(scope, "packageBefore", expected.get("packageBefore")) else {
        return;
    };
    let Some(original) = hash(expected.get("original")) else {
        scope.not_covered("without original");
        return;
    };
    let id = expected
        .get("tokenId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    scope.field(
        expected,
        "root",
        package.root(id).map(|root| root.to_string()),
    );
    if let Some(element) = scope.value("the original", package.pool().view(&original)) {
        let name = element.map(|element| element.element_type().name());
        scope.field(expected, "originalType", name);
    }
    for (index, added) in expected
        .get("added")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        check_addition(scope, &mut package, &original, index, added);
    }
    if let Some(entry) = package.chains().get(&original) {
        scope.field(expected, "chain", facts::chain_json(entry));
    } else {
        scope.fail("chain", "a chain", "none");
    }
    let keys: Value = package
        .chains()
        .iter()
        .map(|(key, _)| Value::from(key.to_string()))
        .collect();
    scope.field(expected, "indexKeys", keys);
    for selection in expected
        .get("selections")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        check_selection(scope, &package, id, &original, selection);
    }
    if let Some(mut value) = assembled(scope, "latestAssembled", package.assemble(id)) {
        restore(&package, id, &Strategy::Latest, &mut value);
        scope.field(expected, "latestAssembled", value);
    }
    check_scenario_forms(scope, &package, id, expected);
}

fn check_addition(
    scope: &mut Scope<'_>,
    package: &mut Package,
    original: &ElementHash,
    index: usize,
    added: &Value,
) {
    let case = |what: &str| format!("added[{index}].{what}");
    let element = added.get("element").map(elements::of_json);
    let Some(Ok(element)) = element else {
        scope.fail(case("element"), "an element", format!("{element:?}"));
        return;
    };
    let Some(hash) = scope.value(
        &case("add_instance"),
        package.add_instance(original, &element),
    ) else {
        return;
    };
    let bytes = package
        .pool()
        .get(&hash)
        .map(|element| const_hex::encode(element.bytes()));
    let form = package
        .pool()
        .get(&hash)
        .map(uxf_codec::package::PoolElement::form);
    scope.field(added, "hash", hash.to_string());
    scope.field(added, "type", element.element_type.name());
    scope.field(added, "typeId", element.element_type.id());
    scope.field(added, "cid", hash.to_cid_text());
    scope.field(added, "preimage", bytes.clone());
    scope.field(added, "kind", element.header.kind.as_str());
    scope.field(added, "representation", element.header.representation);
    scope.field(added, "semantics", element.header.semantics);
    let read = bytes
        .and_then(|bytes| const_hex::decode(bytes).ok())
        .zip(form)
        .map(|(bytes, form)| Element::decode(&bytes, form));
    if let Some(Ok(read)) = read {
        scope.field(
            added,
            "element",
            with_type_of(added, elements::to_json(&read)),
        );
    }
}

/// The type as name or number, as the vector shows it.
fn with_type_of(added: &Value, mut element: Value) -> Value {
    if let (Some(shown @ Value::String(_)), Some(Value::String(_)), Value::Object(fields)) = (
        added.get("type"),
        added.pointer("/element/type"),
        &mut element,
    ) {
        fields.insert("type".to_owned(), shown.clone());
    }
    element
}

fn check_selection(
    scope: &mut Scope<'_>,
    package: &Package,
    id: &str,
    original: &ElementHash,
    selection: &Value,
) {
    let name = selection
        .get("strategy")
        .and_then(Value::as_str)
        .unwrap_or("?");
    let Some(strategy) = strategy_of(selection) else {
        scope.not_covered(&format!("strategy {name}"));
        return;
    };
    let case = |what: &str| format!("selections[{name}].{what}");
    let selected = package.chains().select(package.pool(), original, &strategy);
    if let Some(selected) = scope.value(&case("select"), selected) {
        scope.field(selection, "selected", selected.to_string());
    }
    let token = package.assemble_with(id, StateIndex::Latest, &strategy);
    if let Some(mut value) = assembled(scope, &case("assemble"), token) {
        restore(package, id, &strategy, &mut value);
        let sorted = json::sorted_text(&value);
        scope.field(
            selection,
            "assembledSha256",
            json::sha256_hex(sorted.as_bytes()),
        );
    }
}

/// The reference assembled these tokens from memory, so what it tells is the fresh form.
fn restore(package: &Package, id: &str, strategy: &Strategy, token: &mut Value) {
    let fresh = Fresh { package, strategy };
    package
        .root(id)
        .and_then(|root| fresh.restore(&root, token));
}

fn assembled(
    scope: &mut Scope<'_>,
    case: &str,
    token: Result<Vec<u8>, uxf_codec::Error>,
) -> Option<Value> {
    let token = scope.value(case, token)?;
    scope.value(case, json::parse(&token))
}

fn strategy_of(selection: &Value) -> Option<Strategy> {
    if let Some(spec) = selection.get("spec") {
        return strategy_of_spec(spec);
    }
    let note = selection
        .get("note")?
        .as_str()?
        .strip_prefix("predicate: ")?;
    let (predicate, fallback) = note.split_once(", ").unwrap_or((note, ""));
    let fallback = match fallback {
        "" | "no fallback" => None,
        "fallback original" => Some(Box::new(Strategy::Original)),
        "fallback latest" => Some(Box::new(Strategy::Latest)),
        _ => return None,
    };
    let predicate: Box<dyn Fn(&ElementView<'_>) -> bool + Send + Sync> =
        if predicate == "always false" {
            Box::new(|_| false)
        } else {
            let least: u64 = predicate
                .strip_prefix("header.semantics >= ")?
                .parse()
                .ok()?;
            Box::new(move |element| element.semantics() >= least)
        };
    Some(Strategy::Custom {
        predicate,
        fallback,
    })
}

fn strategy_of_spec(spec: &Value) -> Option<Strategy> {
    let fallback = match spec.get("fallback") {
        Some(fallback) => Some(Box::new(strategy_of_spec(fallback)?)),
        None => None,
    };
    Some(match spec.get("type")?.as_str()? {
        "latest" => Strategy::Latest,
        "original" => Strategy::Original,
        "by-kind" => Strategy::ByKind {
            kind: spec.get("kind")?.as_str()?.to_owned(),
            fallback,
        },
        "by-representation" => Strategy::ByRepresentation(spec.get("version")?.as_u64()?),
        _ => return None,
    })
}

fn check_scenario_forms(scope: &mut Scope<'_>, package: &Package, id: &str, expected: &Value) {
    if let Some(wanted) = expected.get("verify") {
        facts::verify(
            scope,
            "verify",
            wanted,
            &verify(package, VerifyProfile::Exact),
        );
    }
    if let Some(text) = scope.value("to_json", package.to_json()) {
        if let Some(after) = expected.get("packageAfter") {
            scope.equal("packageAfter", json::text(after), &text);
        }
        scope.field(expected, "jsonSha256", json::sha256_hex(text.as_bytes()));
        let again = Package::from_json(text.as_bytes()).and_then(|read| read.to_json());
        if let Some(again) = scope.value("the JSON of the import", again) {
            scope.field(expected, "jsonReexportIdentical", again == text);
        }
    }
    let mut collected = package.clone();
    scope.field(expected, "gcRemoved", collected.gc(GcProfile::Exact));
    let mut collected = package.clone();
    scope.equal("safe gc frees no chain", 0, collected.gc(GcProfile::Safe));
    for profile in [GcProfile::Exact, GcProfile::Safe] {
        let mut emptied = package.clone();
        emptied.remove(id, Timestamp::from_secs(super::tokens::NOW_SECS));
        scope.field(expected, "removeThenGcRemoved", emptied.gc(profile));
        scope.field(
            expected,
            "removeThenGcLeavesChains",
            emptied.chains().iter().len(),
        );
    }
    check_scenario_cars(scope, package, expected);
}

fn check_scenario_cars(scope: &mut Scope<'_>, package: &Package, expected: &Value) {
    if let (Some(wanted), Some(bytes)) = (
        expected.get("car"),
        scope.value("to_car", package.to_car(CarProfile::Exact)),
    ) {
        scope.field(wanted, "sha256", json::sha256_hex(&bytes));
        scope.field(
            wanted,
            "blocks",
            car::blocks(&bytes).map(|blocks| blocks.len()),
        );
        if let Some(read) = scope.value("from_car", Package::from_car(&bytes)) {
            scope.field(wanted, "chainsAfterImport", distinct(read.chains()));
            scope.field(wanted, "elementsAfterImport", read.pool().len());
        }
    }
    let complete = package
        .to_car(CarProfile::Complete)
        .and_then(|bytes| Package::from_car(&bytes));
    if let (Some(wanted), Some(read)) = (
        expected.get("fullCarImport"),
        scope.value("the complete CAR", complete),
    ) {
        scope.field(wanted, "chains", facts::chains_json(read.chains()));
        let rebuilt = instance_chain::rebuild_from_tails(read.pool());
        if let Some(rebuilt) = scope.value("rebuild_from_tails", rebuilt) {
            let agrees = sorted_chains(&rebuilt) == sorted_chains(read.chains());
            scope.field(wanted, "rebuildFunctionAgrees", agrees);
        }
    }
}

fn distinct(chains: &ChainIndex) -> usize {
    facts::chains_json(chains).as_array().map_or(0, Vec::len)
}

fn sorted_chains(chains: &ChainIndex) -> String {
    json::sorted_text(&facts::chains_by_hash(chains))
}

fn check_rejected(scope: &mut Scope<'_>, expected: &Value) {
    let Some(package) = embedded(scope, "package", expected.get("package")) else {
        return;
    };
    for case in expected
        .get("cases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = case.get("case").and_then(Value::as_str).unwrap_or("?");
        let (Some(original), Some(element), Some(wanted)) = (
            hash(case.get("original")),
            case.get("element"),
            case.get("expect"),
        ) else {
            scope.not_covered(&format!("case {name}"));
            continue;
        };
        match elements::of_json(element) {
            // The types have no room for such a header, so no call with it can be written.
            Err(Unrepresentable::Header(what)) => {
                let code = wanted.get("code").and_then(Value::as_str).unwrap_or("ok");
                scope.equal(&format!("{name}: {what}"), code, "INVALID_INSTANCE_CHAIN");
            }
            Err(Unrepresentable::Other(what)) => scope.fail(name, "an element", what),
            Ok(element) => {
                let mut package = package.clone();
                let before = package.clone();
                let result = package.add_instance(&original, &element);
                facts::outcome(scope, name, wanted, &result);
                if result.is_err() {
                    scope.equal(&format!("{name} changes nothing"), true, package == before);
                }
                let head = package
                    .chains()
                    .get(&original)
                    .map(|entry| entry.head.to_string());
                scope.field(wanted, "head", head);
            }
        }
    }
}
