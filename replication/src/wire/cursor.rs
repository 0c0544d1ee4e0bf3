use super::DecodeError;

/// What is left of a payload to read. It borrows everything and believes no length or count before it has seen the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    pub(crate) const fn malformed(&self, expected: &'static str) -> DecodeError {
        DecodeError::Malformed {
            offset: self.len - self.rest.len(),
            expected,
        }
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        expected: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.malformed(expected))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self, expected: &'static str) -> Result<u8, DecodeError> {
        let [byte] = self.array(expected)?;
        Ok(byte)
    }

    pub(crate) fn u16(&mut self, expected: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(expected)?))
    }

    pub(crate) fn u32(&mut self, expected: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(expected)?))
    }

    pub(crate) fn u64(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(expected)?))
    }

    /// Flags, of which none but the known may be set.
    pub(crate) fn flags(&mut self, known: u8) -> Result<u8, DecodeError> {
        let refused = self.malformed("known flags");
        let flags = self.u8("flags")?;
        if flags & !known == 0 {
            Ok(flags)
        } else {
            Err(refused)
        }
    }

    pub(crate) fn bytes(
        &mut self,
        len: usize,
        expected: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.malformed(expected))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// All that is left.
    pub(crate) const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// A count of items of at least `item_bytes` each that follow; refused if it is over the cap, or if so many cannot
    /// follow.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        limit: usize,
        item_bytes: usize,
    ) -> Result<usize, DecodeError> {
        let refused = self.malformed("as many items as the count says");
        let found = usize::from(self.u16("a count")?);
        if found > limit {
            return Err(DecodeError::TooMany {
                what,
                found: found as u64,
                limit,
            });
        }
        if found.saturating_mul(item_bytes) > self.rest.len() {
            return Err(refused);
        }
        Ok(found)
    }

    /// A length of 32 bits and so many bytes.
    pub(crate) fn long_string(
        &mut self,
        what: &'static str,
        limit: usize,
    ) -> Result<&'a [u8], DecodeError> {
        let found = self.u32("a length")?;
        match usize::try_from(found) {
            Ok(len) if len <= limit => self.bytes(len, "as many bytes as the length says"),
            _ => Err(DecodeError::TooLong {
                what,
                found: u64::from(found),
                limit,
            }),
        }
    }

    pub(crate) const fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("the end"))
        }
    }
}

/// Writes a count. Whoever makes a message keeps its lists within the caps, which fit.
pub(crate) fn count(out: &mut Vec<u8>, items: usize) {
    let items = u16::try_from(items).unwrap_or(u16::MAX);
    out.extend_from_slice(&items.to_be_bytes());
}

/// Writes a length of 32 bits and the bytes.
pub(crate) fn long_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Writes bits, eight to a byte, the lowest first, padded with zeros.
pub(crate) fn bits(out: &mut Vec<u8>, bits: &[bool]) {
    for eight in bits.chunks(8) {
        let bits = eight.iter().enumerate();
        out.push(bits.fold(0, |byte, (bit, set)| byte | u8::from(*set) << bit));
    }
}

/// Bits as [`bits`] writes them, with the padding.
pub(crate) fn bits_of(bytes: &[u8]) -> Vec<bool> {
    let bits = bytes.iter();
    bits.flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect()
}
