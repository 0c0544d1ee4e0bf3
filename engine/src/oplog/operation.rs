use thiserror::Error;

use crate::cbor::{self, BYTES, Cursor, Malformed, TEXT, UNSIGNED};
use crate::profile::envelope::EntryKind;
use crate::profile::sealed::{KEY_BYTES_MAX, OVERHEAD_BYTES};

/// Longest value of an operation, in bytes: 128 KiB. What is longer goes into a block of its own.
pub const VALUE_BYTES_MAX: usize = 131_072;
/// Shortest sealed value, in bytes: an empty one has its nonce and tag.
pub const SEALED_BYTES_MIN: usize = OVERHEAD_BYTES;
/// Shortest encoded operation, in bytes: a delete of a key of one byte.
pub(super) const OPERATION_BYTES_MIN: usize = 3 + 2 + 1;
/// Longest encoded operation, in bytes.
pub(super) const OPERATION_BYTES_MAX: usize = 3 + (3 + KEY_BYTES_MAX) + (5 + VALUE_BYTES_MAX);
/// Length of a reference to a sealed block, in bytes: a binary content id.
pub const REFERENCE_BYTES: usize = 36;
/// How such a content id starts: version 1, raw bytes, SHA-256, 32 bytes.
const REFERENCE_START: &[u8] = &[0x01, 0x55, 0x12, 0x20];

/// What an operation does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpKind {
    /// Sets it to a sealed value.
    Put,
    /// Removes it.
    Delete,
    /// Sets it to a sealed value that lies in a block of its own.
    Ref,
}

impl OpKind {
    pub(crate) const ALL: [Self; 3] = [Self::Put, Self::Delete, Self::Ref];

    const fn value_bytes(self) -> (usize, usize) {
        match self {
            Self::Put => (SEALED_BYTES_MIN, VALUE_BYTES_MAX),
            Self::Delete => (0, 0),
            Self::Ref => (REFERENCE_BYTES, REFERENCE_BYTES),
        }
    }
}

/// Why something is no operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OperationError {
    /// Not the canonical bytes of an operation.
    #[error("no canonical operation at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The key is empty or too long.
    #[error("a key of {found} bytes, it may have 1 to {limit}")]
    KeyLength {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// The value is shorter or longer than this kind of operation may carry.
    #[error("a value of {found} bytes, it may have {least} to {most}")]
    ValueLength {
        /// What the operation does.
        kind: OpKind,
        /// Length of its value in bytes.
        found: usize,
        /// The least it may have.
        least: usize,
        /// The most it may have.
        most: usize,
    },
    /// The value of a reference is no content id of raw bytes by SHA-256.
    #[error("the reference is no content id of a sealed block")]
    NoReference,
}

impl From<Malformed> for OperationError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

/// One write to one key, borrowed from the bytes of its commit or from the writer.
///
/// ```
/// use uxf_engine::oplog::{OpKind, Operation};
/// use uxf_engine::profile::envelope::EntryKind;
///
/// let operation = Operation {
///     kind: OpKind::Put,
///     entry: EntryKind::TokenReceive,
///     key: "tokens.a",
///     value: &[7; 40],
/// };
/// let bytes = operation.encode().unwrap();
/// assert_eq!(Operation::decode(&bytes), Ok(operation));
/// assert!(Operation { value: b"not sealed", ..operation }.encode().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// What it does.
    pub kind: OpKind,
    /// What kind of act it records.
    pub entry: EntryKind,
    /// The key it writes, 1 to 512 bytes.
    pub key: &'a str,
    /// The sealed value, nothing for a delete, the binary content id of a sealed block for a reference.
    pub value: &'a [u8],
}

impl<'a> Operation<'a> {
    /// The canonical bytes: an array of kind, entry, key and value.
    ///
    /// # Errors
    /// [`OperationError::KeyLength`], [`OperationError::ValueLength`] and [`OperationError::NoReference`].
    pub fn encode(&self) -> Result<Vec<u8>, OperationError> {
        let mut out = Vec::with_capacity(self.value.len() + self.key.len() + 16);
        self.encode_into(&mut out)?;
        Ok(out)
    }

