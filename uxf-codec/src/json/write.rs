use super::number::array_index;
use crate::canonical::Value;

/// Appends a text in quotes, escaped as `JSON.stringify` does.
///
/// ```
/// let mut out = Vec::new();
/// uxf_codec::json::write_text(&mut out, "a\"\u{1}\n/é");
/// assert_eq!(out, r#""a\"\u0001\n/é""#.as_bytes());
/// ```
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = escaped.split_first() else {
            break;
        };
        write_escape(out, byte);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(const_hex::Buffer::<1>::new().format(&[byte]).as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends a number as the reference's language writes it; NaN and infinities become `null`.
///
/// ```
/// let mut out = Vec::new();
/// for number in [1.0, -0.0, 1e21, 0.1 + 0.2] {
///     uxf_codec::json::write_number(&mut out, number);
///     out.push(b' ');
/// }
/// assert_eq!(out, b"1 0 1e+21 0.30000000000000004 ");
/// ```
pub fn write_number(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends any value as compact JSON, as `JSON.stringify` writes what the reference decodes it to.
///
/// Keys that look like array indexes come first; bytes become an object of numbers by position and links an object
/// with the one key `/`, which is what the reference's byte arrays and CIDs turn into.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Float(number) => write_number(out, *number),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => {
            let entries = bytes.iter().enumerate();
            write_object(
                out,
                entries.map(|(place, byte)| (place.to_string(), byte)),
                |out, (place, byte)| {
                    write_text(out, place);
                    out.push(b':');
                    out.extend_from_slice(byte.to_string().as_bytes());
                },
            );
        }
        Value::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Map(entries) => write_map(out, entries),
        Value::Link(cid) => {
            out.extend_from_slice(b"{\"/\":");
            let text = cid::Cid::try_from(cid.as_slice()).map(|cid| cid.to_string());
            write_text(out, &text.unwrap_or_default());
            out.push(b'}');
        }
    }
}

fn write_map(out: &mut Vec<u8>, entries: &[(String, Value)]) {
    let (mut indexes, others): (Vec<_>, Vec<_>) = entries
        .iter()
        .partition(|(key, _)| array_index(key).is_some());
    indexes.sort_by_key(|(key, _)| array_index(key));
    write_object(
        out,
        indexes.into_iter().chain(others),
        |out, (key, value)| {
            write_text(out, key);
            out.push(b':');
            write_value(out, value);
        },
    );
}

fn write_object<T>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, &T),
) {
    out.push(b'{');
    for (place, entry) in entries.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, &entry);
    }
    out.push(b'}');
}
