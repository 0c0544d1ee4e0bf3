use uxf_codec::{ElementHash, ElementType};

use crate::error::Error;

/// What the bytes of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// Bytes the store does not look into; they name nothing.
    Opaque,
    /// An element in canonical form; it names other elements.
    Element(ElementType),
    /// Operations that a checkpoint of a log keeps; it names the blocks that hold their values. Hashed with BLAKE3.
    Segment,
    /// A commit of a profile's log; it names the blocks that hold values of its operations. Hashed with BLAKE3.
    Commit,
    /// An operation that came alone, with its proof; it names the block that holds its value. Hashed with BLAKE3.
    Operation,
}

/// Numbers of operations that came alone, of segments, and of commits. Those of element types are smaller.
const OPERATION: u8 = 15;
const SEGMENT: u8 = 16;
const COMMIT: u8 = 17;

impl BlockKind {
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::Opaque => 0,
            Self::Element(element_type) => element_type.id(),
            Self::Segment => SEGMENT,
            Self::Commit => COMMIT,
            Self::Operation => OPERATION,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::Opaque),
            SEGMENT => Some(Self::Segment),
            COMMIT => Some(Self::Commit),
            OPERATION => Some(Self::Operation),
            _ => match ElementType::from_id(id as u64) {
                Some(element_type) => Some(Self::Element(element_type)),
                None => None,
            },
        }
    }

    /// What bytes of this kind are called.
    pub(crate) fn hash(self, bytes: &[u8]) -> ElementHash {
        match self {
            Self::Opaque | Self::Element(_) => ElementHash::of(bytes),
            Self::Segment | Self::Commit | Self::Operation => {
                ElementHash::from_bytes(blake3::hash(bytes).into())
            }
        }
    }
}

/// Set in the first byte when the two counts take four bytes each instead of one.
const WIDE: u8 = 0x80;

/// A row of `blocks-1`.
///
/// The counts are those at the end of the commit that wrote the row; later changes are in the journal and the count
/// pages. A row is never changed, only deleted (INV-BLOCK-2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRow<'a> {
    pub(crate) kind: BlockKind,
    /// References at the end of the commit.
    pub(crate) count: u32,
    /// How many of them are anonymous pins.
    pub(crate) pins: u32,
    pub(crate) hash: ElementHash,
    pub(crate) bytes: &'a [u8],
}

impl<'a> BlockRow<'a> {
    /// Writes the row over what `out` holds.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        if let (Ok(count), Ok(pins)) = (u8::try_from(self.count), u8::try_from(self.pins)) {
            out.extend_from_slice(&[self.kind.id(), count, pins]);
        } else {
            out.push(self.kind.id() | WIDE);
            out.extend_from_slice(&self.count.to_be_bytes());
            out.extend_from_slice(&self.pins.to_be_bytes());
        }
        out.extend_from_slice(self.hash.as_bytes());
        out.extend_from_slice(self.bytes);
    }

    pub(crate) fn decode(seq: u64, row: &'a [u8]) -> Result<Self, Error> {
        Self::split(row).ok_or_else(|| {
            Error::corrupted("blocks-1", seq, "a row of an unknown kind or too short")
        })
    }

    fn split(row: &'a [u8]) -> Option<Self> {
        let (&first, rest) = row.split_first()?;
        let kind = BlockKind::from_id(first & !WIDE)?;
        let (count, pins, rest) = if first & WIDE == 0 {
            let (&[count, pins], rest) = rest.split_first_chunk::<2>()?;
            (count.into(), pins.into(), rest)
        } else {
            let (count, rest) = rest.split_first_chunk::<4>()?;
            let (pins, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*count), u32::from_be_bytes(*pins), rest)
        };
        let (digest, bytes) = rest.split_first_chunk::<32>()?;
        Some(Self {
            kind,
            count,
            pins,
            hash: ElementHash::from_bytes(*digest),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_in_both_widths_and_every_shorter_one_is_refused() {
        for (count, pins, header) in [(255, 0, 35), (256, 1, 41), (u32::MAX, u32::MAX, 41)] {
            let row = BlockRow {
                kind: BlockKind::Element(ElementType::SmtPath),
                count,
                pins,
                hash: ElementHash::of(b"x"),
                bytes: b"x",
            };
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert_eq!(bytes.len(), header + 1);
            let back = BlockRow::decode(7, &bytes).unwrap();
            assert_eq!((back.kind, back.count, back.pins), (row.kind, count, pins));
            assert_eq!((back.hash, back.bytes), (row.hash, row.bytes));
            for short in 0..header {
                assert!(BlockRow::decode(7, &bytes[..short]).is_err());
            }
        }
        assert!(BlockRow::decode(7, &[11; 80]).is_err());
    }
}
