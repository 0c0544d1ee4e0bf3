//! The path of a proof: JSON on one side, the CBOR of the state-transition SDK on the other. Format notes, section 5.4.
//!
//! `array(2) [root, array(n) [array(2) [path, data or null], ...]]`; `path` is a number without a bound in the SDK,
//! in big-endian bytes without leading zeros, so that zero is an empty byte string.

use super::assemble::{DigitBuffers, write_hex};
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

/// Appends the JSON of a path from its CBOR, as leniently as the SDK reads it: further items, trailing bytes and
/// heads longer than needed are passed over.
pub(super) fn write(
    out: &mut Vec<u8>,
    digits: &mut DigitBuffers,
    blob: &[u8],
) -> Result<(), Error> {
    let mut reader = BlobReader { blob, at: 0 };
    let parts = reader.pair()?;
    let root = reader.bytes()?;
    if root.len() < ROOT_BYTES_MIN {
        return Err(reader.refuse("a root of less than 3 bytes"));
    }
    out.extend_from_slice(b"{\"root\":");
    write_hex(out, root);
    out.extend_from_slice(b",\"steps\":[");
    for place in 0..reader.array()? {
        if place > 0 {
            out.push(b',');
        }
        let step_parts = reader.pair()?;
        let path = reader.bytes()?;
        out.extend_from_slice(b"{\"data\":");
        match reader.bytes_or_null()? {
            Some(data) => write_hex(out, data),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"path\":\"");
        write_decimal(out, digits, path)?;
        out.extend_from_slice(b"\"}");
        reader.skip(step_parts)?;
    }
    out.extend_from_slice(b"]}");
    reader.skip(parts)
}

/// Reads the SDK's CBOR.
struct BlobReader<'a> {
    blob: &'a [u8],
    at: usize,
}

impl<'a> BlobReader<'a> {
    #[cold]
    fn refuse(&self, reason: &'static str) -> Error {
        Error::MalformedCbor {
            offset: self.at,
            reason,
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Error> {
        let end = usize::try_from(len)
            .ok()
            .and_then(|len| self.at.checked_add(len));
        match end.and_then(|end| Some((end, self.blob.get(self.at..end)?))) {
            Some((end, taken)) => {
                self.at = end;
                Ok(taken)
            }
            None => Err(self.refuse("the Merkle path ends too early")),
        }
    }

    /// Major type and argument, in however many bytes.
    fn head(&mut self) -> Result<(u8, u64), Error> {
        let [first] = *self.take(1)? else {
            return Err(self.refuse("the Merkle path ends too early"));
        };
        let argument = match first & 0x1f {
            info @ 0..=23 => u64::from(info),
            info @ 24..=27 => self
                .take(1 << (info - 24))?
                .iter()
                .fold(0, |argument, byte| argument << 8 | u64::from(*byte)),
            _ => return Err(self.refuse("indefinite or reserved length in a Merkle path")),
        };
        Ok((first >> 5, argument))
    }

    fn expect(&mut self, wanted: u8, reason: &'static str) -> Result<u64, Error> {
        let start = self.at;
        match self.head()? {
            (major, argument) if major == wanted => Ok(argument),
            _ => {
                self.at = start;
                Err(self.refuse(reason))
            }
        }
    }

    fn array(&mut self) -> Result<u64, Error> {
        self.expect(4, "expected an array in a Merkle path")
    }

    /// Opens an array of which the first two items are wanted; how many others it has.
    fn pair(&mut self) -> Result<u64, Error> {
        match self.array()?.checked_sub(2) {
            Some(others) => Ok(others),
            None => Err(self.refuse("expected an array of two items in a Merkle path")),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = self.expect(2, "expected bytes in a Merkle path")?;
        self.take(len)
    }

    fn bytes_or_null(&mut self) -> Result<Option<&'a [u8]>, Error> {
        if self.blob.get(self.at) == Some(&0xf6) {
            self.at += 1;
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// Passes over items, whatever they hold.
    fn skip(&mut self, items: u64) -> Result<(), Error> {
        // Every item takes a byte at least, so a lying count ends with the input.
        let mut pending = u128::from(items);
        while pending > 0 {
            pending -= 1;
            let (major, argument) = self.head()?;
            match major {
                2 | 3 => {
                    self.take(argument)?;
                }
                4 => pending += u128::from(argument),
                5 => pending += 2 * u128::from(argument),
                6 => pending += 1,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Appends a big-endian number in decimal.
fn write_decimal(out: &mut Vec<u8>, digits: &mut DigitBuffers, number: &[u8]) -> Result<(), Error> {
    const CHUNK: u64 = 1_000_000_000;
    if number.len() > PATH_BYTES_MAX {
        return Err(Error::LimitExceeded {
            what: "bytes of a path of a Merkle step",
            limit: PATH_BYTES_MAX as u64,
            found: number.len() as u64,
        });
    }
    let DigitBuffers { limbs, chunks } = digits;
    limbs.clear();
    limbs.extend(number.rchunks(4).map(|limb| {
        limb.iter()
            .fold(0, |limb: u32, byte| limb << 8 | u32::from(*byte))
    }));
    chunks.clear();
    while let Some(highest) = limbs.last() {
        if *highest == 0 {
            limbs.pop();
            continue;
        }
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let dividend = rest << 32 | u64::from(*limb);
            *limb = low_half(dividend / CHUNK);
            rest = dividend % CHUNK;
        }
        chunks.push(low_half(rest));
    }
    let mut rest = chunks.iter().rev();
    write_chunk(out, rest.next().copied().unwrap_or(0), 1);
    for chunk in rest {
        write_chunk(out, *chunk, 9);
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a quotient or rest of a division by 10^9 of less than 10^9 * 2^32"
)]
const fn low_half(wide: u64) -> u32 {
    wide as u32
}

/// Appends a number below 10^9 with at least `width` digits.
fn write_chunk(out: &mut Vec<u8>, number: u32, width: usize) {
    let mut digits = [b'0'; 9];
    let mut used = 0;
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        if rest == 0 && used >= width {
            break;
        }
        *digit = b'0' + low_digit(rest % 10);
        rest /= 10;
        used += 1;
    }
    out.extend_from_slice(digits.get(9 - used..).unwrap_or_default());
}

#[expect(clippy::cast_possible_truncation, reason = "a decimal digit")]
const fn low_digit(digit: u32) -> u8 {
    digit as u8
}
