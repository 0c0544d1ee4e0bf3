use super::builder::within;
use super::entry::Place;
use super::error::CheckpointError;
use super::header::Sum;
use super::segment::Segment;
use super::signed::SignedCheckpoint;
use crate::oplog::tree::{TreeBuilder, TreeHash};

/// Adds up segments whose checkpoint is not known yet, because it comes after them, as in a delta file.
///
/// Who has the checkpoint first takes [`CheckpointReader`], which refuses what is too much as soon as it comes.
#[derive(Clone, Debug)]
pub struct SegmentTally {
    last: Place,
    bytes: u64,
    segments: u64,
    tree: TreeBuilder,
}

impl Default for SegmentTally {
    fn default() -> Self {
        Self {
            last: Place::START,
            bytes: 0,
            segments: 0,
            tree: TreeBuilder::default(),
        }
    }
}

impl SegmentTally {
    /// Takes the next segment. What is refused changes nothing.
    ///
    /// # Errors
    /// [`CheckpointError::Segment`], [`CheckpointError::Order`] if it does not follow the one before, and
    /// [`CheckpointError::EntryCount`] after 2^32 - 1 entries.
    pub fn segment<'a>(&mut self, bytes: &'a [u8]) -> Result<Segment<'a>, CheckpointError> {
        let segment = self.decode(bytes)?;
        if self.tree.count().checked_add(segment.count()).is_none() {
            return Err(CheckpointError::EntryCount { limit: u32::MAX });
        }
        self.take(&segment, |_, _| {});
        Ok(segment)
    }

    /// Entries so far.
    pub const fn count(&self) -> u32 {
        self.tree.count()
    }

    /// Bytes of the encoded entries so far.
    pub const fn entry_bytes(&self) -> u64 {
        self.bytes
    }

    /// Checks that the segments were all of a checkpoint's and nothing else. Its signature is another matter.
    ///
    /// # Errors
    /// [`CheckpointError::Beyond`], [`CheckpointError::TimeBeyond`], [`CheckpointError::CountMismatch`],
    /// [`CheckpointError::BytesMismatch`] and [`CheckpointError::RootMismatch`].
    pub fn finish(&self, signed: &SignedCheckpoint) -> Result<(), CheckpointError> {
        self.compare(&signed.header().sum())
    }

    /// Reads a segment and checks that it follows.
    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Segment<'a>, CheckpointError> {
        let index = self.segments;
        let segment =
            Segment::decode(bytes).map_err(|source| CheckpointError::Segment { index, source })?;
        self.last.precedes(segment.first())?;
        Ok(segment)
    }

    fn take<'a>(&mut self, segment: &Segment<'a>, mut each: impl FnMut(TreeHash, &'a [u8])) {
        for (leaf, bytes) in segment.entries().leaves() {
            self.tree.push(leaf);
            each(leaf, bytes);
        }
        self.last = segment.last();
        self.bytes = self.bytes.saturating_add(segment.entry_bytes());
        self.segments = self.segments.saturating_add(1);
    }

    fn compare(&self, sum: &Sum) -> Result<(), CheckpointError> {
        // Both ascend, so the last entry speaks for all.
        within(self.last, sum.last)?;
        if self.tree.count() != sum.count {
            return Err(CheckpointError::CountMismatch {
                expected: sum.count,
                found: u64::from(self.tree.count()),
            });
        }
        if self.bytes != sum.bytes {
            return Err(CheckpointError::BytesMismatch {
                expected: sum.bytes,
                found: self.bytes,
            });
        }
        let found = self.tree.root();
        if found != sum.root {
            return Err(CheckpointError::RootMismatch {
                expected: sum.root,
                found,
            });
        }
        Ok(())
    }
}

/// Checks segments against a checkpoint, in order. Whether the checkpoint is the device's own word is said by
/// [`SignedCheckpoint::verify`], and no entry is the checkpoint's before [`CheckpointReader::finish`] has said so.
#[derive(Clone, Debug)]
pub struct CheckpointReader {
    tally: SegmentTally,
    sum: Sum,
}

impl CheckpointReader {
    /// Starts before the first segment.
    pub fn new(signed: &SignedCheckpoint) -> Self {
        Self {
            tally: SegmentTally::default(),
            sum: signed.header().sum(),
        }
    }

    /// Takes the next segment. What is refused changes nothing.
    ///
    /// # Errors
    /// [`CheckpointError::Segment`] and [`CheckpointError::Order`] if it is none or does not follow the one before,
    /// [`CheckpointError::Beyond`], [`CheckpointError::TimeBeyond`], [`CheckpointError::CountMismatch`] and
    /// [`CheckpointError::BytesMismatch`] if it has more than the checkpoint was signed for.
    pub fn segment<'a>(&mut self, bytes: &'a [u8]) -> Result<Segment<'a>, CheckpointError> {
        self.segment_with(bytes, |_, _| {})
    }

    /// The same, and shows each leaf with its bytes.
    pub(super) fn segment_with<'a>(
        &mut self,
        bytes: &'a [u8],
        each: impl FnMut(TreeHash, &'a [u8]),
    ) -> Result<Segment<'a>, CheckpointError> {
        let segment = self.tally.decode(bytes)?;
        within(segment.last(), self.sum.last)?;
        let count = u64::from(self.tally.count()) + u64::from(segment.count());
        if count > u64::from(self.sum.count) {
            return Err(CheckpointError::CountMismatch {
                expected: self.sum.count,
                found: count,
            });
        }
        let entry_bytes = self.tally.bytes.saturating_add(segment.entry_bytes());
        if entry_bytes > self.sum.bytes {
            return Err(CheckpointError::BytesMismatch {
                expected: self.sum.bytes,
                found: entry_bytes,
            });
        }
        self.tally.take(&segment, each);
        Ok(segment)
    }

    /// Checks that nothing is missing and that the entries are those that were signed.
    ///
    /// # Errors
    /// [`CheckpointError::CountMismatch`], [`CheckpointError::BytesMismatch`] and [`CheckpointError::RootMismatch`].
    pub fn finish(&self) -> Result<(), CheckpointError> {
        self.tally.compare(&self.sum)
    }
}
