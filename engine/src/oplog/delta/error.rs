use std::io;

use thiserror::Error;

use super::{DELTA_VERSION, DeltaRecordKind};

/// Why a delta cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// Reading or writing failed.
    #[error("the delta could not be read or written")]
    Io(#[from] io::Error),
    /// Another kind of file.
    #[error("the file is no delta")]
    Magic,
    /// A version that is not known here.
    #[error("a delta of version {found}, only {DELTA_VERSION} is known")]
    Version {
        /// The version of the file.
        found: u8,
    },
    /// The file ends before its end record does.
    #[error("the delta is cut off in what starts at byte {offset}")]
    Truncated {
        /// Where what is not whole starts, in bytes.
        offset: u64,
    },
    /// A record of a kind that is not known.
    #[error("the record at byte {offset} is of the unknown type {found}")]
    UnknownType {
        /// Where the record starts, in bytes.
        offset: u64,
        /// Its type.
        found: u8,
    },
    /// A record that is shorter or longer than its kind may be.
    #[error("a {kind} of {found} bytes, it may have {least} to {most}")]
    Length {
        /// What it is.
        kind: DeltaRecordKind,
        /// Its length in bytes.
        found: u64,
        /// The least it may have.
        least: usize,
        /// The most it may have.
        most: usize,
    },
    /// A record stands after one that it has to be before.
    #[error("a {found} after a {after}")]
    Order {
        /// What came before.
        after: DeltaRecordKind,
        /// What came then.
        found: DeltaRecordKind,
    },
    /// Segments that no checkpoint follows.
    #[error("segments without the checkpoint that has to follow them")]
    NoCheckpoint,
    /// More records than a delta may have.
    #[error("more than {limit} records")]
    RecordCount {
        /// The cap.
        limit: u32,
    },
    /// The end record is shorter or longer than it is.
    #[error("an end record of {found} bytes")]
    EndLength {
        /// Its length in bytes.
        found: u32,
    },
    /// The end record counts other records than there were.
    #[error("the end counts {expected} records, there were {found}")]
    CountMismatch {
        /// Its number.
        expected: u32,
        /// Those that were there.
        found: u32,
    },
    /// The bytes are not those that were written.
    #[error("the digest of the delta is not that of its bytes")]
    Digest,
    /// Something follows the end record.
    #[error("the delta goes on after its end")]
    AfterEnd,
    /// Something failed before, so that nothing is known of what would follow.
    #[error("the delta failed before")]
    Broken,
}
