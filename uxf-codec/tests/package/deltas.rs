use serde_json::Value;
use uxf_codec::diff::diff;
use uxf_codec::package::{Envelope, Package};
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{ElementHash, ElementType};
use uxf_codec::{ElementSink as _, ErrorCode, MemoryForm, NewElement};

use crate::support::{NOW, hash, hashes, package_in, package_of, read, read_json, sha256};

/// The package that a delta vector names in words.
fn named(description: &str) -> Package {
    if let Some(tokens) = description.strip_prefix("(package of ") {
        let tokens = tokens.trim_end_matches(')').split(',');
        return package_of(&tokens.collect::<Vec<_>>());
    }
    if let Some((base, token)) = description.split_once(" plus ") {
        let mut package = named(base.trim_start_matches('('));
        let token = crate::support::token(token.trim_end_matches(')'));
        package.ingest(&token, NOW).unwrap();
        return package;
    }
    if description == "empty" {
        return Package::new(Envelope::new(NOW));
    }
    let expect = read_json(&format!("packages/{description}.expect.json"));
    let tokens = expect["tokensInOrder"].as_array().unwrap().iter();
    package_of(
        &tokens
            .map(|name| name.as_str().unwrap())
            .collect::<Vec<_>>(),
    )
}

#[test]
fn differences_are_those_of_the_reference_and_applying_them_gives_the_target() {
    for name in crate::support::names("packages", ".json") {
        let Some(_) = name.strip_prefix("delta-") else {
            continue;
        };
        let vector = read_json(&format!("packages/{name}.json"));
        let mut source = named(vector["source"].as_str().unwrap());
        let target = named(vector["target"].as_str().unwrap());
        let delta = diff(&source, &target);

        let added: Vec<_> = delta
            .added_elements
            .iter()
            .map(|(hash, _)| hash.to_string())
            .collect();
        let expected = vector["addedElements"].as_object().unwrap();
        assert_eq!(added.len(), expected.len(), "{name}");
        assert!(
            added.iter().all(|hash| expected.contains_key(hash)),
            "{name}"
        );
        let removed: Vec<_> = delta.removed_elements.iter().copied().collect();
        assert_eq!(removed, hashes(&vector["removedElements"]), "{name}");
        let tokens = delta
            .added_tokens
            .iter()
            .map(|(id, root)| (id.to_string(), root.to_string().into()));
        assert_eq!(
            Value::Object(tokens.collect()),
            vector["addedTokens"],
            "{name}"
        );
        let removed = delta.removed_tokens.iter().map(|id| id.to_string().into());
        assert_eq!(
            Value::Array(removed.collect()),
            vector["removedTokens"],
            "{name}"
        );
        assert!(delta.added_chains.is_empty() && delta.removed_chains.is_empty());

        let before = source.clone();
        source.apply(&delta).unwrap();
        let after = &vector["afterApply"];
        assert_eq!(
            Some(source.pool().len() as u64),
            after["elementCount"].as_u64(),
            "{name}"
        );
        let mut sorted: Vec<_> = source
            .pool()
            .iter()
            .map(|(hash, _)| hash.to_string())
            .collect();
        sorted.sort();
        assert_eq!(
            after["poolSortedSha256"],
            sha256(sorted.join("\n")),
            "{name}"
        );
        assert_eq!(source.pool(), target.pool(), "{name}");
        assert_eq!(source.manifest(), target.manifest(), "{name}");
        assert_eq!(source.envelope(), before.envelope(), "{name}");
        assert_eq!(source.indexes(), before.indexes(), "{name}");
        let report = verify(&source, VerifyProfile::Complete);
        assert_eq!(
            Some(report.is_valid()),
            after["verifyValid"].as_bool(),
            "{name}"
        );
    }
}

#[test]
fn differences_of_chains_are_those_of_the_reference() {
    let text = read("chains/merge.json");
    let vector = read_json("chains/merge.json");
    for case in vector["deltas"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let (source, target) = name.split_once("-to-").unwrap();
        let mut source = package_in(&text, &["packages", source]);
        let target = package_in(&text, &["packages", target]);
        let delta = diff(&source, &target);
        let added: Vec<_> = delta.added_elements.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(added, hashes(&case["addedElements"]), "{name}");
        let removed: Vec<_> = delta.removed_elements.iter().copied().collect();
        assert_eq!(removed, hashes(&case["removedElements"]), "{name}");
        let chains = case["addedChainEntries"].as_array().unwrap();
        assert_eq!(delta.added_chains.len(), chains.len(), "{name}");
        for ((head, entry), expected) in delta.added_chains.iter().zip(chains) {
            assert_eq!(*head, hash(&expected[0]), "{name}");
            assert_eq!(entry.head, hash(&expected[1]["head"]), "{name}");
            let members: Vec<_> = entry.chain.iter().map(|m| m.hash.to_string()).collect();
            let expected = expected[1]["chain"].as_array().unwrap().iter();
            let expected: Vec<_> = expected.map(|m| m["hash"].as_str().unwrap()).collect();
            assert_eq!(members, expected, "{name}");
        }
        source.apply(&delta).unwrap();
        assert_eq!(source.chains(), target.chains(), "{name}");
        let after = case["chainsAfter"].as_object().unwrap();
        assert_eq!(source.chains().iter().len(), after.len(), "{name}");
        for (member, entry) in source.chains().iter() {
            let expected = &after[&member.to_string()];
            assert_eq!(entry.head, hash(&expected["head"]), "{name}");
            assert_eq!(
                Some(entry.chain.len() as u64),
                expected["length"].as_u64(),
                "{name}"
            );
        }
        let report = verify(&source, VerifyProfile::Complete);
        assert_eq!(
            Some(report.is_valid()),
            case["verifyValid"].as_bool(),
            "{name}"
        );
    }
}

#[test]
fn a_chain_can_be_forgotten_while_its_elements_stay() {
    let text = read("chains/merge.json");
    let mut source = package_in(&text, &["packages", "long"]);
    let mut target = package_in(&text, &["packages", "short"]);
    let delta = diff(&target, &source);
    for (hash, element) in delta.added_elements.iter() {
        let mut delta = diff(&target, &target);
        let form = element.form();
        delta
            .added_elements
            .put(new_element(*hash, element.bytes(), form))
            .unwrap();
        target.apply(&delta).unwrap();
    }
    let delta = diff(&source, &target);
    assert!(delta.removed_elements.is_empty() && !delta.removed_chains.is_empty());
    source.apply(&delta).unwrap();
    assert_eq!(source.chains(), target.chains());
}

fn new_element(hash: ElementHash, bytes: &[u8], form: MemoryForm) -> NewElement<'_> {
    NewElement {
        hash,
        element_type: ElementType::TokenState,
        bytes,
        links: &[],
        form,
    }
}

#[test]
fn a_delta_with_a_false_element_changes_nothing() {
    let mut package = package_of(&["rand-00"]);
    let before = package.clone();
    let mut delta = diff(&package, &package_of(&["rand-01"]));
    let false_hash = ElementHash::of(b"not this");
    let (_, element) = before.pool().iter().next().unwrap();
    let element = new_element(false_hash, element.bytes(), element.form());
    delta.added_elements.put(element).unwrap();
    let error = package.apply(&delta).unwrap_err();
    assert_eq!(error.code(), ErrorCode::VerificationFailed);
    assert_eq!(package, before);
}
