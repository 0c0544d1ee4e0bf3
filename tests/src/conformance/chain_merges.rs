//! `chains/` files of several packages: instance chains merged, rebuilt, carried as JSON, and deltas between them.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json as json_value};
use uxf_codec::diff::diff;
use uxf_codec::instance_chain::{self, ChainIndex};
use uxf_codec::package::{MergeOptions, Package, Timestamp};
use uxf_codec::verify::{VerifyProfile, verify};

use super::chains::embedded;
use super::report::Scope;
use super::{facts, json};

const MERGE_FIELDS: &[&str] = &["name", "note", "hashes", "packages", "cases", "deltas"];
const MERGE_CASE_FIELDS: &[&str] = &[
    "case",
    "note",
    "chains",
    "byHash",
    "elementCount",
    "verify",
    "rebuildFromHeads",
    "rebuildFromHeadsByHash",
    "rebuildFromTails",
    "rebuildFromTailsByHash",
    "chainsAfterJsonRoundTrip",
];
/// Merges every pair of packages that a case names, and applies every delta.
pub(super) fn check(scope: &mut Scope<'_>, expected: &Value) {
    scope.known_fields(expected, MERGE_FIELDS);
    let packages = expected.get("packages");
    let package = |scope: &mut Scope<'_>, name: &str| {
        embedded(
            scope,
            name,
            packages.and_then(|packages| packages.get(name)),
        )
    };
    for case in expected
        .get("cases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = case.get("case").and_then(Value::as_str).unwrap_or_default();
        let Some((target, source)) = name.split_once('+') else {
            scope.not_covered(&format!("case {name}"));
            continue;
        };
        scope.known_fields(case, MERGE_CASE_FIELDS);
        if let (Some(target), Some(source)) = (package(scope, target), package(scope, source)) {
            check_merge(scope, target, &source, case);
        }
    }
    for case in expected
        .get("deltas")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = case.get("case").and_then(Value::as_str).unwrap_or_default();
        let Some((source, target)) = name.split_once("-to-") else {
            scope.not_covered(&format!("delta {name}"));
            continue;
        };
        if let (Some(source), Some(target)) = (package(scope, source), package(scope, target)) {
            check_delta(scope, source, &target, case);
        }
    }
}

fn check_merge(scope: &mut Scope<'_>, mut target: Package, source: &Package, case: &Value) {
    let now = Timestamp::from_secs(super::tokens::NOW_SECS);
    let merged = target.merge(source, &MergeOptions::default(), now);
    if scope.value("merge", merged).is_none() {
        return;
    }
    scope.field(case, "elementCount", target.pool().len());
    if let Some(wanted) = case.get("verify") {
        facts::verify(
            scope,
            "verify",
            wanted,
            &verify(&target, VerifyProfile::Exact),
        );
    }
    check_index(scope, case, ("chains", "byHash"), target.chains());
    let from_heads = instance_chain::rebuild_from_heads(target.pool());
    if let Some(index) = scope.value("rebuild_from_heads", from_heads) {
        check_index(
            scope,
            case,
            ("rebuildFromHeads", "rebuildFromHeadsByHash"),
            &index,
        );
    }
    let from_tails = instance_chain::rebuild_from_tails(target.pool());
    if let Some(index) = scope.value("rebuild_from_tails", from_tails) {
        check_index(
            scope,
            case,
            ("rebuildFromTails", "rebuildFromTailsByHash"),
            &index,
        );
    }
    let read = target
        .to_json()
        .and_then(|text| Package::from_json(text.as_bytes()));
    if let Some(read) = scope.value("JSON round trip", read) {
        check_index(
            scope,
            case,
            ("chains", "chainsAfterJsonRoundTrip"),
            read.chains(),
        );
    }
}

/// Checks an index against the chains and the answers by hash that a case tells.
///
/// Where chains fork the reference contradicts itself: in memory, after JSON and after a rebuild a shared member
/// belongs to different branches. This implementation has one rule (longest chain, then smaller head), so there the
/// set of chains must be the reference's, the answers those of the rule, and each answer one that the reference gives
/// somewhere.
fn check_index(
    scope: &mut Scope<'_>,
    case: &Value,
    (chains, by_hash): (&str, &str),
    found: &ChainIndex,
) {
    let Some(wanted) = case.get(chains).and_then(Value::as_array) else {
        return;
    };
    if !is_forked(wanted) {
        scope.field(case, chains, facts::chains_json(found));
        scope.field(case, by_hash, facts::chains_by_hash(found));
        return;
    }
    let as_set = |chains: &[Value]| {
        let mut texts: Vec<String> = chains.iter().map(json::sorted_text).collect();
        texts.sort();
        texts.join("\n")
    };
    let found_chains = facts::chains_json(found);
    let found_set = as_set(
        found_chains
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default(),
    );
    scope.equal(&format!("{chains} as a set"), as_set(wanted), found_set);
    let found = facts::chains_by_hash(found);
    let ruled = json::sorted_text(&by_fork_rule(wanted));
    scope.equal(
        &format!("{by_hash} by the fork rule"),
        ruled,
        json::sorted_text(&found),
    );
    for (member, answer) in found.as_object().into_iter().flatten() {
        let answers = case.as_object().into_iter().flatten();
        let is_known = answers
            .filter_map(|(_, answers)| answers.get(member.as_str()))
            .any(|known| known == answer);
        scope.equal(
            &format!("{by_hash} of {member} is among the answers"),
            true,
            is_known,
        );
    }
}

fn members(chain: &Value) -> impl Iterator<Item = &str> {
    let members = chain
        .get("chain")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    members.filter_map(|member| member.get("hash")?.as_str())
}

fn is_forked(chains: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    !chains
        .iter()
        .flat_map(members)
        .all(|member| seen.insert(member))
}

/// The documented rule, worked out apart from the codec: of the chains of a member the longest, then the one with
/// the smaller head.
fn by_fork_rule(chains: &[Value]) -> Value {
    let mut best = BTreeMap::<&str, (Reverse<usize>, &str)>::new();
    for chain in chains {
        let head = chain
            .get("head")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let rank = (Reverse(members(chain).count()), head);
        for member in members(chain) {
            let entry = best.entry(member).or_insert(rank);
            *entry = rank.min(*entry);
        }
    }
    let told = best.into_iter().map(|(member, (Reverse(length), head))| {
        (
            member.to_owned(),
            json_value!({"head": head, "length": length}),
        )
    });
    Value::Object(told.collect())
}

fn check_delta(scope: &mut Scope<'_>, mut source: Package, target: &Package, case: &Value) {
    let delta = diff(&source, target);
    let added: Value = delta
        .added_elements
        .iter()
        .map(|(hash, _)| Value::from(hash.to_string()))
        .collect();
    scope.field(case, "addedElements", added);
    for (name, found) in super::packages::delta_json(&delta) {
        if name != "addedElements" {
            scope.field(case, name, found);
        }
    }
    if scope.value("apply", source.apply(&delta)).is_some() {
        scope.field(case, "chainsAfter", facts::chains_by_hash(source.chains()));
        scope.field(
            case,
            "verifyValid",
            verify(&source, VerifyProfile::Exact).is_valid(),
        );
    }
}
