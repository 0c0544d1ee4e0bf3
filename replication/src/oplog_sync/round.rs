//! The records of a delta in the bytes of a round.

use uxf_engine::oplog::identity::{CERTIFICATE_BYTES_MAX, REVOCATION_BYTES_MAX};
use uxf_engine::oplog::{
    CHECKPOINT_BYTES_MAX, COMMIT_BYTES_MAX, DELTA_BLOCK_BYTES_DEFAULT, DeltaRecordKind,
    FORK_PROOF_BYTES_MAX, SEGMENT_BYTES_MAX,
};
use uxf_engine::profile::{CheckpointParts, Delta};

use crate::wire::DecodeError;
use crate::wire::cursor::{Cursor, long_string};

const KINDS: [DeltaRecordKind; 7] = [
    DeltaRecordKind::Certificate,
    DeltaRecordKind::Revocation,
    DeltaRecordKind::ForkProof,
    DeltaRecordKind::Block,
    DeltaRecordKind::Segment,
    DeltaRecordKind::Checkpoint,
    DeltaRecordKind::Commit,
];

/// How long a delta is as a round.
pub(super) fn round_bytes(delta: &Delta) -> usize {
    let all = [
        &delta.certificates,
        &delta.revocations,
        &delta.forks,
        &delta.blocks,
        &delta.commits,
    ];
    let records = all.into_iter().flatten();
    let parts = delta.checkpoints.iter();
    let parts = parts.flat_map(|parts| parts.segments.iter().chain([&parts.signed]));
    records.chain(parts).map(|bytes| bytes.len() + 5).sum()
}

/// Writes a delta as a round. Whether it is partial is not part of a round.
pub fn encode_round(delta: &Delta) -> Vec<u8> {
    let records = delta.commits.len() + delta.blocks.len() + 16;
    let mut out = Vec::with_capacity(delta.byte_len() + records * 5);
    let mut write = |kind: DeltaRecordKind, bytes: &[u8]| {
        out.push(kind.number());
        long_string(&mut out, bytes);
    };
    for (kind, all) in [
        (DeltaRecordKind::Certificate, &delta.certificates),
        (DeltaRecordKind::Revocation, &delta.revocations),
        (DeltaRecordKind::ForkProof, &delta.forks),
        (DeltaRecordKind::Block, &delta.blocks),
    ] {
        for bytes in all {
            write(kind, bytes);
        }
    }
    for parts in &delta.checkpoints {
        for segment in &parts.segments {
            write(DeltaRecordKind::Segment, segment);
        }
        write(DeltaRecordKind::Checkpoint, &parts.signed);
    }
    for commit in &delta.commits {
        write(DeltaRecordKind::Commit, commit);
    }
    out
}

/// Reads a whole round. What its records say is checked by who takes the delta in.
///
/// # Errors
/// [`DecodeError`] for what is no round.
pub fn read_round(bytes: &[u8]) -> Result<Delta, DecodeError> {
    let mut records = Records::default();
    let mut cursor = Cursor::new(bytes);
    while cursor.end().is_err() {
        records.read(&mut cursor)?;
    }
    if records.segments.is_empty() {
        Ok(records.delta)
    } else {
        Err(cursor.malformed("the checkpoint of the segments"))
    }
}

/// What of a round that was cut off can be taken in by itself: its whole records, but no segments without their checkpoint.
pub fn salvage_round(bytes: &[u8]) -> Delta {
    let mut records = Records::default();
    let mut cursor = Cursor::new(bytes);
    while cursor.end().is_err() {
        if records.read(&mut cursor).is_err() {
            break;
        }
    }
    records.delta
}

#[derive(Default)]
struct Records {
    delta: Delta,
    segments: Vec<Vec<u8>>,
    last: u8,
}

impl Records {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        let refused = cursor.malformed("a record of a known kind, in order");
        let number = cursor.u8("a record")?;
        let kind = KINDS.into_iter().find(|kind| kind.number() == number);
        let kind = kind.filter(|kind| self.may_follow(*kind)).ok_or(refused)?;
        let (what, limit) = cap(kind);
        let bytes = cursor.long_string(what, limit)?.to_vec();
        if bytes.is_empty() {
            return Err(refused);
        }
        self.last = number;
        match kind {
            DeltaRecordKind::Certificate => self.delta.certificates.push(bytes),
            DeltaRecordKind::Revocation => self.delta.revocations.push(bytes),
            DeltaRecordKind::ForkProof => self.delta.forks.push(bytes),
            DeltaRecordKind::Block => self.delta.blocks.push(bytes),
            DeltaRecordKind::Segment => self.segments.push(bytes),
            DeltaRecordKind::Checkpoint => self.delta.checkpoints.push(CheckpointParts {
                segments: core::mem::take(&mut self.segments),
                signed: bytes,
            }),
            DeltaRecordKind::Commit => self.delta.commits.push(bytes),
        }
        Ok(())
    }

    /// Kinds ascend, but that segments of another checkpoint may follow a checkpoint, and nothing else follows segments.
    fn may_follow(&self, kind: DeltaRecordKind) -> bool {
        if !self.segments.is_empty() {
            return matches!(kind, DeltaRecordKind::Segment | DeltaRecordKind::Checkpoint);
        }
        let after_checkpoint = self.last == DeltaRecordKind::Checkpoint.number();
        kind.number() >= self.last || (after_checkpoint && kind == DeltaRecordKind::Segment)
    }
}

const fn cap(kind: DeltaRecordKind) -> (&'static str, usize) {
    match kind {
        DeltaRecordKind::Certificate => ("a certificate", CERTIFICATE_BYTES_MAX),
        DeltaRecordKind::Revocation => ("a revocation", REVOCATION_BYTES_MAX),
        DeltaRecordKind::ForkProof => ("a fork proof", FORK_PROOF_BYTES_MAX),
        DeltaRecordKind::Block => ("a block", DELTA_BLOCK_BYTES_DEFAULT),
        DeltaRecordKind::Segment => ("a segment", SEGMENT_BYTES_MAX),
        DeltaRecordKind::Checkpoint => ("a checkpoint", CHECKPOINT_BYTES_MAX),
        DeltaRecordKind::Commit => ("a commit", COMMIT_BYTES_MAX),
    }
}
