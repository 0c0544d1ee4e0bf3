//! Input that wants more than it should get.

use serde_json::json;
use uxf_codec::canonical::ElementView;
use uxf_codec::limits::{NAMETAG_DEPTH_MAX, NESTING_MAX, PATH_BYTES_MAX};
use uxf_codec::token::{AssembleOptions, Assembler, StateIndex, deconstruct};
use uxf_codec::{Child, Element, ElementBatch, ElementHash, ErrorCode, MemoryForm};

use crate::assemble::{Elements, assemble};
use crate::properties::token_with_path;
use crate::vectors;

/// Runs on a stack as small as that of any thread.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(work).unwrap().join().unwrap();
}

fn token(inside: &str) -> String {
    let id = "ab".repeat(32);
    format!(
        r#"{{"genesis":{{"data":{{"tokenId":"{id}"}}}},"state":{{}},"transactions":[{{"data":{{"nametags":[{inside}]}}}}],"nametags":[]}}"#
    )
}

fn nested_in_transactions(depth: usize) -> String {
    (1..depth).fold(token(""), |inside, _| token(&inside))
}

#[test]
fn a_hundred_tokens_inside_each_others_transactions_pass_both_ways_on_a_small_stack() {
    on_a_small_stack(|| {
        let mut elements = Elements::default();
        let text = nested_in_transactions(NAMETAG_DEPTH_MAX);
        let root = deconstruct(text.as_bytes(), &mut elements).unwrap().root;
        let json = assemble(&elements, &root).unwrap();
        let again = deconstruct(&json, &mut ElementBatch::new()).unwrap();
        assert_eq!(again.root, root);

        let text = nested_in_transactions(NAMETAG_DEPTH_MAX + 1);
        let fault = deconstruct(text.as_bytes(), &mut elements).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::InvalidPackage);
    });
}

#[test]
fn assembling_a_hundred_and_one_levels_is_refused() {
    let mut elements = Elements::default();
    let text = nested_in_transactions(NAMETAG_DEPTH_MAX);
    let inner = deconstruct(text.as_bytes(), &mut elements).unwrap().root;
    let mut outer = Element::decode(&elements.0[&inner], MemoryForm::CANONICAL).unwrap();
    for (role, child) in &mut outer.children {
        if role == "nametags" {
            *child = Child::Many(vec![inner]);
        }
    }
    let bytes = outer.encode().unwrap();
    let root = ElementHash::of(&bytes);
    elements.0.insert(root, bytes);
    let fault = assemble(&elements, &root).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::InvalidPackage);
}

#[test]
fn values_nested_as_deep_as_json_may_be_overflow_no_small_stack() {
    on_a_small_stack(|| {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            for depth in [NESTING_MAX - 5, NESTING_MAX, 1 << 20] {
                let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let id = "ab".repeat(32);
                let inside = format!(
                    r#"{{"genesis":{{"data":{{"tokenId":"{id}","reason":{deep}}}}},"state":{{}},"transactions":[{{"data":{{"message":{deep}}}}}]}}"#
                );
                let mut elements = Elements::default();
                match deconstruct(inside.as_bytes(), &mut elements) {
                    Ok(summary) => {
                        assert_eq!(depth, NESTING_MAX - 5);
                        let json = assemble(&elements, &summary.root).unwrap();
                        let again = deconstruct(&json, &mut ElementBatch::new()).unwrap();
                        assert_eq!(again.root, summary.root);
                        for bytes in elements.0.values() {
                            let element = Element::decode(bytes, MemoryForm::CANONICAL).unwrap();
                            assert_eq!(element.encode().unwrap(), *bytes);
                        }
                    }
                    Err(fault) => {
                        assert!(depth >= NESTING_MAX);
                        assert_eq!(fault.code(), ErrorCode::MalformedJson);
                    }
                }
            }
        }
    });
}

#[test]
fn name_tags_that_double_at_every_level_are_stopped_by_the_size() {
    let mut elements = Elements::default();
    let mut root = deconstruct(token("").as_bytes(), &mut elements)
        .unwrap()
        .root;
    for _ in 0..90 {
        let mut outer = Element::decode(&elements.0[&root], MemoryForm::CANONICAL).unwrap();
        for (role, child) in &mut outer.children {
            if role == "nametags" {
                *child = Child::Many(vec![root, root]);
            }
        }
        let bytes = outer.encode().unwrap();
        root = ElementHash::of(&bytes);
        elements.0.insert(root, bytes);
    }
    let options = AssembleOptions {
        bytes_max: 1 << 20,
        ..AssembleOptions::default()
    };
    let mut out = Vec::new();
    let fault = Assembler::new()
        .assemble(&elements, &root, &options, &mut out)
        .unwrap_err();
    assert_eq!(fault.code(), ErrorCode::LimitExceeded);
    assert!(out.is_empty());
    assert!(out.capacity() < 4 << 20);
}

