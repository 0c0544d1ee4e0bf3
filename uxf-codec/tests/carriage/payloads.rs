use uxf_codec::carriage::transfer::{
    TransferError, TransferPayload, decode_base64, encode_base64, extract_root,
};

use crate::support::{member, read, read_json};

fn check<T: core::fmt::Debug>(
    name: &str,
    expect: &serde_json::Value,
    found: &Result<T, TransferError>,
) {
    match found {
        Ok(_) => assert_eq!(expect["ok"], true, "{name}"),
        Err(error) => assert_eq!(expect["code"], error.code(), "{name}: {error}"),
    }
}

#[test]
fn payloads_are_encoded_as_the_reference_encodes_them() {
    let text = member(&read("transfer/payloads.json"), "encode");
    let mut tape = uxf_codec::json::Tape::new();
    let cases = tape.parse(text.as_bytes()).unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases.items() {
        let name = case.get("case").unwrap().as_text().unwrap();
        let payload = TransferPayload::decode(case.get("payload").unwrap().raw()).unwrap();
        let encoded = payload.encode().unwrap();
        let expected = case.get("encoded").unwrap();
        assert_eq!(encoded, expected.as_text().unwrap(), "{name}");
        let again = TransferPayload::decode(&encoded).unwrap();
        assert_eq!(again.encode().unwrap(), encoded, "{name}");
    }
}

#[test]
fn payloads_are_refused_and_accepted_as_by_the_reference() {
    let cases = read_json("transfer/payloads.json");
    for case in cases["decode"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let found = TransferPayload::decode(case["content"].as_str().unwrap());
        check(name, &case["expect"], &found);
    }
}

#[test]
fn a_payload_of_more_than_8_mi_units_is_refused_unread() {
    let wrap = |memo: String| {
        format!(
            r#"{{"kind":"uxf-cid","version":"1.0","mode":"instant","bundleCid":"b","tokenIds":[],"memo":"{memo}"}}"#
        )
    };
    let frame = wrap(String::new()).len();
    let fits = wrap("é".repeat((8 << 20) - frame));
    assert!(fits.len() > 8 << 20, "units are counted, not bytes");
    assert!(TransferPayload::decode(&fits).is_ok());
    let error = TransferPayload::decode(&wrap("e".repeat((8 << 20) - frame + 1))).unwrap_err();
    assert_eq!(error.code(), "BUNDLE_REJECTED_MALFORMED_ENVELOPE");
}

#[test]
fn base64_is_read_as_by_the_reference() {
    let cases = read_json("transfer/payloads.json");
    for case in cases["base64"].as_array().unwrap() {
        let input = case["input"].as_str().unwrap();
        let found = decode_base64(input);
        check(input, &case["expect"], &found);
        if let Ok(bytes) = found {
            assert_eq!(
                const_hex::encode(&bytes),
                case["expect"]["hex"].as_str().unwrap()
            );
            assert_eq!(decode_base64(&encode_base64(&bytes)).unwrap(), bytes);
        }
    }
}

#[test]
fn the_root_is_taken_from_the_header_and_small_archives_are_read_to_their_end() {
    let cases = read_json("transfer/payloads.json");
    for case in cases["extractRoot"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let found = extract_root(&read(case["file"].as_str().unwrap()));
        check(name, &case["expect"], &found);
        if let Ok(root) = found {
            assert_eq!(root, case["expect"]["rootCid"].as_str().unwrap(), "{name}");
        }
    }
}
