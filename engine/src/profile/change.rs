//! What a batch does to a profile, as it goes to the writer.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use uxf_codec::ElementHash;
use zeroize::Zeroizing;

use super::fold::{Counted, ValuePlace, ValueVersion};
use super::merge::Merger;
use super::sealed::{Nonces, ProfileId, SealedValue};
use super::session::Session;
use crate::oplog::identity::{Certificate, LogId, Revocation};
use crate::oplog::{
    Commit, CommitId, Entry, ForkProof, Header, HybridTime, ItemHash, OpKind, Operation,
    ProofError, ProvenOperation, REFERENCE_BYTES, SealedCommit, Segment, SignedCheckpoint, Stamp,
};
use crate::profile::envelope::EntryKind;

/// Changes of one profile.
#[derive(Debug)]
pub(crate) enum ProfilePart {
    /// Made here.
    Local(LocalPart),
    /// Made elsewhere.
    Foreign(ForeignPart),
}

/// What is written on this device.
#[derive(Debug)]
pub(crate) struct LocalPart {
    pub(crate) session: Arc<Session>,
    /// One for each key, because the operations of a commit have one time.
    pub(crate) changes: BTreeMap<Box<str>, Change>,
    /// What keys have to be for the batch to be applied; `None` for a key without a state.
    pub(crate) expected: Vec<(Box<str>, Option<ValueVersion>)>,
    /// Values that stay on this device: set, or removed.
    pub(crate) local: BTreeMap<Box<str>, Option<SealedValue>>,
    /// For the values sealed in this batch.
    pub(crate) nonces: Nonces,
    /// Bytes of all that, about.
    pub(crate) bytes: usize,
    /// Certificates and revocations issued here.
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) revocations: Vec<Revocation>,
}

impl LocalPart {
    pub(crate) const fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            changes: BTreeMap::new(),
            expected: Vec::new(),
            local: BTreeMap::new(),
            nonces: Nonces::new(),
            bytes: 0,
            certificates: Vec::new(),
            revocations: Vec::new(),
        }
    }
}

/// What becomes of a key.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) entry: EntryKind,
    pub(crate) to: To,
}

#[derive(Debug)]
pub(crate) enum To {
    /// A value in the operation.
    Sealed(SealedValue),
    /// A value in a block of its own, which is in the batch: its reference, and how long the block is.
    Block([u8; REFERENCE_BYTES], usize),
    /// Nothing.
    Deleted,
    /// What it is, joined with these values one after the other. The writer does it, because two joins of what was
    /// read before would lose one of the two.
    Merged(Merger, Vec<Zeroizing<String>>),
}

/// What devices wrote, as a peer or a file brought it.
#[derive(Debug)]
pub(crate) struct ForeignPart {
    pub(crate) session: Arc<Session>,
    /// Verified.
    pub(crate) certificates: Vec<Certificate>,
    /// Verified.
    pub(crate) revocations: Vec<Revocation>,
    /// Verified.
    pub(crate) forks: Vec<ForkProof>,
    /// Decoded, with good signatures, and whole.
    pub(crate) checkpoints: Vec<Arc<ReadCheckpoint>>,
    /// Decoded and with good signatures, in the order they came.
    pub(crate) commits: Vec<Arc<ReadCommit>>,
    /// Decoded, and they prove themselves.
    pub(crate) alone: Vec<Arc<ReadOperation>>,
}

/// A commit, read and taken apart.
#[derive(Debug)]
pub(crate) struct ReadCommit {
    pub(crate) bytes: Vec<u8>,
    pub(crate) header: Header,
    pub(crate) id: CommitId,
    pub(crate) hash: ElementHash,
    pub(crate) operations: Vec<OperationPart>,
}

/// Where the parts of an operation lie in its commit.
#[derive(Clone, Debug)]
pub(crate) struct OperationPart {
    pub(crate) kind: OpKind,
    pub(crate) entry: EntryKind,
    key: Range<usize>,
    pub(crate) value: Range<usize>,
}

impl ReadCommit {
    /// Takes a commit apart that was decoded of these bytes.
    pub(crate) fn of(commit: &Commit<'_>) -> Self {
        Self {
            bytes: commit.as_bytes().to_vec(),
            header: commit.header().clone(),
            id: commit.id(),
            hash: ElementHash::from_bytes(crate::oplog::block_hash(commit.as_bytes())),
            operations: parts(commit),
        }
    }

    /// Takes a commit apart that was made here.
    pub(crate) fn sealed(sealed: SealedCommit) -> Self {
        let operations = parts(&sealed.commit());
        Self {
            header: sealed.header().clone(),
            id: sealed.id(),
            hash: ElementHash::from_bytes(crate::oplog::block_hash(sealed.as_bytes())),
            operations,
            bytes: sealed.into_bytes(),
        }
    }

    pub(crate) fn key(&self, part: &OperationPart) -> &str {
        let key = self.bytes.get(part.key.clone()).unwrap_or_default();
        core::str::from_utf8(key).unwrap_or_default()
    }

    pub(crate) fn value(&self, part: &OperationPart) -> &[u8] {
        self.bytes.get(part.value.clone()).unwrap_or_default()
    }

    /// The blocks that hold values of its operations.
    pub(crate) fn links(&self) -> impl Iterator<Item = ElementHash> + '_ {
        let references = self
            .operations
            .iter()
            .filter(|part| part.kind == OpKind::Ref);
        references.filter_map(|part| referenced(self.value(part)))
    }
}

