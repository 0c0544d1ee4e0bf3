use super::read::{entries, hash, is_object, refuse};
use crate::canonical::{ElementView, Value};
use crate::element::{Child, Element, ElementType, Header, InstanceKind, MemoryForm};
use crate::error::{Error, HexFault};
use crate::json::{Kind, Node};
use crate::limits::HEADER_NUMBER_MAX;

/// Reads an element: its canonical bytes and the form it is held in.
pub(super) fn read_element(node: Node<'_>) -> Result<(Vec<u8>, MemoryForm), Error> {
    if !is_object(node) {
        return Err(refuse("element", "must be an object"));
    }
    let header = node.get("header").filter(|header| is_object(*header));
    let header = header.ok_or_else(|| refuse("element header", "must be an object"))?;
    let representation = version(header, "representation")?;
    let semantics = version(header, "semantics")?;
    let kind = header.get("kind").and_then(|kind| kind.as_text());
    let kind = kind.and_then(|kind| InstanceKind::new(&kind));
    let kind = kind.ok_or_else(|| {
        refuse(
            "element header.kind",
            "must be 1 to 64 letters, digits or ._-",
        )
    })?;
    let element_type = read_type(node)?;
    let children = match node.get("children") {
        Some(children) if is_object(children) => read_children(children)?,
        _ => Vec::new(),
    };
    let content = match node.get("content") {
        Some(content) if is_object(content) => read_content(element_type, content)?,
        _ => Vec::new(),
    };
    let predecessor = header.get("predecessor");
    let predecessor = match predecessor {
        Some(node) if node.is_null() => None,
        node => Some(hash(node, "element header.predecessor")?),
    };
    let element = Element {
        header: Header {
            representation,
            semantics,
            kind,
            predecessor,
        },
        element_type,
        content,
        children,
    };
    let bytes = element.encode()?;
    // The pool holds what is an element by the strict reading and nothing else.
    ElementView::parse(&bytes)?;
    Ok((bytes, element.form()))
}

fn version(header: Node<'_>, key: &str) -> Result<u64, Error> {
    #[expect(clippy::cast_precision_loss, reason = "2^53-1 is exact")]
    const MAX: f64 = HEADER_NUMBER_MAX as f64;
    let number = header.get(key).and_then(|node| node.as_number());
    match number {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an integer from 0 to 2^53-1"
        )]
        Some(number) if number.fract() == 0.0 && (0.0..=MAX).contains(&number) => Ok(number as u64),
        _ => Err(refuse(
            &format!("element header.{key}"),
            "must be an integer from 0 to 2^53-1",
        )),
    }
}

fn read_type(node: Node<'_>) -> Result<ElementType, Error> {
    let number = node.get("type").and_then(|node| node.as_number());
    let number = number.ok_or_else(|| refuse("element type", "must be a number"))?;
    ElementType::ALL
        .into_iter()
        .find(|element_type| {
            // Comparing exactly is meant: 4.5 is no type.
            f64::from(element_type.id()).total_cmp(&number).is_eq()
        })
        .ok_or_else(|| refuse("element type", "is unknown"))
}

fn read_children(node: Node<'_>) -> Result<Vec<(String, Child)>, Error> {
    let children = entries(node).into_iter().map(|(role, child)| {
        let child = match child.kind() {
            Kind::Null => Child::Absent,
            Kind::Array => {
                let hashes = child.items().map(|item| hash(Some(item), &role));
                Child::Many(hashes.collect::<Result<_, _>>()?)
            }
            _ => Child::One(hash(Some(child), &role)?),
        };
        Ok((role.into_owned(), child))
    });
    children.collect()
}

fn read_content(element_type: ElementType, node: Node<'_>) -> Result<Vec<(String, Value)>, Error> {
    let content = entries(node).into_iter().map(|(key, node)| {
        let value = match (element_type, &*key, node.to_value()?) {
            (ElementType::GenesisData, "reason", Value::Text(hex)) => {
                Value::Bytes(reason_bytes(&hex)?)
            }
            (ElementType::GenesisData, "reason", value) => value,
            (_, _, Value::List(items)) => Value::List(items.into_iter().map(lower_hex).collect()),
            (_, _, value) => lower_hex(value),
        };
        Ok((key.into_owned(), value))
    });
    content.collect()
}

/// Texts of 64 or more hex digits are taken in lower case wherever they stand, messages included, so that a message
/// in upper-case hex can be exported and not imported. It is the reference's rule, and its hashes depend on it.
fn lower_hex(value: Value) -> Value {
    match value {
        Value::Text(text) if text.len() >= 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Value::Text(text.to_ascii_lowercase())
        }
        value => value,
    }
}

fn reason_bytes(hex: &str) -> Result<Vec<u8>, Error> {
    let fault = if !hex.len().is_multiple_of(2) {
        HexFault::OddLength(hex.len())
    } else if hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        // Nothing is left that could be wrong with it.
        return Ok(const_hex::decode(hex).unwrap_or_default());
    } else {
        HexFault::NotHex
    };
    Err(Error::InvalidHash {
        field: "reason".to_owned(),
        fault,
    })
}
