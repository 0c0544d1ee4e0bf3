use super::header::HEADER_BYTES_MAX;
use super::{COMMIT_BYTES_MAX, Commit, CommitError, CommitId, Head, Header, OPERATIONS_MAX};
use crate::cbor::{self, ARRAY};
use crate::oplog::HybridTime;
use crate::oplog::identity::{DeviceKey, LogId};
use crate::oplog::operation::Operation;
use crate::oplog::tree::{TreeBuilder, TreeHash};
use crate::profile::sealed::ProfileId;

/// Most bytes of operations in one commit: what is left beside the header, three heads and the signature.
const OPERATION_BYTES_MAX: usize = COMMIT_BYTES_MAX - HEADER_BYTES_MAX - 1 - 3 - 66;

/// What a commit starts from. The fields are those of [`Header`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStart {
    /// The profile it belongs to.
    pub profile: ProfileId,
    /// The log it is appended to.
    pub log: LogId,
    /// Sequence number of its first operation, from 1.
    pub first_seq: u64,
    /// The commit before it in its log, `None` for the first.
    pub prev: Option<CommitId>,
    /// Other logs that moved since the commit before, in ascending order.
    pub heads: Vec<Head>,
    /// When it is made.
    pub time: HybridTime,
}

/// Collects operations and seals them under one signature. Each is encoded and hashed once, when it is pushed.
///
/// All operations of a commit have one time, and of equal times a delete wins. So a writer that deletes a key and puts
/// it again must push the put alone, or begin another commit between them.
#[derive(Clone, Debug)]
pub struct CommitBuilder {
    start: CommitStart,
    operations: Vec<u8>,
    tree: TreeBuilder,
}

impl CommitBuilder {
    /// A commit without operations so far.
    ///
    /// # Errors
    /// What is wrong with the start: [`CommitError::Sequence`], [`CommitError::Previous`], [`CommitError::HeadCount`],
    /// [`CommitError::Heads`].
    pub fn new(start: CommitStart) -> Result<Self, CommitError> {
        let empty = Self {
            start,
            operations: Vec::new(),
            tree: TreeBuilder::default(),
        };
        let root = TreeHash::from_bytes([0; 32]);
        empty.clone().into_header(1, root).check()?;
        Ok(empty)
    }

    /// Adds an operation. What is refused changes nothing, so that a full commit can be finished and another begun.
    ///
    /// # Errors
    /// [`CommitError::Operation`], [`CommitError::OperationCount`] and [`CommitError::TooLarge`] if the commit is full,
    /// and [`CommitError::Sequence`] if the log has no more numbers.
    pub fn push(&mut self, operation: Operation<'_>) -> Result<(), CommitError> {
        let index = self.tree.count();
        let count = index.saturating_add(1);
        if count > OPERATIONS_MAX {
            return Err(CommitError::OperationCount {
                found: u64::from(count),
                limit: OPERATIONS_MAX,
            });
        }
        let first_seq = self.start.first_seq;
        if first_seq.checked_add(u64::from(count)).is_none() {
            return Err(CommitError::Sequence { first_seq, count });
        }
        let before = self.operations.len();
        operation
            .encode_into(&mut self.operations)
            .map_err(|source| CommitError::Operation { index, source })?;
        let found = self.operations.len();
        if found > OPERATION_BYTES_MAX {
            self.operations.truncate(before);
            return Err(CommitError::TooLarge {
                found,
                limit: OPERATION_BYTES_MAX,
            });
        }
        let encoded = self.operations.get(before..).unwrap_or_default();
        self.tree.push(TreeHash::leaf(encoded));
        Ok(())
    }

    /// Operations so far.
    pub const fn count(&self) -> u32 {
        self.tree.count()
    }

    /// Bytes of the operations so far.
    pub const fn operation_bytes(&self) -> usize {
        self.operations.len()
    }

    /// Signs and encodes the commit.
    ///
    /// # Errors
    /// [`CommitError::OperationCount`] if there is no operation, [`CommitError::WrongKey`] if the log is another
    /// device's.
    pub fn finish(mut self, key: &DeviceKey) -> Result<SealedCommit, CommitError> {
        let count = self.tree.count();
        let root = self.tree.root().ok_or(CommitError::OperationCount {
            found: 0,
            limit: OPERATIONS_MAX,
        })?;
        if key.id() != self.start.log.device {
            return Err(CommitError::WrongKey);
        }
        let operations = core::mem::take(&mut self.operations);
        let header = self.into_header(count, root);
        let mut bytes =
            Vec::with_capacity(operations.len() + 320 + header.heads.len() * size_of::<Head>());
        bytes.push(0x83);
        header.encode_into(&mut bytes);
        let header_range = 1..bytes.len();
        let id = CommitId::of(bytes.get(header_range.clone()).unwrap_or_default());
        cbor::head(&mut bytes, ARRAY, u64::from(count));
        let operations_start = bytes.len();
        bytes.extend_from_slice(&operations);
        let signature = key.sign(&id.message());
        cbor::bytes(&mut bytes, &signature);
        Ok(SealedCommit {
            bytes,
            header,
            id,
            header_end: header_range.end,
            operations_start,
            signature,
        })
    }

    fn into_header(self, count: u32, root: TreeHash) -> Header {
        let start = self.start;
        Header {
            profile: start.profile,
            log: start.log,
            first_seq: start.first_seq,
            count,
            prev: start.prev,
            heads: start.heads,
            time: start.time,
            root,
        }
    }
}

/// A commit of our own: its bytes and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCommit {
    bytes: Vec<u8>,
    header: Header,
    id: CommitId,
    header_end: usize,
    operations_start: usize,
    signature: [u8; 64],
}

impl SealedCommit {
    /// The canonical bytes: an array of the header, the operations and the signature.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes alone.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What is signed of it.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What it is called.
    pub const fn id(&self) -> CommitId {
        self.id
    }

    /// The same as decoding the bytes, without hashing them again.
    pub fn commit(&self) -> Commit<'_> {
        Commit {
            bytes: &self.bytes,
            header: self.header.clone(),
            id: self.id,
            header_range: 1..self.header_end,
            operations_start: self.operations_start,
            signature: self.signature,
        }
    }
}
