//! A delta file: everything that a replica lacks in one file, framed so that it can be carried by any means.
//!
//! Only the framing is here: which kinds of records there are, how long each may be and in which order they stand. What
//! a record says is decoded and verified by who takes it in; nothing in a delta is to be believed because of the delta.
//! Its digest finds what was damaged or cut on the way, not what was forged.

mod error;
mod kind;
mod order;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use error::DeltaError;
pub use kind::{DeltaLimits, DeltaRecord, DeltaRecordKind};
pub use reader::DeltaReader;
pub use writer::DeltaWriter;

use crate::profile::sealed::{OVERHEAD_BYTES, ProfileId};

/// How a delta file starts.
pub const DELTA_MAGIC: [u8; 4] = *b"UXFD";
/// The version of the framing.
pub const DELTA_VERSION: u8 = 1;
/// Most records of one delta, its end not counted.
pub const DELTA_RECORDS_MAX: u32 = 1 << 24;
/// Longest block unless the limits say otherwise, in bytes: 1 MiB sealed.
pub const DELTA_BLOCK_BYTES_DEFAULT: usize = (1 << 20) + OVERHEAD_BYTES;

/// Magic, version and profile.
const HEAD_BYTES: usize = 4 + 1 + 33;
/// Type and length of a record.
const RECORD_HEAD_BYTES: usize = 1 + 4;
/// The type of the record that ends a delta.
const END: u8 = 0xff;
/// Count of records and digest.
const END_BYTES: u32 = 4 + 32;

fn head(profile: &ProfileId) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let (start, id) = head.split_at_mut(5);
    let (magic, version) = start.split_at_mut(4);
    magic.copy_from_slice(&DELTA_MAGIC);
    version.copy_from_slice(&[DELTA_VERSION]);
    id.copy_from_slice(profile.as_bytes());
    head
}

fn record_head(number: u8, len: u32) -> [u8; RECORD_HEAD_BYTES] {
    let [a, b, c, d] = len.to_be_bytes();
    [number, a, b, c, d]
}
