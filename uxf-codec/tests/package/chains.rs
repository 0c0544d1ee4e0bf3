use std::collections::BTreeSet;

use serde_json::Value;
use uxf_codec::instance_chain::{ChainIndex, rebuild_from_heads, rebuild_from_tails};
use uxf_codec::package::{GcProfile, MergeOptions, Package};
use uxf_codec::token::StateIndex;
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{
    Child, Element, ElementHash, ElementType, ErrorCode, Header, InstanceKind, MemoryForm,
};

use crate::support::{
    NOW, bytes, check_chains, check_report, fresh_sha256, hash, hashes, names, package_in, read,
    read_json, strategy,
};

fn scenarios() -> Vec<(String, Vec<u8>, Value)> {
    let names = names("chains", ".json").into_iter();
    let names = names.filter(|name| name != "merge" && name != "rejected");
    names
        .map(|name| {
            let text = read(&format!("chains/{name}.json"));
            let value = serde_json::from_slice(&text).unwrap();
            (name, text, value)
        })
        .collect()
}

/// The package of a scenario with the instances it adds.
fn with_instances(text: &[u8], case: &Value) -> Package {
    let mut package = package_in(text, &["packageBefore"]);
    let original = hash(&case["original"]);
    for added in case["added"].as_array().unwrap() {
        let element = Element::decode(&bytes(&added["preimage"]), MemoryForm::CANONICAL).unwrap();
        assert_eq!(
            package.add_instance(&original, &element).unwrap(),
            hash(&added["hash"])
        );
    }
    package
}

#[test]
fn instances_are_added_and_selected_as_in_the_reference() {
    for (name, text, case) in scenarios() {
        let package = with_instances(&text, &case);
        let keys: Vec<_> = package.chains().iter().map(|(member, _)| *member).collect();
        assert_eq!(keys, hashes(&case["indexKeys"]), "{name}");
        let chains = Value::Array(vec![case["chain"].clone()]);
        check_chains(&name, &chains, package.chains());
        assert_eq!(
            package.chains(),
            package_in(&text, &["packageAfter"]).chains()
        );
        check_report(
            &name,
            &case["verify"],
            &verify(&package, VerifyProfile::Exact),
        );
        assert!(
            verify(&package, VerifyProfile::Complete).is_valid(),
            "{name}"
        );
        let original = hash(&case["original"]);
        for selection in case["selections"].as_array().unwrap() {
            let strategy = strategy(selection);
            let selected = package
                .chains()
                .select(package.pool(), &original, &strategy);
            assert_eq!(
                selected.unwrap(),
                hash(&selection["selected"]),
                "{name}: {strategy:?}"
            );
            let id = case["tokenId"].as_str().unwrap();
            let json = package
                .assemble_with(id, StateIndex::Latest, &strategy)
                .unwrap();
            assert_eq!(
                selection["assembledSha256"],
                fresh_sha256(&json),
                "{name}: {strategy:?}"
            );
        }
    }
}

#[test]
fn collecting_keeps_all_instances_of_a_token_and_drops_them_with_it() {
    for (name, text, case) in scenarios() {
        for profile in [GcProfile::Safe, GcProfile::Exact] {
            let mut package = with_instances(&text, &case);
            assert_eq!(
                Some(package.gc(profile) as u64),
                case["gcRemoved"].as_u64(),
                "{name}"
            );
            assert!(package.remove(case["tokenId"].as_str().unwrap(), NOW));
            let removed = case["removeThenGcRemoved"].as_u64();
            assert_eq!(Some(package.gc(profile) as u64), removed, "{name}");
            assert!(
                package.pool().is_empty() && package.chains().is_empty(),
                "{name}"
            );
        }
    }
}

#[test]
fn chains_are_rebuilt_from_the_elements_alone() {
    for (name, text, case) in scenarios() {
        let package = with_instances(&text, &case);
        let expect = &case["fullCarImport"];
        let from_heads = rebuild_from_heads(package.pool()).unwrap();
        check_chains(&name, &expect["chains"], &from_heads);
        assert_eq!(expect["rebuildFunctionAgrees"], true, "{name}");
        assert_eq!(
            rebuild_from_tails(package.pool()).unwrap(),
            from_heads,
            "{name}"
        );
        assert_eq!(&from_heads, package.chains(), "{name}");
    }
}

/// What a vector says of every member's chain must be what the index says, save for members that branches share:
/// there the rule of `docs/decisions/0001-instance-chain-forks.md` decides.
fn check_by_hash(name: &str, expect: &Value, shared: &BTreeSet<ElementHash>, found: &ChainIndex) {
    let expect = expect.as_object().unwrap();
    assert_eq!(found.iter().len(), expect.len(), "{name}");
    let branches: BTreeSet<_> = found.chains().map(|(_, entry)| entry.head).collect();
    for (member, expected) in expect {
        let member: ElementHash = member.parse().unwrap();
        let entry = found
            .get(&member)
            .unwrap_or_else(|| panic!("{name}: {member}"));
        assert_eq!(
            expected["length"].as_u64(),
            Some(entry.chain.len() as u64),
            "{name}"
        );
        if shared.contains(&member) {
            // Both branches are equally long in the vectors.
            assert_eq!(Some(&entry.head), branches.first(), "{name}: {member}");
            assert!(branches.contains(&hash(&expected["head"])), "{name}");
        } else {
            assert_eq!(entry.head, hash(&expected["head"]), "{name}: {member}");
        }
    }
}