#[test]
fn a_forged_root_that_names_a_token_without_end_is_not_followed_for_long() {
    let mut elements = Elements::default();
    let large = format!(r#""state":{{"predicate":"{}"}}"#, "a0".repeat(12_000));
    let large = token("").replace(r#""state":{}"#, &large);
    let named = deconstruct(large.as_bytes(), &mut elements).unwrap().root;
    let mut forged = Element::decode(&elements.0[&named], MemoryForm::CANONICAL).unwrap();
    let claimed = ElementHash::of(b"another");
    for list in [vec![named; 300], vec![claimed; 2]] {
        for (role, child) in &mut forged.children {
            if role == "nametags" {
                *child = Child::Many(list.clone());
            }
        }
        elements.0.insert(claimed, forged.encode().unwrap());
        let mut out = Vec::new();
        let fault = Assembler::new()
            .assemble(&elements, &claimed, &AssembleOptions::default(), &mut out)
            .unwrap_err();
        assert_eq!(fault.code(), ErrorCode::VerificationFailed);
        assert!(fault.to_string().contains(&claimed.to_string()));
        assert!(out.is_empty());
        assert!(out.capacity() < 4 << 20, "{}", out.capacity());
    }
}

#[test]
fn a_number_in_a_path_has_a_limit_and_below_it_comes_back() {
    let largest = format!("0x{}", "f".repeat(2 * PATH_BYTES_MAX));
    let mut elements = Elements::default();
    let root = deconstruct(token_with_path(&largest).as_bytes(), &mut elements)
        .unwrap()
        .root;
    let json = assemble(&elements, &root).unwrap();
    assert_eq!(deconstruct(&json, &mut elements).unwrap().root, root);

    for too_large in [
        format!("{largest}0"),
        "9".repeat(1 << 20),
        format!("0b1{}", "0".repeat(1 << 20)),
    ] {
        let fault = deconstruct(token_with_path(&too_large).as_bytes(), &mut elements).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::LimitExceeded);
    }
}

#[test]
fn numbers_of_paths_are_read_as_the_references_language_reads_them() {
    for (text, decimal) in [
        ("", "0"),
        (" \u{feff}\u{a0}\n12\t", "12"),
        ("+5", "5"),
        ("-0", "0"),
        ("007", "7"),
        ("0x1F", "31"),
        ("0Xff", "255"),
        ("0b101", "5"),
        ("0O17", "15"),
        ("18446744073709551616", "18446744073709551616"),
        ("0x0000", "0"),
        ("0000000000000000000000000000000000000000000000001", "1"),
        (
            "115792089237316195423570985008687907853269984665640564039457584007913129639936",
            "115792089237316195423570985008687907853269984665640564039457584007913129639936",
        ),
    ] {
        let mut elements = Elements::default();
        let root = deconstruct(token_with_path(text).as_bytes(), &mut elements)
            .unwrap()
            .root;
        let json = String::from_utf8(assemble(&elements, &root).unwrap()).unwrap();
        assert!(
            json.contains(&format!("\"path\":\"{decimal}\"")),
            "{text}: {json}"
        );
    }
    for text in [
        "-1", "+", "-", "0x", "+0x1", "-0x0", "1_000", "1.5", "1e3", "abc", "1 2", "0b2", "0o8",
        "0xg", "\u{85}1", "٣",
    ] {
        let fault =
            deconstruct(token_with_path(text).as_bytes(), &mut ElementBatch::new()).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::MalformedField, "{text}");
    }
}

#[test]
fn a_state_index_is_judged_before_the_token_is_looked_for() {
    for number in [
        -1.0,
        0.5,
        4_294_967_296.0,
        f64::NAN,
        f64::INFINITY,
        9_007_199_254_740_993.0,
    ] {
        let fault = StateIndex::from_number(number).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::InvalidInput);
    }
    assert_eq!(
        StateIndex::from_number(4_294_967_295.0).unwrap(),
        StateIndex::At(u64::from(u32::MAX))
    );
    assert_eq!(StateIndex::from_number(-0.0).unwrap(), StateIndex::At(0));
    let options = AssembleOptions {
        state: StateIndex::At(1 << 32),
        ..AssembleOptions::default()
    };
    let nowhere = ElementHash::of(b"");
    let fault = Assembler::new()
        .assemble(&Elements::default(), &nowhere, &options, &mut Vec::new())
        .unwrap_err();
    assert_eq!(fault.code(), ErrorCode::InvalidInput);
}

