//! The tape against `serde_json`, and the rules of the reference's language that no other parser follows.

use proptest::prelude::*;
use serde_json::Value as Oracle;
use uxf_codec::ErrorCode;
use uxf_codec::canonical::Value;
use uxf_codec::json::{Kind, Node, Tape, write_text, write_value};
use uxf_codec::limits::NESTING_MAX;

fn to_oracle(node: Node<'_>) -> Oracle {
    match node.kind() {
        Kind::Null => Oracle::Null,
        Kind::Bool => Oracle::Bool(node.as_bool().unwrap()),
        // An oracle number of the same text: both sides read the digits, not each other's floats.
        Kind::Number => serde_json::from_str(node.raw()).unwrap(),
        Kind::Text => Oracle::String(node.as_text().unwrap().into_owned()),
        Kind::Array => Oracle::Array(node.items().map(to_oracle).collect()),
        Kind::Object => Oracle::Object(
            node.entries()
                .map(|(key, value)| (key.into_owned(), to_oracle(value)))
                .collect(),
        ),
    }
}

fn parses(text: &[u8]) -> bool {
    Tape::new().parse(text).is_ok()
}

fn arbitrary_json() -> impl Strategy<Value = Oracle> {
    let leaf = prop_oneof![
        Just(Oracle::Null),
        any::<bool>().prop_map(Oracle::Bool),
        any::<i64>().prop_map(Oracle::from),
        (-1e300..1e300).prop_map(Oracle::from),
        any::<String>().prop_map(Oracle::String),
        "[0-9a-f]{0,80}".prop_map(Oracle::String),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Oracle::Array),
            proptest::collection::vec((".{0,12}", inner), 0..8)
                .prop_map(|entries| Oracle::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_the_oracle_writes_is_read_as_the_oracle_reads_it(value in arbitrary_json(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&value)
        } else {
            serde_json::to_string(&value)
        }
        .unwrap();
        let mut tape = Tape::new();
        // Read back rather than compared with `value`: the oracle rounds some floats otherwise when it reads them.
        let read: Oracle = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(to_oracle(tape.parse(text.as_bytes()).unwrap()), read);
    }

    #[test]
    fn a_changed_byte_is_accepted_or_refused_as_by_the_oracle(
        value in arbitrary_json(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let place = place.index(text.len());
        text[place] = byte;
        let oracle = serde_json::from_slice::<Oracle>(&text);
        let mut tape = Tape::new();
        match (tape.parse(&text), oracle) {
            (Ok(node), Ok(oracle)) => prop_assert_eq!(to_oracle(node), oracle),
            (Err(_), Err(_)) => {}
            // The oracle refuses numbers that it cannot hold, unpaired surrogates and nesting beyond 128.
            (Ok(_), Err(fault)) => {
                let fault = fault.to_string();
                prop_assert!(
                    ["out of range", "surrogate", "hex escape", "recursion"].iter().any(|known| fault.contains(known)),
                    "{}", fault
                );
            }
            (Err(fault), Ok(_)) => prop_assert!(false, "{}", fault),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text: Vec<u8>) {
        prop_assert!(parses(&text) || !parses(&text));
    }

    #[test]
    fn a_written_text_is_read_back(text: String) {
        let mut out = Vec::new();
        write_text(&mut out, &text);
        let mut tape = Tape::new();
        prop_assert_eq!(tape.parse(&out).unwrap().as_text().unwrap(), text);
    }

    #[test]
    fn a_written_value_is_read_back(value in arbitrary_json()) {
        let text = value.to_string();
        let mut tape = Tape::new();
        let value = tape.parse(text.as_bytes()).unwrap().to_value().unwrap();
        let mut out = Vec::new();
        write_value(&mut out, &value);
        prop_assert_eq!(tape.parse(&out).unwrap().to_value().unwrap(), value);
    }
}

#[test]
fn what_json_parse_refuses_is_refused() {
    for text in [
        "",
        " ",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{1:1}",
        "'a'",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "0x1",
        "-01",
        "NaN",
        "Infinity",
        "undefined",
        "tru",
        "nulll",
        "[1 2]",
        "[1]]",
        "1 2",
        "\"a",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12g4\"",
        "\"\\u123\"",
        "\"a\nb\"",
        "\"\t\"",
        "[",
        "{",
        "[}",
        "{]",
        "{\"a\":[}",
        "\u{feff}1",
        "\u{a0}1",
        "// a\n1",
        "\"\\",
        "{\"a\" 1}",
        "[\"a\"",
    ] {
        let mut tape = Tape::new();
        let fault = tape.parse(text.as_bytes()).unwrap_err();
        assert_eq!(fault.code(), ErrorCode::MalformedJson, "{text}");
    }
    assert!(!parses(b"\"\xff\""));
    assert!(!parses(b"\"\xed\xa0\x80\""));
}

#[test]
fn an_error_names_the_byte() {
    let mut tape = Tape::new();
    let fault = tape.parse(b"{\"a\": [1, 2, x]}").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "not valid JSON at byte 13: expected a value"
    );
}

#[test]
fn keys_come_in_the_order_of_the_references_language() {
    let mut tape = Tape::new();
    let node = tape
        .parse(br#"{"b":1,"10":2,"a":3,"9":4,"b":5,"01":6,"4294967295":7,"4294967294":8}"#)
        .unwrap();
    let entries: Vec<(String, f64)> = node
        .entries()
        .map(|(key, value)| (key.into_owned(), value.as_number().unwrap()))
        .collect();
    let expected = [
        ("9", 4.0),
        ("10", 2.0),
        ("4294967294", 8.0),
        ("b", 5.0),
        ("a", 3.0),
        ("01", 6.0),
        ("4294967295", 7.0),
    ];
    assert_eq!(
        entries,
        expected.map(|(key, value)| (key.to_owned(), value))
    );
    assert_eq!(node.len(), 7);
    assert_eq!(node.get("b").unwrap().as_number(), Some(5.0));
}

#[test]
fn escapes_are_resolved_in_texts_and_keys() {
    let mut tape = Tape::new();
    let node = tape
        .parse(br#"{"\u0061\/b":"\ud83d\ude00 \ud83d \ude00 \ud83d\ud83d\ude00 \b\f\n\r\t\"\\","k\u0065y":7}"#)
        .unwrap();
    assert_eq!(
        node.get("a/b").unwrap().as_text().unwrap(),
        "😀 \u{fffd} \u{fffd} \u{fffd}😀 \u{8}\u{c}\n\r\t\"\\"
    );
    assert_eq!(node.get("key").unwrap().as_number(), Some(7.0));
    assert!(node.get("k").is_none());
}

#[test]
fn nesting_is_capped_and_needs_no_stack() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(parses(&nested(NESTING_MAX)));
    assert!(!parses(&nested(NESTING_MAX + 1)));
    assert!(!parses(&vec![b'['; 1 << 20]));
}

#[test]
fn numbers_are_those_of_the_references_language() {
    let mut tape = Tape::new();
    let node = tape
        .parse(b"[1.0,-0,9007199254740991,9007199254740992,1e3,0.5,-7]")
        .unwrap();
    assert_eq!(
        node.to_value().unwrap(),
        Value::List(vec![
            Value::Int(1),
            Value::Int(0),
            Value::Int(9_007_199_254_740_991),
            Value::Float(9_007_199_254_740_992.0),
            Value::Int(1000),
            Value::Float(0.5),
            Value::Int(-7),
        ])
    );
    let fault = tape.parse(b"1e400").unwrap().to_value().unwrap_err();
    assert_eq!(fault.code(), ErrorCode::MalformedField);
}

#[test]
fn values_are_written_as_the_references_language_writes_them() {
    let value = Value::Map(vec![
        ("b".into(), Value::Bytes(vec![7, 255])),
        ("2".into(), Value::Float(1e21)),
        (
            "1".into(),
            Value::List(vec![Value::Int(-1), Value::Bool(true), Value::Null]),
        ),
    ]);
    let mut out = Vec::new();
    write_value(&mut out, &value);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"1":[-1,true,null],"2":1e+21,"b":{"0":7,"1":255}}"#
    );
}
