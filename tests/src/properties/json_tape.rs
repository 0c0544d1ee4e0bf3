use serde_json::Value;
use uxf_codec::json::{Kind, Node, Tape, write_text, write_value};

use super::{Verdict, Violation, ensure, must, violation};
use crate::conformance::json::{parse, sorted_text};

/// Longest run of an array or object inside an array or object that this compares; beyond it the codec refuses.
const NESTING_MAX: usize = uxf_codec::limits::NESTING_MAX;

/// The codec and an independent reader accept the same texts and read the same values from them.
pub(super) fn check(text: &[u8]) -> Verdict {
    let mut tape = Tape::new();
    let node = tape.parse(text);
    let depth = nesting(text);
    // The independent reader recurses; what the codec must refuse without looking is not shown to it.
    if depth > NESTING_MAX {
        return Ok(());
    }
    let theirs = parse(text);
    match (node, theirs) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(node), Ok(theirs)) => {
            let ours = to_serde(node)?;
            ensure(sorted_text(&ours) == sorted_text(&theirs), || {
                format!("read {ours} where {theirs} stands")
            })?;
            check_written(node)
        }
        (Ok(_), Err(error)) => {
            // JSON.parse reads unpaired surrogates and numbers beyond a double; the independent reader does not.
            let is_wider =
                has_surrogate_escape(text) || error.to_string().contains("number out of range");
            ensure(is_wider, || format!("accepted where {error}"))
        }
        (Err(error), Ok(theirs)) => violation(format!("refused {theirs}: {error}")),
    }
}

/// What is written of a value reads as the same value.
fn check_written(node: Node<'_>) -> Verdict {
    let Ok(value) = node.to_value() else {
        return ensure(has_overflow(node), || {
            "a value without numbers beyond range is none".to_owned()
        });
    };
    let mut written = Vec::new();
    write_value(&mut written, &value);
    let mut tape = Tape::new();
    let again = must("what was written is no JSON", tape.parse(&written))?;
    let again = must("what was written is no value", again.to_value())?;
    ensure(again == value, || {
        format!("wrote {value:?}, read {again:?}")
    })
}

fn to_serde(node: Node<'_>) -> Result<Value, Violation> {
    Ok(match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => match node.as_bool() {
            Some(value) => value.into(),
            None => return violation("a truth value that is none"),
        },
        Kind::Number => match node.as_number() {
            Some(value) => value.into(),
            None => return violation("a number that is none"),
        },
        Kind::Text => match node.as_text() {
            Some(text) => {
                check_text(&text)?;
                text.into_owned().into()
            }
            None => return violation("a text that is none"),
        },
        Kind::Array => {
            let items: Vec<Value> = node.items().map(to_serde).collect::<Result<_, _>>()?;
            ensure(items.len() == node.len(), || {
                "an array counts otherwise".to_owned()
            })?;
            items.into()
        }
        Kind::Object => {
            let mut fields = serde_json::Map::new();
            for (key, value) in node.entries() {
                let got = node.get(&key).map(|got| got.raw());
                ensure(got == Some(value.raw()), || {
                    format!("key {key:?} gives {got:?}")
                })?;
                ensure(
                    fields
                        .insert(key.clone().into_owned(), to_serde(value)?)
                        .is_none(),
                    || format!("key {key:?} is listed twice"),
                )?;
            }
            fields.into()
        }
    })
}

fn check_text(text: &str) -> Verdict {
    let mut written = Vec::new();
    write_text(&mut written, text);
    let theirs = serde_json::to_vec(text).unwrap_or_default();
    ensure(written == theirs, || {
        format!("{text:?} is written otherwise")
    })
}

fn has_overflow(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::Number => !node.as_number().is_some_and(f64::is_finite),
        Kind::Array => node.items().any(has_overflow),
        Kind::Object => node.entries().any(|(_, value)| has_overflow(value)),
        _ => false,
    }
}

fn has_surrogate_escape(text: &[u8]) -> bool {
    text.windows(4).any(|at| match at {
        [b'\\', b'u', b'd' | b'D', third] => {
            third.is_ascii_hexdigit() && !(b'0'..=b'7').contains(third)
        }
        _ => false,
    })
}

/// Deepest nesting, brackets inside texts not counted.
fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
