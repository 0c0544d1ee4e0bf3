//! The path of a proof: JSON on one side, the CBOR of the state-transition SDK on the other. Format notes, section 5.4.
//!
//! `array(2) [root, array(n) [array(2) [path, data or null], ...]]`; `path` is a number without a bound in the SDK,
//! in big-endian bytes without leading zeros, so that zero is an empty byte string.

use super::deconstruct::fields::{hex_fault, malformed};
use crate::canonical::Writer;
use crate::error::Error;
use crate::json::{Kind, Node};
use crate::limits::PATH_BYTES_MAX;

/// Shortest root: two bytes of algorithm and one of digest.
const ROOT_BYTES_MIN: usize = 3;

/// Replaces `blob` by the CBOR of a path. `limbs` is room to calculate in.
pub(super) fn encode(
    blob: &mut Vec<u8>,
    limbs: &mut Vec<u64>,
    path: Option<Node<'_>>,
) -> Result<(), Error> {
    blob.clear();
    let [root, steps] = match path {
        Some(path) => path.fields(["root", "steps"]),
        None => [None; 2],
    };
    let Some(steps) = steps.filter(|steps| steps.kind() == Kind::Array && !steps.is_empty()) else {
        return Err(malformed("steps", "must be an array of at least one step"));
    };
    Writer::new(blob).array(2);
    if lenient_hex(blob, "root", root)? < ROOT_BYTES_MIN {
        return Err(malformed(
            "root",
            "must have 2 bytes of algorithm and at least 1 byte of digest",
        ));
    }
    Writer::new(blob).array(steps.items().count());
    for (place, step) in steps.items().enumerate() {
        encode_step(blob, limbs, step).map_err(|fault| fault.within(&format!("steps[{place}]")))?;
    }
    Ok(())
}

fn encode_step(blob: &mut Vec<u8>, limbs: &mut Vec<u64>, step: Node<'_>) -> Result<(), Error> {
    let [data, path] = step.fields(["data", "path"]);
    let Some(path) = path.and_then(|path| path.as_text()) else {
        return Err(malformed("path", "must be a text"));
    };
    let Some(data) = data else {
        return Err(malformed("data", "is missing"));
    };
    Writer::new(blob).array(2);
    parse_number(limbs, &path).map_err(|fault| fault.within("path"))?;
    write_number(blob, limbs);
    if data.is_null() || data.as_plain_text() == Some("") {
        Writer::new(blob).null();
    } else {
        lenient_hex(blob, "data", Some(data))?;
    }
    Ok(())
}

/// Appends hex of either case, a prefix `0x` or `0X` allowed, as a byte string; its length.
fn lenient_hex(
    blob: &mut Vec<u8>,
    name: &'static str,
    value: Option<Node<'_>>,
) -> Result<usize, Error> {
    let Some(text) = value.and_then(|value| value.as_text()) else {
        return Err(malformed(name, "must be a text of hex digits"));
    };
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(&text);
    let mut writer = Writer::new(blob);
    let bytes = writer.bytes_to_fill(digits.len() / 2);
    match const_hex::decode_to_slice(digits, bytes) {
        Ok(()) => Ok(digits.len() / 2),
        Err(_) => Err(malformed(
            name,
            match hex_fault(digits) {
                crate::HexFault::OddLength(_) => "an odd number of hex digits",
                _ => "a character that is no hex digit",
            },
        )),
    }
}

/// Reads a whole number as `BigInt()` of the reference's language does, into limbs with the smallest first.
fn parse_number(limbs: &mut Vec<u64>, text: &str) -> Result<(), Error> {
    let text = text.trim_matches(is_space);
    let (digits, radix, is_negative) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..), 16, false),
        [b'0', b'o' | b'O', ..] => (text.get(2..), 8, false),
        [b'0', b'b' | b'B', ..] => (text.get(2..), 2, false),
        [b'+', ..] => (text.get(1..), 10, false),
        [b'-', ..] => (text.get(1..), 10, true),
        _ => (Some(text), 10, false),
    };
    let digits = digits.unwrap_or_default().as_bytes();
    limbs.clear();
    if digits.is_empty() && !text.is_empty() {
        return Err(not_a_number());
    }
    let mut chunk_base = u64::from(radix);
    let mut chunk_len = 1;
    while let Some(larger) = chunk_base.checked_mul(u64::from(radix)) {
        chunk_base = larger;
        chunk_len += 1;
    }
    let (first, whole) = digits.split_at(digits.len() % chunk_len);
    add_chunk(limbs, 1, chunk_value(first, radix)?)?;
    for chunk in whole.chunks_exact(chunk_len) {
        add_chunk(limbs, chunk_base, chunk_value(chunk, radix)?)?;
    }
    if is_negative && !limbs.is_empty() {
        return Err(malformed("", "must not be negative"));
    }
    Ok(())
}

/// White space and line ends of the reference's language.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

#[cold]
fn not_a_number() -> Error {
    malformed("", "must be the text of a whole number")
}

fn chunk_value(digits: &[u8], radix: u32) -> Result<u64, Error> {
    digits.iter().try_fold(0u64, |value, digit| {
        match char::from(*digit).to_digit(radix) {
            // A chunk is as long as its value surely fits.
            Some(digit) => Ok(value
                .wrapping_mul(u64::from(radix))
                .wrapping_add(u64::from(digit))),
            None => Err(not_a_number()),
        }
    })
}

/// `limbs = limbs * factor + addend`.
fn add_chunk(limbs: &mut Vec<u64>, factor: u64, addend: u64) -> Result<(), Error> {
    let mut carry = addend;
    for limb in limbs.iter_mut() {
        let (low, high) = halves(u128::from(*limb) * u128::from(factor) + u128::from(carry));
        *limb = low;
        carry = high;
    }
    if carry != 0 {
        limbs.push(carry);
    }
    if limbs.len() * 8 > PATH_BYTES_MAX {
        return Err(Error::LimitExceeded {
            what: "bytes of a path of a Merkle step",
            limit: PATH_BYTES_MAX as u64,
            found: limbs.len() as u64 * 8,
        });
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves are what is wanted"
)]
const fn halves(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

/// Appends a number as a byte string, big-endian, without leading zeros.
fn write_number(blob: &mut Vec<u8>, limbs: &[u64]) {
    let Some((highest, lower)) = limbs.split_last() else {
        Writer::new(blob).bytes(&[]);
        return;
    };
    let skipped = highest.leading_zeros() as usize / 8;
    let mut writer = Writer::new(blob);
    let bytes = writer.bytes_to_fill(limbs.len() * 8 - skipped);
    let (first, rest) = bytes.split_at_mut(8 - skipped);
    first.copy_from_slice(highest.to_be_bytes().get(skipped..).unwrap_or_default());
    let (chunks, _) = rest.as_chunks_mut::<8>();
    for (chunk, limb) in chunks.iter_mut().zip(lower.iter().rev()) {
        *chunk = limb.to_be_bytes();
    }
}
