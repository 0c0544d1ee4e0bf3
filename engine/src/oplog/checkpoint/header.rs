use super::entry::{ENTRY_BYTES_MAX, ENTRY_BYTES_MIN, Place};
use super::error::CheckpointError;
use crate::cbor::{self, Cursor, NULL, UNSIGNED};
use crate::oplog::commit::heads::{self, HEAD_BYTES_MAX};
use crate::oplog::commit::{CommitId, Head};
use crate::oplog::identity::{DeviceId, Epoch, LogId};
use crate::oplog::log::LogHead;
use crate::oplog::time::HybridTime;
use crate::oplog::tree::TreeHash;
use crate::oplog::vector::LOGS_MAX;
use crate::profile::sealed::ProfileId;

/// Most heads of other logs that one checkpoint names.
pub const CHECKPOINT_HEADS_MAX: usize = LOGS_MAX;
/// Longest header, in bytes: what the fields at their longest come to.
pub(super) const HEADER_BYTES_MAX: usize = 245 + CHECKPOINT_HEADS_MAX * HEAD_BYTES_MAX;

/// What is signed of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointHeader {
    /// The profile it belongs to.
    pub profile: ProfileId,
    /// The log it sums up.
    pub log: LogId,
    /// The last sequence number it covers.
    pub until: u64,
    /// The commit that ends there.
    pub head: CommitId,
    /// When that commit was made.
    pub time: HybridTime,
    /// How far the device had seen other logs, in ascending order.
    pub heads: Vec<Head>,
    /// How many entries there are.
    pub count: u32,
    /// How many bytes the encoded entries have.
    pub bytes: u64,
    /// Root of the hash tree over the entries, `None` if there are none.
    pub root: Option<TreeHash>,
}

/// What the entries of a checkpoint have to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) last: Place,
    pub(super) count: u32,
    pub(super) bytes: u64,
    pub(super) root: Option<TreeHash>,
}

impl CheckpointHeader {
    /// The log as a replica knows it that has only this checkpoint: the next commit follows.
    pub const fn log_head(&self) -> LogHead {
        LogHead {
            log: self.log,
            next_seq: self.until.saturating_add(1),
            head: Some(self.head),
            time: self.time,
            forked: false,
        }
    }

    pub(super) const fn sum(&self) -> Sum {
        Sum {
            last: Place {
                seq: self.until,
                time: self.time,
            },
            count: self.count,
            bytes: self.bytes,
            root: self.root,
        }
    }

    /// Rules that hold for every header.
    pub(super) fn check(&self) -> Result<(), CheckpointError> {
        let &Self {
            until,
            count,
            bytes,
            ..
        } = self;
        // The number after the last must still be one.
        if until == 0 || until == u64::MAX {
            return Err(CheckpointError::Until { until });
        }
        if u64::from(count) > until {
            return Err(CheckpointError::Count { count, until });
        }
        let least = u64::from(count) * ENTRY_BYTES_MIN as u64;
        let most = u64::from(count) * ENTRY_BYTES_MAX as u64;
        if !(least..=most).contains(&bytes) {
            return Err(CheckpointError::Extent { count, bytes });
        }
        if self.root.is_none() != (count == 0) {
            return Err(CheckpointError::Root { count });
        }
        Ok(heads::check(&self.heads, &self.log, CHECKPOINT_HEADS_MAX)?)
    }

    /// The canonical bytes: a map of eleven fields, shorter names first.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\xab\x61v\x01\x64head");
        cbor::bytes(out, self.head.as_bytes());
        out.extend_from_slice(b"\x64root");
        match &self.root {
            Some(root) => cbor::bytes(out, root.as_bytes()),
            None => out.push(NULL),
        }
        out.extend_from_slice(b"\x64time");
        cbor::head(out, UNSIGNED, self.time.as_u64());
        out.extend_from_slice(b"\x65bytes");
        cbor::head(out, UNSIGNED, self.bytes);
        out.extend_from_slice(b"\x65count");
        cbor::head(out, UNSIGNED, u64::from(self.count));
        out.extend_from_slice(b"\x65epoch");
        cbor::head(out, UNSIGNED, self.log.epoch.as_u64());
        out.extend_from_slice(b"\x65heads");
        heads::encode_into(&self.heads, out);
        out.extend_from_slice(b"\x65until");
        cbor::head(out, UNSIGNED, self.until);
        out.extend_from_slice(b"\x66device");
        cbor::bytes(out, self.log.device.as_bytes());
        out.extend_from_slice(b"\x67profile");
        cbor::bytes(out, self.profile.as_bytes());
    }

    /// Reads a header at the cursor, every rule checked.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, CheckpointError> {
        const NUMBER: &str = "an unsigned integer";
        cursor.literal(b"\xab\x61v\x01", "a checkpoint of version 1")?;
        cursor.literal(b"\x64head", "head")?;
        let head = CommitId::from_bytes(cursor.array("32 bytes")?);
        cursor.literal(b"\x64root", "root")?;
        let root = if cursor.null() {
            None
        } else {
            Some(TreeHash::from_bytes(cursor.array("32 bytes or null")?))
        };
        cursor.literal(b"\x64time", "time")?;
        let time = HybridTime::from_u64(cursor.head(UNSIGNED, NUMBER)?);
        cursor.literal(b"\x65bytes", "bytes")?;
        let bytes = cursor.head(UNSIGNED, NUMBER)?;
        cursor.literal(b"\x65count", "count")?;
        let count = cursor.head_u32(UNSIGNED, "an unsigned integer of 32 bits")?;
        cursor.literal(b"\x65epoch", "epoch")?;
        let epoch = Epoch::from_u64(cursor.head(UNSIGNED, NUMBER)?);
        cursor.literal(b"\x65heads", "heads")?;
        let heads = heads::read(cursor, CHECKPOINT_HEADS_MAX)?;
        cursor.literal(b"\x65until", "until")?;
        let until = cursor.head(UNSIGNED, NUMBER)?;
        cursor.literal(b"\x66device", "device")?;
        let device = DeviceId::unchecked(cursor.array("32 bytes")?);
        cursor.literal(b"\x67profile", "profile")?;
        let profile = ProfileId::from_bytes(cursor.array("33 bytes")?);
        let header = Self {
            profile,
            log: LogId { device, epoch },
            until,
            head,
            time,
            heads,
            count,
            bytes,
            root,
        };
        header.check()?;
        Ok(header)
    }
}
