//! Token JSON to elements.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use uxf_codec::canonical::ElementView;
use uxf_codec::json::Tape;
use uxf_codec::token::{Deconstructor, deconstruct};
use uxf_codec::{ElementBatch, ElementHash, ErrorCode};

use crate::vectors;

#[test]
fn every_element_of_every_vector_is_reproduced_in_its_order() {
    let mut deconstructor = Deconstructor::new();
    for (name, input, expect) in vectors::tokens() {
        let mut batch = ElementBatch::new();
        let summary = deconstructor.deconstruct(&input, &mut batch).unwrap();
        assert_eq!(
            summary.root.to_string(),
            vectors::text(&expect, "rootHash"),
            "{name}"
        );
        assert_eq!(
            summary.root.to_cid_text(),
            vectors::text(&expect, "rootCid"),
            "{name}"
        );
        assert_eq!(
            summary.token_id.as_str(),
            vectors::text(&expect, "tokenId"),
            "{name}"
        );
        assert_eq!(
            summary.transactions as u64,
            expect["transactionCount"].as_u64().unwrap()
        );

        let mut seen = BTreeSet::new();
        let distinct = batch.iter().filter(|element| seen.insert(element.hash));
        let expected = expect["elements"].as_array().unwrap();
        let mut count = 0;
        for (element, expected) in distinct.zip(expected) {
            assert_eq!(
                element.hash.to_string(),
                vectors::text(expected, "hash"),
                "{name} {count}"
            );
            assert_eq!(
                const_hex::encode(element.bytes),
                vectors::text(expected, "preimage")
            );
            assert_eq!(
                u64::from(element.element_type.id()),
                expected["typeId"].as_u64().unwrap()
            );
            count += 1;
        }
        assert_eq!(count, expected.len(), "{name}");
        assert_eq!(seen.len(), expected.len(), "{name}");
    }
}

#[test]
fn every_element_put_is_canonical_and_its_links_are_those_it_holds() {
    let mut links = Vec::new();
    for (name, input, _) in vectors::tokens() {
        let mut batch = ElementBatch::new();
        deconstruct(&input, &mut batch).unwrap();
        for element in batch.iter() {
            let view = ElementView::parse(element.bytes).unwrap();
            assert_eq!(view.element_type(), element.element_type, "{name}");
            view.distinct_links(&mut links);
            let mut told = element.links.to_vec();
            told.sort_unstable();
            assert_eq!(told, links, "{name}");
            assert_eq!(ElementHash::of(element.bytes), element.hash, "{name}");
        }
    }
}

#[test]
fn children_are_put_before_their_parents() {
    for (name, input, _) in vectors::tokens() {
        let mut batch = ElementBatch::new();
        deconstruct(&input, &mut batch).unwrap();
        let mut put = BTreeSet::new();
        for element in batch.iter() {
            assert!(
                element.links.iter().all(|link| put.contains(link)),
                "{name}"
            );
            put.insert(element.hash);
        }
    }
}

#[test]
fn tokens_the_reference_refuses_are_refused_with_its_code() {
    for case in vectors::invalid("ingest") {
        let input = vectors::bytes(vectors::text(&case, "file"));
        let fault = deconstruct(&input, &mut ElementBatch::new()).unwrap_err();
        let name = vectors::text(&case, "name");
        if case["expect"]["class"] == "UxfError" {
            assert_eq!(
                fault.code().as_str(),
                vectors::text(&case["expect"], "code"),
                "{name}: {fault}"
            );
        } else {
            assert_eq!(fault.code(), ErrorCode::MalformedField, "{name}: {fault}");
        }
    }
}

#[test]
fn the_wallet_of_1000_tokens_gets_the_references_roots_and_pool() {
    let wallet = vectors::bench_wallet();
    let expect = vectors::json("bench-wallet-1000.expect.json");
    let roots = expect["manifestRoots"].as_array().unwrap();
    let mut tape = Tape::new();
    let mut deconstructor = Deconstructor::new();
    let mut pool = indexmap::IndexSet::new();
    let mut batch = ElementBatch::new();
    let tokens = tape.parse(&wallet).unwrap();
    assert_eq!(tokens.len(), roots.len());
    for (token, expected) in tokens.items().zip(roots) {
        batch.clear();
        let summary = deconstructor.deconstruct_node(token, &mut batch).unwrap();
        assert_eq!(summary.token_id.as_str(), expected[0].as_str().unwrap());
        assert_eq!(summary.root.to_string(), expected[1].as_str().unwrap());
        pool.extend(batch.iter().map(|element| element.hash));
    }
    assert_eq!(pool.len() as u64, expect["elementCount"].as_u64().unwrap());
    let mut hashes: Vec<String> = pool.iter().map(ToString::to_string).collect();
    assert_eq!(
        digest_of_lines(&hashes),
        vectors::text(&expect, "poolInInsertionOrderSha256")
    );
    hashes.sort();
    assert_eq!(
        digest_of_lines(&hashes),
        vectors::text(&expect, "poolSortedSha256")
    );
}

fn digest_of_lines(hashes: &[String]) -> String {
    const_hex::encode(Sha256::digest(hashes.join("\n")))
}

