use super::builder::within;
use super::entry::Entry;
use super::error::CheckpointError;
use super::header::HEADER_BYTES_MAX;
use super::reader::CheckpointReader;
use super::segment::Segment;
use super::signed::SignedCheckpoint;
use crate::cbor::{Cursor, Malformed};
use crate::oplog::membership::{Membership, MembershipError};
use crate::oplog::operation::Operation;
use crate::oplog::order::Stamp;
use crate::oplog::proof::ProofError;
use crate::oplog::tree::Tree;

/// Hashes of the longest path: a tree of 2^32 - 1 leaves has 32 levels.
const PATH_HASHES_MAX: usize = 32;
/// Longest proof, in bytes: header, signature, index, path and entry at their longest.
pub const CHECKPOINT_PROOF_BYTES_MAX: usize =
    1 + HEADER_BYTES_MAX + 66 + 5 + (3 + PATH_HASHES_MAX * 32) + super::ENTRY_BYTES_MAX;

/// One entry of a checkpoint with all that is needed to believe it: the signed checkpoint and the path in its tree. What
/// [`LoneOperation`](crate::oplog::LoneOperation) is for an operation whose commit is there.
///
/// ```
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
/// use uxf_engine::oplog::{
///     CheckpointBuilder, CheckpointProof, CheckpointStart, CommitId, HybridTime, OpKind, Operation,
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
/// for (seq, key) in [(2, "a"), (5, "b")] {
///     let put = Operation { kind: OpKind::Put, entry: EntryKind::CacheIndex, key, value: &[9; 40] };
///     builder.push(seq, time, &put).unwrap();
/// }
/// let (segment, signed) = builder.finish(&key).unwrap();
///
/// let segments = segment.iter().map(|segment| segment.as_bytes());
/// let bytes = CheckpointProof::extract(&signed, segments, 1).unwrap().encode();
/// let alone = CheckpointProof::decode(&bytes).unwrap();
/// let (stamp, operation) = alone.verify().unwrap();
/// assert_eq!((stamp.seq, operation.key), (5, "b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointProof {
    signed: SignedCheckpoint,
    membership: Membership,
}

impl CheckpointProof {
    /// Takes the entry at `index`, from zero, out of a checkpoint, whose segments are read and checked. Linear in their
    /// size; keeps 64 bytes for each entry meanwhile.
    ///
    /// # Errors
    /// [`ProofError::Index`] if there is no such entry, [`ProofError::Checkpoint`] if the segments are not those of the
    /// checkpoint.
    pub fn extract<B: AsRef<[u8]>>(
        signed: &SignedCheckpoint,
        segments: impl IntoIterator<Item = B>,
        index: u32,
    ) -> Result<Self, ProofError> {
        let count = signed.header().count;
        let (mut leaves, mut entry) = (Vec::new(), None);
        let mut reader = CheckpointReader::new(signed);
        for segment in segments {
            reader.segment_with(segment.as_ref(), |leaf, bytes| {
                if u32::try_from(leaves.len()) == Ok(index) {
                    entry = Some(bytes.to_vec());
                }
                leaves.push(leaf);
            })?;
        }
        reader.finish()?;
        let tree = Tree::over(leaves);
        let membership = entry.and_then(|entry| Membership::of(&tree, index, entry));
        Ok(Self {
            signed: signed.clone(),
            membership: membership.ok_or(ProofError::Index { index, count })?,
        })
    }

    /// The checkpoint.
    pub const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The entry's index in the checkpoint, from zero.
    pub const fn index(&self) -> u32 {
        self.membership.index
    }

