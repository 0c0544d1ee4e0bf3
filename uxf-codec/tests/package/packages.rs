use serde_json::{Map, Value};
use uxf_codec::ErrorCode;
use uxf_codec::package::{Envelope, GcProfile, Indexes, MergeOptions, Package, Timestamp, TokenId};
use uxf_codec::verify::{VerifyProfile, verify};

use crate::support::{
    NOW, check_report, hash, hashes, names, package_of, read, read_json, sha256, token,
};

/// Does again what the vector's package went through.
fn build(name: &str, expect: &Value) -> Package {
    let gc = |base: &str| {
        let mut package = build(base, &read_json(&format!("packages/{base}.expect.json")));
        let removed = package.gc(GcProfile::Exact);
        let expected = expect["removedCount"]
            .as_u64()
            .or(expect["removed"].as_u64());
        assert_eq!(Some(removed as u64), expected, "{name}");
        package
    };
    let imported = |base: &str| Package::from_car(&read(&format!("packages/{base}.car"))).unwrap();
    let ingested = |base: &str| build(base, &read_json(&format!("packages/{base}.expect.json")));
    let merged = |mut target: Package, source: &Package| {
        let outcome = target.merge(source, &MergeOptions::default(), NOW).unwrap();
        assert!(outcome.skipped.is_empty());
        target
    };
    match name {
        "remove-gc" => gc("remove"),
        "update-gc" => gc("update"),
        "merge-result" => merged(ingested("merge-a"), &ingested("merge-b")),
        "merge-result-from-car" => merged(ingested("merge-a"), &imported("merge-b")),
        "update" => {
            let mut package = Package::new(Envelope::new(NOW));
            let short = read("packages/update.short-token.json");
            package
                .ingest(&short, Timestamp::from_secs(1_750_000_001))
                .unwrap();
            let after_first = expect["elementsAfterFirst"].as_u64();
            assert_eq!(Some(package.pool().len() as u64), after_first);
            let later = Timestamp::from_secs(1_750_000_002);
            package.ingest(&token("rand-09"), later).unwrap();
            package
        }
        "remove" => {
            let mut package = package_of(&texts(&expect["tokensInOrder"]));
            for id in texts(&expect["removedTokenIds"]) {
                assert!(package.remove(&id, NOW));
            }
            assert!(!package.remove("unknown", NOW));
            package
        }
        "gc-drops-tx-nametag" => {
            let mut package = with_envelope(expect);
            package.gc(GcProfile::Exact);
            package
        }
        _ => with_envelope(expect),
    }
}

/// A package with the vector's envelope and its tokens, taken in all at once.
fn with_envelope(expect: &Value) -> Package {
    let envelope = &expect["envelope"];
    let time = |key: &str| Timestamp::from_secs(envelope[key].as_u64().unwrap());
    let text = |key: &str| envelope[key].as_str().map(ToOwned::to_owned);
    let mut package = Package::new(Envelope {
        creator: text("creator"),
        description: text("description"),
        ..Envelope::new(time("createdAt"))
    });
    let tokens: Vec<_> = texts(&expect["tokensInOrder"])
        .iter()
        .map(|name| token(name))
        .collect();
    let tokens = tokens.iter().map(Vec::as_slice);
    package.ingest_all(tokens, time("updatedAt")).unwrap();
    package
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().unwrap().iter();
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn indexes_as_json(indexes: &Indexes) -> Value {
    let lists = |index: &indexmap::IndexMap<String, indexmap::IndexSet<TokenId>>| {
        let ids = |ids: &indexmap::IndexSet<TokenId>| ids.iter().map(TokenId::to_string).collect();
        index
            .iter()
            .map(|(key, set)| (key.clone(), ids(set)))
            .collect::<Map<_, Value>>()
    };
    let states = indexes.by_state_data.iter();
    serde_json::json!({
        "byTokenType": lists(&indexes.by_token_type),
        "byCoinId": lists(&indexes.by_coin_id),
        "byStateHash": states
            .map(|(data, id)| (data.clone(), id.to_string().into()))
            .collect::<Map<_, Value>>(),
    })
}

#[test]
fn every_package_of_the_vectors_comes_out_as_the_reference_has_it() {
    for name in names("packages", ".expect.json") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        let package = build(&name, &expect);
        let order: Vec<_> = package.pool().iter().map(|(hash, _)| *hash).collect();
        assert_eq!(order, hashes(&expect["poolOrder"]), "{name}");
        let manifest = expect["manifest"].as_array().unwrap().iter();
        let manifest =
            manifest.map(|entry| (entry["tokenId"].as_str().unwrap(), hash(&entry["root"])));
        let found = package
            .manifest()
            .iter()
            .map(|(id, root)| (id.as_str(), *root));
        assert_eq!(
            found.collect::<Vec<_>>(),
            manifest.collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(
            indexes_as_json(package.indexes()),
            expect["indexes"],
            "{name}"
        );
        let updated_at = expect["envelope"]["updatedAt"].as_u64().unwrap();
        assert_eq!(
            package.envelope().updated_at,
            Timestamp::from_secs(updated_at),
            "{name}"
        );
        check_report(
            &name,
            &expect["verify"],
            &verify(&package, VerifyProfile::Exact),
        );
        let json = package.to_json().unwrap();
        assert_eq!(expect["json"]["sha256"], sha256(json), "{name}");
    }
}

#[test]
fn every_package_verifies_after_a_car_as_the_reference_says() {
    for name in names("packages", ".expect.json") {
        let expect = read_json(&format!("packages/{name}.expect.json"));
        let package = Package::from_car(&read(&format!("packages/{name}.car"))).unwrap();
        let found = indexes_as_json(package.indexes());
        assert_eq!(found, expect["indexesAfterCarImport"], "{name}");
        check_report(
            &name,
            &expect["verifyAfterCar"],
            &verify(&package, VerifyProfile::Exact),
        );
        let mut rebuilt = package.clone();
        rebuilt.rebuild_indexes();
        assert_eq!(rebuilt.indexes(), package.indexes(), "{name}");
    }
}

#[test]
fn the_safe_collection_keeps_name_tags_that_only_transactions_name() {
    let expect = read_json("packages/gc-drops-tx-nametag.expect.json");
    let whole = with_envelope(&expect);
    let mut exact = whole.clone();
    assert_eq!(exact.gc(GcProfile::Exact), 4);
    for dropped in hashes(&expect["removedElements"]) {
        assert!(whole.pool().contains(&dropped) && !exact.pool().contains(&dropped));
    }
    let mut safe = whole.clone();
    assert_eq!(safe.gc(GcProfile::Safe), 0);
    assert_eq!(safe, whole);
}

#[test]
fn one_bad_token_leaves_the_package_as_it_was() {
    let mut package = package_of(&["rand-00"]);
    let before = package.clone();
    let good = token("rand-01");
    let tokens: [&[u8]; 2] = [&good, br#"{"genesis":1}"#];
    let error = package
        .ingest_all(tokens, Timestamp::from_secs(9))
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidPackage);
    assert_eq!(package, before);
    assert!(
        package
            .ingest_all([], Timestamp::from_secs(9))
            .unwrap()
            .is_empty()
    );
    assert_eq!(package.envelope(), before.envelope());
}
