//! Facts about packages, reports and errors in the shape in which vectors state them.

use serde_json::{Map, Value, json};
use uxf_codec::Error;
use uxf_codec::instance_chain::{ChainEntry, ChainIndex};
use uxf_codec::package::Package;
use uxf_codec::verify::{Issue, Report as VerifyReport};

use super::report::Scope;

/// Checks a result against `{ok: true}`, `{class, code}`, or the texts `"ok"` and an error code.
///
/// The reference lets plain exceptions of libraries escape where it says `class: "untyped"`; any error is right there.
pub(super) fn outcome<T>(
    scope: &mut Scope<'_>,
    case: &str,
    expected: &Value,
    found: &Result<T, Error>,
) {
    let found = found
        .as_ref()
        .err()
        .map(|error| (error.code().as_str(), error.to_string()));
    outcome_code(scope, case, expected, found);
}

/// As [`outcome`], for errors of any class: `found` is the code and the text of the error.
pub(super) fn outcome_code(
    scope: &mut Scope<'_>,
    case: &str,
    expected: &Value,
    found: Option<(&str, String)>,
) {
    let code = found.as_ref().map(|(code, _)| *code);
    let is_right = match expected_code(expected) {
        Wanted::Ok => code.is_none(),
        Wanted::AnyError => code.is_some(),
        Wanted::Code(wanted) => code == Some(wanted),
        Wanted::Unreadable => false,
    };
    if is_right {
        scope.pass();
    } else {
        let told = found.map_or("ok".to_owned(), |(code, text)| format!("{code}: {text}"));
        scope.fail(case, expected, told);
    }
}

enum Wanted<'e> {
    Ok,
    AnyError,
    Code(&'e str),
    Unreadable,
}

fn expected_code(expected: &Value) -> Wanted<'_> {
    match expected {
        Value::String(text) if text == "ok" => Wanted::Ok,
        Value::String(text) if text == "untyped" => Wanted::AnyError,
        Value::String(code) => Wanted::Code(code),
        Value::Object(fields) if fields.get("ok") == Some(&Value::Bool(true)) => Wanted::Ok,
        Value::Object(fields) => {
            let error = match fields.get("error") {
                Some(Value::Object(error)) => error,
                _ => fields,
            };
            match (error.get("code"), error.get("class")) {
                (Some(Value::String(code)), _) => Wanted::Code(code),
                (_, Some(_)) => Wanted::AnyError,
                _ => Wanted::Unreadable,
            }
        }
        _ => Wanted::Unreadable,
    }
}

/// What `verify` found, without the wording of its messages.
pub(super) fn verify_json(report: &VerifyReport) -> Value {
    let issues = |issues: &[Issue]| -> Value { issues.iter().map(issue_json).collect() };
    json!({
        "valid": report.is_valid(),
        "errors": issues(&report.errors),
        "warnings": issues(&report.warnings),
        "stats": {
            "tokensChecked": report.stats.tokens_checked,
            "elementsChecked": report.stats.elements_checked,
            "orphanedElements": report.stats.orphaned_elements,
            "instanceChainsChecked": report.stats.instance_chains_checked,
        },
    })
}

fn issue_json(issue: &Issue) -> Value {
    let mut fields = Map::new();
    fields.insert("code".into(), issue.code().as_str().into());
    if let Some(id) = &issue.token_id {
        fields.insert("tokenId".into(), id.as_str().into());
    }
    if let Some(hash) = &issue.element {
        fields.insert("elementHash".into(), hash.to_string().into());
    }
    Value::Object(fields)
}

/// Checks a verify report against an expectation that may state only a part of it: issues as objects or as bare
/// codes, with or without statistics.
pub(super) fn verify(scope: &mut Scope<'_>, case: &str, expected: &Value, found: &VerifyReport) {
    let found = verify_json(found);
    let fields = ["valid", "errors", "warnings", "stats"];
    for name in fields {
        let (Some(expected), Some(found)) = (expected.get(name), found.get(name)) else {
            continue;
        };
        let case = format!("{case}.{name}");
        let (expected, found) = match expected {
            Value::Array(issues) => (
                issues.iter().map(without_message).collect(),
                same_detail(issues, found),
            ),
            expected => (expected.clone(), found.clone()),
        };
        scope.equal(
            &case,
            super::json::sorted_text(&expected),
            super::json::sorted_text(&found),
        );
    }
}

