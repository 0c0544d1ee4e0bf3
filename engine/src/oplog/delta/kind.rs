use core::fmt;

use super::{DELTA_BLOCK_BYTES_DEFAULT, DELTA_RECORDS_MAX, DeltaError};
use crate::oplog::checkpoint::{CHECKPOINT_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::oplog::commit::COMMIT_BYTES_MAX;
use crate::oplog::evidence::FORK_PROOF_BYTES_MAX;
use crate::oplog::identity::{CERTIFICATE_BYTES_MAX, REVOCATION_BYTES_MAX};
use crate::oplog::operation::SEALED_BYTES_MIN;

/// What a record of a delta is. The numbers are those of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeltaRecordKind {
    /// A [`Certificate`](crate::oplog::identity::Certificate).
    Certificate = 1,
    /// A [`Revocation`](crate::oplog::identity::Revocation).
    Revocation = 2,
    /// A [`ForkProof`](crate::oplog::ForkProof).
    ForkProof = 3,
    /// A sealed block that a reference names; its address is the SHA-256 of its bytes and is not written down.
    Block = 4,
    /// A [`Segment`](crate::oplog::Segment) of the checkpoint that follows.
    Segment = 5,
    /// A [`SignedCheckpoint`](crate::oplog::SignedCheckpoint) of the segments before it.
    Checkpoint = 6,
    /// A [`Commit`](crate::oplog::Commit).
    Commit = 7,
}

impl DeltaRecordKind {
    const ALL: [Self; 7] = [
        Self::Certificate,
        Self::Revocation,
        Self::ForkProof,
        Self::Block,
        Self::Segment,
        Self::Checkpoint,
        Self::Commit,
    ];

    /// The kind of a number.
    pub(super) fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for DeltaRecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Revocation => "revocation",
            Self::ForkProof => "fork proof",
            Self::Block => "block",
            Self::Segment => "segment",
            Self::Checkpoint => "checkpoint",
            Self::Commit => "commit",
        })
    }
}

/// A record of a delta, borrowed from its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaRecord<'a> {
    /// What it is.
    pub kind: DeltaRecordKind,
    /// Its bytes, not longer than its kind may be and otherwise not looked at.
    pub bytes: &'a [u8],
}

/// Caps of what is read and written. Those of the other kinds are the caps of their formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaLimits {
    /// Longest block, in bytes; [`DELTA_BLOCK_BYTES_DEFAULT`] unless set.
    pub block_bytes: usize,
    /// Most records; [`DELTA_RECORDS_MAX`] unless set, and never more.
    pub records: u32,
}

impl Default for DeltaLimits {
    fn default() -> Self {
        Self {
            block_bytes: DELTA_BLOCK_BYTES_DEFAULT,
            records: DELTA_RECORDS_MAX,
        }
    }
}

impl DeltaLimits {
    /// Checks the length of a record, and gives it as it is used in memory and in the file.
    pub(super) fn length(
        &self,
        kind: DeltaRecordKind,
        found: u64,
    ) -> Result<(usize, u32), DeltaError> {
        let (least, most) = match kind {
            DeltaRecordKind::Certificate => (1, CERTIFICATE_BYTES_MAX),
            DeltaRecordKind::Revocation => (1, REVOCATION_BYTES_MAX),
            DeltaRecordKind::ForkProof => (1, FORK_PROOF_BYTES_MAX),
            DeltaRecordKind::Block => (SEALED_BYTES_MIN, self.block_bytes),
            DeltaRecordKind::Segment => (1, SEGMENT_BYTES_MAX),
            DeltaRecordKind::Checkpoint => (1, CHECKPOINT_BYTES_MAX),
            DeltaRecordKind::Commit => (1, COMMIT_BYTES_MAX),
        };
        let refused = DeltaError::Length {
            kind,
            found,
            least,
            most,
        };
        match (usize::try_from(found), u32::try_from(found)) {
            (Ok(len), Ok(written)) if (least..=most).contains(&len) => Ok((len, written)),
            _ => Err(refused),
        }
    }

    /// The number of records after another one.
    pub(super) fn count(&self, records: u32) -> Result<u32, DeltaError> {
        let limit = self.records.min(DELTA_RECORDS_MAX);
        if records >= limit {
            return Err(DeltaError::RecordCount { limit });
        }
        Ok(records.saturating_add(1))
    }
}
