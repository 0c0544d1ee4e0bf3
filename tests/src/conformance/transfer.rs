//! `transfer/`: the messages that carry a bundle from wallet to wallet.

use serde_json::Value;
use uxf_codec::carriage::transfer::{
    TransferError, TransferPayload, decode_base64, encode_base64, extract_root,
};

use super::report::{Report, Scope};
use super::vectors::{Vectors, file_name};
use super::{facts, guarded, json};

const KNOWN_FIELDS: &[&str] = &["name", "note", "encode", "decode", "base64", "extractRoot"];

pub(super) fn run(report: &mut Report, vectors: &Vectors) {
    let mut used = Vec::new();
    for file in vectors.files("transfer") {
        let name = file_name(&file);
        let shown = format!("uxf/transfer/{name}");
        let expected = vectors.json(&format!("transfer/{name}"));
        let Some(expected) = expected.filter(Value::is_object) else {
            continue;
        };
        used.push(format!("transfer/{name}"));
        guarded(report, ("uxf/transfer", "payloads"), &shown, |scope| {
            scope.known_fields(&expected, KNOWN_FIELDS);
            for case in list(&expected, "encode") {
                check_encode(scope, case);
            }
            for case in list(&expected, "decode") {
                check_decode(scope, case);
            }
            for case in list(&expected, "base64") {
                check_base64(scope, case);
            }
        });
        guarded(
            report,
            ("uxf/transfer", "roots of archives"),
            &shown,
            |scope| {
                for case in list(&expected, "extractRoot") {
                    used.extend(case.get("file").and_then(Value::as_str).map(str::to_owned));
                    check_extract_root(scope, vectors, case);
                }
            },
        );
    }
    for file in vectors.files("transfer") {
        let relative = format!("transfer/{}", file_name(&file));
        if !used.contains(&relative) {
            report.not_covered(format!("uxf/{relative}"));
        }
    }
}

fn list<'v>(expected: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    expected
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'v>(case: &'v Value, name: &str) -> Option<&'v str> {
    case.get(name).and_then(Value::as_str)
}

fn outcome<T>(
    scope: &mut Scope<'_>,
    case: &str,
    expected: &Value,
    found: &Result<T, TransferError>,
) {
    let found = found
        .as_ref()
        .err()
        .map(|error| (error.code(), error.to_string()));
    facts::outcome_code(scope, case, expected, found);
}

fn check_encode(scope: &mut Scope<'_>, case: &Value) {
    let name = format!("encode {}", text(case, "case").unwrap_or("?"));
    let (Some(payload), Some(wanted)) = (case.get("payload"), text(case, "encoded")) else {
        scope.not_covered(&name);
        return;
    };
    let encoded =
        TransferPayload::decode(&json::text(payload)).and_then(|payload| payload.encode());
    if let Some(encoded) = scope.value(&name, encoded) {
        scope.equal(&name, wanted, encoded);
    }
    let again = TransferPayload::decode(wanted).and_then(|payload| payload.encode());
    if let Some(again) = scope.value(&name, again) {
        scope.field(case, "reencoded", again == wanted);
    }
}

fn check_decode(scope: &mut Scope<'_>, case: &Value) {
    let name = format!("decode {}", text(case, "case").unwrap_or("?"));
    let (Some(content), Some(expected)) = (text(case, "content"), case.get("expect")) else {
        scope.not_covered(&name);
        return;
    };
    outcome(scope, &name, expected, &TransferPayload::decode(content));
}

fn check_base64(scope: &mut Scope<'_>, case: &Value) {
    let (Some(input), Some(expected)) = (text(case, "input"), case.get("expect")) else {
        scope.not_covered("a base64 case");
        return;
    };
    let name = format!("base64 {input:?}");
    let found = decode_base64(input);
    outcome(scope, &name, expected, &found);
    if let Ok(bytes) = found {
        scope.field(expected, "hex", const_hex::encode(&bytes));
        let again = decode_base64(&encode_base64(&bytes));
        scope.equal(
            &format!("{name} again"),
            true,
            again.is_ok_and(|again| again == bytes),
        );
    }
}

fn check_extract_root(scope: &mut Scope<'_>, vectors: &Vectors, case: &Value) {
    let name = format!("extractRoot {}", text(case, "case").unwrap_or("?"));
    let car = text(case, "file").and_then(|file| vectors.bytes(file));
    let (Some(car), Some(expected)) = (car, case.get("expect")) else {
        scope.not_covered(&name);
        return;
    };
    let found = extract_root(&car);
    outcome(scope, &name, expected, &found);
    if let Ok(root) = found {
        scope.field(expected, "rootCid", root);
    }
}
