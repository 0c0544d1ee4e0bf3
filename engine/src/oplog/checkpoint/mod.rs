//! The signed checkpoint of one log: which of its operations still count, without the history.
//!
//! A log grows for ever; what counts of it does not. A [`SignedCheckpoint`] is the word of the log's own device that of
//! all operations up to a sequence number exactly these entries still count, or are tombstones that are kept. It
//! is small: the entries themselves lie beside it in [`Segment`]s, and the root of the hash tree over them ties the two
//! together. Who has both needs nothing that was before, and follows the log from the next sequence number on.
//!
//! A leaf of this tree is an encoded entry, an array of three, where a leaf of a commit's tree is an encoded operation,
//! an array of four. Their first bytes differ, so no hash of one tree is ever one of the other, although both use the
//! same keys; and what is signed has another label.

mod builder;
mod entry;
mod error;
mod header;
mod proof;
mod reader;
mod segment;
mod signed;

#[cfg(test)]
mod tests;

use core::fmt;

pub use builder::{CheckpointBuilder, CheckpointStart, SegmentBytes};
pub(super) use entry::ENTRY_BYTES_MAX;
pub use entry::Entry;
pub use error::{CheckpointError, EntryOrderError, SegmentError};
pub use header::{CHECKPOINT_HEADS_MAX, CheckpointHeader};
pub(crate) use proof::CheckpointProver;
pub use proof::{CHECKPOINT_PROOF_BYTES_MAX, CheckpointProof};
pub use reader::{CheckpointReader, SegmentTally};
pub use segment::{Entries, SEGMENT_BYTES_MAX, SEGMENT_BYTES_TARGET, SEGMENT_ENTRIES_MAX, Segment};
pub use signed::{CHECKPOINT_BYTES_MAX, SignedCheckpoint};

/// What is signed is this and the checkpoint's id, so that a signature is good for nothing else.
const LABEL: &[u8; 17] = b"uxf/checkpoint/1\0";

/// What a checkpoint is called: the BLAKE3 hash of its encoded header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId([u8; 32]);

impl CheckpointId {
    /// An id as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of an encoded header.
    fn of(header: &[u8]) -> Self {
        Self(blake3::hash(header).into())
    }

    /// What a device signs.
    fn message(&self) -> [u8; LABEL.len() + 32] {
        let mut message = [0; LABEL.len() + 32];
        let (label, id) = message.split_at_mut(LABEL.len());
        label.copy_from_slice(LABEL);
        id.copy_from_slice(&self.0);
        message
    }
}

impl fmt::Debug for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..4).unwrap_or_default();
        write!(f, "CheckpointId({}..)", const_hex::encode(start))
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}
