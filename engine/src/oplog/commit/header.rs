use super::heads::{self, HEAD_BYTES_MAX};
use super::{CommitError, CommitId, OPERATIONS_MAX};
use crate::cbor::{self, Cursor, NULL, UNSIGNED};
use crate::oplog::HybridTime;
use crate::oplog::identity::{DeviceId, Epoch, LogId};
use crate::oplog::tree::TreeHash;
use crate::profile::sealed::ProfileId;

/// Most heads of other logs that one commit names.
pub const HEADS_MAX: usize = 64;
/// Longest header, in bytes: what the fields at their longest come to.
pub(in crate::oplog) const HEADER_BYTES_MAX: usize = 225 + HEADS_MAX * HEAD_BYTES_MAX;

/// How far a commit's writer had seen another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// The other log.
    pub log: LogId,
    /// The last sequence number seen of it.
    pub seq: u64,
    /// The commit that ends there.
    pub id: CommitId,
}

/// What is signed of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The profile it belongs to.
    pub profile: ProfileId,
    /// The log it is in.
    pub log: LogId,
    /// Sequence number of its first operation; a log starts with 1.
    pub first_seq: u64,
    /// How many operations it has.
    pub count: u32,
    /// The commit before it in its log, `None` in the first.
    pub prev: Option<CommitId>,
    /// Other logs that moved since the commit before, in ascending order.
    pub heads: Vec<Head>,
    /// When it was made; later than every commit before it in its log.
    pub time: HybridTime,
    /// Root of the hash tree over its operations.
    pub root: TreeHash,
}

impl Header {
    /// Sequence number of the last operation.
    pub const fn last_seq(&self) -> u64 {
        self.first_seq
            .saturating_add(self.count as u64)
            .saturating_sub(1)
    }

    /// Whether an operation of this commit has the sequence number.
    pub const fn covers(&self, seq: u64) -> bool {
        self.first_seq <= seq && seq <= self.last_seq()
    }

    /// Rules that hold for every header, numbered in the format's description.
    pub(super) fn check(&self) -> Result<(), CommitError> {
        if !(1..=OPERATIONS_MAX).contains(&self.count) {
            return Err(CommitError::OperationCount {
                found: u64::from(self.count),
                limit: OPERATIONS_MAX,
            });
        }
        // The number after the last must still be one.
        if self.first_seq == 0 || self.first_seq.checked_add(u64::from(self.count)).is_none() {
            return Err(CommitError::Sequence {
                first_seq: self.first_seq,
                count: self.count,
            });
        }
        if self.prev.is_none() != (self.first_seq == 1) {
            return Err(CommitError::Previous {
                first_seq: self.first_seq,
            });
        }
        Ok(heads::check(&self.heads, &self.log, HEADS_MAX)?)
    }

    /// The canonical bytes: a map of ten fields, shorter names first.
    pub(in crate::oplog) fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\xaa\x61v\x01\x63seq");
        cbor::head(out, UNSIGNED, self.first_seq);
        out.extend_from_slice(b"\x64prev");
        match &self.prev {
            Some(prev) => cbor::bytes(out, prev.as_bytes()),
            None => out.push(NULL),
        }
        out.extend_from_slice(b"\x64root");
        cbor::bytes(out, self.root.as_bytes());
        out.extend_from_slice(b"\x64time");
        cbor::head(out, UNSIGNED, self.time.as_u64());
        out.extend_from_slice(b"\x65count");
        cbor::head(out, UNSIGNED, u64::from(self.count));
        out.extend_from_slice(b"\x65epoch");
        cbor::head(out, UNSIGNED, self.log.epoch.as_u64());
        out.extend_from_slice(b"\x65heads");
        heads::encode_into(&self.heads, out);
        out.extend_from_slice(b"\x66device");
        cbor::bytes(out, self.log.device.as_bytes());
        out.extend_from_slice(b"\x67profile");
        cbor::bytes(out, self.profile.as_bytes());
    }

    /// Reads a header at the cursor, every rule checked.
    pub(in crate::oplog) fn read(cursor: &mut Cursor<'_>) -> Result<Self, CommitError> {
        const NUMBER: &str = "an unsigned integer";
        cursor.literal(b"\xaa\x61v\x01", "a header of version 1")?;
        cursor.literal(b"\x63seq", "seq")?;
        let first_seq = cursor.head(UNSIGNED, NUMBER)?;
        cursor.literal(b"\x64prev", "prev")?;
        let prev = if cursor.null() {
            None
        } else {
            Some(CommitId(cursor.array("32 bytes or null")?))
        };
        cursor.literal(b"\x64root", "root")?;
        let root = TreeHash::from_bytes(cursor.array("32 bytes")?);
        cursor.literal(b"\x64time", "time")?;
        let time = HybridTime::from_u64(cursor.head(UNSIGNED, NUMBER)?);
        cursor.literal(b"\x65count", "count")?;
        let count = cursor.head_u32(UNSIGNED, "an unsigned integer of 32 bits")?;
        cursor.literal(b"\x65epoch", "epoch")?;
        let epoch = Epoch::from_u64(cursor.head(UNSIGNED, NUMBER)?);
        cursor.literal(b"\x65heads", "heads")?;
        let heads = heads::read(cursor, HEADS_MAX)?;
        cursor.literal(b"\x66device", "device")?;
        let device = DeviceId::unchecked(cursor.array("32 bytes")?);
        cursor.literal(b"\x67profile", "profile")?;
        let profile = ProfileId::from_bytes(cursor.array("33 bytes")?);
        let header = Self {
            profile,
            log: LogId { device, epoch },
            first_seq,
            count,
            prev,
            heads,
            time,
            root,
        };
        header.check()?;
        Ok(header)
    }
}
