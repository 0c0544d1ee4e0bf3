use uxf_codec::canonical::{ElementView, decode_value, encode_value};
use uxf_codec::{Element, ElementHash, ErrorCode, KeyOrder, MemoryForm};

use super::{Verdict, ensure, must, violation};

/// Bytes are refused with a code the reference has for them, or they are the one encoding of what they say.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let view = match ElementView::parse(bytes) {
        Ok(view) => view,
        Err(error) => {
            let codes = [
                ErrorCode::MalformedCbor,
                ErrorCode::SerializationError,
                ErrorCode::VerificationFailed,
            ];
            return ensure(codes.contains(&error.code()), || {
                format!("refused as {error:?}")
            });
        }
    };
    for order in [KeyOrder::Canonical, KeyOrder::Ingested] {
        for empty_text in [0, 0xff] {
            let element = Element::from_view(&view, MemoryForm { order, empty_text });
            let again = must("its memory form is no element", element.encode())?;
            ensure(again == bytes, || {
                format!("in {order:?} order with empty texts {empty_text:#x} it encodes otherwise")
            })?;
        }
    }
    let value = must("the general decoder refuses it", decode_value(bytes))?;
    ensure(encode_value(&value) == bytes, || {
        "the general decoder reads another value".to_owned()
    })?;
    check_links(&view)
}

fn check_links(view: &ElementView<'_>) -> Verdict {
    let mut all = Vec::<ElementHash>::new();
    view.for_each_link(|hash| all.push(hash));
    let mut distinct = Vec::new();
    view.distinct_links(&mut distinct);
    ensure(
        distinct.windows(2).all(|pair| pair.first() < pair.last()),
        || "distinct links repeat or are out of order".to_owned(),
    )?;
    match all
        .iter()
        .find(|link| distinct.binary_search(link).is_err())
    {
        Some(link) => violation(format!("{link} is no distinct link")),
        None => ensure(distinct.iter().all(|link| all.contains(link)), || {
            "a distinct link is none of its links".to_owned()
        }),
    }
}
