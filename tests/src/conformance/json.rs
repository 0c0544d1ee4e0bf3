//! JSON of the vectors: reading without a limit on nesting, and the one sorted text that hashes are taken over.

use serde::Deserialize as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Reads JSON of any nesting.
///
/// # Errors
/// Those of the parser.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    deserializer.disable_recursion_limit();
    let value = Value::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Compact JSON with the keys of objects sorted by code point and numbers as JavaScript writes them.
pub fn sorted_text(value: &Value) -> String {
    let mut out = String::new();
    write_sorted(value, true, &mut out);
    out
}

/// Compact JSON with keys in the order in which they stand, numbers as JavaScript writes them.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write_sorted(value, false, &mut out);
    out
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    const_hex::encode(Sha256::digest(bytes))
}

fn write_sorted(value: &Value, sort: bool, out: &mut String) {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.is_finite() => {
                out.push_str(ryu_js::Buffer::new().format_finite(number));
            }
            _ => out.push_str(&number.to_string()),
        },
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_sorted(item, sort, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            if sort {
                entries.sort_by_key(|(key, _)| *key);
            }
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(item, sort, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_text_sorts_keys_at_every_level_and_writes_numbers_as_javascript_does() {
        let value = parse(br#"{"b":{"z":1e21,"a":0.1},"B":[1.0,-0.0,"\u001f\u00fc"],"a":1e-7}"#);
        let value = value.unwrap();
        assert_eq!(
            sorted_text(&value),
            "{\"B\":[1,0,\"\\u001fü\"],\"a\":1e-7,\"b\":{\"a\":0.1,\"z\":1e+21}}"
        );
        assert!(text(&value).starts_with(r#"{"b":{"z""#));
    }

    #[test]
    fn json_nested_a_thousand_levels_is_read() {
        let text = "[".repeat(1_000) + &"]".repeat(1_000);
        assert!(parse(text.as_bytes()).unwrap().is_array());
    }
}