fn parts(commit: &Commit<'_>) -> Vec<OperationPart> {
    let bytes = commit.as_bytes();
    let operations = commit.operations();
    operations
        .map(|(operation, value)| part(bytes, &operation, value))
        .collect()
}

/// Where the parts of an operation lie, which was read out of `bytes`.
fn part(bytes: &[u8], operation: &Operation<'_>, value: Range<usize>) -> OperationPart {
    let start = bytes.as_ptr().addr();
    let key = operation.key.as_ptr().addr().saturating_sub(start);
    OperationPart {
        kind: operation.kind,
        entry: operation.entry,
        key: key..key + operation.key.len(),
        value,
    }
}

/// A checkpoint and its segments, read and taken apart.
#[derive(Debug)]
pub(crate) struct ReadCheckpoint {
    pub(crate) signed: SignedCheckpoint,
    pub(crate) segments: Vec<Arc<ReadSegment>>,
}

/// A segment, read and taken apart.
#[derive(Debug)]
pub(crate) struct ReadSegment {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: ElementHash,
    pub(crate) entries: Vec<EntryPart>,
}

/// An operation of a segment, and where its parts lie.
#[derive(Clone, Debug)]
pub(crate) struct EntryPart {
    pub(crate) seq: u64,
    time: HybridTime,
    pub(crate) part: OperationPart,
}

impl EntryPart {
    /// Its place in the order of all operations on its key.
    pub(crate) fn stamp(&self, log: LogId) -> Stamp {
        Stamp {
            time: self.time,
            is_delete: self.part.kind == OpKind::Delete,
            log,
            seq: self.seq,
        }
    }

    pub(crate) const fn time(&self) -> HybridTime {
        self.time
    }
}

impl ReadSegment {
    /// Takes a segment apart that was decoded.
    pub(crate) fn of(segment: &Segment<'_>) -> Self {
        let bytes = segment.as_bytes();
        let entry = |(entry, value): (Entry<'_>, Range<usize>)| EntryPart {
            seq: entry.seq,
            time: entry.time,
            part: part(bytes, &entry.operation, value),
        };
        Self {
            bytes: bytes.to_vec(),
            hash: ElementHash::from_bytes(crate::oplog::block_hash(bytes)),
            entries: segment.entries().map(entry).collect(),
        }
    }

    pub(crate) fn key(&self, part: &OperationPart) -> &str {
        let key = self.bytes.get(part.key.clone()).unwrap_or_default();
        core::str::from_utf8(key).unwrap_or_default()
    }

    pub(crate) fn value(&self, part: &OperationPart) -> &[u8] {
        self.bytes.get(part.value.clone()).unwrap_or_default()
    }

    /// The blocks that hold values of its operations.
    pub(crate) fn links(&self) -> impl Iterator<Item = ElementHash> + '_ {
        let parts = self.entries.iter().map(|entry| &entry.part);
        let references = parts.filter(|part| part.kind == OpKind::Ref);
        references.filter_map(|part| referenced(self.value(part)))
    }
}

/// An operation that came alone, with its proof, read.
#[derive(Debug)]
pub(crate) struct ReadOperation {
    pub(crate) bytes: Vec<u8>,
    /// What its block is called.
    pub(crate) hash: ElementHash,
    pub(crate) profile: ProfileId,
    pub(crate) key: Box<str>,
    pub(crate) stamp: Stamp,
    pub(crate) kind: OpKind,
    entry: EntryKind,
    item: ItemHash,
    /// Length of its value, which is the end of the bytes.
    value_len: usize,
}

impl ReadOperation {
    /// Decodes and verifies one.
    pub(crate) fn verify(bytes: &[u8]) -> Result<Self, ProofError> {
        let proven = ProvenOperation::decode(bytes)?;
        Ok(Self::of(bytes, &proven, proven.verify()?))
    }

    /// Decodes one that was verified before it was stored.
    pub(crate) fn stored(bytes: &[u8]) -> Result<Self, ProofError> {
        let proven = ProvenOperation::decode(bytes)?;
        Ok(Self::of(bytes, &proven, proven.verified_before()?))
    }

    fn of(
        bytes: &[u8],
        proven: &ProvenOperation,
        (stamp, operation): (Stamp, Operation<'_>),
    ) -> Self {
        Self {
            bytes: bytes.to_vec(),
            hash: ElementHash::from_bytes(crate::oplog::block_hash(bytes)),
            profile: *proven.profile(),
            key: operation.key.into(),
            stamp,
            kind: operation.kind,
            entry: operation.entry,
            item: ItemHash::of(&stamp, &operation),
            value_len: operation.value.len(),
        }
    }

    /// How it counts, if its block is this one.
    pub(crate) fn counted(&self, block: u64) -> Counted {
        let start = self.bytes.len().saturating_sub(self.value_len);
        Counted {
            stamp: self.stamp,
            kind: self.kind,
            entry: self.entry,
            place: ValuePlace {
                block,
                start: u32::try_from(start).unwrap_or(u32::MAX),
                len: u32::try_from(self.value_len).unwrap_or(u32::MAX),
            },
            hash: self.item,
        }
    }

    /// The block that holds its value, if it is not in the operation.
    pub(crate) fn link(&self) -> Option<ElementHash> {
        let is_reference = self.kind == OpKind::Ref;
        is_reference.then(|| referenced(&self.bytes)).flatten()
    }
}

/// The block that a reference names.
pub(crate) fn referenced(reference: &[u8]) -> Option<ElementHash> {
    let (_, digest) = reference.split_last_chunk::<32>()?;
    Some(ElementHash::from_bytes(*digest))
}
