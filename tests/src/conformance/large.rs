//! Limit cases that the vectors describe in words because their input is large.

use serde_json::Value;
use uxf_codec::canonical::{Value as Cbor, encode_value};
use uxf_codec::package::Package;
use uxf_codec::{Element, ElementHash, ElementType, Header};

use super::facts;
use super::report::Scope;

pub(super) fn check(scope: &mut Scope<'_>, case: &Value) {
    let name = case.get("case").and_then(Value::as_str).unwrap_or_default();
    let (Some(result), Some(expected)) = (run(name), case.get("expect")) else {
        scope.not_covered(&format!("large case {name}"));
        return;
    };
    facts::outcome(scope, name, expected, &result);
    if let Ok(package) = result {
        scope.field(expected, "elementCount", package.pool().len());
        scope.field(expected, "tokenCount", package.manifest().len());
    }
}

/// Makes the input a case's name tells of, as `car-10001-blocks`, and reads it.
fn run(name: &str) -> Option<Result<Package, uxf_codec::Error>> {
    let number = |rest: &str| rest.parse::<usize>().ok();
    if let Some(rest) = name.strip_prefix("car-") {
        return if let Some(blocks) = rest.strip_suffix("-blocks") {
            Some(Package::from_car(&car_of_blocks(number(blocks)?)))
        } else {
            let bytes = number(rest.strip_suffix("-bytes")?)?;
            Some(Package::from_car(&vec![0; bytes]))
        };
    }
    let (manifest, elements) = match name.strip_prefix("json-manifest-") {
        Some(entries) => (number(entries)?, 0),
        None => (0, number(name.strip_prefix("json-elements-")?)?),
    };
    Some(Package::from_json(json_of(manifest, elements).as_bytes()))
}

/// A CAR of so many blocks: envelope, a manifest without tokens, and distinct predicates.
fn car_of_blocks(blocks: usize) -> Vec<u8> {
    let manifest = encode_value(&Cbor::Map(vec![(
        "tokens".to_owned(),
        Cbor::Map(Vec::new()),
    )]));
    let link = |bytes: &[u8]| Cbor::Link(ElementHash::of(bytes).to_cid_bytes().to_vec());
    let envelope = encode_value(&Cbor::Map(vec![
        ("version".to_owned(), Cbor::Text("1.0.0".to_owned())),
        ("manifest".to_owned(), link(&manifest)),
        ("createdAt".to_owned(), Cbor::Int(1_750_000_000)),
        ("updatedAt".to_owned(), Cbor::Int(1_750_000_000)),
    ]));
    let header = encode_value(&Cbor::Map(vec![
        ("roots".to_owned(), Cbor::List(vec![link(&envelope)])),
        ("version".to_owned(), Cbor::Int(1)),
    ]));
    let mut car = Vec::new();
    put_section(&mut car, &[&header]);
    let mut put_block = |bytes: &[u8]| {
        put_section(&mut car, &[&ElementHash::of(bytes).to_cid_bytes(), bytes]);
    };
    put_block(&envelope);
    put_block(&manifest);
    for index in 0..blocks.saturating_sub(2) {
        let predicate = Element {
            header: Header::default(),
            element_type: ElementType::Predicate,
            content: vec![("raw".to_owned(), Cbor::Text(format!("{index:016x}")))],
            children: Vec::new(),
        };
        put_block(&predicate.encode().unwrap_or_default());
    }
    car
}

fn put_section(car: &mut Vec<u8>, parts: &[&[u8]]) {
    let mut len: usize = parts.iter().map(|part| part.len()).sum();
    while len > 0x7f {
        car.push(0x80 | low_bits(len));
        len >>= 7;
    }
    car.push(low_bits(len));
    for part in parts {
        car.extend_from_slice(part);
    }
}

fn low_bits(len: usize) -> u8 {
    u8::try_from(len & 0x7f).unwrap_or_default()
}

fn json_of(manifest: usize, elements: usize) -> String {
    let zeros = "0".repeat(64);
    let manifest: Vec<String> = (0..manifest)
        .map(|n| format!("\"{n:064x}\":\"{zeros}\""))
        .collect();
    let elements: Vec<String> = (0..elements)
        .map(|n| format!("\"{n:064x}\":{{}}"))
        .collect();
    format!(
        "{{\"uxf\":\"1.0.0\",\"metadata\":{{\"version\":\"1.0.0\",\"createdAt\":1,\"updatedAt\":1,\
         \"elementCount\":0,\"tokenCount\":0}},\"manifest\":{{{}}},\"instanceChainIndex\":{{}},\
         \"indexes\":{{\"byTokenType\":{{}},\"byCoinId\":{{}},\"byStateHash\":{{}}}},\"elements\":{{{}}}}}",
        manifest.join(","),
        elements.join(",")
    )
}
