use std::path::PathBuf;

use serde_json::Value;
use uxf_codec::ElementHash;
use uxf_codec::instance_chain::{ChainIndex, Strategy};
use uxf_codec::package::{Envelope, Package, Timestamp};
use uxf_codec::verify::{Finding, Issue, Report};

/// The clock of the vectors.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

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

/// A package that stands under a path of keys in a file, its keys in the order in which they stand there.
pub(crate) fn package_in(text: &[u8], keys: &[&str]) -> Package {
    let mut tape = uxf_codec::json::Tape::new();
    let mut node = tape.parse(text).unwrap();
    for key in keys {
        node = node.get(key).unwrap_or_else(|| panic!("no {key}"));
    }
    Package::from_json(node.raw().as_bytes()).unwrap()
}

pub(crate) fn token(name: &str) -> Vec<u8> {
    read(&format!("tokens/{name}.json"))
}

/// A package of tokens, taken in one after the other.
pub(crate) fn package_of<T: AsRef<str>>(tokens: &[T]) -> Package {
    let mut package = Package::new(Envelope::new(NOW));
    for name in tokens {
        package.ingest(&token(name.as_ref()), NOW).unwrap();
    }
    package
}

pub(crate) fn hash(value: &Value) -> ElementHash {
    value.as_str().unwrap().parse().unwrap()
}

pub(crate) fn hashes(value: &Value) -> Vec<ElementHash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    const_hex::decode(value.as_str().unwrap()).unwrap()
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    ElementHash::of(bytes.as_ref()).to_string()
}

/// The hash of an assembled token with its keys sorted, as these vectors give it: in the form that the reference has it
/// right after ingestion, where token data that is absent is an empty text.
pub(crate) fn fresh_sha256(json: &[u8]) -> String {
    let mut value: Value = serde_json::from_slice(json).unwrap();
    make_fresh(&mut value);
    sha256(value.to_string())
}

fn make_fresh(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(make_fresh),
        Value::Object(fields) => {
            if let Some(data @ Value::Null) = fields.get_mut("tokenData") {
                *data = "".into();
            }
            fields.values_mut().for_each(make_fresh);
            // Whether the map keeps keys sorted depends on a feature that any crate of a build can turn on.
            let mut entries: Vec<_> = core::mem::take(fields).into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            fields.extend(entries);
        }
        _ => {}
    }
}

/// The strategy that a vector describes.
pub(crate) fn strategy(selection: &Value) -> Strategy {
    let original = || Some(Box::new(Strategy::Original));
    match selection["strategy"].as_str().unwrap() {
        "custom-semantics-ge-2" => Strategy::Custom {
            predicate: Box::new(|instance| instance.semantics() >= 2),
            fallback: None,
        },
        "custom-none" => Strategy::Custom {
            predicate: Box::new(|_| false),
            fallback: None,
        },
        "custom-none-fallback-original" => Strategy::Custom {
            predicate: Box::new(|_| false),
            fallback: original(),
        },
        _ => specified(&selection["spec"]),
    }
}

fn specified(spec: &Value) -> Strategy {
    match spec["type"].as_str().unwrap() {
        "latest" => Strategy::Latest,
        "original" => Strategy::Original,
        "by-kind" => Strategy::ByKind {
            kind: spec["kind"].as_str().unwrap().to_owned(),
            fallback: (!spec["fallback"].is_null()).then(|| Box::new(specified(&spec["fallback"]))),
        },
        "by-representation" => Strategy::ByRepresentation(spec["version"].as_u64().unwrap()),
        other => panic!("strategy {other}"),
    }
}

/// Checks the chains that a vector lists, as a set: what heads them, what they hold.
pub(crate) fn check_chains(name: &str, expect: &Value, index: &ChainIndex) {
    let mut expected: Vec<_> = expect.as_array().unwrap().iter().map(chain_of).collect();
    let mut found: Vec<_> = index
        .chains()
        .map(|(_, entry)| {
            let members = entry.chain.iter().map(|m| (m.hash, m.kind.clone()));
            (entry.head, members.collect::<Vec<_>>())
        })
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "{name}");
}

fn chain_of(value: &Value) -> (ElementHash, Vec<(ElementHash, String)>) {
    let members = value["chain"].as_array().unwrap();
    let member = |m: &Value| (hash(&m["hash"]), m["kind"].as_str().unwrap().to_owned());
    (hash(&value["head"]), members.iter().map(member).collect())
}

/// Checks a report against the reference's: validity, figures, and every issue's code, token and element.
pub(crate) fn check_report(name: &str, expect: &Value, report: &Report) {
    assert_eq!(Some(report.is_valid()), expect["valid"].as_bool(), "{name}");
    check_issues(name, &expect["errors"], &report.errors);
    check_issues(name, &expect["warnings"], &report.warnings);
    if let Some(stats) = expect["stats"].as_object() {
        let found = [
            ("tokensChecked", report.stats.tokens_checked),
            ("elementsChecked", report.stats.elements_checked),
            ("orphanedElements", report.stats.orphaned_elements),
            (
                "instanceChainsChecked",
                report.stats.instance_chains_checked,
            ),
        ];
        assert_eq!(stats.len(), found.len(), "{name}");
        for (key, figure) in found {
            assert_eq!(stats[key].as_u64(), Some(figure as u64), "{name}: {key}");
        }
    }
}

fn check_issues(name: &str, expect: &Value, issues: &[Issue]) {
    let expected: Vec<_> = expect
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| {
            let text = |key: &str| issue[key].as_str().map(ToOwned::to_owned);
            (text("code").unwrap(), text("tokenId"), text("elementHash"))
        })
        .collect();
    let found: Vec<_> = issues
        .iter()
        .map(|issue| {
            let token = issue.token_id.as_ref().map(ToString::to_string);
            let element = issue.element.as_ref().map(ToString::to_string);
            (issue.code().to_string(), token, element)
        })
        .collect();
    assert_eq!(found, expected, "{name}: {issues:?}");
    for (issue, expect) in issues.iter().zip(expect.as_array().unwrap()) {
        let figure = match issue.finding {
            Finding::Orphans { elements } => elements,
            Finding::ElementTooLarge { bytes } => bytes,
            _ => continue,
        };
        let message = expect["message"].as_str().unwrap();
        assert!(message.contains(&figure.to_string()), "{name}: {message}");
    }
}
