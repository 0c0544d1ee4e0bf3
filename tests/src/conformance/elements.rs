//! Elements as UXF JSON shows them, read and written without the codec's own JSON.

use serde_json::{Map, Value, json};
use uxf_codec::canonical::Value as Scalar;
use uxf_codec::{Child, Element, ElementType, Header, InstanceKind};

/// An element as UXF JSON shows it, the type as its number.
pub(super) fn to_json(element: &Element) -> Value {
    let content: Map<_, _> = element
        .content
        .iter()
        .map(|(key, value)| (key.clone(), scalar_to_json(value)))
        .collect();
    let children: Map<_, _> = element
        .children
        .iter()
        .map(|(role, child)| (role.clone(), child_to_json(child)))
        .collect();
    let predecessor = element.header.predecessor.map(|hash| hash.to_string());
    json!({
        "header": {
            "representation": element.header.representation,
            "semantics": element.header.semantics,
            "kind": element.header.kind.as_str(),
            "predecessor": predecessor,
        },
        "type": element.element_type.id(),
        "content": content,
        "children": children,
    })
}

fn child_to_json(child: &Child) -> Value {
    match child {
        Child::Absent => Value::Null,
        Child::One(hash) => hash.to_string().into(),
        Child::Many(hashes) => hashes
            .iter()
            .map(|hash| Value::from(hash.to_string()))
            .collect(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "JSON numbers of the reference are doubles"
)]
fn scalar_to_json(value: &Scalar) -> Value {
    match value {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => (*value).into(),
        Scalar::Int(value) => (*value as f64).into(),
        Scalar::Float(value) => (*value).into(),
        Scalar::Text(text) => text.as_str().into(),
        Scalar::Bytes(bytes) | Scalar::Link(bytes) => const_hex::encode(bytes).into(),
        Scalar::List(items) => items.iter().map(scalar_to_json).collect(),
        Scalar::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (key.clone(), scalar_to_json(value)));
            Value::Object(entries.collect())
        }
    }
}

/// Why an element of a vector cannot even be written down in this codec's types.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unrepresentable {
    /// The header has a kind or number that no header can have.
    Header(String),
    /// Something else.
    Other(String),
}

/// Reads an element; its type may be a number or a name.
pub(super) fn of_json(value: &Value) -> Result<Element, Unrepresentable> {
    let other = |what: &str| Unrepresentable::Other(what.to_owned());
    let element_type = match value.get("type") {
        Some(Value::String(name)) => ElementType::from_name(name),
        Some(number) => number.as_u64().and_then(ElementType::from_id),
        None => None,
    };
    let object = |name: &str| value.get(name).and_then(Value::as_object);
    let content = object("content").ok_or_else(|| other("content"))?;
    let children = object("children").ok_or_else(|| other("children"))?;
    let element_type = element_type.ok_or_else(|| other("type"))?;
    Ok(Element {
        header: header_of_json(value.get("header").unwrap_or(&Value::Null))?,
        element_type,
        content: content
            .iter()
            .map(|(key, value)| (key.clone(), scalar_of_json(element_type, key, value)))
            .collect(),
        children: children
            .iter()
            .map(|(role, child)| Ok((role.clone(), child_of_json(child)?)))
            .collect::<Result<_, Unrepresentable>>()?,
    })
}

fn header_of_json(header: &Value) -> Result<Header, Unrepresentable> {
    let unfit = |name: &str| Unrepresentable::Header(format!("{name} {:?}", header.get(name)));
    let version = |name: &str| {
        let number = header.get(name).and_then(Value::as_u64);
        number
            .filter(|number| Header::is_version(*number))
            .ok_or_else(|| unfit(name))
    };
    let kind = header
        .get("kind")
        .and_then(Value::as_str)
        .and_then(InstanceKind::new);
    let predecessor = match header.get("predecessor") {
        Some(Value::String(hash)) => Some(hash.parse().map_err(|_| unfit("predecessor"))?),
        _ => None,
    };
    Ok(Header {
        representation: version("representation")?,
        semantics: version("semantics")?,
        kind: kind.ok_or_else(|| unfit("kind"))?,
        predecessor,
    })
}

fn child_of_json(child: &Value) -> Result<Child, Unrepresentable> {
    let hash = |value: &Value| {
        let hash = value.as_str().and_then(|text| text.parse().ok());
        hash.ok_or_else(|| Unrepresentable::Other(format!("child {value}")))
    };
    Ok(match child {
        Value::Null => Child::Absent,
        Value::Array(items) => Child::Many(items.iter().map(hash).collect::<Result<_, _>>()?),
        one => Child::One(hash(one)?),
    })
}

fn scalar_of_json(element_type: ElementType, key: &str, value: &Value) -> Scalar {
    match value {
        Value::String(hex) if element_type == ElementType::GenesisData && key == "reason" => {
            Scalar::Bytes(const_hex::decode(hex).unwrap_or_default())
        }
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(number) => number.as_i64().map_or_else(
            || Scalar::Float(number.as_f64().unwrap_or_default()),
            |number| Scalar::Int(number.into()),
        ),
        Value::String(text) => Scalar::Text(text.clone()),
        Value::Array(items) => Scalar::List(
            items
                .iter()
                .map(|item| scalar_of_json(element_type, "", item))
                .collect(),
        ),
        Value::Object(entries) => Scalar::Map(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), scalar_of_json(element_type, "", value)))
                .collect(),
        ),
    }
}
