use super::view::{ChildView, ElementView};
use super::{RawValue, Value, Writer, key_order, list_items, map_entries};
use crate::element::{
    Child, Element, ElementHash, ElementType, Header, InstanceKind, KeyOrder, MemoryForm,
};
use crate::error::{Error, HexFault};

impl Element {
    /// Encodes the element canonically.
    ///
    /// # Errors
    /// [`Error::InvalidHash`] if a byte field or a name-tag reference is text that is not hex;
    /// [`Error::MalformedField`] if `nametagRefs` is no array of texts.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.raw(b"\xa4\x64type");
        writer.uint(self.element_type.id().into());
        writer.raw(b"\x66header\x84");
        writer.uint(self.header.representation);
        writer.uint(self.header.semantics);
        writer.text(self.header.kind.as_str());
        writer.link_or_null(self.header.predecessor.as_ref());
        writer.raw(b"\x67content");
        let mut content = Vec::with_capacity(self.content.len());
        for (key, value) in &self.content {
            content.push((
                key.clone(),
                content_from_memory(self.element_type, key, value)?,
            ));
        }
        writer.value(&Value::Map(content));
        writer.raw(b"\x68children");
        let mut children: Vec<_> = self.children.iter().collect();
        children.sort_by(|(a, _), (b, _)| key_order(a, b));
        writer.map(children.len());
        for (role, child) in children {
            writer.text(role);
            match child {
                Child::Absent => writer.null(),
                Child::One(hash) => writer.link(hash),
                Child::Many(hashes) => {
                    writer.array(hashes.len());
                    for hash in hashes {
                        writer.link(hash);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Reads canonical bytes into memory form.
    ///
    /// # Errors
    /// Those of [`ElementView::parse`].
    pub fn decode(bytes: &[u8], form: MemoryForm) -> Result<Self, Error> {
        Ok(Self::from_view(&ElementView::parse(bytes)?, form))
    }

    /// The memory form of a view.
    pub fn from_view(view: &ElementView<'_>, form: MemoryForm) -> Self {
        let element_type = view.element_type();
        let mut content: Vec<(String, Value)> = view
            .fields()
            .map(|(key, value)| {
                (
                    key.to_owned(),
                    content_to_memory(element_type, key, value, form),
                )
            })
            .collect();
        let mut children: Vec<(String, Child)> = view
            .children()
            .map(|(role, child)| {
                let child = match child {
                    ChildView::Absent => Child::Absent,
                    ChildView::One(hash) => Child::One(hash),
                    ChildView::Many(list) => Child::Many(list.iter().collect()),
                };
                (role.to_owned(), child)
            })
            .collect();
        if form.order == KeyOrder::Ingested {
            content.sort_by_key(|(key, _)| position(element_type.content_order(), key));
            children.sort_by_key(|(role, _)| position(element_type.child_order(), role));
        }
        let header = Header {
            representation: view.representation(),
            semantics: view.semantics(),
            kind: InstanceKind::new(view.kind()).unwrap_or_default(),
            predecessor: view.predecessor(),
        };
        Self {
            header,
            element_type,
            content,
            children,
        }
    }

    /// The form that shows this element as it is, or the nearest to it.
    ///
    /// Only two orders of keys ever occur in what the reference writes; an element with keys in any third order is
    /// given the canonical one.
    pub fn form(&self) -> MemoryForm {
        let names =
            |order: &[&str], keys: Vec<&str>| keys.is_sorted_by_key(|key| position(order, key));
        let content: Vec<&str> = self.content.iter().map(|(key, _)| key.as_str()).collect();
        let children: Vec<&str> = self
            .children
            .iter()
            .map(|(role, _)| role.as_str())
            .collect();
        let is_canonical = [&content, &children]
            .into_iter()
            .all(|keys| keys.is_sorted_by(|a, b| key_order(a, b).is_le()));
        let is_ingested = names(self.element_type.content_order(), content)
            && names(self.element_type.child_order(), children);
        let order = if is_ingested && !is_canonical {
            KeyOrder::Ingested
        } else {
            KeyOrder::Canonical
        };
        let empty_text = self
            .element_type
            .byte_fields()
            .iter()
            .enumerate()
            .filter(
                |(_, name)| matches!(self.field(name), Some(Value::Text(text)) if text.is_empty()),
            )
            .fold(0, |mask, (bit, _)| mask | (1 << bit));
        MemoryForm { order, empty_text }
    }
}

/// Where a key stands in an order; unknown keys keep their own order behind the known ones.
fn position(order: &[&str], key: &str) -> usize {
    order
        .iter()
        .position(|name| *name == key)
        .unwrap_or(order.len())
}

fn content_from_memory(
    element_type: ElementType,
    key: &str,
    value: &Value,
) -> Result<Value, Error> {
    let is_byte_field = element_type.byte_fields().contains(&key);
    Ok(match (key, value) {
        (_, Value::Text(text)) if is_byte_field => match bytes_of(key, text)? {
            bytes if bytes.is_empty() => Value::Null,
            bytes => Value::Bytes(bytes),
        },
        (_, Value::Bytes(bytes)) if is_byte_field && bytes.is_empty() => Value::Null,
        ("nametagRefs", value) if element_type == ElementType::TransactionData => {
            let Value::List(items) = value else {
                return Err(malformed_refs());
            };
            let refs = items.iter().map(|item| match item {
                Value::Text(text) if text.len() == 2 * ElementHash::LEN => {
                    Ok(Value::Bytes(bytes_of(key, text)?))
                }
                Value::Text(text) => Err(Error::InvalidHash {
                    field: key.to_owned(),
                    fault: HexFault::Length {
                        expected: 64,
                        found: text.len(),
                    },
                }),
                _ => Err(malformed_refs()),
            });
            Value::List(refs.collect::<Result<_, _>>()?)
        }
        (_, value) => value.clone(),
    })
}

fn malformed_refs() -> Error {
    Error::MalformedField {
        field: "nametagRefs".to_owned(),
        reason: "must be an array of hash texts",
    }
}

fn bytes_of(field: &str, text: &str) -> Result<Vec<u8>, Error> {
    let fault = if !text.len().is_multiple_of(2) {
        HexFault::OddLength(text.len())
    } else if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        HexFault::NotHex
    } else {
        // Both things that can be wrong with it have been looked for.
        return Ok(const_hex::decode(text).unwrap_or_default());
    };
    Err(Error::InvalidHash {
        field: field.to_owned(),
        fault,
    })
}

fn content_to_memory(
    element_type: ElementType,
    key: &str,
    value: RawValue<'_>,
    form: MemoryForm,
) -> Value {
    let byte_field = element_type
        .byte_fields()
        .iter()
        .position(|name| *name == key);
    match (byte_field, value) {
        (Some(field), RawValue::Null) if form.is_empty_text(field) => Value::Text(String::new()),
        (None, RawValue::Bytes(bytes)) if key == "reason" => Value::Bytes(bytes.to_vec()),
        (_, value) => to_memory(value),
    }
}

/// Any value, its bytes as hex text.
pub(crate) fn to_memory(value: RawValue<'_>) -> Value {
    match value {
        RawValue::Null => Value::Null,
        RawValue::Bool(value) => Value::Bool(value),
        RawValue::Int(value) => Value::Int(value),
        RawValue::Float(value) => Value::Float(value),
        RawValue::Text(text) => Value::Text(text.to_owned()),
        RawValue::Bytes(bytes) => Value::Text(const_hex::encode(bytes)),
        RawValue::Link(cid) => Value::Link(cid.to_vec()),
        RawValue::List(list) => Value::List(list_items(list).map(to_memory).collect()),
        RawValue::Map(map) => Value::Map(
            map_entries(map)
                .map(|(key, value)| (key.to_owned(), to_memory(value)))
                .collect(),
        ),
    }
}
