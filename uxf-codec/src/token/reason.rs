//! The `reason` of a mint: opaque bytes in the element, anything in JSON. Format notes, section 5.3.

use super::assemble::write_raw;
use super::deconstruct::fields::any_value;
use crate::canonical::{RawValue, Writer, decode_value};
use crate::error::Error;
use crate::json::{Kind, Node, write_text, write_value};

/// Encodes a reason: text as its UTF-8, anything else as the bytes of its DAG-CBOR, no reason as null.
///
/// An empty text is an empty byte string here, unlike in byte fields.
pub(super) fn encode(
    out: &mut Vec<u8>,
    blob: &mut Vec<u8>,
    reason: Option<Node<'_>>,
) -> Result<(), Error> {
    match reason {
        None => Writer::new(out).null(),
        Some(reason) => match reason.kind() {
            Kind::Null => Writer::new(out).null(),
            Kind::Text => {
                Writer::new(out).bytes(reason.as_text().unwrap_or_default().as_bytes());
            }
            _ => {
                blob.clear();
                any_value(blob, reason).map_err(|fault| fault.within("reason"))?;
                Writer::new(out).bytes(blob);
            }
        },
    }
    Ok(())
}

/// Appends a reason as JSON: bytes that are strict DAG-CBOR as what they encode, other bytes as text.
///
/// So a text like `7`, whose byte happens to encode -24, comes back as that number. The reference does the same.
pub(super) fn write(out: &mut Vec<u8>, reason: Option<RawValue<'_>>) {
    match reason {
        None => out.extend_from_slice(b"null"),
        Some(RawValue::Bytes(bytes)) => {
            if let Ok(value) = decode_value(bytes) {
                write_value(out, &value);
            } else {
                // The reference's decoder of UTF-8 drops a byte order mark.
                let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                write_text(out, &String::from_utf8_lossy(text));
            }
        }
        Some(other) => write_raw(out, other),
    }
}