    /// Reads the canonical bytes of one operation and nothing after it.
    ///
    /// # Errors
    /// All of [`OperationError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, OperationError> {
        let mut cursor = Cursor::new(bytes);
        let operation = Self::read(&mut cursor)?;
        cursor.end()?;
        Ok(operation)
    }

    /// Appends the canonical bytes; nothing is appended if the operation is none.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), OperationError> {
        self.check()?;
        out.extend_from_slice(&[0x84, self.kind as u8, self.entry as u8]);
        cbor::text(out, self.key);
        cbor::bytes(out, self.value);
        Ok(())
    }

    /// Reads an operation at the cursor.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, OperationError> {
        cursor.literal(b"\x84", "an array of four")?;
        let malformed = cursor.malformed("a kind of operation");
        let kind = one_of(&OpKind::ALL, cursor.head(UNSIGNED, malformed.expected)?);
        let kind = kind.ok_or(malformed)?;
        let malformed = cursor.malformed("a kind of entry");
        let entry = one_of(&EntryKind::ALL, cursor.head(UNSIGNED, malformed.expected)?);
        let entry = entry.ok_or(malformed)?;
        let malformed = cursor.malformed("text in UTF-8");
        let key = cursor.string(TEXT, "text")?;
        let value = cursor.string(BYTES, "a byte string")?;
        check_key(key.len())?;
        let key = core::str::from_utf8(key).map_err(|_| malformed)?;
        let operation = Self {
            kind,
            entry,
            key,
            value,
        };
        operation.check()?;
        Ok(operation)
    }

    fn check(&self) -> Result<(), OperationError> {
        check_key(self.key.len())?;
        let (least, most) = self.kind.value_bytes();
        if !(least..=most).contains(&self.value.len()) {
            return Err(OperationError::ValueLength {
                kind: self.kind,
                found: self.value.len(),
                least,
                most,
            });
        }
        if self.kind == OpKind::Ref && !self.value.starts_with(REFERENCE_START) {
            return Err(OperationError::NoReference);
        }
        Ok(())
    }
}

fn check_key(found: usize) -> Result<(), OperationError> {
    if (1..=KEY_BYTES_MAX).contains(&found) {
        Ok(())
    } else {
        Err(OperationError::KeyLength {
            found,
            limit: KEY_BYTES_MAX,
        })
    }
}

fn one_of<T: Copy>(all: &[T], number: u64) -> Option<T> {
    usize::try_from(number)
        .ok()
        .and_then(|at| all.get(at))
        .copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An operation that owns its parts.
    pub(in crate::oplog) type Owned = (OpKind, EntryKind, String, Vec<u8>);

    pub(in crate::oplog) fn borrowed((kind, entry, key, value): &Owned) -> Operation<'_> {
        Operation {
            kind: *kind,
            entry: *entry,
            key,
            value,
        }
    }

    pub(in crate::oplog) fn any_operation() -> impl Strategy<Value = Owned> {
        let value = prop_oneof![
            proptest::collection::vec(any::<u8>(), 28..80).prop_map(|value| (OpKind::Put, value)),
            Just((OpKind::Delete, Vec::new())),
            any::<[u8; 32]>().prop_map(|hash| (OpKind::Ref, [REFERENCE_START, &hash[..]].concat())),
        ];
        (value, 0_usize..15, "[a-zé.]{1,30}")
            .prop_map(|((kind, value), entry, key)| (kind, EntryKind::ALL[entry], key, value))
    }

    #[test]
    fn the_number_of_an_entry_kind_is_its_place_in_the_list() {
        for (place, kind) in EntryKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
        for (place, kind) in OpKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn every_bound_of_keys_and_values_is_kept_when_writing_and_when_reading() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        let huge = vec![0; VALUE_BYTES_MAX + 1];
        let good = Operation {
            kind: OpKind::Put,
            entry: EntryKind::DmSend,
            key: long.get(1..).unwrap(),
            value: &huge[1..],
        };
        let bytes = good.encode().unwrap();
        assert_eq!(Operation::decode(&bytes), Ok(good));
        let bad = |kind, key, value| Operation {
            kind,
            key,
            value,
            ..good
        };
        for operation in [
            bad(OpKind::Put, "", &huge[1..]),
            bad(OpKind::Put, &long, &huge[1..]),
            bad(OpKind::Put, "k", &huge),
            bad(OpKind::Put, "k", &huge[..SEALED_BYTES_MIN - 1]),
            bad(OpKind::Delete, "k", &huge[..1]),
            bad(OpKind::Ref, "k", &huge[..REFERENCE_BYTES]),
            bad(OpKind::Ref, "k", REFERENCE_START),
        ] {
            let refused = operation.encode().unwrap_err();
            let mut forced = vec![0x84, operation.kind as u8, operation.entry as u8];
            cbor::text(&mut forced, operation.key);
            cbor::bytes(&mut forced, operation.value);
            assert_eq!(Operation::decode(&forced), Err(refused));
        }
    }

    proptest! {
        #[test]
        fn every_operation_comes_back_and_no_part_of_one_is_one(operation in any_operation()) {
            let operation = borrowed(&operation);
            let bytes = operation.encode().unwrap();
            prop_assert_eq!(Operation::decode(&bytes), Ok(operation));
            for end in 0..bytes.len() {
                prop_assert!(Operation::decode(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn whatever_reads_as_an_operation_encodes_to_the_same_bytes(
            operation in any_operation(), at: prop::sample::Index, value: u8,
        ) {
            let mut bytes = borrowed(&operation).encode().unwrap();
            let at = at.index(bytes.len().min(40));
            bytes[at] = value;
            if let Ok(read) = Operation::decode(&bytes) {
                prop_assert_eq!(read.encode().unwrap(), bytes);
            }
        }
    }
}
