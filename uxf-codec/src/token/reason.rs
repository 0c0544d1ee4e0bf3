//! The `reason` of a mint: opaque bytes in the element, anything in JSON. Format notes, section 5.3.

use super::deconstruct::fields::any_value;
use crate::canonical::Writer;
use crate::error::Error;
use crate::json::{Kind, Node};

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