#[test]
fn chains_merge_as_in_the_reference_and_forks_by_one_rule() {
    let text = read("chains/merge.json");
    let vector: Value = serde_json::from_slice(&text).unwrap();
    for case in vector["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let (target, source) = name.split_once('+').unwrap();
        let mut package = package_in(&text, &["packages", target]);
        let source = package_in(&text, &["packages", source]);
        package
            .merge(&source, &MergeOptions::default(), NOW)
            .unwrap();
        let count = case["elementCount"].as_u64();
        assert_eq!(Some(package.pool().len() as u64), count, "{name}");
        let mut shared = BTreeSet::new();
        if package.chains().chains().count() > 1 {
            shared.extend(["original", "i1"].map(|key| hash(&vector["hashes"][key])));
        }
        check_chains(name, &case["chains"], package.chains());
        check_by_hash(name, &case["byHash"], &shared, package.chains());
        let report = verify(&package, VerifyProfile::Exact);
        check_report(name, &case["verify"], &report);

        let from_heads = rebuild_from_heads(package.pool()).unwrap();
        check_chains(name, &case["rebuildFromHeads"], &from_heads);
        check_by_hash(name, &case["rebuildFromHeadsByHash"], &shared, &from_heads);
        let from_tails = rebuild_from_tails(package.pool()).unwrap();
        check_chains(name, &case["rebuildFromTails"], &from_tails);
        check_by_hash(name, &case["rebuildFromTailsByHash"], &shared, &from_tails);
        let json = package.to_json().unwrap();
        let read_again = Package::from_json(json.as_bytes()).unwrap();
        check_by_hash(
            name,
            &case["chainsAfterJsonRoundTrip"],
            &shared,
            read_again.chains(),
        );
        for other_way in [&from_heads, &from_tails, read_again.chains()] {
            assert_eq!(other_way, package.chains(), "{name}: one rule in all forms");
        }
    }
}

#[test]
fn both_branches_of_a_fork_outlive_a_safe_collection() {
    let text = read("chains/merge.json");
    let mut package = package_in(&text, &["packages", "long"]);
    let alt = package_in(&text, &["packages", "alt"]);
    package.merge(&alt, &MergeOptions::default(), NOW).unwrap();
    let whole = package.clone();
    assert_eq!(package.gc(GcProfile::Safe), 0);
    assert_eq!(package, whole);
    // The reference loses the branch that the original is not indexed under.
    assert_eq!(package.gc(GcProfile::Exact), 1);
}

/// A new instance as a vector describes it; `None` if it cannot even be said in our types.
fn described(value: &Value) -> Option<Element> {
    let header = &value["header"];
    let text = |value: &Value| match value.as_str() {
        Some(text) => uxf_codec::canonical::Value::Text(text.to_owned()),
        None => uxf_codec::canonical::Value::Null,
    };
    let content = value["content"].as_object().unwrap().iter();
    let children = value["children"].as_object().unwrap().iter();
    Some(Element {
        header: Header {
            representation: header["representation"].as_u64()?,
            semantics: header["semantics"].as_u64()?,
            kind: InstanceKind::new(header["kind"].as_str()?)?,
            predecessor: header["predecessor"]
                .as_str()
                .map(|text| text.parse().unwrap()),
        },
        element_type: ElementType::from_name(value["type"].as_str()?)?,
        content: content
            .map(|(key, value)| (key.clone(), text(value)))
            .collect(),
        children: children
            .map(|(role, child)| (role.clone(), Child::One(hash(child))))
            .collect(),
    })
}

#[test]
fn instances_that_continue_nothing_are_refused_with_the_reference_s_codes() {
    let text = read("chains/rejected.json");
    let vector = read_json("chains/rejected.json");
    let mut unsayable = 0;
    for case in vector["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let mut package = package_in(&text, &["package"]);
        let before = package.clone();
        let Some(element) = described(&case["element"]) else {
            assert_eq!(case["expect"]["code"], "INVALID_INSTANCE_CHAIN", "{name}");
            unsayable += 1;
            continue;
        };
        match package.add_instance(&hash(&case["original"]), &element) {
            Ok(head) => assert_eq!(head, hash(&case["expect"]["head"]), "{name}"),
            Err(error) => {
                assert_eq!(
                    case["expect"]["code"],
                    error.code().as_str(),
                    "{name}: {error}"
                );
                assert_eq!(package, before, "{name}");
            }
        }
    }
    assert!(unsayable < vector["cases"].as_array().unwrap().len() / 2);
}

#[test]
fn an_instance_whose_head_is_absent_is_refused() {
    let text = read("chains/merge.json");
    let vector: Value = serde_json::from_slice(&text).unwrap();
    let mut package = package_in(&text, &["packages", "long"]);
    let original = hash(&vector["hashes"]["original"]);
    let mut json = package.to_json().unwrap();
    let absent = "ab".repeat(32);
    json = json.replacen(vector["hashes"]["i2"].as_str().unwrap(), &absent, 2);
    if let Ok(broken) = Package::from_json(json.as_bytes()) {
        package = broken;
    }
    let element = Element {
        header: Header {
            predecessor: Some(absent.parse().unwrap()),
            ..Header::default()
        },
        element_type: ElementType::TokenState,
        content: Vec::new(),
        children: Vec::new(),
    };
    let error = package.add_instance(&original, &element).unwrap_err();
    assert_eq!(error.code(), ErrorCode::MissingElement);
}
