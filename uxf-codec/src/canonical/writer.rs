use super::Value;
use crate::element::{CID_PREFIX, ElementHash};

/// Writes canonical DAG-CBOR into a buffer that the caller keeps and reuses.
///
/// Heads are as short as they can be and floats always 64 bits; putting map keys in canonical order (shorter
/// first, then bytewise) is the caller's part, except in [`Writer::value`], which sorts. Format notes, section 2.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    out: &'b mut Vec<u8>,
}

pub(super) const UINT: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;

/// Tag 42, bytes of 37, the zero byte in front of a binary CID, and the fixed part of our CIDs.
const LINK_PREFIX: [u8; 5] = [0xd8, 0x2a, 0x58, 0x25, 0x00];

impl<'b> Writer<'b> {
    pub(crate) fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Bytes that are already canonical.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "each arm has checked that the argument fits"
    )]
    pub(crate) fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        match argument {
            0..=23 => self.out.push(major | argument as u8),
            24..=0xff => self.out.extend_from_slice(&[major | 0x18, argument as u8]),
            0x100..=0xffff => {
                self.out.push(major | 0x19);
                self.out.extend_from_slice(&(argument as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 0x1a);
                self.out.extend_from_slice(&(argument as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 0x1b);
                self.out.extend_from_slice(&argument.to_be_bytes());
            }
        }
    }

    pub(crate) fn null(&mut self) {
        self.out.push(0xf6);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.push(if value { 0xf5 } else { 0xf4 });
    }

    pub(crate) fn uint(&mut self, value: u64) {
        self.head(UINT, value);
    }

    /// An integer from -2^64 to 2^64-1; what lies outside is cut to that range.
    pub(crate) fn int(&mut self, value: i128) {
        if value < 0 {
            self.head(NEGATIVE, u64::try_from(-1 - value).unwrap_or(u64::MAX));
        } else {
            self.head(UINT, u64::try_from(value).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn float(&mut self, value: f64) {
        self.out.push(0xfb);
        self.out.extend_from_slice(&value.to_bits().to_be_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Room for a byte string of a known length, to be filled by the caller.
    pub(crate) fn bytes_to_fill(&mut self, len: usize) -> &mut [u8] {
        self.head(BYTES, len as u64);
        let start = self.out.len();
        self.out.resize(start + len, 0);
        self.out.get_mut(start..).unwrap_or_default()
    }

    pub(crate) fn array(&mut self, len: usize) {
        self.head(ARRAY, len as u64);
    }

    pub(crate) fn map(&mut self, len: usize) {
        self.head(MAP, len as u64);
    }

    pub(crate) fn link(&mut self, hash: &ElementHash) {
        self.out.extend_from_slice(&LINK_PREFIX);
        self.out.extend_from_slice(&CID_PREFIX);
        self.out.extend_from_slice(hash.as_bytes());
    }

    pub(crate) fn link_or_null(&mut self, hash: Option<&ElementHash>) {
        match hash {
            Some(hash) => self.link(hash),
            None => self.null(),
        }
    }

    /// Any value, maps in canonical order.
    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.bool(*value),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => self.float(*value),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(items) => {
                self.array(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Map(entries) => {
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| super::key_order(a, b));
                self.map(sorted.len());
                for (key, value) in sorted {
                    self.text(key);
                    self.value(value);
                }
            }
            Value::Link(cid) => {
                self.head(TAG, 42);
                self.head(BYTES, cid.len() as u64 + 1);
                self.out.push(0);
                self.raw(cid);
            }
        }
    }
}
