use super::entry::{Entry, Place};
use super::error::CheckpointError;
use super::header::{CheckpointHeader, Sum};
use super::segment::{ENTRIES_BYTES_AIM, SEGMENT_ENTRIES_MAX};
use super::signed::SignedCheckpoint;
use crate::cbor::{self, ARRAY};
use crate::oplog::commit::{CommitId, Head};
use crate::oplog::identity::{DeviceKey, LogId};
use crate::oplog::operation::Operation;
use crate::oplog::time::HybridTime;
use crate::oplog::tree::{TreeBuilder, TreeHash};
use crate::profile::sealed::ProfileId;

/// What a checkpoint starts from. The fields are those of [`CheckpointHeader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointStart {
    /// The profile it belongs to.
    pub profile: ProfileId,
    /// The log it sums up.
    pub log: LogId,
    /// The last sequence number it covers, from 1.
    pub until: u64,
    /// The commit that ends there.
    pub head: CommitId,
    /// When that commit was made.
    pub time: HybridTime,
    /// How far the device has seen other logs, in ascending order.
    pub heads: Vec<Head>,
}

/// A segment that is full or the last: its bytes and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentBytes {
    bytes: Vec<u8>,
    count: u32,
    first_seq: u64,
    last_seq: u64,
}

impl SegmentBytes {
    /// The canonical bytes, which [`Segment::decode`](super::Segment::decode) reads.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes alone.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many entries it has.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Sequence number of the first entry.
    pub const fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Sequence number of the last entry.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

/// Collects the entries of a checkpoint into segments and signs the sum of them. Holds one segment at a time.
///
/// ```
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
/// use uxf_engine::oplog::{
///     CheckpointBuilder, CheckpointReader, CheckpointStart, CommitId, HybridTime, OpKind, Operation,
/// };
/// use uxf_engine::profile::envelope::EntryKind;
/// use uxf_engine::profile::sealed::ProfileId;
///
/// let key = DeviceKey::take(&mut [7; 32]);
/// let time = HybridTime::from_u64(5);
/// let mut builder = CheckpointBuilder::new(CheckpointStart {
///     profile: ProfileId::from_bytes([2; 33]),
///     log: LogId { device: key.id(), epoch: Epoch::from_u64(1) },
///     until: 9,
///     head: CommitId::from_bytes([3; 32]),
///     time,
///     heads: Vec::new(),
/// })
/// .unwrap();
/// let put = Operation { kind: OpKind::Put, entry: EntryKind::CacheIndex, key: "a", value: &[9; 40] };
/// assert_eq!(builder.push(4, time, &put), Ok(None));
/// let (segment, signed) = builder.finish(&key).unwrap();
///
/// signed.verify().unwrap();
/// let mut reader = CheckpointReader::new(&signed);
/// let bytes = segment.unwrap().into_bytes();
/// let (entry, place) = reader.segment(&bytes).unwrap().entries().next().unwrap();
/// assert_eq!((entry.seq, entry.operation, &bytes[place]), (4, put, put.value));
/// reader.finish().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CheckpointBuilder {
    start: CheckpointStart,
    last: Place,
    bytes: u64,
    tree: TreeBuilder,
    open: Open,
}

/// The entries that are in no segment yet.
#[derive(Clone, Debug, Default)]
struct Open {
    entries: Vec<u8>,
    count: u32,
    first_seq: u64,
    last_seq: u64,
}

impl CheckpointBuilder {
    /// A checkpoint without entries so far.
    ///
    /// # Errors
    /// What is wrong with the start: [`CheckpointError::Until`], [`CheckpointError::HeadCount`],
    /// [`CheckpointError::Heads`].
    pub fn new(start: CheckpointStart) -> Result<Self, CheckpointError> {
        let empty = Sum {
            last: Place::START,
            count: 0,
            bytes: 0,
            root: None,
        };
        start.clone().into_header(empty).check()?;
        Ok(Self {
            start,
            last: Place::START,
            bytes: 0,
            tree: TreeBuilder::default(),
            open: Open::default(),
        })
    }

