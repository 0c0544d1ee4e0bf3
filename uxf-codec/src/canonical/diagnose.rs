use super::reader::Fault;
use super::{Value, decode_value};
use crate::element::{ElementType, InstanceKind};
use crate::error::Error;
use crate::limits::HEADER_NUMBER_MAX;

/// Finds the error the reference would give for bytes that the strict reading refused.
///
/// It decodes the whole block tolerantly first, then looks at header, type, content and children, and only then
/// compares encodings, so an element with several faults shows the same one here and there.
pub(super) fn diagnose(bytes: &[u8], fault: Fault) -> Error {
    let shape = decode_value(bytes)
        .and_then(|element| check_header(&element).and_then(|()| check_body(&element, fault)));
    if let Err(error) = shape {
        return error;
    }
    // The tolerant decoder took it and the shape is that of an element, so only the encoding is left to blame.
    Error::VerificationFailed {
        at: format!("element, byte {}", fault.offset),
        reason: format!("{}; it is not encoded canonically", fault.reason),
    }
}

fn check_header(element: &Value) -> Result<(), Error> {
    let Some(Value::List(header)) = element.get("header") else {
        return Err(serialization("header", "must be an array of four parts"));
    };
    let [representation, semantics, kind, predecessor, ..] = header.as_slice() else {
        return Err(serialization("header", "must be an array of four parts"));
    };
    for (number, at) in [
        (representation, "header representation"),
        (semantics, "header semantics"),
    ] {
        if !matches!(number, Value::Int(n) if (0..=i128::from(HEADER_NUMBER_MAX)).contains(n)) {
            return Err(serialization(at, "must be an integer from 0 to 2^53-1"));
        }
    }
    if !kind.as_text().is_some_and(InstanceKind::is_valid) {
        return Err(serialization(
            "header kind",
            "must be 1 to 64 letters, digits or ._-",
        ));
    }
    if *predecessor != Value::Null && predecessor.as_element().is_none() {
        let reason = "must be a link to a dag-cbor sha2-256 block or null";
        return Err(serialization("header predecessor", reason));
    }
    Ok(())
}

fn check_body(element: &Value, fault: Fault) -> Result<(), Error> {
    let type_id = match element.get("type") {
        Some(Value::Int(id)) => u64::try_from(*id).ok(),
        _ => None,
    };
    if type_id.and_then(ElementType::from_id).is_none() {
        return Err(serialization(
            "type",
            "must be the number of an element type",
        ));
    }
    let not_a_map = |reason| Error::MalformedCbor {
        offset: fault.offset,
        reason,
    };
    let Some(Value::Map(_)) = element.get("content") else {
        return Err(not_a_map("the content must be a map"));
    };
    let Some(Value::Map(children)) = element.get("children") else {
        return Err(not_a_map("the children must be a map"));
    };
    let is_link = |value: &Value| value.as_element().is_some();
    let fits = |child: &Value| match child {
        Value::Null => true,
        Value::List(items) => items.iter().all(is_link),
        one => is_link(one),
    };
    match children.iter().find(|(_, child)| !fits(child)) {
        Some((role, _)) => Err(serialization(
            &format!("child {role}"),
            "must be a link to a dag-cbor sha2-256 block, an array of such links, or null",
        )),
        None => Ok(()),
    }
}

fn serialization(at: &str, reason: &str) -> Error {
    Error::Serialization {
        at: format!("element {at}"),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorCode;
    use crate::canonical::ElementView;

    #[test]
    fn a_number_written_as_a_float_is_another_encoding_and_not_another_shape() {
        let float_one = b"\xfb\x3f\xf0\0\0\0\0\0\0";
        let rest = b"\x67default\xf6\x67content\xa0\x68children\xa0";
        for (element_type, version) in [(&float_one[..], &[1][..]), (&[1], float_one)] {
            let parts: [&[u8]; 6] = [
                b"\xa4\x64type",
                element_type,
                b"\x66header\x84",
                version,
                &[1],
                rest,
            ];
            let error = ElementView::parse(&parts.concat()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::VerificationFailed, "{error}");
        }
    }
}
