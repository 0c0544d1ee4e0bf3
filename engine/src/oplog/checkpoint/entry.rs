use super::error::EntryOrderError;
use crate::cbor::{self, Cursor, Malformed, UNSIGNED};
use crate::oplog::identity::LogId;
use crate::oplog::operation::{
    OPERATION_BYTES_MAX, OPERATION_BYTES_MIN, OpKind, Operation, OperationError,
};
use crate::oplog::order::Stamp;
use crate::oplog::time::HybridTime;

/// Shortest and longest encoded entry, in bytes.
pub(super) const ENTRY_BYTES_MIN: usize = 1 + 1 + 1 + OPERATION_BYTES_MIN;
pub(in crate::oplog) const ENTRY_BYTES_MAX: usize = 1 + 9 + 9 + OPERATION_BYTES_MAX;

/// An operation that still counts, with its place in its log and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its sequence number in the log.
    pub seq: u64,
    /// The time of the commit it was in.
    pub time: HybridTime,
    /// What it does.
    pub operation: Operation<'a>,
}

impl Entry<'_> {
    /// Its place in the order of all operations on its key.
    pub fn stamp(&self, log: LogId) -> Stamp {
        Stamp {
            time: self.time,
            is_delete: self.operation.kind == OpKind::Delete,
            log,
            seq: self.seq,
        }
    }

    /// Appends the canonical bytes, an array of sequence number, time and operation; nothing if the operation is none.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), OperationError> {
        let before = out.len();
        out.push(0x83);
        cbor::head(out, UNSIGNED, self.seq);
        cbor::head(out, UNSIGNED, self.time.as_u64());
        let written = self.operation.encode_into(out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }
}

/// Why bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryError {
    Malformed(Malformed),
    Operation(OperationError),
}

impl From<Malformed> for EntryError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl<'a> Entry<'a> {
    /// Reads an entry at the cursor.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, EntryError> {
        cursor.literal(b"\x83", "an array of three")?;
        let seq = cursor.head(UNSIGNED, "an unsigned integer")?;
        let time = HybridTime::from_u64(cursor.head(UNSIGNED, "an unsigned integer")?);
        let operation = Operation::read(cursor).map_err(EntryError::Operation)?;
        Ok(Self {
            seq,
            time,
            operation,
        })
    }
}

/// Where the entries stand: the number and the time of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) time: HybridTime,
}

impl Place {
    /// Before the first entry.
    pub(super) const START: Self = Self {
        seq: 0,
        time: HybridTime::ZERO,
    };

    /// Checks that an entry at `next` may follow one here.
    pub(super) fn precedes(self, next: Self) -> Result<(), EntryOrderError> {
        if next.seq <= self.seq {
            return Err(EntryOrderError::NotAscending {
                last: self.seq,
                found: next.seq,
            });
        }
        if next.time < self.time {
            return Err(EntryOrderError::TimeBackwards {
                seq: next.seq,
                last: self.time,
                found: next.time,
            });
        }
        Ok(())
    }
}
