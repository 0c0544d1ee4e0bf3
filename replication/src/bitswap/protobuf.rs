//! As much of protocol buffers as a bitswap message needs.

use super::message::MessageError;

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A number, or a truth.
    Number(u64),
    /// A text, bytes or a message in the message.
    Bytes(&'a [u8]),
    /// Of a fixed length. No field of bitswap is.
    Fixed,
}

/// The fields of a message, in their order. What it yields after an error means nothing.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The number and value of the next field.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, MessageError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.rest)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut self.rest)?),
            1 => self.fixed(8)?,
            2 => {
                let len = varint(&mut self.rest)?;
                let len = usize::try_from(len).map_err(|_| MessageError::Truncated)?;
                Field::Bytes(self.take(len)?)
            }
            5 => self.fixed(4)?,
            found => return Err(MessageError::UnknownWireType { found }),
        };
        Ok(Some((key >> 3, field)))
    }

    fn fixed(&mut self, len: usize) -> Result<Field<'a>, MessageError> {
        self.take(len).map(|_| Field::Fixed)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], MessageError> {
        let split = self.rest.split_at_checked(len);
        let (bytes, rest) = split.ok_or(MessageError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// Reads an unsigned number of at most 64 bits from the front.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, MessageError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(MessageError::Truncated)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && part > 1 {
            break;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(MessageError::NumberTooLarge)
}

/// Writes an unsigned number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

const fn low_bits(number: u64) -> u8 {
    let [byte, ..] = number.to_le_bytes();
    byte & 0x7f
}

/// Writes a field that is a number; nothing for zero, which is what is meant where it is missing.
pub(super) fn put_number(out: &mut Vec<u8>, field: u64, number: u64) {
    if number > 0 {
        put_varint(out, field << 3);
        put_varint(out, number);
    }
}

/// Writes a field that is bytes or a message.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, (field << 3) | 2);
    put_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}
