use serde_json::{Map, Value, json};
use uxf_codec::ElementHash;
use uxf_codec::instance_chain::{ChainEntry, ChainIndex, ChainMember};
use uxf_engine::bundles::{Branches, ContentError, RetryClass, check_content, parse_cid};

use super::{Scope, bytes, cases, flag, same_json, set, text};

pub(super) fn cid_verify(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let content = bytes(case, "bytes_hex");
        let checked = parse_cid(text(case, "cid")).and_then(|cid| check_content(&cid, &content));
        scope.equal(&name, flag(case, "ok"), checked.is_ok());
        let code = checked.as_ref().err().map(ContentError::code);
        scope.equal(&name, text(case, "error_code"), code.unwrap_or_default());
    }
}

pub(super) fn pin_error_class(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let found = RetryClass::of_message(text(case, "message"));
        scope.equal(&name, flag(case, "transient"), found.is_transient());
    }
}

pub(super) fn manifest_derivation(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let derived = chain_index(case).and_then(|chains| {
            let branches = Branches::of(&chains);
            let tokens = case.get("tokens").and_then(Value::as_object);
            let mut manifest = Map::new();
            for (id, root) in tokens.into_iter().flatten() {
                let entry = branches.entry(&chains, hash(root)?);
                let status = entry.status().as_str();
                let mut line = json!({ "rootHash": entry.root.to_string(), "status": status });
                if !entry.conflicting_heads.is_empty() {
                    let heads = entry.conflicting_heads.iter().map(ElementHash::to_string);
                    set(&mut line, "conflictingHeads", heads.collect::<Value>());
                }
                manifest.insert(id.clone(), line);
            }
            Ok(manifest)
        });
        let Some(manifest) = scope.value(&name, derived) else {
            continue;
        };
        let conflicting: Value = manifest
            .iter()
            .filter(|(_, line)| text(line, "status") == "conflicting")
            .map(|(id, _)| id.as_str())
            .collect();
        let part = |field: &str| case.get(field).unwrap_or(&Value::Null);
        same_json(scope, &name, part("manifest"), &Value::Object(manifest));
        same_json(
            scope,
            &format!("{name}, conflicts"),
            part("conflicting"),
            &conflicting,
        );
    }
}

fn hash(text: &Value) -> Result<ElementHash, String> {
    let text = text.as_str().unwrap_or_default();
    text.parse().map_err(|_| format!("{text} is no hash"))
}

/// The chains of a case. Which chain each member belongs to, the index says by its own rule.
fn chain_index(case: &Value) -> Result<ChainIndex, String> {
    let mut index = ChainIndex::new();
    let chains = case.get("chains").and_then(Value::as_array);
    for chain in chains.into_iter().flatten() {
        let members = chain
            .get("chain")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let members = members.map(|member| {
            Ok(ChainMember {
                hash: hash(member)?,
                kind: "default".to_owned(),
            })
        });
        index.insert(ChainEntry {
            head: hash(chain.get("head").unwrap_or(&Value::Null))?,
            chain: members.collect::<Result<_, String>>()?,
        });
    }
    Ok(index)
}
