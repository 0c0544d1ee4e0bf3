//! Elements to token JSON.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uxf_codec::json::{Kind, Node, Tape, write_text};
use uxf_codec::package::Pool;
use uxf_codec::token::{
    AssembleOptions, Assembler, Deconstructor, StateIndex, deconstruct, summary_of_root,
    transaction_count,
};
use uxf_codec::{
    Element, ElementBatch, ElementHash, ElementSink, ElementSource, ElementType, Error, ErrorCode,
    MemoryForm, NewElement,
};

use crate::vectors;

/// A source that can be told to lie.
#[derive(Default)]
pub(crate) struct Elements(pub(crate) BTreeMap<ElementHash, Vec<u8>>);

impl ElementSource for Elements {
    type Bytes<'a> = &'a [u8];

    fn element(&self, hash: &ElementHash) -> Result<Option<&[u8]>, Error> {
        Ok(self.0.get(hash).map(Vec::as_slice))
    }
}

impl ElementSink for Elements {
    fn put(&mut self, element: NewElement<'_>) -> Result<(), Error> {
        self.0.insert(element.hash, element.bytes.to_vec());
        Ok(())
    }
}

fn at(index: u64) -> AssembleOptions<'static> {
    AssembleOptions {
        state: StateIndex::At(index),
        ..AssembleOptions::default()
    }
}

pub(crate) fn assemble(source: &impl ElementSource, root: &ElementHash) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    Assembler::new().assemble(source, root, &AssembleOptions::default(), &mut out)?;
    Ok(out)
}

/// SHA-256 over the JSON with keys sorted by code point, as the vectors tell it.
fn sorted_digest(json: &[u8]) -> String {
    let mut tape = Tape::new();
    let mut text = Vec::new();
    write_sorted(&mut text, tape.parse(json).unwrap());
    const_hex::encode(Sha256::digest(text))
}

fn write_sorted(out: &mut Vec<u8>, node: Node<'_>) {
    match node.kind() {
        Kind::Array => {
            out.push(b'[');
            for (place, item) in node.items().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_sorted(out, item);
            }
            out.push(b']');
        }
        Kind::Object => {
            let mut entries: Vec<_> = node.entries().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push(b'{');
            for (place, (key, value)) in entries.into_iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_text(out, &key);
                out.push(b':');
                write_sorted(out, value);
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(node.raw().as_bytes()),
    }
}

#[test]
fn every_vector_is_assembled_as_the_reference_does_from_canonical_bytes() {
    let mut assembler = Assembler::new();
    for (name, input, expect) in vectors::tokens() {
        let mut pool = Pool::default();
        let root = deconstruct(&input, &mut pool).unwrap().root;
        let mut out = Vec::new();
        assembler
            .assemble(&pool, &root, &AssembleOptions::default(), &mut out)
            .unwrap();
        assert_eq!(
            sorted_digest(&out),
            vectors::text(&expect, "assembledSha256"),
            "{name}"
        );
    }
}

#[test]
fn every_state_of_every_vector_is_assembled_and_one_past_the_end_is_refused() {
    let mut assembler = Assembler::new();
    let mut states = 0;
    for (name, input, expect) in vectors::tokens() {
        let mut elements = Elements::default();
        let root = deconstruct(&input, &mut elements).unwrap().root;
        let count = transaction_count(&elements, &root).unwrap();
        assert_eq!(
            count,
            expect["transactionCount"].as_u64().unwrap(),
            "{name}"
        );
        for expected in expect["assembledAtState"].as_array().unwrap() {
            let index = expected["stateIndex"].as_u64().unwrap();
            let mut out = Vec::new();
            assembler
                .assemble(&elements, &root, &at(index), &mut out)
                .unwrap();
            assert_eq!(
                sorted_digest(&out),
                vectors::text(expected, "sha256Canonical"),
                "{name} {index}"
            );
            states += 1;
        }
        let mut out = b"kept".to_vec();
        let fault = assembler
            .assemble(&elements, &root, &at(count + 1), &mut out)
            .unwrap_err();
        assert_eq!(
            fault.code().as_str(),
            vectors::text(&expect["stateIndexPastEnd"], "code"),
            "{name}"
        );
        assert_eq!(out, b"kept");
    }
    assert!(states > 200);
}

