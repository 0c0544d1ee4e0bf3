//! What must hold for any token and any element.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use uxf_codec::canonical::ElementView;
use uxf_codec::token::{Deconstructor, deconstruct};
use uxf_codec::{Element, ElementBatch, ElementHash, ElementType, MemoryForm};

use crate::assemble::{Elements, assemble};
use crate::vectors;

fn hex(bytes: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    vec(any::<u8>(), bytes).prop_map(const_hex::encode)
}

fn nullable(value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    option::of(value)
        .prop_map(|value| value.map_or(Value::Null, Value::from))
        .boxed()
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        any::<u64>().prop_map(|number| number.to_string()),
        "[1-9][0-9]{0,120}",
    ]
}

fn state() -> impl Strategy<Value = Value> {
    (nullable(hex(1..40)), nullable(hex(1..8)))
        .prop_map(|(predicate, data)| json!({"predicate": predicate, "data": data}))
}

fn authenticator() -> impl Strategy<Value = Value> {
    (".{0,8}", nullable(hex(1..34)), nullable(hex(1..66)), nullable(hex(1..35))).prop_map(
        |(algorithm, key, signature, state)| {
            json!({"algorithm": algorithm, "publicKey": key, "signature": signature, "stateHash": state})
        },
    )
}

fn proof() -> impl Strategy<Value = Value> {
    let step = (nullable(hex(0..34)), decimal())
        // An empty text is no data here; only the prefix alone would be, and that is not the canonical form.
        .prop_filter("data of no bytes comes back as null", |(data, _)| {
            data != ""
        })
        .prop_map(|(data, path)| json!({"data": data, "path": path}));
    (
        option::of(authenticator()),
        hex(3..35),
        vec(step, 1..5),
        nullable(hex(1..35)),
        nullable(hex(1..60)),
    )
        .prop_map(|(authenticator, root, steps, hash, certificate)| {
            json!({
                "authenticator": authenticator,
                "merkleTreePath": {"root": root, "steps": steps},
                "transactionHash": hash,
                "unicityCertificate": certificate,
            })
        })
}

fn reason() -> impl Strategy<Value = Value> {
    // Texts are left out: whether one comes back depends on whether its bytes happen to be CBOR.
    prop_oneof![
        4 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => (".{0,9}", any::<u32>(), -1.0..1.0).prop_map(|(key, whole, part)| json!({key: [whole, part, null, {"a": "b"}]})),
    ]
}

fn transaction(nametag: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    (
        (state(), ".{0,20}", nullable(hex(1..33)), nullable(hex(1..33)), nullable(".{0,70}".boxed())),
        vec(nametag, 0..2),
        option::of(proof()),
        option::of(authenticator()),
    )
        .prop_map(|((state, recipient, salt, hash, message), nametags, proof, pending)| {
            let mut transaction = json!({
                "data": {
                    "sourceState": state, "recipient": recipient, "salt": salt, "recipientDataHash": hash,
                    "message": message, "nametags": nametags,
                },
                "inclusionProof": proof,
            });
            if let Some(pending) = pending {
                transaction["_wallet"] = json!({"authenticator": pending});
            }
            transaction
        })
}

fn token_with(nametag: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let id = prop_oneof![hex(32..33), hex(33..34), hex(34..35)];
    let data = (
        id,
        nullable(hex(1..33)),
        vec((".{0,12}", "[0-9]{1,30}"), 0..3),
        nullable(hex(1..70)),
        nullable(hex(1..33)),
        ".{0,20}",
        nullable(hex(1..33)),
        reason(),
    )
        .prop_map(|(id, token_type, coins, data, salt, recipient, hash, reason)| {
            json!({
                "tokenId": id, "tokenType": token_type, "coinData": coins, "tokenData": data, "salt": salt,
                "recipient": recipient, "recipientDataHash": hash, "reason": reason,
            })
        });
    (
        prop_oneof![Just("2.0".to_owned()), ".{1,5}"],
        data,
        option::of(proof()),
        vec(transaction(nametag.clone()), 0..4),
        state(),
        vec(nametag, 0..2),
    )
        .prop_map(|(version, data, proof, transactions, state, nametags)| {
            json!({
                "version": version, "genesis": {"data": data, "inclusionProof": proof}, "transactions": transactions,
                "state": state, "nametags": nametags,
            })
        })
}

/// Tokens that lose nothing on the way: every "no value" is null and no transaction lacks its data.
fn canonical_token() -> impl Strategy<Value = Value> {
    let leaf = token_with(
        Just(Value::Null)
            .prop_filter("no name-tag", |_| true)
            .boxed(),
    );
    let leaf = leaf.prop_map(without_null_nametags).boxed();
    token_with(leaf)
}

