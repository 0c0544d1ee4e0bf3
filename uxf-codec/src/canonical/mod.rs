//! The one encoding of an element: canonical DAG-CBOR, written by hand and read strictly.
//!
//! Bytes enter through [`ElementView::parse`], which refuses whatever would be encoded otherwise, and leave
//! through the writer. The view borrows and allocates nothing. [`Value`] and [`decode_value`] serve what is not an
//! element and not hot: envelopes, manifests, reasons.

mod decode;
mod diagnose;
mod element;
mod reader;
mod value;
mod verified;
mod view;
mod writer;

pub use decode::decode_value;
pub(crate) use decode::number;
pub(crate) use element::to_memory;
pub use reader::RawValue;
pub(crate) use reader::{list_items, map_entries, read_value};
pub use value::Value;
pub use verified::VerifiedElement;
pub use view::{ChildList, ChildView, ElementView};
pub(crate) use writer::Writer;

/// Canonical order of map keys: shorter first, then bytewise.
pub(crate) fn key_order(a: &str, b: &str) -> core::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Encodes a value canonically: shortest heads, sorted keys, 64-bit floats.
///
/// ```
/// use uxf_codec::canonical::{Value, decode_value, encode_value};
///
/// let value = Value::Map(vec![
///     ("bb".into(), Value::Int(-1)),
///     ("a".into(), Value::List(vec![Value::Null, Value::Text("x".into())])),
/// ]);
/// let bytes = encode_value(&value);
/// assert_eq!(bytes, [0xa2, 0x61, b'a', 0x82, 0xf6, 0x61, b'x', 0x62, b'b', b'b', 0x20]);
/// assert_eq!(decode_value(&bytes).unwrap().get("bb"), Some(&Value::Int(-1)));
/// ```
pub fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).value(value);
    out
}

/// Whether bytes are exactly one binary CID.
fn is_cid(bytes: &[u8]) -> bool {
    cid::Cid::try_from(bytes).is_ok_and(|cid| cid.encoded_len() == bytes.len())
}
