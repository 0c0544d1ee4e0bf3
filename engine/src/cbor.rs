//! Strict canonical DAG-CBOR, as far as our own records need it: heads, strings, literals.
//!
//! A reader takes only the shortest head and never an indefinite length, so equal content means equal bytes. It borrows
//! everything and believes no length before it has seen the bytes.

/// Major types of an unsigned integer, a byte string, text and an array.
pub(crate) const UNSIGNED: u8 = 0x00;
pub(crate) const BYTES: u8 = 0x40;
pub(crate) const TEXT: u8 = 0x60;
pub(crate) const ARRAY: u8 = 0x80;
/// The whole of a null.
pub(crate) const NULL: u8 = 0xf6;

/// Not the bytes that should stand at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where, in bytes from the start of what is read.
    pub(crate) offset: usize,
    /// What should stand there.
    pub(crate) expected: &'static str,
}

/// Writes the shortest head of an item.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm has checked that the argument fits"
)]
pub(crate) fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 0x18, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 0x19);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 0x1a);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 0x1b);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Writes a text.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a byte string.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left of a record to read.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    /// How far reading has come, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Passes over bytes that were read before; over all that is left if there are fewer.
    pub(crate) fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed {
            offset: self.offset(),
            expected,
        }
    }

    pub(crate) fn literal(&mut self, wanted: &[u8], name: &'static str) -> Result<(), Malformed> {
        self.rest = self
            .rest
            .strip_prefix(wanted)
            .ok_or_else(|| self.malformed(name))?;
        Ok(())
    }

    /// Whether the next item is null, which is then read.
    pub(crate) fn null(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&NULL, rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The argument of a head of the given major type, refused if it is longer than need be or indefinite.
    pub(crate) fn head(&mut self, major: u8, name: &'static str) -> Result<u64, Malformed> {
        let malformed = self.malformed(name);
        let (&first, rest) = self.rest.split_first().ok_or(malformed)?;
        if first & 0xe0 != major {
            return Err(malformed);
        }
        let info = first & 0x1f;
        let (width, smallest) = match info {
            0..=23 => {
                self.rest = rest;
                return Ok(u64::from(info));
            }
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(malformed),
        };
        let (argument, rest) = rest.split_at_checked(width).ok_or(malformed)?;
        let argument = argument
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if argument < smallest {
            return Err(malformed);
        }
        self.rest = rest;
        Ok(argument)
    }

    /// A number that must fit 32 bits.
    pub(crate) fn head_u32(&mut self, major: u8, name: &'static str) -> Result<u32, Malformed> {
        let malformed = self.malformed(name);
        u32::try_from(self.head(major, name)?).map_err(|_| malformed)
    }

    pub(crate) fn string(&mut self, major: u8, name: &'static str) -> Result<&'a [u8], Malformed> {
        let len = self.head(major, name)?;
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let (string, rest) = taken.ok_or_else(|| self.malformed("the whole of a string"))?;
        self.rest = rest;
        Ok(string)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let malformed = self.malformed(name);
        self.string(BYTES, name)?.try_into().map_err(|_| malformed)
    }

    /// Text in UTF-8.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<&'a str, Malformed> {
        let malformed = self.malformed(name);
        core::str::from_utf8(self.string(TEXT, name)?).map_err(|_| malformed)
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("the end"))
        }
    }
}