fn without_message(issue: &Value) -> Value {
    let mut issue = issue.clone();
    if let Value::Object(fields) = &mut issue {
        fields.shift_remove("message");
    }
    issue
}

/// The found issues as bare codes if that is how they are expected.
fn same_detail(expected: &[Value], found: &Value) -> Value {
    let bare = expected.first().is_some_and(Value::is_string);
    let issues = found.as_array().into_iter().flatten();
    issues
        .map(|issue| match issue.get("code") {
            Some(code) if bare => code.clone(),
            _ => issue.clone(),
        })
        .collect()
}

/// The secondary indexes as UXF JSON shows them.
pub(super) fn indexes_json(package: &Package) -> Value {
    let indexes = package.indexes();
    let ids = |ids: &mut dyn Iterator<Item = &uxf_codec::package::TokenId>| -> Value {
        ids.map(|id| Value::from(id.as_str())).collect()
    };
    let sets =
        |map: &indexmap::IndexMap<String, indexmap::IndexSet<uxf_codec::package::TokenId>>| {
            map.iter()
                .map(|(key, set)| (key.clone(), ids(&mut set.iter())))
                .collect::<Map<_, _>>()
        };
    let by_state: Map<_, _> = indexes
        .by_state_data
        .iter()
        .map(|(data, id)| (data.clone(), id.as_str().into()))
        .collect();
    json!({
        "byTokenType": sets(&indexes.by_token_type),
        "byCoinId": sets(&indexes.by_coin_id),
        "byStateHash": by_state,
    })
}

/// Token ids and roots in manifest order.
pub(super) fn manifest_json(package: &Package) -> Value {
    let manifest = package.manifest().iter();
    manifest
        .map(|(id, root)| json!({"tokenId": id.as_str(), "root": root.to_string()}))
        .collect()
}

/// The envelope as vectors show it.
pub(super) fn envelope_json(package: &Package) -> Value {
    let envelope = package.envelope();
    let mut fields = Map::new();
    fields.insert("version".into(), envelope.version.as_str().into());
    fields.insert("createdAt".into(), envelope.created_at.as_number().into());
    fields.insert("updatedAt".into(), envelope.updated_at.as_number().into());
    if let Some(creator) = &envelope.creator {
        fields.insert("creator".into(), creator.as_str().into());
    }
    if let Some(description) = &envelope.description {
        fields.insert("description".into(), description.as_str().into());
    }
    Value::Object(fields)
}

/// SHA-256 over the sorted hashes of the pool, a line each.
pub(super) fn pool_sorted_sha256(package: &Package) -> String {
    let mut hashes: Vec<String> = package
        .pool()
        .iter()
        .map(|(hash, _)| hash.to_string())
        .collect();
    hashes.sort();
    super::json::sha256_hex(hashes.join("\n").as_bytes())
}

/// A chain as vectors show it.
pub(super) fn chain_json(entry: &ChainEntry) -> Value {
    let members: Value = entry
        .chain
        .iter()
        .map(|member| json!({"hash": member.hash.to_string(), "kind": member.kind}))
        .collect();
    json!({"head": entry.head.to_string(), "chain": members})
}

/// The distinct chains of an index, in the order in which they are first met.
pub(super) fn chains_json(index: &ChainIndex) -> Value {
    let mut heads = Vec::new();
    let mut chains = Vec::new();
    for (_, entry) in index.iter() {
        let chain = chain_json(entry);
        if !heads.contains(&chain) {
            heads.push(chain.clone());
            chains.push(chain);
        }
    }
    Value::Array(chains)
}

/// Head and length of the chain of every member, as vectors show an index by hash.
pub(super) fn chains_by_hash(index: &ChainIndex) -> Value {
    let members = index.iter().map(|(member, entry)| {
        let told = json!({"head": entry.head.to_string(), "length": entry.chain.len()});
        (member.to_string(), told)
    });
    Value::Object(members.collect())
}
