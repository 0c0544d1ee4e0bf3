//! Single fields of token JSON, checked and encoded.

use std::borrow::Cow;

use crate::canonical::{Writer, key_order, number};
use crate::error::{Error, HexFault};
use crate::json::{Kind, Node, out_of_range};

/// How a byte field without a value is held in memory by the reference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NoValue {
    /// `null` becomes an empty text.
    IsEmptyText,
    /// `null` stays `null`, an empty text stays an empty text.
    StaysAsItIs,
}

/// Encodes a byte field: hex text as bytes, anything without a value as null. Whether memory shows an empty text.
///
/// Format notes, sections 4.1 and 5.2.
pub(super) fn hex_field(
    out: &mut Vec<u8>,
    name: &'static str,
    value: Option<Node<'_>>,
    no_value: NoValue,
) -> Result<bool, Error> {
    let is_empty_text = match value {
        None => no_value == NoValue::IsEmptyText,
        Some(node) => match node.kind() {
            Kind::Null => no_value == NoValue::IsEmptyText,
            Kind::Text => {
                let text = match node.as_plain_text() {
                    Some(text) => Cow::Borrowed(text),
                    None => node.as_text().unwrap_or_default(),
                };
                if !text.is_empty() {
                    hex(out, &text).map_err(|fault| invalid_hex(name, fault))?;
                    return Ok(false);
                }
                true
            }
            _ => return Err(malformed(name, "must be a text of hex digits or null")),
        },
    };
    Writer::new(out).null();
    Ok(is_empty_text)
}

/// Encodes hex of either case as a byte string. A prefix `0x` is refused.
fn hex(out: &mut Vec<u8>, text: &str) -> Result<(), HexFault> {
    let mut writer = Writer::new(out);
    let bytes = writer.bytes_to_fill(text.len() / 2);
    // What this strips as a prefix leaves too few digits for the room, and so is an error as well.
    const_hex::decode_to_slice(text, bytes).map_err(|_| hex_fault(text))
}

/// What is wrong with a text that does not decode as hex.
#[cold]
pub(in crate::token) fn hex_fault(text: &str) -> HexFault {
    if text.len().is_multiple_of(2) {
        HexFault::NotHex
    } else {
        HexFault::OddLength(text.len())
    }
}

#[cold]
pub(super) fn invalid_hex(field: &str, fault: HexFault) -> Error {
    Error::InvalidHash {
        field: field.to_owned(),
        fault,
    }
}

#[cold]
pub(in crate::token) fn malformed(field: &str, reason: &'static str) -> Error {
    Error::MalformedField {
        field: field.to_owned(),
        reason,
    }
}

/// Encodes any JSON value as DAG-CBOR: fields that the format copies without a look at their type.
///
/// A repeated key keeps its last value. The depth is that of the text, so it is capped.
///
/// # Errors
/// [`Error::MalformedField`] for a number beyond the range of a 64-bit float.
pub(in crate::token) fn any_value(out: &mut Vec<u8>, node: Node<'_>) -> Result<(), Error> {
    match node.kind() {
        Kind::Null => Writer::new(out).null(),
        Kind::Bool => Writer::new(out).bool(node.as_bool() == Some(true)),
        Kind::Number => match node.as_number() {
            Some(float) if float.is_finite() => Writer::new(out).value(&number(float)),
            _ => return Err(out_of_range()),
        },
        Kind::Text => Writer::new(out).text(&node.as_text().unwrap_or_default()),
        Kind::Array => {
            Writer::new(out).array(node.items().count());
            for item in node.items() {
                any_value(out, item)?;
            }
        }
        Kind::Object => return any_object(out, node),
    }
    Ok(())
}

fn any_object(out: &mut Vec<u8>, node: Node<'_>) -> Result<(), Error> {
    let mut entries: Vec<(Cow<'_, str>, Node<'_>)> = node.entries().collect();
    entries.sort_by(|(a, _), (b, _)| key_order(a, b));
    Writer::new(out).map(entries.len());
    for (key, value) in entries {
        Writer::new(out).text(&key);
        any_value(out, value)?;
    }
    Ok(())
}

/// A value that is there: neither absent nor null.
pub(super) fn present(value: Option<Node<'_>>) -> Option<Node<'_>> {
    value.filter(|node| !node.is_null())
}

/// A value that the reference reads fields from, which it can of anything but nothing.
pub(super) fn required<'t>(name: &str, value: Option<Node<'t>>) -> Result<Node<'t>, Error> {
    present(value).ok_or_else(|| malformed(name, "is missing"))
}
