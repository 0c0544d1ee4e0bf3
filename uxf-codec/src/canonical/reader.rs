use super::writer::{ARRAY, BYTES, MAP, NEGATIVE, TAG, TEXT, UINT};
use crate::element::{CID_PREFIX, ElementHash};
use crate::error::Error;
use crate::limits::NESTING_MAX;

/// Reads DAG-CBOR in its one canonical form, borrowing from the input and allocating nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Length of the whole input, to tell offsets.
    len: usize,
}

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::MalformedCbor {
            offset: fault.offset,
            reason: fault.reason,
        }
    }
}

pub(crate) type Result<T> = core::result::Result<T, Fault>;

/// One value, its parts still encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RawValue<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A finite number that is no safe integer.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A link, as the bytes of its CID.
    Link(&'a [u8]),
    /// An array, head included.
    List(&'a [u8]),
    /// A map, head included.
    Map(&'a [u8]),
}

const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    pub(crate) const fn refuse(&self, reason: &'static str) -> Fault {
        Fault {
            offset: self.offset(),
            reason,
        }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses bytes behind the value.
    pub(crate) fn end(&self) -> Result<()> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(self.refuse("bytes after the end"))
        }
    }

    /// What has been read since an earlier state of this reader.
    pub(crate) fn since(&self, earlier: &Self) -> &'a [u8] {
        earlier
            .rest
            .get(..earlier.rest.len() - self.rest.len())
            .unwrap_or_default()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.refuse("the input ends too early")),
        }
    }

    /// Takes these very bytes, or leaves the reader where it is.
    pub(crate) fn literal(&mut self, expected: &[u8]) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.refuse("the input ends too early")),
        }
    }

    /// Major type and argument of the next item, refusing heads longer than needed. Simple values and floats give
    /// their raw additional information and stay unread behind it.
    pub(crate) fn head(&mut self) -> Result<(u8, u64)> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Err(self.refuse("the input ends too early"));
        };
        let (major, info) = (first >> 5, first & 0x1f);
        if info < 24 {
            self.rest = rest;
            return Ok((major, u64::from(info)));
        }
        let start = *self;
        self.rest = rest;
        if major == 7 {
            return Ok((major, u64::from(info)));
        }
        let (argument, smallest) = match info {
            24 => (u64::from(u8::from_be_bytes(self.array_of()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array_of()?)), 0x100),
            26 => (u64::from(u32::from_be_bytes(self.array_of()?)), 0x1_0000),
            27 => (u64::from_be_bytes(self.array_of()?), 0x1_0000_0000),
            _ => return Err(start.refuse("indefinite or reserved length")),
        };
        if argument < smallest {
            return Err(start.refuse("a number or length in more bytes than needed"));
        }
        Ok((major, argument))
    }

    /// The argument of a head of one major type. Where it fails the reader stays where it was, so that a caller may
    /// go on and expect something else.
    fn expect(&mut self, wanted: u8, reason: &'static str) -> Result<u64> {
        let start = *self;
        let fault = match self.head() {
            Ok((major, argument)) if major == wanted => return Ok(argument),
            Ok(_) => start.refuse(reason),
            Err(fault) => fault,
        };
        *self = start;
        Err(fault)
    }

    pub(crate) fn uint(&mut self) -> Result<u64> {
        self.expect(UINT, "expected an unsigned integer")
    }

    pub(crate) fn array(&mut self) -> Result<u64> {
        self.expect(ARRAY, "expected an array")
    }

    pub(crate) fn map(&mut self) -> Result<u64> {
        self.expect(MAP, "expected a map")
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let len = self.expect(TEXT, "expected text")?;
        self.text_of(len)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.expect(BYTES, "expected bytes")?;
        self.bytes_of(len)
    }

    fn bytes_of(&mut self, len: u64) -> Result<&'a [u8]> {
        let len = usize::try_from(len).map_err(|_| self.refuse("the input ends too early"))?;
        self.take(len)
    }

    fn text_of(&mut self, len: u64) -> Result<&'a str> {
        let start = *self;
        core::str::from_utf8(self.bytes_of(len)?)
            .map_err(|_| start.refuse("text that is not UTF-8"))
    }

    /// A link to an element; links of any other codec, hash or length are refused.
    pub(crate) fn element_link(&mut self) -> Result<ElementHash> {
        let start = *self;
        if !self.literal(&[0xd8, 0x2a, 0x58, 0x25, 0x00]) || !self.literal(&CID_PREFIX) {
            *self = start;
            return Err(start.refuse("expected a link to a dag-cbor sha2-256 block"));
        }
        Ok(ElementHash::from_bytes(self.array_of()?))
    }

    pub(crate) fn null(&mut self) -> bool {
        self.literal(&[0xf6])
    }

    /// The next value whole, every rule of the canonical form checked on the way.
    pub(crate) fn value(&mut self) -> Result<RawValue<'a>> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<RawValue<'a>> {
        let start = *self;
        let (major, argument) = self.head()?;
        Ok(match major {
            UINT | NEGATIVE => {
                if argument > SAFE_INTEGER_MAX - u64::from(major == NEGATIVE) {
                    return Err(start.refuse("an integer beyond 2^53-1"));
                }
                let magnitude = i128::from(argument);
                RawValue::Int(if major == UINT {
                    magnitude
                } else {
                    -1 - magnitude
                })
            }
            BYTES => RawValue::Bytes(self.bytes_of(argument)?),
            TEXT => RawValue::Text(self.text_of(argument)?),
            ARRAY => {
                self.skip_items(argument, depth)?;
                RawValue::List(self.since(&start))
            }
            MAP => {
                self.skip_entries(argument, depth)?;
                RawValue::Map(self.since(&start))
            }
            TAG => RawValue::Link(self.cid_of(argument)?),
            _ => self.simple(argument, &start)?,
        })
    }

    fn skip_items(&mut self, count: u64, depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        // Every item takes a byte at least, so a lying count ends with the input.
        for _ in 0..count {
            self.value_at(depth + 1)?;
        }
        Ok(())
    }

    fn skip_entries(&mut self, count: u64, depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        let mut previous: Option<&str> = None;
        for _ in 0..count {
            self.key_after(&mut previous)?;
            self.value_at(depth + 1)?;
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth < NESTING_MAX {
            Ok(())
        } else {
            Err(self.refuse("nested too deeply"))
        }
    }

    /// The next key of a map, which must stand behind the one before it in canonical order.
    pub(crate) fn key_after(&mut self, previous: &mut Option<&'a str>) -> Result<&'a str> {
        let start = *self;
        let key = self.text()?;
        if let Some(before) = previous {
            match super::key_order(before, key) {
                core::cmp::Ordering::Less => {}
                core::cmp::Ordering::Equal => return Err(start.refuse("a repeated key")),
                core::cmp::Ordering::Greater => {
                    return Err(start.refuse("keys out of order"));
                }
            }
        }
        *previous = Some(key);
        Ok(key)
    }

    fn cid_of(&mut self, tag: u64) -> Result<&'a [u8]> {
        let start = *self;
        if tag != 42 {
            return Err(start.refuse("a tag other than 42"));
        }
        match self.bytes()?.split_first() {
            Some((0, cid)) if super::is_cid(cid) => Ok(cid),
            _ => Err(start.refuse("a link that is not a zero byte and a CID")),
        }
    }

    fn simple(&mut self, info: u64, start: &Self) -> Result<RawValue<'a>> {
        Ok(match info {
            20 => RawValue::Bool(false),
            21 => RawValue::Bool(true),
            22 => RawValue::Null,
            23 => return Err(start.refuse("undefined")),
            25 | 26 => return Err(start.refuse("a float of 16 or 32 bits")),
            27 => {
                let value = f64::from_bits(u64::from_be_bytes(self.array_of()?));
                if !value.is_finite() {
                    return Err(start.refuse("NaN or an infinity"));
                }
                #[expect(clippy::cast_precision_loss, reason = "2^53-1 is exact")]
                if value.fract() == 0.0 && value.abs() <= SAFE_INTEGER_MAX as f64 {
                    return Err(start.refuse("an integer written as a float"));
                }
                RawValue::Float(value)
            }
            _ => return Err(start.refuse("a simple value that is none of false, true and null")),
        })
    }
}

/// Reads bytes that are one canonical value, allocating nothing however large it is.
pub(crate) fn read_value(bytes: &[u8]) -> core::result::Result<RawValue<'_>, Error> {
    let mut reader = Reader::new(bytes);
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// The items of an array that has been read as [`RawValue::List`].
pub(crate) fn list_items(list: &[u8]) -> impl Iterator<Item = RawValue<'_>> {
    let mut reader = Reader::new(list);
    let count = reader.array().unwrap_or(0);
    (0..count).map_while(move |_| reader.value().ok())
}

/// The entries of a map that has been read as [`RawValue::Map`].
pub(crate) fn map_entries(map: &[u8]) -> impl Iterator<Item = (&str, RawValue<'_>)> {
    let mut reader = Reader::new(map);
    let count = reader.map().unwrap_or(0);
    (0..count).map_while(move |_| Some((reader.text().ok()?, reader.value().ok()?)))
}
