use thiserror::Error;

use crate::cbor::Malformed;
use crate::oplog::commit::heads::HeadsError;
use crate::oplog::operation::OperationError;
use crate::oplog::time::HybridTime;
use crate::oplog::tree::TreeHash;

/// Two entries that cannot follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryOrderError {
    /// Sequence numbers have to ascend, from 1 on.
    #[error("entry {found} after entry {last}")]
    NotAscending {
        /// The number of the entry before, zero if there is none.
        last: u64,
        /// The number that came.
        found: u64,
    },
    /// A later operation of a log is never of an earlier time.
    #[error("entry {seq} is of the time {found}, before {last}")]
    TimeBackwards {
        /// The number of the entry.
        seq: u64,
        /// The time of the entry before.
        last: HybridTime,
        /// The time of this one.
        found: HybridTime,
    },
}

/// Why bytes are no segment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Longer than a segment of one entry may be.
    #[error("a segment of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Longer than a segment of more than one entry may be.
    #[error("a segment of several entries of {found} bytes, the most is {limit}")]
    Overfull {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not the canonical bytes of a segment.
    #[error("no canonical segment at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// No entry, or more than a segment may have.
    #[error("a segment of {found} entries, it may have 1 to {limit}")]
    EntryCount {
        /// How many there are.
        found: u64,
        /// The cap.
        limit: u32,
    },
    /// The operation of an entry is none.
    #[error("the operation of entry {index} of the segment is none")]
    Operation {
        /// Which, from zero.
        index: u32,
        /// What is wrong with it.
        #[source]
        source: OperationError,
    },
    /// The entries are not in order.
    #[error("the entries of the segment are not in order")]
    Order(#[from] EntryOrderError),
}

impl From<Malformed> for SegmentError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

/// Why bytes are no checkpoint, a checkpoint cannot be made, or segments are not those of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Longer than a checkpoint may be.
    #[error("a checkpoint of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not the canonical bytes of a checkpoint.
    #[error("no canonical checkpoint at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Heads not in ascending order, two of one log, one of the checkpoint's own log, or at no sequence number.
    #[error("the heads of other logs are not in order, or one is of this log")]
    Heads,
    /// More heads than a checkpoint may name.
    #[error("{found} heads of other logs, the most is {limit}")]
    HeadCount {
        /// How many there are.
        found: usize,
        /// The cap.
        limit: usize,
    },
    /// The last covered sequence number is not from 1 to 2^64 - 2.
    #[error("no operation of a log can have the sequence number {until}")]
    Until {
        /// That number.
        until: u64,
    },
    /// More entries than sequence numbers.
    #[error("{count} entries cannot have the sequence numbers up to {until}")]
    Count {
        /// How many entries there would be.
        count: u32,
        /// The last covered number.
        until: u64,
    },
    /// So many entries cannot have so many bytes.
    #[error("{count} entries cannot have {bytes} bytes")]
    Extent {
        /// How many entries there would be.
        count: u32,
        /// How many bytes they would have.
        bytes: u64,
    },
    /// There is a root exactly if there are entries.
    #[error("a checkpoint of {count} entries has a root where there can be none, or none")]
    Root {
        /// How many entries there are.
        count: u32,
    },
    /// The key is not the one of the device that writes the log.
    #[error("the key is not that of the device that writes this log")]
    WrongKey,
    /// The device has not signed it.
    #[error("the signature is not that of the device")]
    Signature,
    /// More entries than can be counted.
    #[error("more than {limit} entries")]
    EntryCount {
        /// The cap.
        limit: u32,
    },
    /// The operation to be pushed is none.
    #[error("the operation with the sequence number {seq} is none")]
    Operation {
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: OperationError,
    },
    /// One of the segments is none.
    #[error("segment {index} of the checkpoint is none")]
    Segment {
        /// Which, from zero.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: SegmentError,
    },
    /// An entry cannot follow the one before.
    #[error("the entries of the checkpoint are not in order")]
    Order(#[from] EntryOrderError),
    /// An entry has a sequence number that the checkpoint does not cover.
    #[error("entry {seq} of a checkpoint of the operations up to {until}")]
    Beyond {
        /// The entry's number.
        seq: u64,
        /// The last covered number.
        until: u64,
    },
    /// An entry is of a later time than the last covered commit.
    #[error("entry {seq} is of the time {found}, after {last}")]
    TimeBeyond {
        /// The entry's number.
        seq: u64,
        /// The time of the last covered commit.
        last: HybridTime,
        /// The entry's time.
        found: HybridTime,
    },
    /// Fewer or more entries than the checkpoint was signed for.
    #[error("the checkpoint counts {expected} entries, there are {found}")]
    CountMismatch {
        /// The checkpoint's number.
        expected: u32,
        /// Those that came.
        found: u64,
    },
    /// The entries have fewer or more bytes than the checkpoint was signed for.
    #[error("the checkpoint counts {expected} bytes of entries, there are {found}")]
    BytesMismatch {
        /// The checkpoint's number.
        expected: u64,
        /// Those that came.
        found: u64,
    },
    /// The entries are not those that the checkpoint was signed for.
    #[error("the entries have the root {found:?} where the checkpoint says {expected:?}")]
    RootMismatch {
        /// The checkpoint's root.
        expected: Option<TreeHash>,
        /// That of the entries.
        found: Option<TreeHash>,
    },
}

impl From<Malformed> for CheckpointError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

impl From<HeadsError> for CheckpointError {
    fn from(error: HeadsError) -> Self {
        match error {
            HeadsError::Malformed(malformed) => malformed.into(),
            HeadsError::Count { found, limit } => Self::HeadCount { found, limit },
            HeadsError::Order => Self::Heads,
        }
    }
}
