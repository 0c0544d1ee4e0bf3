use core::ops::Range;

use super::{COMMIT_BYTES_MAX, CommitError, CommitId, Header};
use crate::cbor::{ARRAY, Cursor};
use crate::oplog::operation::Operation;
use crate::oplog::tree::{TreeBuilder, TreeHash};

/// A commit, its operations borrowed from its bytes.
///
/// That it decodes says that its operations are those of its header. Whether the header is the device's own word is
/// said by [`Commit::verify`], and whether the device may write by its certificate.
///
/// ```
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
/// use uxf_engine::oplog::{Commit, CommitBuilder, CommitStart, HybridTime, OpKind, Operation};
/// use uxf_engine::profile::envelope::EntryKind;
/// use uxf_engine::profile::sealed::{ProfileId, WalletSecret};
///
/// let key = DeviceKey::take(&mut [7; 32]);
/// let mut builder = CommitBuilder::new(CommitStart {
///     profile: ProfileId::of(&WalletSecret::take(&mut [1; 32])).unwrap(),
///     log: LogId { device: key.id(), epoch: Epoch::from_u64(1) },
///     first_seq: 1,
///     prev: None,
///     heads: Vec::new(),
///     time: HybridTime::new(1_700_000_000_000, 0).unwrap(),
/// })
/// .unwrap();
/// let value = [9; 40];
/// let put = Operation { kind: OpKind::Put, entry: EntryKind::CacheIndex, key: "a.b", value: &value };
/// builder.push(put).unwrap();
/// let sealed = builder.finish(&key).unwrap();
///
/// let commit = Commit::decode(sealed.as_bytes()).unwrap();
/// assert!(commit.verify().is_ok());
/// let (operation, place) = commit.operations().next().unwrap();
/// assert_eq!(operation, put);
/// assert_eq!(sealed.as_bytes()[place], value);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) header: Header,
    pub(super) id: CommitId,
    /// Where the encoded header is, and where the first operation starts.
    pub(super) header_range: Range<usize>,
    pub(super) operations_start: usize,
    pub(super) signature: [u8; 64],
}

impl<'a> Commit<'a> {
    /// Reads canonical bytes and checks that the operations are those of the header. Does not check the signature.
    ///
    /// # Errors
    /// All of [`CommitError`] but `WrongKey` and `Signature`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CommitError> {
        if bytes.len() > COMMIT_BYTES_MAX {
            return Err(CommitError::TooLarge {
                found: bytes.len(),
                limit: COMMIT_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x83", "an array of three")?;
        let header_start = cursor.offset();
        let header = Header::read(&mut cursor)?;
        let header_range = header_start..cursor.offset();
        let id = CommitId::of(bytes.get(header_range.clone()).unwrap_or_default());
        let found = cursor.head(ARRAY, "an array of operations")?;
        if found != u64::from(header.count) {
            return Err(CommitError::CountMismatch {
                expected: header.count,
                found,
            });
        }
        let operations_start = cursor.offset();
        let root = read_operations(&mut cursor, header.count)?;
        if root != header.root {
            return Err(CommitError::RootMismatch {
                expected: header.root,
                found: root,
            });
        }
        let signature = cursor.array("a signature of 64 bytes")?;
        cursor.end()?;
        Ok(Self {
            bytes,
            header,
            id,
            header_range,
            operations_start,
            signature,
        })
    }

    /// What is signed of it.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The encoded header.
    pub fn header_bytes(&self) -> &'a [u8] {
        self.bytes
            .get(self.header_range.clone())
            .unwrap_or_default()
    }

    /// What it is called.
    pub const fn id(&self) -> CommitId {
        self.id
    }

    /// The device's signature of the id.
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The whole commit.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its operations in order, each with the place of its value in the commit's bytes.
    pub fn operations(&self) -> Operations<'a> {
        let mut cursor = Cursor::new(self.bytes);
        cursor.skip(self.operations_start);
        Operations {
            cursor,
            left: self.header.count,
        }
    }
}

/// Iterates over the operations of a commit.
#[derive(Clone, Debug)]
pub struct Operations<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> Operations<'a> {
    /// The next operation's encoded bytes.
    pub(in crate::oplog) fn next_bytes(&mut self) -> Option<&'a [u8]> {
        let before = self.cursor.rest();
        self.next()?;
        let len = before.len() - self.cursor.rest().len();
        before.get(..len)
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = (Operation<'a>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // All of them were read once when the commit was decoded or made.
        let operation = Operation::read(&mut self.cursor).ok()?;
        let end = self.cursor.offset();
        Some((operation, end - operation.value.len()..end))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Operations<'_> {}

/// Checks every operation and gives the root of their tree.
fn read_operations(cursor: &mut Cursor<'_>, count: u32) -> Result<TreeHash, CommitError> {
    let mut tree = TreeBuilder::default();
    for index in 0..count {
        let before = cursor.rest();
        Operation::read(cursor).map_err(|source| CommitError::Operation { index, source })?;
        let len = before.len() - cursor.rest().len();
        tree.push(TreeHash::leaf(before.get(..len).unwrap_or_default()));
    }
    let none = CommitError::OperationCount {
        found: 0,
        limit: super::OPERATIONS_MAX,
    };
    tree.root().ok_or(none)
}