#[test]
fn keys_stand_in_the_references_order() {
    for (name, input, _) in vectors::tokens() {
        if name != "edge-tx-pending-auth" {
            continue;
        }
        let mut pool = Pool::default();
        let root = deconstruct(&input, &mut pool).unwrap().root;
        let out = String::from_utf8(assemble(&pool, &root).unwrap()).unwrap();
        let mut rest = out.as_str();
        for key in [
            "{\"version\":",
            "\"genesis\":{\"data\":{\"tokenId\":",
            "\"tokenType\":",
            "\"coinData\":[",
            "\"tokenData\":",
            "\"salt\":",
            "\"recipient\":",
            "\"recipientDataHash\":",
            "\"reason\":",
            "\"inclusionProof\":{\"authenticator\":{\"algorithm\":",
            "\"publicKey\":",
            "\"signature\":",
            "\"stateHash\":",
            "\"merkleTreePath\":{\"root\":",
            "\"steps\":[{\"data\":",
            "\"path\":",
            "\"transactionHash\":",
            "\"unicityCertificate\":",
            "\"transactions\":[{\"data\":{\"sourceState\":{\"predicate\":",
            "\"data\":",
            "\"recipient\":",
            "\"salt\":",
            "\"recipientDataHash\":",
            "\"message\":",
            "\"nametags\":[",
            "\"inclusionProof\":",
            "\"_wallet\":{\"authenticator\":{",
            "\"state\":{\"predicate\":",
            "\"nametags\":[",
        ] {
            let (_, behind) = rest
                .split_once(key)
                .unwrap_or_else(|| panic!("{key} in {rest}"));
            rest = behind;
        }
        return;
    }
    unreachable!("the vector is there");
}

#[test]
fn a_missing_element_and_a_damaged_one_are_told_apart() {
    let (_, input, _) = vectors::tokens()
        .into_iter()
        .find(|(name, ..)| name == "real-transfer-4tx")
        .unwrap();
    let mut elements = Elements::default();
    let root = deconstruct(&input, &mut elements).unwrap().root;
    let hashes: Vec<ElementHash> = elements.0.keys().copied().collect();
    for hash in hashes {
        let bytes = elements.0.remove(&hash).unwrap();
        let fault = assemble(&elements, &root).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::MissingElement);
        assert!(fault.to_string().contains(&hash.to_string()));

        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        elements.0.insert(hash, damaged);
        let fault = assemble(&elements, &root).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::VerificationFailed);
        elements.0.insert(hash, bytes);
    }
}

/// A source that hashes each element when it is asked for it, one by one.
struct Eager<'a>(&'a Elements);

impl ElementSource for Eager<'_> {
    type Bytes<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn element(&self, hash: &ElementHash) -> Result<Option<&[u8]>, Error> {
        let bytes = self.0.element(hash)?;
        let found = bytes.map_or(*hash, ElementHash::of);
        if found == *hash {
            return Ok(bytes);
        }
        Err(Error::VerificationFailed {
            at: format!("element {hash}"),
            reason: format!("its bytes have the hash {found}"),
        })
    }
}

/// Says the same as one that hashes each element before it looks at it.
fn assert_as_if_hashed_one_by_one(elements: &Elements, root: &ElementHash) {
    let mut out = b"kept".to_vec();
    let mut assembler = Assembler::new();
    let found = assembler.assemble(elements, root, &AssembleOptions::default(), &mut out);
    let mut expected = b"kept".to_vec();
    let unchecked = AssembleOptions {
        check_hashes: false,
        ..AssembleOptions::default()
    };
    let eager = assembler.assemble(&Eager(elements), root, &unchecked, &mut expected);
    assert_eq!(
        found.map_err(|error| error.to_string()),
        eager.map_err(|error| error.to_string())
    );
    assert_eq!(out, expected);
}