/// The innermost tokens are generated with nulls for name-tags, which would vanish.
fn without_null_nametags(mut token: Value) -> Value {
    token["nametags"] = json!([]);
    for transaction in token["transactions"].as_array_mut().unwrap() {
        transaction["data"]["nametags"] = json!([]);
    }
    token
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_canonical_token_comes_back_as_it_was(token in canonical_token()) {
        let mut elements = Elements::default();
        let root = deconstruct(token.to_string().as_bytes(), &mut elements).unwrap().root;
        let json = assemble(&elements, &root).unwrap();
        let found: Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&found, &serde_json::from_str::<Value>(&token.to_string()).unwrap());
        let again = deconstruct(&json, &mut ElementBatch::new()).unwrap();
        prop_assert_eq!(again.root, root);
    }

    #[test]
    fn a_token_with_a_changed_byte_is_refused_or_has_only_readable_elements(
        token in canonical_token(),
        place: prop::sample::Index,
        byte in 0x20..0x7fu8,
    ) {
        let mut text = token.to_string().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        let mut batch = ElementBatch::new();
        if Deconstructor::new().deconstruct(&text, &mut batch).is_ok() {
            for element in batch.iter() {
                let view = ElementView::parse(element.bytes).unwrap();
                prop_assert_eq!(view.element_type(), element.element_type);
            }
        }
    }

    #[test]
    fn any_json_is_refused_or_taken_apart_without_a_panic(text in "[\\[\\]{}:,\"a-f0-9 .e-]{0,60}") {
        let token = format!(
            r#"{{"genesis":{{"data":{{"tokenId":"{}","reason":{text}}}}},"state":{text},"transactions":[{text}]}}"#,
            "0".repeat(64)
        );
        let mut batch = ElementBatch::new();
        if deconstruct(token.as_bytes(), &mut batch).is_ok() {
            prop_assert!(!batch.is_empty());
        }
    }

    #[test]
    fn a_path_is_stored_as_its_bytes_and_comes_back_as_its_decimal(number: u128, zeros in 0..3usize) {
        let text = format!("{}{number}", "0".repeat(zeros));
        let token = token_with_path(&text);
        let mut elements = Elements::default();
        let root = deconstruct(token.as_bytes(), &mut elements).unwrap().root;
        let bytes = number.to_be_bytes();
        let bytes = &bytes[number.leading_zeros() as usize / 8..];
        let blob: Vec<u8> = [b"\x82\x43\x00\x00\x01\x81\x82".as_slice(), &[0x40 + u8::try_from(bytes.len()).unwrap()], bytes, b"\xf6"].concat();
        let stored = elements.0.values().any(|element| {
            let view = ElementView::parse(element).unwrap();
            view.element_type() == ElementType::SmtPath && view.bytes("cbor") == Some(&blob)
        });
        prop_assert!(stored);
        let json = String::from_utf8(assemble(&elements, &root).unwrap()).unwrap();
        let path = format!("\"path\":\"{number}\"");
        prop_assert!(json.contains(&path));
    }
}

pub(crate) fn token_with_path(path: &str) -> String {
    json!({
        "genesis": {
            "data": {"tokenId": "00".repeat(32)},
            "inclusionProof": {"merkleTreePath": {"root": "000001", "steps": [{"path": path, "data": null}]}},
        },
        "state": {},
        "transactions": [],
    })
    .to_string()
}

/// Elements of every type that ingestion makes, the smallest of each.
fn specimens() -> Vec<Vec<u8>> {
    let mut specimens = std::collections::BTreeMap::<ElementType, Vec<u8>>::new();
    for (_, input, _) in vectors::tokens() {
        let mut batch = ElementBatch::new();
        deconstruct(&input, &mut batch).unwrap();
        for element in batch.iter() {
            let smallest = specimens
                .entry(element.element_type)
                .or_insert_with(|| element.bytes.to_vec());
            if element.bytes.len() < smallest.len() {
                *smallest = element.bytes.to_vec();
            }
        }
    }
    assert_eq!(specimens.len(), 11);
    specimens.into_values().collect()
}

#[test]
fn every_changed_byte_of_an_element_is_refused_or_makes_another_element() {
    let (mut refused, mut accepted) = (0, 0);
    for bytes in specimens() {
        let hash = ElementHash::of(&bytes);
        for place in 0..bytes.len() {
            for byte in 0..=255 {
                if bytes[place] == byte {
                    continue;
                }
                let mut changed = bytes.clone();
                changed[place] = byte;
                match Element::decode(&changed, MemoryForm::CANONICAL) {
                    Err(_) => refused += 1,
                    Ok(element) => {
                        // An element is what encodes to the very bytes it was read from.
                        assert_eq!(element.encode().unwrap(), changed);
                        assert_ne!(ElementHash::of(&changed), hash);
                        accepted += 1;
                    }
                }
            }
        }
    }
    assert!(
        refused > 100_000 && accepted > 10_000,
        "{refused} {accepted}"
    );
}
