//! Messages by which live operations are reconciled.

use core::fmt;

use uxf_engine::oplog::{CHECKPOINT_PROOF_BYTES_MAX, LONE_OPERATION_BYTES_MAX, SEALED_BYTES_MIN};
use uxf_engine::profile::sealed::KEY_BYTES_MAX;

use super::DecodeError;
use super::blocks::BLOCK_BYTES_MAX;
use super::cursor::{self, Cursor};

/// Longest second part of a bound, in bytes: device, epoch and sequence number.
pub const BOUND_OPERATION_BYTES_MAX: usize = 32 + 8 + 8;
/// Most ranges of one message.
pub const RANGES_MAX: usize = 8_192;
/// Most operations that one range lists.
pub const ITEMS_MAX: usize = 64;
/// Longest payload of ranges, in bytes.
pub const RANGES_BYTES_MAX: usize = 256 << 10;
/// Most operations of one message.
pub const OPERATIONS_MAX: usize = 4_096;
/// Bytes of operations after which a message is closed, unless its only operation is longer.
pub const OPERATIONS_BYTES_TARGET: usize = 128 << 10;

/// The longest of the two proofs.
const OPERATION_BYTES_MAX: usize = if LONE_OPERATION_BYTES_MAX > CHECKPOINT_PROOF_BYTES_MAX {
    LONE_OPERATION_BYTES_MAX
} else {
    CHECKPOINT_PROOF_BYTES_MAX
};

/// A place between operations, which are ordered by key and operation id: all that are not below it lie behind it.
///
/// Key and operation id are each the shortest that still separate what the bound separates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Before this key, or within it before this operation.
    Before {
        /// The key, or as much of it as is needed.
        key: Vec<u8>,
        /// The operation id, or as much of it as is needed.
        operation: Vec<u8>,
    },
    /// Behind everything.
    End,
}

impl Bound {
    /// Before everything.
    pub const START: Self = Self::Before {
        key: Vec::new(),
        operation: Vec::new(),
    };
}

impl fmt::Debug for Bound {
    // Keys are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before { key, operation } => {
                write!(f, "Bound({} bytes, {} bytes)", key.len(), operation.len())
            }
            Self::End => f.write_str("Bound(end)"),
        }
    }
}

/// What stands for a set of operations: a part of the hash of their sum and number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "Fingerprint({a:02x}{b:02x}..)")
    }
}

/// The first half of an operation's hash, which names it within a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId(pub [u8; 16]);

impl fmt::Debug for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, ..] = self.0;
        write!(f, "ShortId({a:02x}{b:02x}..)")
    }
}

/// What is said of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeContent {
    /// Nothing: it is the same on both sides, or dealt with.
    Skip,
    /// The fingerprint of the sender's operations in it.
    Fingerprint(Fingerprint),
    /// All of the sender's operations in it, ascending.
    Items(Vec<ShortId>),
    /// Operations in it that the sender lacks and asks for, ascending; at least one.
    Want(Vec<ShortId>),
}

/// A range, which begins where the one before it ended, the first at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeEntry {
    /// Where it ends; above the end of the one before.
    pub end: Bound,
    /// What is said of it.
    pub content: RangeContent,
}

pub(super) const OPERATIONS_MESSAGE_BYTES_MAX: usize =
    2 + OPERATIONS_MAX * 4 + OPERATIONS_BYTES_TARGET + OPERATION_BYTES_MAX;

const END: u8 = 0xff;
const ENTRY_BYTES_MIN: usize = 2;

/// Ranges are written one after the other. What a bound's key has in common with the one before it is not repeated, and two
/// ranges of which nothing is said are one.
pub(super) fn write_ranges(out: &mut Vec<u8>, ranges: &[RangeEntry]) {
    cursor::count(out, ranges.len());
    let mut last: &[u8] = &[];
    for range in ranges {
        match &range.end {
            Bound::End => out.push(END),
            Bound::Before { key, operation } => {
                let shared = last.iter().zip(key).take_while(|(a, b)| a == b).count();
                let suffix = key.get(shared..).unwrap_or_default();
                out.push(u8::try_from(operation.len()).unwrap_or(END));
                cursor::count(out, shared);
                cursor::count(out, suffix.len());
                out.extend_from_slice(suffix);
                out.extend_from_slice(operation);
                last = key;
            }
        }
        match &range.content {
            RangeContent::Skip => out.push(0),
            RangeContent::Fingerprint(fingerprint) => {
                out.push(1);
                out.extend_from_slice(&fingerprint.0);
            }
            RangeContent::Items(items) => write_items(out, 2, items),
            RangeContent::Want(items) => write_items(out, 3, items),
        }
    }
}

