mod builder;
mod header;
pub(super) mod heads;
mod reader;
mod signed_header;
mod verify;

#[cfg(test)]
pub(super) mod tests;

use core::fmt;

use thiserror::Error;

pub use builder::{CommitBuilder, CommitStart, SealedCommit};
pub(super) use header::HEADER_BYTES_MAX;
pub use header::{HEADS_MAX, Head, Header};
pub use reader::{Commit, Operations};
pub use signed_header::SignedHeader;
pub use verify::verify_batch;

use super::operation::OperationError;
use super::tree::TreeHash;
use crate::cbor::Malformed;

/// Longest commit, in bytes: 4 MiB, checked before anything is read.
pub const COMMIT_BYTES_MAX: usize = 4 << 20;
/// Most operations of one commit.
pub const OPERATIONS_MAX: u32 = 4096;
/// What is signed is this and the commit's id, so that a signature is good for nothing else.
const LABEL: &[u8; 13] = b"uxf/commit/1\0";

/// Why bytes are no commit, or a commit cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Longer than a commit may be.
    #[error("a commit of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not the canonical bytes of a commit.
    #[error("no canonical commit at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// One of the operations is none.
    #[error("operation {index} of the commit is none")]
    Operation {
        /// Which, from zero.
        index: u32,
        /// What is wrong with it.
        #[source]
        source: OperationError,
    },
    /// No operation, or more than a commit may have.
    #[error("a commit of {found} operations, it may have 1 to {limit}")]
    OperationCount {
        /// How many there are.
        found: u64,
        /// The cap.
        limit: u32,
    },
    /// The header promises another number of operations than follow.
    #[error("the header counts {expected} operations, there are {found}")]
    CountMismatch {
        /// The header's number.
        expected: u32,
        /// Those that follow.
        found: u64,
    },
    /// The operations are not those the header was made for.
    #[error("the operations have the root {found} where the header says {expected}")]
    RootMismatch {
        /// The header's root.
        expected: TreeHash,
        /// That of the operations.
        found: TreeHash,
    },
    /// The sequence numbers are not from 1 to 2^64 - 1.
    #[error("{count} operations cannot have the sequence numbers from {first_seq} on")]
    Sequence {
        /// The first number.
        first_seq: u64,
        /// How many there would be.
        count: u32,
    },
    /// The first commit of a log names one before it, or a later one names none.
    #[error(
        "a commit from sequence number {first_seq} on must name the one before it, unless it is the first"
    )]
    Previous {
        /// Its first sequence number.
        first_seq: u64,
    },
    /// Heads not in ascending order, two of one log, one of the commit's own log, or at no sequence number.
    #[error("the heads of other logs are not in order, or one is of this log")]
    Heads,
    /// More heads than a commit may name.
    #[error("{found} heads of other logs, the most is {limit}")]
    HeadCount {
        /// How many there are.
        found: usize,
        /// The cap.
        limit: usize,
    },
    /// The key is not the one of the device the commit names.
    #[error("the key is not that of the device that writes this log")]
    WrongKey,
    /// The device has not signed it.
    #[error("the signature is not that of the device")]
    Signature,
}

impl From<Malformed> for CommitError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

/// What a commit is called: the BLAKE3 hash of its encoded header.
///
/// The header has the root of the operations, so the id covers them and stays the same when they are gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId([u8; 32]);

impl CommitId {
    /// An id as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of an encoded header.
    pub(super) fn of(header: &[u8]) -> Self {
        Self(blake3::hash(header).into())
    }

    /// What a device signs.
    pub(super) fn message(&self) -> [u8; LABEL.len() + 32] {
        let mut message = [0; LABEL.len() + 32];
        let (label, id) = message.split_at_mut(LABEL.len());
        label.copy_from_slice(LABEL);
        id.copy_from_slice(&self.0);
        message
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..4).unwrap_or_default();
        write!(f, "CommitId({}..)", const_hex::encode(start))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

/// The content hash of a whole commit, signature included: BLAKE3 of its bytes. Its content id is version 1, codec
/// dag-cbor (0x71), hash blake3 (0x1e).
pub fn block_hash(commit: &[u8]) -> [u8; 32] {
    blake3::hash(commit).into()
}
