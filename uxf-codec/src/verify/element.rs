use super::{Finding, Issue};
use crate::canonical::{ChildView, ElementView, RawValue, list_items};
use crate::element::ElementHash;
use crate::limits::{VERIFY_ELEMENT_BYTES_MAX, VERIFY_ISSUES_MAX};
use crate::package::Pool;

/// Length of a hash as an encoded hex text.
const HASH_TEXT: usize = text_len(2 * ElementHash::LEN);

/// Looks at every element of a pool by itself: its size and its hash.
pub(super) fn check_pool(pool: &Pool, errors: &mut Vec<Issue>) {
    for (hash, element) in pool.iter() {
        if errors.len() >= VERIFY_ISSUES_MAX {
            return;
        }
        if let Some(finding) = check_element(hash, element.bytes()) {
            errors.push(Issue::about(*hash, finding));
        }
    }
}

/// What is wrong with an element by itself.
///
/// An element that is too large is not hashed.
pub(super) fn check_element(hash: &ElementHash, bytes: &[u8]) -> Option<Finding> {
    match ElementView::parse(bytes) {
        Ok(view) => {
            let bytes = memory_bytes(&view);
            if bytes > VERIFY_ELEMENT_BYTES_MAX {
                return Some(Finding::ElementTooLarge { bytes });
            }
        }
        Err(error) => {
            return Some(Finding::NotAnElement {
                reason: error.to_string(),
            });
        }
    }
    let actual = ElementHash::of(bytes);
    (actual != *hash).then_some(Finding::HashMismatch { actual })
}

/// How long the reference's encoding of content and children is, with bytes and hashes as the hex text that they are
/// in its memory.
fn memory_bytes(view: &ElementView<'_>) -> usize {
    const FRAME: usize = 1 + text_len(7) + text_len(8);
    let content: usize = view
        .fields()
        .map(|(key, value)| text_len(key.len()) + field_len(key, value))
        .sum();
    let children: usize = view
        .children()
        .map(|(role, child)| text_len(role.len()) + child_len(child))
        .sum();
    FRAME
        + head_len(view.fields().count() as u64)
        + content
        + head_len(view.children().count() as u64)
        + children
}

fn field_len(key: &str, value: RawValue<'_>) -> usize {
    match value {
        RawValue::Null | RawValue::Bool(_) => 1,
        RawValue::Int(value) => {
            let argument = if value < 0 { -1 - value } else { value };
            head_len(u64::try_from(argument).unwrap_or(u64::MAX))
        }
        RawValue::Float(_) => 9,
        RawValue::Text(text) => text_len(text.len()),
        // The one field that is bytes in the reference's memory too.
        RawValue::Bytes(bytes) if key == "reason" => text_len(bytes.len()),
        RawValue::Bytes(bytes) => text_len(2 * bytes.len()),
        // Tag 42 and a byte string with a zero in front.
        RawValue::Link(cid) => 2 + text_len(cid.len() + 1),
        RawValue::List(list) if key == "nametagRefs" => {
            let count = list_items(list).count();
            head_len(count as u64) + HASH_TEXT * count
        }
        // Nothing else that is nested holds bytes, so it is as long in memory as it is here.
        RawValue::List(encoded) | RawValue::Map(encoded) => encoded.len(),
    }
}

fn child_len(child: ChildView<'_>) -> usize {
    match child {
        ChildView::Absent => 1,
        ChildView::One(_) => HASH_TEXT,
        ChildView::Many(list) => head_len(list.len() as u64) + HASH_TEXT * list.len(),
    }
}

/// Length of a text or byte string, head included.
const fn text_len(len: usize) -> usize {
    head_len(len as u64) + len
}

const fn head_len(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Value, encode_value};
    use crate::element::{Child, Element, ElementType, Header, MemoryForm};

    #[test]
    fn the_length_is_that_of_the_encoded_memory_form() {
        let hash = ElementHash::of(b"a child");
        let element = Element {
            header: Header::default(),
            element_type: ElementType::TransactionData,
            content: vec![
                ("salt".into(), Value::Text("ab".repeat(200))),
                ("message".into(), Value::Float(0.5)),
                ("recipient".into(), Value::Int(-70_000)),
                (
                    "nametagRefs".into(),
                    Value::List(vec![Value::Text(hash.to_string())]),
                ),
                ("extra".into(), Value::Map(vec![("k".into(), Value::Null)])),
            ],
            children: vec![
                ("one".into(), Child::One(hash)),
                ("many".into(), Child::Many(vec![hash; 30])),
                ("none".into(), Child::Absent),
            ],
        };
        let text = Value::Text(hash.to_string());
        let children = Value::Map(vec![
            ("one".into(), text.clone()),
            ("many".into(), Value::List(vec![text; 30])),
            ("none".into(), Value::Null),
        ]);
        let memory = Value::Map(vec![
            ("content".into(), Value::Map(element.content.clone())),
            ("children".into(), children),
        ]);
        let bytes = element.encode().unwrap();
        let view = ElementView::parse(&bytes).unwrap();
        assert_eq!(memory_bytes(&view), encode_value(&memory).len());
        assert_eq!(
            Element::from_view(&view, MemoryForm::CANONICAL)
                .encode()
                .unwrap(),
            bytes
        );
    }

    #[test]
    fn wrong_hashes_and_other_bytes_are_found() {
        let mut pool = Pool::default();
        let wrong = ElementHash::of(b"another");
        let state = Element {
            header: Header::default(),
            element_type: ElementType::TokenState,
            content: Vec::new(),
            children: Vec::new(),
        };
        pool.insert(wrong, &state.encode().unwrap(), MemoryForm::CANONICAL);
        let nonsense = ElementHash::of(b"nonsense");
        pool.insert(nonsense, b"nonsense", MemoryForm::CANONICAL);
        let mut errors = Vec::new();
        check_pool(&pool, &mut errors);
        let actual = ElementHash::of(&state.encode().unwrap());
        assert_eq!(
            errors[0],
            Issue::about(wrong, Finding::HashMismatch { actual })
        );
        assert!(matches!(errors[1].finding, Finding::NotAnElement { .. }));
        assert_eq!(errors.len(), 2);
    }
}
