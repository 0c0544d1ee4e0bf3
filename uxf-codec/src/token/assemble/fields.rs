//! Content fields and child roles of an element, and how they are written as JSON.

use crate::canonical::{ChildView, ElementView, RawValue, list_items, to_memory};
use crate::element::ElementHash;
use crate::error::Error;
use crate::json::{write_text, write_value};

/// Fields of the content by name, fastest if the names are in canonical order.
pub(super) fn content<'a, const N: usize>(
    view: &ElementView<'a>,
    names: [&str; N],
) -> [Option<RawValue<'a>>; N] {
    pick(view.fields(), names)
}

/// Child roles by name, fastest if the names are in canonical order.
pub(super) fn children<'a, const N: usize>(
    view: &ElementView<'a>,
    names: [&str; N],
) -> [Option<ChildView<'a>>; N] {
    pick(view.children(), names)
}

fn pick<'a, T: Copy, const N: usize>(
    entries: impl Iterator<Item = (&'a str, T)>,
    names: [&str; N],
) -> [Option<T>; N] {
    let mut picked = [None; N];
    let mut rest = picked.iter_mut().zip(names);
    // Both sides are in canonical order, so one pass over both finds all.
    let mut wanted = rest.next();
    for (name, value) in entries {
        while let Some((_, wanted_name)) = &wanted
            && crate::canonical::key_order(wanted_name, name).is_lt()
        {
            wanted = rest.next();
        }
        if let Some((slot, wanted_name)) = &mut wanted
            && *wanted_name == name
        {
            **slot = Some(value);
        }
    }
    picked
}

/// The element in a role that must hold one.
pub(super) fn one(role: &'static str, child: Option<ChildView<'_>>) -> Result<ElementHash, Error> {
    match child {
        Some(ChildView::One(hash)) => Ok(hash),
        _ => Err(no_child(role, "holds no element where it must hold one")),
    }
}

/// The element in a role that may be null but must be there.
pub(super) fn one_or_null(
    role: &'static str,
    child: Option<ChildView<'_>>,
) -> Result<Option<ElementHash>, Error> {
    match child {
        Some(ChildView::Absent) => Ok(None),
        Some(ChildView::One(hash)) => Ok(Some(hash)),
        _ => Err(no_child(role, "must hold an element or null")),
    }
}

#[cold]
pub(super) fn no_child(role: &str, reason: &'static str) -> Error {
    Error::MalformedField {
        field: role.to_owned(),
        reason,
    }
}

/// Appends `key` and the value of a field; nothing if the element does not have the field, as `JSON.stringify`
/// leaves out what is undefined. `key` holds everything between the values, as `,"salt":`.
pub(super) fn write_field(out: &mut Vec<u8>, key: &str, value: Option<RawValue<'_>>) {
    if let Some(value) = value {
        out.extend_from_slice(key.as_bytes());
        write_raw(out, value);
    }
}

/// An object whose fields may all be missing, so that it is not known in advance where the commas go.
pub(super) struct Object<'o> {
    pub(super) out: &'o mut Vec<u8>,
    separator: u8,
}

impl<'o> Object<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            separator: b'{',
        }
    }

    /// Appends a key, which stands for itself with quotes and colon.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.extend_from_slice(key.as_bytes());
        self.out
    }

    /// Appends a field unless the element does not have it.
    pub(super) fn field(&mut self, key: &str, value: Option<RawValue<'_>>) -> &mut Self {
        if let Some(value) = value {
            write_raw(self.key(key), value);
        }
        self
    }

    pub(super) fn end(&mut self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

/// The same for a field that is `null` when the element does not have it.
pub(super) fn write_field_or_null(out: &mut Vec<u8>, key: &str, value: Option<RawValue<'_>>) {
    write_field(out, key, Some(value.unwrap_or(RawValue::Null)));
}

/// Appends a value as JSON, bytes as hex.
pub(in crate::token) fn write_raw(out: &mut Vec<u8>, value: RawValue<'_>) {
    match value {
        RawValue::Null => out.extend_from_slice(b"null"),
        RawValue::Bytes(bytes) => write_hex(out, bytes),
        RawValue::Text(text) => write_text(out, text),
        other => write_value(out, &to_memory(other)),
    }
}

/// Appends bytes as hex in quotes.
pub(in crate::token) fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 + 2 * bytes.len(), b'"');
    let digits = out.get_mut(start + 1..start + 1 + 2 * bytes.len());
    // The room is twice as long as the bytes, which is all that can be wrong.
    let encoded = const_hex::encode_to_slice(bytes, digits.unwrap_or_default());
    debug_assert!(encoded.is_ok());
}

/// Appends coins: pairs of id and amount, whatever else a member holds left out.
pub(super) fn write_coins(out: &mut Vec<u8>, coins: Option<RawValue<'_>>) -> Result<(), Error> {
    let malformed = || no_child("genesis-data.coinData", "must be an array of pairs");
    let Some(RawValue::List(coins)) = coins else {
        return Err(malformed());
    };
    out.push(b'[');
    for (place, coin) in list_items(coins).enumerate() {
        let RawValue::List(coin) = coin else {
            return Err(malformed());
        };
        if place > 0 {
            out.push(b',');
        }
        let mut parts = list_items(coin);
        out.push(b'[');
        write_raw(out, parts.next().unwrap_or(RawValue::Null));
        out.push(b',');
        write_raw(out, parts.next().unwrap_or(RawValue::Null));
        out.push(b']');
    }
    out.push(b']');
    Ok(())
}
