use cid::Cid;

use crate::canonical::{Value, Writer, decode_value};
use crate::element::ElementHash;

/// The fixed part of a CARv2 in front of its inner CARv1, behind the pragma.
pub(super) const V2_HEADER_BYTES: usize = 40;

/// What an archive begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// CARv1 and its roots.
    V1(Vec<Cid>),
    /// The pragma of a CARv2: a CARv1 comes later.
    V2,
}

/// Where in a CARv2 the CARv1 lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InnerCar {
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Header {
    /// Reads the DAG-CBOR of a header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let value = decode_value(bytes).map_err(|_| "a header that is not DAG-CBOR")?;
        let Value::Map(entries) = &value else {
            return Err("a header that is not a map");
        };
        if entries
            .iter()
            .any(|(key, _)| !matches!(key.as_str(), "roots" | "version"))
        {
            return Err("a header with unknown keys");
        }
        let roots = match value.get("roots") {
            Some(Value::List(roots)) => Some(roots.iter().map(to_cid).collect::<Option<_>>()),
            Some(_) => return Err("roots that are not an array"),
            None => None,
        };
        match (value.get("version"), roots) {
            (Some(Value::Int(1)), Some(roots)) => {
                roots.map(Self::V1).ok_or("a root that is not a CID")
            }
            (Some(Value::Int(2)), None) => Ok(Self::V2),
            _ => Err("a header of an unknown version or without roots"),
        }
    }

    /// The header of an archive with one root, its length in front: always 59 bytes.
    pub(super) fn encode(root: &ElementHash) -> Vec<u8> {
        let mut out = vec![58];
        let mut writer = Writer::new(&mut out);
        writer.map(2);
        writer.text("roots");
        writer.array(1);
        writer.link(root);
        writer.text("version");
        writer.uint(1);
        out
    }
}

impl InnerCar {
    /// Reads the fixed header of a CARv2: 16 bytes of characteristics, then offset, size and index offset.
    pub(super) fn decode(bytes: &[u8; V2_HEADER_BYTES]) -> Self {
        let number = |at: usize| {
            bytes
                .iter()
                .skip(at)
                .take(8)
                .rev()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte))
        };
        Self {
            offset: number(16),
            len: number(24),
        }
    }
}

fn to_cid(value: &Value) -> Option<Cid> {
    match value {
        Value::Link(bytes) => Cid::try_from(bytes.as_slice()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_is_59_bytes_and_reads_back() {
        let root = ElementHash::of(b"root");
        let bytes = Header::encode(&root);
        assert_eq!(bytes.len(), 59);
        assert_eq!(bytes[0], 0x3a);
        let Header::V1(roots) = Header::decode(&bytes[1..]).unwrap() else {
            panic!("not a CARv1")
        };
        assert_eq!(roots.len(), 1);
        assert_eq!(ElementHash::from_cid(&roots[0]).unwrap(), root);
    }
}