    /// The canonical bytes: an array of header, signature, index, path and entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x85];
        self.signed.encode_into(&mut out);
        self.membership.encode_into(&mut out);
        out
    }

    /// Reads canonical bytes. What it proves, if anything, is said by [`CheckpointProof::verify`].
    ///
    /// # Errors
    /// [`ProofError::TooLarge`], [`ProofError::Checkpoint`], [`ProofError::Entry`], and [`ProofError::Path`] if the path
    /// is longer than any can be.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > CHECKPOINT_PROOF_BYTES_MAX {
            return Err(ProofError::TooLarge {
                found: bytes.len(),
                limit: CHECKPOINT_PROOF_BYTES_MAX,
            });
        }
        let malformed = |malformed: Malformed| CheckpointError::from(malformed);
        let mut cursor = Cursor::new(bytes);
        cursor
            .literal(b"\x85", "an array of five")
            .map_err(malformed)?;
        let signed = SignedCheckpoint::read(&mut cursor)?;
        let membership =
            Membership::read(&mut cursor, PATH_HASHES_MAX).map_err(|error| match error {
                MembershipError::Malformed(at) => malformed(at).into(),
                MembershipError::Path => ProofError::Path,
            })?;
        Entry::decode(membership.leaf()).map_err(ProofError::Entry)?;
        Ok(Self { signed, membership })
    }

    /// Checks the signature and the path, and gives the operation with its place in the order. Whether the device may
    /// write is said by its certificate.
    ///
    /// # Errors
    /// All of [`ProofError`] but `TooLarge` and `Commit`.
    pub fn verify(&self) -> Result<(Stamp, Operation<'_>), ProofError> {
        let header = self.signed.header();
        let (index, count) = (self.membership.index, header.count);
        let Some(root) = header.root.filter(|_| index < count) else {
            return Err(ProofError::Index { index, count });
        };
        if !self.membership.leads_to(root, count) {
            return Err(ProofError::Path);
        }
        self.signed.verify()?;
        let entry = Entry::decode(self.membership.leaf()).map_err(ProofError::Entry)?;
        within(entry.place(), header.sum().last)?;
        self.told()
    }

    /// What it says, whether that is proven or not.
    pub(in crate::oplog) fn told(&self) -> Result<(Stamp, Operation<'_>), ProofError> {
        let entry = Entry::decode(self.membership.leaf()).map_err(ProofError::Entry)?;
        Ok((entry.stamp(self.signed.header().log), entry.operation))
    }
}

/// Proves any number of entries of one checkpoint, whose segments it has read once.
#[derive(Debug)]
pub(crate) struct CheckpointProver {
    signed: SignedCheckpoint,
    tree: Tree,
    /// Index of the first entry of each segment.
    firsts: Vec<u32>,
}

impl CheckpointProver {
    /// Reads and checks the segments of a checkpoint. Linear in their size; keeps 64 bytes for each entry.
    pub(crate) fn new<B: AsRef<[u8]>>(
        signed: SignedCheckpoint,
        segments: impl IntoIterator<Item = B>,
    ) -> Result<Self, ProofError> {
        let (mut leaves, mut firsts) = (Vec::new(), Vec::new());
        let mut reader = CheckpointReader::new(&signed);
        for segment in segments {
            firsts.push(u32::try_from(leaves.len()).unwrap_or(u32::MAX));
            reader.segment_with(segment.as_ref(), |leaf, _| leaves.push(leaf))?;
        }
        reader.finish()?;
        Ok(Self {
            tree: Tree::over(leaves),
            signed,
            firsts,
        })
    }

    /// The entry with a sequence number, which lies in the segment of this position with these bytes; `None` if it does not.
    pub(crate) fn prove(
        &self,
        position: usize,
        segment: &[u8],
        seq: u64,
    ) -> Option<CheckpointProof> {
        let mut entries = Segment::decode(segment).ok()?.entries();
        let mut index = *self.firsts.get(position)?;
        while let Some(bytes) = entries.next_bytes() {
            if Entry::decode(bytes).ok()?.seq == seq {
                let membership = Membership::of(&self.tree, index, bytes.to_vec())?;
                let signed = self.signed.clone();
                return Some(CheckpointProof { signed, membership });
            }
            index = index.checked_add(1)?;
        }
        None
    }
}
