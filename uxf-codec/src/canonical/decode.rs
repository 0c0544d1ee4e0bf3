use super::Value;
use super::writer::{ARRAY, BYTES, MAP, NEGATIVE, TAG, TEXT, UINT};
use crate::error::Error;
use crate::limits::NESTING_MAX;

/// Decodes any value as the reference's decoder does: canonical form, but tolerating unsorted keys, floats of 16 and
/// 32 bits, `undefined` (read as null) and malformed UTF-8 (read as U+FFFD). Format notes, section 2.
///
/// Only for what nothing re-encodes: envelopes, manifests, `reason`. Elements go through
/// [`ElementView::parse`](super::ElementView::parse).
///
/// # Errors
/// [`Error::MalformedCbor`] for everything else: indefinite lengths, heads longer than needed, repeated keys, other
/// tags, NaN and infinities, trailing bytes, truncation, nesting beyond [`NESTING_MAX`].
pub fn decode_value(bytes: &[u8]) -> Result<Value, Error> {
    let mut decoder = Decoder { bytes, at: 0 };
    let value = decoder.value(0)?;
    if decoder.at == bytes.len() {
        Ok(value)
    } else {
        Err(decoder.refuse("bytes after the end"))
    }
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
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
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => Err(self.refuse("the input ends too early")),
        }
    }

    fn number(&mut self, len: u64) -> Result<u64, Error> {
        Ok(self
            .take(len)?
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// Major type, additional information and argument; floats and simple values have their bits as argument.
    fn head(&mut self) -> Result<(u8, u8, u64), Error> {
        let first = self.number(1)?.to_be_bytes()[7];
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => u64::from(info),
            24..=27 => self.number(1 << (info - 24))?,
            _ => return Err(self.refuse("indefinite or reserved length")),
        };
        let smallest = match info {
            24 => 24,
            25 => 0x100,
            26 => 0x1_0000,
            27 => 0x1_0000_0000,
            _ => 0,
        };
        if major != 7 && argument < smallest {
            return Err(self.refuse("a number or length in more bytes than needed"));
        }
        Ok((major, info, argument))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > NESTING_MAX {
            return Err(self.refuse("nested too deeply"));
        }
        let (major, info, argument) = self.head()?;
        Ok(match major {
            UINT => Value::Int(argument.into()),
            NEGATIVE => Value::Int(-1 - i128::from(argument)),
            BYTES => Value::Bytes(self.take(argument)?.to_vec()),
            TEXT => Value::Text(String::from_utf8_lossy(self.take(argument)?).into_owned()),
            ARRAY => {
                let mut items = Vec::new();
                for _ in 0..argument {
                    items.push(self.value(depth + 1)?);
                }
                Value::List(items)
            }
            MAP => self.map(argument, depth)?,
            TAG => self.link(argument)?,
            _ => self.simple(info, argument)?,
        })
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<Value, Error> {
        let mut entries = Vec::new();
        for _ in 0..count {
            let (major, _, len) = self.head()?;
            if major != TEXT {
                return Err(self.refuse("a key that is not text"));
            }
            let key = String::from_utf8_lossy(self.take(len)?).into_owned();
            entries.push((key, self.value(depth + 1)?));
        }
        let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(self.refuse("a repeated key"));
        }
        Ok(Value::Map(entries))
    }

    fn link(&mut self, tag: u64) -> Result<Value, Error> {
        if tag != 42 {
            return Err(self.refuse("a tag other than 42"));
        }
        let (major, _, len) = self.head()?;
        if major != BYTES {
            return Err(self.refuse("a link that is not bytes"));
        }
        match self.take(len)?.split_first() {
            Some((0, cid)) if super::is_cid(cid) => Ok(Value::Link(cid.to_vec())),
            _ => Err(self.refuse("a link that is not a zero byte and a CID")),
        }
    }

    fn simple(&self, info: u8, bits: u64) -> Result<Value, Error> {
        let float = match info {
            20 => return Ok(Value::Bool(false)),
            21 => return Ok(Value::Bool(true)),
            22 | 23 => return Ok(Value::Null),
            25 => half(bits),
            26 => f64::from(f32::from_bits(u32::try_from(bits).unwrap_or(0))),
            27 => f64::from_bits(bits),
            _ => return Err(self.refuse("a simple value that is none of false, true and null")),
        };
        if float.is_finite() {
            Ok(number(float))
        } else {
            Err(self.refuse("NaN or an infinity"))
        }
    }
}

/// A number of the reference's language: a safe integer is the same value as an integer and as a float.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is an integer within ±2^53"
)]
pub(crate) fn number(float: f64) -> Value {
    const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;
    if float.fract() == 0.0 && float.abs() <= SAFE_INTEGER_MAX {
        Value::Int(float as i128)
    } else {
        Value::Float(float)
    }
}

/// IEEE 754 binary16, RFC 8949 appendix D.
fn half(bits: u64) -> f64 {
    let exponent = i32::try_from((bits >> 10) & 0x1f).unwrap_or(0);
    let mantissa = f64::from(u16::try_from(bits & 0x3ff).unwrap_or(0));
    let value = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { value } else { -value }
}