pub(super) fn read_ranges(cursor: &mut Cursor<'_>) -> Result<Vec<RangeEntry>, DecodeError> {
    let count = cursor.count("ranges", RANGES_MAX, ENTRY_BYTES_MIN)?;
    // An entry is larger than its least encoding, so the count alone is not enough to allocate by.
    let mut ranges: Vec<RangeEntry> = Vec::with_capacity(count.min(256));
    let mut key: Vec<u8> = Vec::new();
    for _ in 0..count {
        let unordered = cursor.malformed("ranges in ascending order");
        let end = read_bound(cursor, &mut key)?;
        let start = Bound::START;
        let last = ranges.last().map_or(&start, |last| &last.end);
        if *last >= end {
            return Err(unordered);
        }
        let refused = cursor.malformed("two ranges of which something is said");
        let content = read_content(cursor)?;
        let is_skip = content == RangeContent::Skip;
        let follows_skip = ranges.last().map(|last| last.content == RangeContent::Skip);
        if is_skip && follows_skip == Some(true) {
            return Err(refused);
        }
        ranges.push(RangeEntry { end, content });
    }
    // What is behind the last range is skipped, and that is not said.
    if ranges
        .last()
        .is_some_and(|last| last.content == RangeContent::Skip)
    {
        return Err(cursor.malformed("a last range of which something is said"));
    }
    Ok(ranges)
}

fn read_bound(cursor: &mut Cursor<'_>, key: &mut Vec<u8>) -> Result<Bound, DecodeError> {
    let refused = cursor.malformed("the end of a range");
    let operation_len = cursor.u8("the end of a range")?;
    if operation_len == END {
        return Ok(Bound::End);
    }
    let operation_len = usize::from(operation_len);
    let shared = usize::from(cursor.u16("a length")?);
    let len = usize::from(cursor.u16("a length")?);
    let fits = operation_len <= BOUND_OPERATION_BYTES_MAX
        && shared <= key.len()
        && shared.saturating_add(len) <= KEY_BYTES_MAX;
    if !fits {
        return Err(refused);
    }
    let suffix = cursor.bytes(len, "the rest of a key")?;
    // As much as possible is shared.
    if !suffix.is_empty() && suffix.first() == key.get(shared) {
        return Err(refused);
    }
    key.truncate(shared);
    key.extend_from_slice(suffix);
    Ok(Bound::Before {
        key: key.clone(),
        operation: cursor.bytes(operation_len, "an operation id")?.to_vec(),
    })
}

fn read_content(cursor: &mut Cursor<'_>) -> Result<RangeContent, DecodeError> {
    let refused = cursor.malformed("a known content of a range");
    Ok(match cursor.u8("the content of a range")? {
        0 => RangeContent::Skip,
        1 => RangeContent::Fingerprint(Fingerprint(cursor.array("a fingerprint")?)),
        2 => RangeContent::Items(read_items(cursor)?),
        3 => {
            let items = read_items(cursor)?;
            if items.is_empty() {
                return Err(refused);
            }
            RangeContent::Want(items)
        }
        _ => return Err(refused),
    })
}

fn write_items(out: &mut Vec<u8>, kind: u8, items: &[ShortId]) {
    out.push(kind);
    cursor::count(out, items.len());
    for item in items {
        out.extend_from_slice(&item.0);
    }
}

fn read_items(cursor: &mut Cursor<'_>) -> Result<Vec<ShortId>, DecodeError> {
    let count = cursor.count("operations of a range", ITEMS_MAX, 16)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let refused = cursor.malformed("operations in ascending order");
        let item = ShortId(cursor.array("an operation")?);
        if items.last().is_some_and(|last| *last >= item) {
            return Err(refused);
        }
        items.push(item);
    }
    Ok(items)
}

pub(super) fn write_operations(out: &mut Vec<u8>, operations: &[Vec<u8>]) {
    cursor::count(out, operations.len());
    for operation in operations {
        cursor::long_string(out, operation);
    }
}

pub(super) fn read_operations(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<u8>>, DecodeError> {
    let refused = cursor.malformed("at least one operation");
    let count = cursor.count("operations", OPERATIONS_MAX, 4)?;
    if count == 0 {
        return Err(refused);
    }
    let mut operations = Vec::with_capacity(count);
    for _ in 0..count {
        let refused = cursor.malformed("an operation");
        let operation = cursor.long_string("an operation", OPERATION_BYTES_MAX)?;
        if operation.is_empty() {
            return Err(refused);
        }
        operations.push(operation.to_vec());
    }
    Ok(operations)
}

pub(super) fn read_value(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, DecodeError> {
    let refused = cursor.malformed("a sealed block");
    let value = cursor.long_string("a sealed block", BLOCK_BYTES_MAX)?;
    if value.len() < SEALED_BYTES_MIN {
        return Err(refused);
    }
    Ok(value.to_vec())
}
