//! `joins/`: one token id with two roots.

use std::collections::BTreeSet;

use serde_json::{Value, json as json_value};
use uxf_codec::carriage::car::CarProfile;
use uxf_codec::instance_chain::Strategy;
use uxf_codec::package::{MergeOptions, Package, Timestamp};
use uxf_codec::verify::{VerifyProfile, verify};
use uxf_codec::{ElementHash, join};

use super::chains::{embedded, hash};
use super::fresh::Fresh;
use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name, read_json};
use super::{facts, guarded, json};

const KNOWN_FIELDS: &[&str] = &[
    "name",
    "note",
    "tokenId",
    "packageA",
    "packageB",
    "verifiedProofs",
    "rootA",
    "rootB",
    "expect",
];

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    for file in vectors.files("joins") {
        let shown = format!("uxf/joins/{}", file_name(&file));
        let Ok(expected) = read_json(&file) else {
            report.not_covered(shown);
            continue;
        };
        if expected.get("packageA").is_none() || expected.get("expect").is_none() {
            report.not_covered(shown);
            continue;
        }
        guarded(report, ("uxf/joins", "NAME.json"), &shown, |scope| {
            scope.known_fields(&expected, KNOWN_FIELDS);
            check_join(scope, &expected);
        });
    }
}

fn check_join(scope: &mut Scope<'_>, vector: &Value) {
    let (Some(a), Some(b), Some(expected)) = (
        embedded(scope, "packageA", vector.get("packageA")),
        embedded(scope, "packageB", vector.get("packageB")),
        vector.get("expect"),
    ) else {
        return;
    };
    let id = vector
        .get("tokenId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    scope.field(vector, "rootA", a.root(id).map(|root| root.to_string()));
    scope.field(vector, "rootB", b.root(id).map(|root| root.to_string()));
    let verified: Option<BTreeSet<ElementHash>> = vector
        .get("verifiedProofs")
        .and_then(Value::as_array)
        .map(|hashes| {
            hashes
                .iter()
                .filter_map(|proof| hash(Some(proof)))
                .collect()
        });
    let options = MergeOptions {
        verified_proofs: verified.as_ref(),
        ..MergeOptions::default()
    };
    for (order, target, source) in [("A.merge(B)", &a, &b), ("B.merge(A)", &b, &a)] {
        let now = Timestamp::from_secs(super::tokens::NOW_SECS);
        let mut merged = target.clone();
        if scope
            .value(order, merged.merge(source, &options, now))
            .is_none()
        {
            continue;
        }
        check_merged(scope, &merged, id, expected);
        let roots = [target.root(id), source.root(id)];
        check_outcome(scope, &merged, &roots, &options, expected);
    }
}

fn check_outcome(
    scope: &mut Scope<'_>,
    merged: &Package,
    roots: &[Option<ElementHash>],
    options: &MergeOptions<'_>,
    expected: &Value,
) {
    let roots: Vec<ElementHash> = roots.iter().copied().flatten().collect();
    let outcome = join::resolve(
        merged.pool(),
        &roots,
        options.verified_proofs.unwrap_or(&BTreeSet::new()),
    );
    let Some(outcome) = scope.value("resolve", outcome) else {
        return;
    };
    scope.field(expected, "kind", outcome.kind.as_str());
    scope.field(expected, "rootHash", outcome.root.to_string());
    let mut losers: Vec<String> = outcome.losers.iter().map(ToString::to_string).collect();
    losers.sort();
    if let Some(Value::Array(wanted)) = expected.get("losers") {
        let mut wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
        wanted.sort_unstable();
        scope.equal("losers", format!("{wanted:?}"), format!("{losers:?}"));
    }
    let synthetic = outcome.synthetic.map(|bytes| {
        let hash = ElementHash::of(&bytes);
        json_value!({
            "hash": hash.to_string(),
            "type": "token-root",
            "typeId": 1,
            "cid": hash.to_cid_text(),
            "preimage": const_hex::encode(&bytes),
        })
    });
    scope.field(expected, "syntheticRoot", synthetic);
}

fn check_merged(scope: &mut Scope<'_>, merged: &Package, id: &str, expected: &Value) {
    let root = merged.root(id).map(|root| root.to_string());
    scope.field(expected, "manifestRootAfterMerge", root);
    scope.field(expected, "elementCountAfterMerge", merged.pool().len());
    if let Some(token) = scope.value("assemble", merged.assemble(id))
        && let Some(mut value) = scope.value("assemble", json::parse(&token))
    {
        // The reference assembled these from memory, so its hash is that of the fresh form.
        let fresh = Fresh {
            package: merged,
            strategy: &Strategy::Latest,
        };
        merged
            .root(id)
            .and_then(|root| fresh.restore(&root, &mut value));
        let sorted = json::sorted_text(&value);
        scope.field(
            expected,
            "assembledSha256",
            json::sha256_hex(sorted.as_bytes()),
        );
    }
    if let Some(wanted) = expected.get("exportJson") {
        facts::outcome(scope, "exportJson", wanted, &merged.to_json());
    }
    if let Some(wanted) = expected.get("exportCar") {
        facts::outcome(
            scope,
            "exportCar",
            wanted,
            &merged.to_car(CarProfile::Exact),
        );
    }
    if let Some(wanted) = expected.get("verify") {
        facts::verify(
            scope,
            "verify",
            wanted,
            &verify(merged, VerifyProfile::Exact),
        );
    }
}