#[test]
fn a_damaged_merkle_path_is_refused_and_a_loosely_written_one_is_read() {
    let mut elements = Elements::default();
    let root = deconstruct(token_with_path("5").as_bytes(), &mut elements)
        .unwrap()
        .root;
    let expected = r#"{"root":"000001","steps":[{"data":null,"path":"5"}]}"#;
    for (blob, outcome) in [
        ("8243000001818241 05f6", Ok(())),
        // Longer heads than needed, items and bytes behind what is wanted, a leading zero in the number.
        (
            "9a0000000358030000019801835800020005f6a1018020c1",
            Err(ErrorCode::MalformedCbor),
        ),
        (
            "9a0000000358030000019801 834200 05f6a10180 81c101 ffff",
            Ok(()),
        ),
        ("8243000001 81 82 41 05", Err(ErrorCode::MalformedCbor)),
        ("8142 0001", Err(ErrorCode::MalformedCbor)),
        ("82420001 80", Err(ErrorCode::MalformedCbor)),
        ("9f43000001818241 05f6ff", Err(ErrorCode::MalformedCbor)),
        (
            "82430000019bffffffffffffffff",
            Err(ErrorCode::MalformedCbor),
        ),
        ("8263000001818241 05f6", Err(ErrorCode::MalformedCbor)),
    ] {
        let blob = const_hex::decode(blob.replace(' ', "")).unwrap();
        let (forged, elements) = with_path_blob(&elements, root, &blob);
        match (assemble(&elements, &forged), outcome) {
            (Ok(json), Ok(())) => assert!(String::from_utf8(json).unwrap().contains(expected)),
            (Err(fault), Err(code)) => assert_eq!(fault.code(), code, "{fault}"),
            (found, _) => panic!("{} gave {found:?}", const_hex::encode(blob)),
        }
    }
    let (forged, elements) = with_path_blob(&elements, root, &[]);
    assert_eq!(
        assemble(&elements, &forged).unwrap_err().code(),
        ErrorCode::InvalidPackage
    );
}

/// The token with another Merkle path, and every parent changed accordingly.
fn with_path_blob(elements: &Elements, root: ElementHash, blob: &[u8]) -> (ElementHash, Elements) {
    let mut forged = Elements::default();
    let root = replace(elements, root, blob, &mut forged);
    (root, forged)
}

fn replace(from: &Elements, hash: ElementHash, blob: &[u8], into: &mut Elements) -> ElementHash {
    let mut element = Element::decode(&from.0[&hash], MemoryForm::CANONICAL).unwrap();
    for (key, value) in &mut element.content {
        if key == "cbor" {
            *value = uxf_codec::canonical::Value::Text(const_hex::encode(blob));
        }
    }
    for (_, child) in &mut element.children {
        *child = match child {
            Child::Absent => Child::Absent,
            Child::One(hash) => Child::One(replace(from, *hash, blob, into)),
            Child::Many(list) => Child::Many(
                list.iter()
                    .map(|hash| replace(from, *hash, blob, into))
                    .collect(),
            ),
        };
    }
    let bytes = element.encode().unwrap();
    let hash = ElementHash::of(&bytes);
    into.0.insert(hash, bytes);
    hash
}

#[test]
fn assembling_any_mixture_of_changed_elements_ends_in_json_or_a_typed_error() {
    // Every element under the hash of its neighbour, hashes not checked: types and shapes alone decide.
    let options = AssembleOptions {
        check_hashes: false,
        ..AssembleOptions::default()
    };
    for (_, input, _) in vectors::tokens().into_iter().step_by(7) {
        let mut elements = Elements::default();
        let root = deconstruct(&input, &mut elements).unwrap().root;
        let hashes: Vec<ElementHash> = elements.0.keys().copied().collect();
        for pair in hashes.windows(2) {
            let kept = elements.0[&pair[0]].clone();
            let other = elements.0[&pair[1]].clone();
            elements.0.insert(pair[0], other);
            let mut out = Vec::new();
            match Assembler::new().assemble(&elements, &root, &options, &mut out) {
                Ok(()) => assert!(!out.is_empty()),
                Err(fault) => assert!(
                    matches!(
                        fault.code(),
                        ErrorCode::TypeMismatch | ErrorCode::InvalidPackage
                    ),
                    "{fault}"
                ),
            }
            assert!(ElementView::parse(&kept).is_ok());
            elements.0.insert(pair[0], kept);
        }
    }
}

#[test]
fn a_token_without_a_field_that_its_elements_lack_is_still_json() {
    let text = json!({
        "genesis": {"data": {"tokenId": "00".repeat(32)}},
        "state": {},
        "transactions": [{"data": {}, "_wallet": {"authenticator": {}}}, {}],
    });
    let mut elements = Elements::default();
    let root = deconstruct(text.to_string().as_bytes(), &mut elements)
        .unwrap()
        .root;
    let json = assemble(&elements, &root).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(found["genesis"]["data"].get("recipient").is_none());
    assert_eq!(
        found["transactions"][0]["_wallet"]["authenticator"]["publicKey"],
        serde_json::Value::Null
    );
}
