//! Messages by which a log is caught up with.

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointId, SEALED_BYTES_MIN, SEGMENT_BYTES_MAX};

use super::DecodeError;
use super::blocks::BLOCK_BYTES_MAX;
use super::cursor::{self, Cursor};
use super::ranges::{RANGES_BYTES_MAX, RangeEntry, read_ranges, write_ranges};
use super::sync::{LOG_BYTES, read_log, write_log};

/// Longest entry of a checkpoint, in bytes: a segment of one entry has one more.
pub const ENTRY_BYTES_MAX: usize = SEGMENT_BYTES_MAX - 1;
/// Most entries of one message.
pub const ENTRIES_MAX: usize = 4_096;
/// Bytes of entries and of their blocks after which a message is closed, unless its only entry is longer.
pub const ENTRIES_BYTES_TARGET: usize = 128 << 10;

const GONE: u8 = 1;
const ENTRY_HEAD_BYTES: usize = 4 + 4;

/// Asks what a checkpoint has that the sender has not, and what of the sender's it has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The log.
    pub log: LogId,
    /// The checkpoint of it.
    pub checkpoint: CheckpointId,
    /// What the sender has of it, at least one range.
    pub ranges: Vec<RangeEntry>,
}

/// Entries of a checkpoint that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The log.
    pub log: LogId,
    /// Encoded entries, at least one, each with the sealed block that it refers to if its value is long.
    pub entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The end of an answer to [`Compare`], behind the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The log.
    pub log: LogId,
    /// What is said of the ranges: nothing if all is said. `None` if there is no such checkpoint any more.
    pub ranges: Option<Vec<RangeEntry>>,
}

pub(super) const COMPARE_BYTES_MAX: usize = LOG_BYTES + 32 + RANGES_BYTES_MAX;
pub(super) const COMPARED_BYTES_MAX: usize = LOG_BYTES + 1 + RANGES_BYTES_MAX;
/// Either many short entries and one more, or one with its block.
pub(super) const ENTRIES_MESSAGE_BYTES_MAX: usize =
    LOG_BYTES + 2 + ENTRY_HEAD_BYTES + ENTRY_BYTES_MAX + BLOCK_BYTES_MAX;

const _: () = assert!(
    ENTRIES_MAX * ENTRY_HEAD_BYTES + ENTRIES_BYTES_TARGET < ENTRY_BYTES_MAX + BLOCK_BYTES_MAX
);

pub(super) fn write_compare(out: &mut Vec<u8>, compare: &Compare) {
    write_log(out, &compare.log);
    out.extend_from_slice(compare.checkpoint.as_bytes());
    write_ranges(out, &compare.ranges);
}

pub(super) fn read_compare(cursor: &mut Cursor<'_>) -> Result<Compare, DecodeError> {
    let log = read_log(cursor)?;
    let checkpoint = CheckpointId::from_bytes(cursor.array("32 bytes of a checkpoint's id")?);
    let refused = cursor.malformed("at least one range");
    let ranges = read_ranges(cursor)?;
    if ranges.is_empty() {
        return Err(refused);
    }
    Ok(Compare {
        log,
        checkpoint,
        ranges,
    })
}

pub(super) fn write_entries(out: &mut Vec<u8>, entries: &Entries) {
    write_log(out, &entries.log);
    cursor::count(out, entries.entries.len());
    for (entry, block) in &entries.entries {
        cursor::long_string(out, entry);
        cursor::long_string(out, block.as_deref().unwrap_or_default());
    }
}

pub(super) fn read_entries(cursor: &mut Cursor<'_>) -> Result<Entries, DecodeError> {
    let log = read_log(cursor)?;
    let refused = cursor.malformed("at least one entry");
    let count = cursor.count("entries", ENTRIES_MAX, ENTRY_HEAD_BYTES)?;
    if count == 0 {
        return Err(refused);
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let refused = cursor.malformed("an entry");
        let entry = cursor.long_string("an entry", ENTRY_BYTES_MAX)?.to_vec();
        if entry.is_empty() {
            return Err(refused);
        }
        let refused = cursor.malformed("a sealed block");
        let block = cursor.long_string("a sealed block", BLOCK_BYTES_MAX)?;
        if (1..SEALED_BYTES_MIN).contains(&block.len()) {
            return Err(refused);
        }
        entries.push((entry, (!block.is_empty()).then(|| block.to_vec())));
    }
    Ok(Entries { log, entries })
}

pub(super) fn write_compared(out: &mut Vec<u8>, compared: &Compared) {
    write_log(out, &compared.log);
    match &compared.ranges {
        Some(ranges) => {
            out.push(0);
            write_ranges(out, ranges);
        }
        None => out.push(GONE),
    }
}

pub(super) fn read_compared(cursor: &mut Cursor<'_>) -> Result<Compared, DecodeError> {
    let log = read_log(cursor)?;
    let is_gone = cursor.flags(GONE)? != 0;
    let ranges = if is_gone {
        None
    } else {
        Some(read_ranges(cursor)?)
    };
    Ok(Compared { log, ranges })
}