    /// Adds the operation with the sequence number `seq`, which was made at `time`, and gives out the segment before it
    /// if there was no room in that. What is refused changes nothing.
    ///
    /// # Errors
    /// [`CheckpointError::Order`], [`CheckpointError::Beyond`], [`CheckpointError::TimeBeyond`],
    /// [`CheckpointError::Operation`], and [`CheckpointError::EntryCount`] after 2^32 - 1 entries.
    pub fn push(
        &mut self,
        seq: u64,
        time: HybridTime,
        operation: &Operation<'_>,
    ) -> Result<Option<SegmentBytes>, CheckpointError> {
        let entry = Entry {
            seq,
            time,
            operation: *operation,
        };
        self.last.precedes(entry.place())?;
        within(entry.place(), self.end())?;
        if self.tree.count() == u32::MAX {
            return Err(CheckpointError::EntryCount { limit: u32::MAX });
        }
        let before = self.open.entries.len();
        entry
            .encode_into(&mut self.open.entries)
            .map_err(|source| CheckpointError::Operation { seq, source })?;
        let encoded = self.open.entries.get(before..).unwrap_or_default();
        self.tree.push(TreeHash::leaf(encoded));
        self.bytes = self.bytes.saturating_add(encoded.len() as u64);
        self.last = entry.place();
        let is_full =
            self.open.entries.len() > ENTRIES_BYTES_AIM || self.open.count == SEGMENT_ENTRIES_MAX;
        let mut full = None;
        if is_full && self.open.count > 0 {
            let entries = self.open.entries.split_off(before);
            full = core::mem::take(&mut self.open).into_segment();
            self.open.entries = entries;
        }
        if self.open.count == 0 {
            self.open.first_seq = seq;
        }
        self.open.last_seq = seq;
        self.open.count += 1;
        Ok(full)
    }

    /// Entries so far.
    pub const fn count(&self) -> u32 {
        self.tree.count()
    }

    /// Signs the checkpoint and gives out the last segment, if there is any entry.
    ///
    /// # Errors
    /// [`CheckpointError::WrongKey`] if the log is another device's.
    pub fn finish(
        self,
        key: &DeviceKey,
    ) -> Result<(Option<SegmentBytes>, SignedCheckpoint), CheckpointError> {
        let sum = Sum {
            last: self.last,
            count: self.tree.count(),
            bytes: self.bytes,
            root: self.tree.root(),
        };
        let signed = SignedCheckpoint::seal(self.start.into_header(sum), key)?;
        Ok((self.open.into_segment(), signed))
    }

    /// Gives out the last segment, if there is any entry, without signing: for who has the signature of another.
    pub(crate) fn into_last(self) -> Option<SegmentBytes> {
        self.open.into_segment()
    }

    fn end(&self) -> Place {
        Place {
            seq: self.start.until,
            time: self.start.time,
        }
    }
}

impl CheckpointStart {
    /// What the checkpoint with a header started from.
    pub(crate) fn of(header: &CheckpointHeader) -> Self {
        Self {
            profile: header.profile,
            log: header.log,
            until: header.until,
            head: header.head,
            time: header.time,
            heads: header.heads.clone(),
        }
    }

    fn into_header(self, sum: Sum) -> CheckpointHeader {
        CheckpointHeader {
            profile: self.profile,
            log: self.log,
            until: self.until,
            head: self.head,
            time: self.time,
            heads: self.heads,
            count: sum.count,
            bytes: sum.bytes,
            root: sum.root,
        }
    }
}

impl Open {
    fn into_segment(self) -> Option<SegmentBytes> {
        if self.count == 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.entries.len() + 3);
        cbor::head(&mut bytes, ARRAY, u64::from(self.count));
        bytes.extend_from_slice(&self.entries);
        Some(SegmentBytes {
            bytes,
            count: self.count,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
        })
    }
}

/// Checks that an entry is covered by a checkpoint that ends at `end`.
pub(super) fn within(place: Place, end: Place) -> Result<(), CheckpointError> {
    if place.seq > end.seq {
        return Err(CheckpointError::Beyond {
            seq: place.seq,
            until: end.seq,
        });
    }
    if place.time > end.time {
        return Err(CheckpointError::TimeBeyond {
            seq: place.seq,
            last: end.time,
            found: place.time,
        });
    }
    Ok(())
}