#[test]
fn an_error_names_the_field_by_its_path() {
    let (_, input, _) = vectors::tokens()
        .into_iter()
        .find(|(name, ..)| name == "real-transfer-4tx")
        .unwrap();
    let token: serde_json::Value = serde_json::from_slice(&input).unwrap();
    let cases = [
        (
            "/transactions/3/data/sourceState/predicate",
            "xx",
            "transactions[3].data.sourceState.predicate",
        ),
        (
            "/transactions/2/data/salt",
            "0",
            "transactions[2].data.salt",
        ),
        ("/state/predicate", "0x12", "state.predicate"),
        ("/genesis/data/salt", "zz", "genesis.data.salt"),
        (
            "/genesis/inclusionProof/authenticator/signature",
            "g",
            "genesis.inclusionProof.authenticator.signature",
        ),
        (
            "/transactions/0/inclusionProof/unicityCertificate",
            "0",
            "transactions[0].inclusionProof.unicityCertificate",
        ),
        (
            "/transactions/1/inclusionProof/merkleTreePath/steps/0/path",
            "1e3",
            "transactions[1].inclusionProof.merkleTreePath.steps[0].path",
        ),
        (
            "/transactions/1/inclusionProof/merkleTreePath/root",
            "0",
            "transactions[1].inclusionProof.merkleTreePath.root",
        ),
    ];
    for (pointer, bad, path) in cases {
        let mut token = token.clone();
        *token.pointer_mut(pointer).unwrap() = bad.into();
        let fault =
            deconstruct(token.to_string().as_bytes(), &mut ElementBatch::new()).unwrap_err();
        assert!(
            fault.to_string().starts_with(&format!("{path}: ")),
            "{fault}"
        );
    }
}

#[test]
fn a_token_that_fails_leaves_no_trace_in_the_next() {
    let mut deconstructor = Deconstructor::new();
    for (name, input, expect) in vectors::tokens() {
        let bad = String::from_utf8(input.clone()).unwrap().replacen(
            "\"nametags\":[",
            "\"nametags\":[{\"genesis\":5},",
            1,
        );
        if name != "edge-extra-fields" && bad.len() != input.len() {
            assert!(
                deconstructor
                    .deconstruct(bad.as_bytes(), &mut ElementBatch::new())
                    .is_err(),
                "{name}"
            );
        }
        let summary = deconstructor
            .deconstruct(&input, &mut ElementBatch::new())
            .unwrap();
        assert_eq!(
            summary.root.to_string(),
            vectors::text(&expect, "rootHash"),
            "{name}"
        );
    }
}

#[test]
fn tokens_taken_apart_together_give_what_each_gives_alone_and_a_bad_one_spoils_no_other() {
    let mut texts: Vec<Vec<u8>> = vectors::tokens()
        .into_iter()
        .map(|(_, input, _)| input)
        .collect();
    for place in [0, 17, 40, 90] {
        // Fails late, with a certificate and states of its own already built.
        let bad = String::from_utf8(texts[place].clone()).unwrap();
        let bad = bad.replace("\"recipientDataHash\":null", "\"recipientDataHash\":\"xy\"");
        texts.insert(place, bad.into_bytes());
    }
    let mut deconstructor = Deconstructor::new();
    let mut together = ElementBatch::new();
    let mut results = Vec::new();
    deconstructor
        .deconstruct_each(texts.iter().map(Vec::as_slice), &mut together, &mut results)
        .unwrap();
    assert_eq!(results.len(), texts.len());

    let mut alone = ElementBatch::new();
    let mut refused = 0;
    for (text, result) in texts.iter().zip(results) {
        match (deconstruct(text, &mut alone), result) {
            (Ok(expected), Ok(found)) => assert_eq!(found, expected),
            (Err(expected), Err(found)) => {
                assert_eq!(found.to_string(), expected.to_string());
                refused += 1;
            }
            (expected, found) => panic!("{expected:?} alone, {found:?} together"),
        }
    }
    assert!(refused >= 3);
    let distinct = |batch: &ElementBatch| -> indexmap::IndexSet<(ElementHash, Vec<u8>)> {
        batch
            .iter()
            .map(|element| (element.hash, element.bytes.to_vec()))
            .collect()
    };
    assert!(distinct(&together).iter().eq(distinct(&alone).iter()));

    let mut array = vec![b'['];
    array.extend(texts.join(&b','));
    array.push(b']');
    let mut tape = Tape::new();
    let (mut of_nodes, mut results) = (ElementBatch::new(), Vec::new());
    deconstructor
        .deconstruct_nodes(
            tape.parse(&array).unwrap().items(),
            &mut of_nodes,
            &mut results,
        )
        .unwrap();
    assert_eq!(
        results.iter().filter(|result| result.is_err()).count(),
        refused
    );
    assert!(distinct(&of_nodes).iter().eq(distinct(&alone).iter()));
}

#[test]
fn nothing_is_put_of_a_token_that_is_refused() {
    for case in vectors::invalid("ingest") {
        let input = vectors::bytes(vectors::text(&case, "file"));
        let mut batch = ElementBatch::new();
        assert!(deconstruct(&input, &mut batch).is_err());
        assert!(batch.is_empty());
    }
}
