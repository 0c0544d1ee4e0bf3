use core::ops::Range;

use super::entry::{ENTRY_BYTES_MAX, Entry, EntryError, Place};
use super::error::SegmentError;
use crate::cbor::{ARRAY, Cursor};
use crate::oplog::tree::TreeHash;

/// Longest segment of more than one entry, in bytes: 64 KiB.
pub const SEGMENT_BYTES_TARGET: usize = 65_536;
/// Longest segment, in bytes: one entry at its longest.
pub const SEGMENT_BYTES_MAX: usize = 1 + ENTRY_BYTES_MAX;
/// Most entries of one segment.
pub const SEGMENT_ENTRIES_MAX: u32 = 4096;
/// Most bytes of the entries of a segment of more than one: the head of the array may take three.
pub(super) const ENTRIES_BYTES_MAX: usize = SEGMENT_BYTES_TARGET - 3;
/// Where a writer closes a segment. With its row and page it then fits into 64 KiB of the file; a longer one would take
/// the next power of two, 128 KiB.
pub(super) const ENTRIES_BYTES_AIM: usize = ENTRIES_BYTES_MAX - 512;

/// A run of entries of a checkpoint, as they are sent and stored, borrowed from its bytes.
///
/// That it decodes says that its entries are in order and that there is no other way to write them. Whether they are
/// those of a checkpoint is said by [`CheckpointReader`](super::CheckpointReader). Where one segment ends and the next
/// begins is not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    entries_start: usize,
    count: u32,
    first: Place,
    last: Place,
}

impl<'a> Segment<'a> {
    /// Reads canonical bytes.
    ///
    /// # Errors
    /// All of [`SegmentError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        if bytes.len() > SEGMENT_BYTES_MAX {
            return Err(SegmentError::TooLarge {
                found: bytes.len(),
                limit: SEGMENT_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        let malformed = cursor.malformed("an array of entries");
        let found = cursor.head(ARRAY, malformed.expected)?;
        let count = u32::try_from(found).unwrap_or(u32::MAX);
        if !(1..=SEGMENT_ENTRIES_MAX).contains(&count) {
            return Err(SegmentError::EntryCount {
                found,
                limit: SEGMENT_ENTRIES_MAX,
            });
        }
        let entries_start = cursor.offset();
        if count > 1 && cursor.rest().len() > ENTRIES_BYTES_MAX {
            return Err(SegmentError::Overfull {
                found: bytes.len(),
                limit: entries_start + ENTRIES_BYTES_MAX,
            });
        }
        let (mut first, mut last) = (None, Place::START);
        for index in 0..count {
            let entry = Entry::read(&mut cursor).map_err(|error| numbered(index, error))?;
            let place = entry.place();
            last.precedes(place)?;
            first.get_or_insert(place);
            last = place;
        }
        cursor.end()?;
        Ok(Self {
            bytes,
            entries_start,
            count,
            first: first.unwrap_or(last),
            last,
        })
    }

    /// The whole segment.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many entries it has, at least one.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Sequence number of the first entry.
    pub const fn first_seq(&self) -> u64 {
        self.first.seq
    }

    /// Sequence number of the last entry.
    pub const fn last_seq(&self) -> u64 {
        self.last.seq
    }

    /// Its entries in order, each with the place of its value in the segment's bytes.
    pub fn entries(&self) -> Entries<'a> {
        let mut cursor = Cursor::new(self.bytes);
        cursor.skip(self.entries_start);
        Entries {
            cursor,
            left: self.count,
        }
    }

    /// Bytes of its encoded entries.
    pub(super) fn entry_bytes(&self) -> u64 {
        (self.bytes.len() - self.entries_start) as u64
    }

    pub(super) const fn first(&self) -> Place {
        self.first
    }

    pub(super) const fn last(&self) -> Place {
        self.last
    }
}

impl Entry<'_> {
    pub(super) const fn place(&self) -> Place {
        Place {
            seq: self.seq,
            time: self.time,
        }
    }
}

fn numbered(index: u32, error: EntryError) -> SegmentError {
    match error {
        EntryError::Malformed(malformed) => malformed.into(),
        EntryError::Operation(source) => SegmentError::Operation { index, source },
    }
}

impl<'a> Entry<'a> {
    /// Reads the canonical bytes of one entry and nothing after it.
    ///
    /// # Errors
    /// [`SegmentError::Malformed`] and [`SegmentError::Operation`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let mut cursor = Cursor::new(bytes);
        let entry = Entry::read(&mut cursor).map_err(|error| numbered(0, error))?;
        cursor.end()?;
        Ok(entry)
    }
}

/// Iterates over the entries of a segment.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> Entries<'a> {
    /// The next entry's encoded bytes.
    pub(super) fn next_bytes(&mut self) -> Option<&'a [u8]> {
        let before = self.cursor.rest();
        self.next()?;
        let len = before.len() - self.cursor.rest().len();
        before.get(..len)
    }

    /// The entries that are left, each with its encoded bytes.
    pub(crate) fn encoded(mut self) -> impl Iterator<Item = (Entry<'a>, &'a [u8])> {
        core::iter::from_fn(move || {
            let before = self.cursor.rest();
            let (entry, _) = self.next()?;
            let len = before.len() - self.cursor.rest().len();
            Some((entry, before.get(..len)?))
        })
    }

    /// The leaves of the entries that are left, each with its bytes.
    pub(super) fn leaves(mut self) -> impl Iterator<Item = (TreeHash, &'a [u8])> {
        core::iter::from_fn(move || {
            self.next_bytes()
                .map(|bytes| (TreeHash::leaf(bytes), bytes))
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Entry<'a>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // All of them were read once when the segment was decoded.
        let entry = Entry::read(&mut self.cursor).ok()?;
        let end = self.cursor.offset();
        Some((entry, end - entry.operation.value.len()..end))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Entries<'_> {}
