use core::cmp::Ordering;

use serde_json::{Map, Value};
use thiserror::Error;

use super::text::{JsText, text_order};

/// Largest row that is read: 1 MiB. A larger one is refused before it is parsed.
pub const ROW_BYTES_MAX: usize = 1 << 20;

/// A row that is not what its key says it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RowError {
    /// Larger than [`ROW_BYTES_MAX`].
    #[error("a row of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not JSON.
    #[error("a row that is not JSON")]
    NotJson,
    /// JSON of another shape.
    #[error("a row whose {field} is missing, out of bounds or of another type than it must have")]
    Field {
        /// The first field that is wrong.
        field: &'static str,
    },
    /// An outbox entry of the old shape, which is migrated here and never taken from elsewhere.
    #[error("an outbox entry of the old shape")]
    OldShape,
}

/// Parses a row, its size checked before.
pub(super) fn parse_row(text: &str) -> Result<Value, RowError> {
    if text.len() > ROW_BYTES_MAX {
        return Err(RowError::TooLarge {
            found: text.len(),
            limit: ROW_BYTES_MAX,
        });
    }
    serde_json::from_str(text).map_err(|_| RowError::NotJson)
}

/// Parses a row that must be an object.
pub(crate) fn parse_object(text: &str) -> Result<Map<String, Value>, RowError> {
    match parse_row(text)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(RowError::Field { field: "value" }),
    }
}

/// A whole number from 0 to 2^53-1, however it is written: `5` and `5.0` are the same number in the reference.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range was checked"
)]
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    const MAX: f64 = 9_007_199_254_740_991.0;
    let number = value.as_f64()?;
    (number.fract() == 0.0 && (0.0..=MAX).contains(&number)).then_some(number as u64)
}

/// JSON text in one canonical form: keys sorted, no white space, numbers as JavaScript writes them.
///
/// ```
/// let value = serde_json::from_str(r#"{ "b": 1.0, "a": [ true ] }"#).unwrap();
/// assert_eq!(uxf_engine::profile::merge::canonical_text(&value), r#"{"a":[true],"b":1}"#);
/// ```
pub fn canonical_text(value: &Value) -> String {
    let mut out = Vec::new();
    write(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match number.as_f64().filter(|number| number.is_finite()) {
            Some(number) => uxf_codec::json::write_number(out, number),
            None => out.extend_from_slice(b"null"),
        },
        Value::String(text) => uxf_codec::json::write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                uxf_codec::json::write_text(out, name);
                out.push(b':');
                write(out, value);
            }
            out.push(b'}');
        }
    }
}

/// Any JSON value in one total order: numbers by size, then text by code units, then the rest by canonical text.
///
/// Equality is that of the canonical text, so `1` and `1.0` are one value.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    value: Value,
    key: RankKey,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RankKey {
    /// The bits of a number, turned so that their order is that of the numbers.
    Number(u64),
    Text(JsText),
    Other(JsText),
}

impl Ranked {
    pub(super) fn new(value: Value) -> Self {
        let key = match &value {
            Value::Number(number) => {
                // Adding zero makes one zero of the two.
                let bits = (number.as_f64().unwrap_or_default() + 0.0).to_bits();
                RankKey::Number(if bits >> 63 == 1 {
                    !bits
                } else {
                    bits | 1 << 63
                })
            }
            Value::String(text) => RankKey::Text(text.as_str().into()),
            other => RankKey::Other(canonical_text(other).into()),
        };
        Self { value, key }
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Ranked {}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The smaller of two texts, as the reference orders them.
pub(super) fn smaller_text(a: String, b: String) -> String {
    if text_order(&b, &a).is_lt() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_ordered_by_size_and_equal_however_written() {
        let rank = |text: &str| Ranked::new(serde_json::from_str(text).unwrap());
        assert!(rank("999") < rank("1000"));
        assert!(rank("-2") < rank("-1"));
        assert!(rank("-1") < rank("0"));
        assert_eq!(rank("0"), rank("-0"));
        assert_eq!(rank("5"), rank("5.0"));
        assert!(rank("9e9") < rank("\"\""));
        assert!(rank("\"z\"") < rank("[]"));
    }

    #[test]
    fn whole_numbers_are_those_the_reference_can_hold() {
        assert_eq!(
            whole_number(&json!(9_007_199_254_740_991_u64)),
            Some((1 << 53) - 1)
        );
        assert_eq!(whole_number(&json!(9_007_199_254_740_992_u64)), None);
        assert_eq!(whole_number(&json!(5.0)), Some(5));
        for wrong in [json!(-1), json!(1.5), json!("1"), json!(null)] {
            assert_eq!(whole_number(&wrong), None);
        }
    }

    #[test]
    fn a_row_over_the_cap_is_refused_before_it_is_parsed() {
        let text = " ".repeat(ROW_BYTES_MAX + 1);
        assert!(matches!(parse_row(&text), Err(RowError::TooLarge { .. })));
        assert_eq!(parse_object("[]"), Err(RowError::Field { field: "value" }));
    }
}