#[test]
fn hashing_many_elements_at_once_shows_in_no_outcome() {
    for (_, input, _) in vectors::tokens().into_iter().step_by(5) {
        let mut elements = Elements::default();
        let root = deconstruct(&input, &mut elements).unwrap().root;
        assert_as_if_hashed_one_by_one(&elements, &root);
        let hashes: Vec<ElementHash> = elements.0.keys().copied().collect();
        for (at, hash) in hashes.iter().enumerate() {
            let kept = elements.0.clone();
            // Something is wrong with this one and with another, which may be met before it or after it.
            let other = &hashes[(at * 7 + 3) % hashes.len()];
            elements.0.insert(*hash, kept[other].clone());
            assert_as_if_hashed_one_by_one(&elements, &root);
            elements.0.insert(*other, b"no element".to_vec());
            assert_as_if_hashed_one_by_one(&elements, &root);
            elements.0.remove(other);
            assert_as_if_hashed_one_by_one(&elements, &root);
            elements.0 = kept;
        }
    }
}

#[test]
fn an_element_in_a_role_of_another_type_is_refused_also_when_it_is_met_again() {
    let (_, input, _) = vectors::tokens()
        .into_iter()
        .find(|(name, ..)| name == "real-transfer-1tx")
        .unwrap();
    let mut elements = Elements::default();
    let root = deconstruct(&input, &mut elements).unwrap().root;
    let mut token = Element::decode(&elements.0[&root], MemoryForm::CANONICAL).unwrap();
    let genesis = token.child("genesis").unwrap().clone();
    // The genesis has been read and hashed by the time it is met as the state.
    for (role, child) in &mut token.children {
        if role == "state" {
            *child = genesis.clone();
        }
    }
    let bytes = token.encode().unwrap();
    let forged = ElementHash::of(&bytes);
    elements.0.insert(forged, bytes);
    let fault = assemble(&elements, &forged).unwrap_err();
    assert!(matches!(
        fault,
        Error::TypeMismatch {
            expected: ElementType::TokenState,
            found: ElementType::Genesis,
            ..
        }
    ));
}

#[test]
fn summaries_read_back_are_those_told_when_taken_apart() {
    for (name, input, _) in vectors::tokens() {
        let mut pool = Pool::default();
        let summary = deconstruct(&input, &mut pool).unwrap();
        assert_eq!(
            summary_of_root(&pool, &summary.root).unwrap(),
            summary,
            "{name}"
        );
    }
}

#[test]
fn taking_apart_what_was_assembled_gives_the_root_the_vectors_tell() {
    for (name, input, expect) in vectors::tokens() {
        let mut pool = Pool::default();
        let root = deconstruct(&input, &mut pool).unwrap().root;
        let again = deconstruct(&assemble(&pool, &root).unwrap(), &mut ElementBatch::new());
        // `rerootCanonical` is the reference's answer: false where assembly loses something by design.
        let is_same = again.is_ok_and(|summary| summary.root == root);
        assert_eq!(
            is_same,
            expect["rerootCanonical"].as_bool().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn the_wallet_of_1000_tokens_comes_back_as_it_was() {
    let wallet = vectors::bench_wallet();
    let mut tape = Tape::new();
    let mut deconstructor = Deconstructor::new();
    let mut assembler = Assembler::new();
    let mut pool = Pool::default();
    let mut out = Vec::new();
    for token in tape.parse(&wallet).unwrap().items() {
        let root = deconstructor
            .deconstruct_node(token, &mut pool)
            .unwrap()
            .root;
        out.clear();
        assembler
            .assemble(&pool, &root, &AssembleOptions::default(), &mut out)
            .unwrap();
        let found: Value = serde_json::from_slice(&out).unwrap();
        let input: Value = serde_json::from_str(token.raw()).unwrap();
        let is_name = input["genesis"]["data"]["coinData"].is_null();
        if is_name {
            assert_eq!(found["genesis"]["data"]["coinData"], Value::Array(vec![]));
        } else if input["nametags"].as_array().unwrap().is_empty() {
            assert_eq!(found, input);
        }
    }
}
