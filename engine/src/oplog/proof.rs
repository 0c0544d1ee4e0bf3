use thiserror::Error;

use super::checkpoint::{CheckpointError, SegmentError};
use super::commit::{Commit, CommitError, HEADER_BYTES_MAX, SignedHeader};
use super::membership::{Membership, MembershipError};
use super::operation::{OPERATION_BYTES_MAX, OpKind, Operation, OperationError};
use super::order::Stamp;
use super::tree::{Tree, TreeHash};
use crate::cbor::{Cursor, Malformed};

/// Hashes of the longest path: a tree of 4,096 leaves has twelve levels.
const PATH_HASHES_MAX: usize = 12;
/// Longest operation on its own, in bytes: header, signature, index, path and operation at their longest.
pub const LONE_OPERATION_BYTES_MAX: usize =
    1 + HEADER_BYTES_MAX + 66 + 3 + (3 + PATH_HASHES_MAX * 32) + OPERATION_BYTES_MAX;

/// Why an operation on its own is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Longer than an operation with its proof may be.
    #[error("an operation with its proof of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// The header is none, or the device has not signed it.
    #[error("the header of the operation's commit is not genuine")]
    Commit(#[from] CommitError),
    /// The header is that of no checkpoint, the device has not signed it, or the segments are not those of it.
    #[error("the checkpoint of the operation is not genuine")]
    Checkpoint(#[from] CheckpointError),
    /// The operation is none.
    #[error("what is proven is no operation")]
    Operation(#[from] OperationError),
    /// What is proven is no entry of a checkpoint.
    #[error("what is proven is no entry of a checkpoint")]
    Entry(#[source] SegmentError),
    /// The commit or checkpoint has no operation of this index.
    #[error("operation {index} of {count}")]
    Index {
        /// The index, from zero.
        index: u32,
        /// How many operations there are.
        count: u32,
    },
    /// The operation, its place and its path do not lead to the root.
    #[error("the operation does not belong to the commit or checkpoint at this place")]
    Path,
}

impl From<Malformed> for ProofError {
    fn from(malformed: Malformed) -> Self {
        Self::Commit(malformed.into())
    }
}

impl From<MembershipError> for ProofError {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Malformed(malformed) => malformed.into(),
            MembershipError::Path => Self::Path,
        }
    }
}

/// One operation with all that is needed to believe it without its neighbours and without history: the signed header of
/// its commit and its path in the tree.
///
/// ```
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
/// use uxf_engine::oplog::{CommitBuilder, CommitStart, HybridTime, LoneOperation, OpKind, Operation};
/// use uxf_engine::profile::envelope::EntryKind;
/// use uxf_engine::profile::sealed::ProfileId;
///
/// let key = DeviceKey::take(&mut [7; 32]);
/// let mut builder = CommitBuilder::new(CommitStart {
///     profile: ProfileId::from_bytes([2; 33]),
///     log: LogId { device: key.id(), epoch: Epoch::from_u64(1) },
///     first_seq: 1,
///     prev: None,
///     heads: Vec::new(),
///     time: HybridTime::from_u64(5),
/// })
/// .unwrap();
/// for name in ["a", "b", "c"] {
///     let put = Operation { kind: OpKind::Put, entry: EntryKind::CacheIndex, key: name, value: &[9; 40] };
///     builder.push(put).unwrap();
/// }
/// let sealed = builder.finish(&key).unwrap();
///
/// let bytes = LoneOperation::extract(&sealed.commit(), 1).unwrap().encode();
/// let alone = LoneOperation::decode(&bytes).unwrap();
/// let (stamp, operation) = alone.verify().unwrap();
/// assert_eq!((stamp.seq, operation.key), (2, "b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoneOperation {
    signed: SignedHeader,
    membership: Membership,
}

impl LoneOperation {
    /// Takes the operation at `index` out of a commit. Linear in the size of the commit.
    ///
    /// # Errors
    /// [`ProofError::Index`] if there is no such operation.
    pub fn extract(commit: &Commit<'_>, index: u32) -> Result<Self, ProofError> {
        let count = commit.header().count;
        let seq = commit.header().first_seq.checked_add(u64::from(index));
        let found = seq.and_then(|seq| Self::extract_all(commit, &[seq]).pop());
        found.ok_or(ProofError::Index { index, count })
    }

    /// Takes the operations with these sequence numbers, which ascend, out of a commit. Those it does not have are left
    /// out. Linear in the size of the commit.
    pub fn extract_all(commit: &Commit<'_>, seqs: &[u64]) -> Vec<Self> {
        let mut operations = commit.operations();
        let (mut leaves, mut found) = (Vec::new(), Vec::new());
        let mut seq = commit.header().first_seq;
        while let Some(bytes) = operations.next_bytes() {
            if seqs.binary_search(&seq).is_ok() {
                let index = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
                found.push((index, bytes.to_vec()));
            }
            leaves.push(TreeHash::leaf(bytes));
            seq = seq.saturating_add(1);
        }
        let (tree, signed) = (Tree::over(leaves), SignedHeader::of(commit));
        let found = found.into_iter();
        let memberships =
            found.filter_map(|(index, operation)| Membership::of(&tree, index, operation));
        let alone = memberships.map(|membership| Self {
            signed: signed.clone(),
            membership,
        });
        alone.collect()
    }

    /// The header of its commit.
    pub const fn signed_header(&self) -> &SignedHeader {
        &self.signed
    }

    /// Its index in the commit, from zero.
    pub const fn index(&self) -> u32 {
        self.membership.index
    }

    /// The canonical bytes: an array of header, signature, index, path and operation.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x85];
        self.signed.encode_into(&mut out);
        self.membership.encode_into(&mut out);
        out
    }

    /// Reads canonical bytes. What it proves, if anything, is said by [`LoneOperation::verify`].
    ///
    /// # Errors
    /// [`ProofError::TooLarge`], [`ProofError::Commit`], [`ProofError::Operation`], and [`ProofError::Path`] if the path
    /// is longer than any can be.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > LONE_OPERATION_BYTES_MAX {
            return Err(ProofError::TooLarge {
                found: bytes.len(),
                limit: LONE_OPERATION_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x85", "an array of five")?;
        let signed = SignedHeader::read(&mut cursor)?;
        let membership = Membership::read(&mut cursor, PATH_HASHES_MAX)?;
        Operation::decode(membership.leaf())?;
        Ok(Self { signed, membership })
    }

    /// Checks the signature and the path, and gives the operation with its place in the order. Whether the device may
    /// write is said by its certificate.
    ///
    /// # Errors
    /// All of [`ProofError`] but `TooLarge`.
    pub fn verify(&self) -> Result<(Stamp, Operation<'_>), ProofError> {
        let header = self.signed.header();
        let index = self.membership.index;
        if index >= header.count {
            return Err(ProofError::Index {
                index,
                count: header.count,
            });
        }
        if !self.membership.leads_to(header.root, header.count) {
            return Err(ProofError::Path);
        }
        self.signed.verify()?;
        self.told()
    }

    /// What it says, whether that is proven or not.
    pub(super) fn told(&self) -> Result<(Stamp, Operation<'_>), ProofError> {
        let (header, index) = (self.signed.header(), self.membership.index);
        let operation = Operation::decode(self.membership.leaf())?;
        let stamp = Stamp {
            time: header.time,
            is_delete: operation.kind == OpKind::Delete,
            log: header.log,
            seq: header.first_seq.saturating_add(u64::from(index)),
        };
        Ok((stamp, operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::commit::tests::{key, put, seal, start};
    use crate::oplog::operation::VALUE_BYTES_MAX;
    use crate::oplog::operation::tests::{any_operation, borrowed};
    use crate::profile::sealed::KEY_BYTES_MAX;
    use proptest::prelude::*;

    #[test]
    fn no_changed_bit_and_no_cut_of_a_lone_operation_verifies() {
        let operations = ["a", "b", "c", "d", "e"].map(|key| put(key, 1));
        let sealed = seal(&key(7), start(&key(7)), &operations);
        let bytes = LoneOperation::extract(&sealed.commit(), 2)
            .unwrap()
            .encode();
        for at in 0..bytes.len() {
            assert!(LoneOperation::decode(&bytes[..at]).is_err());
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(read) = LoneOperation::decode(&changed) {
                    assert_eq!(read.encode(), changed);
                    assert!(read.verify().is_err(), "bit {bit} of byte {at}");
                }
            }
        }
    }

    #[test]
    fn the_longest_lone_operation_fits() {
        let mut start = start(&key(7));
        start.first_seq = u64::MAX - 5000;
        let mut operations = vec![put("k", 1); 4096];
        operations[0].2 = "k".repeat(KEY_BYTES_MAX);
        operations[0].3 = vec![1; VALUE_BYTES_MAX];
        let sealed = seal(&key(7), start, &operations);
        let bytes = LoneOperation::extract(&sealed.commit(), 0)
            .unwrap()
            .encode();
        assert!(bytes.len() < LONE_OPERATION_BYTES_MAX);
        assert!(LoneOperation::decode(&bytes).unwrap().verify().is_ok());
        assert!(matches!(
            LoneOperation::decode(&vec![0; LONE_OPERATION_BYTES_MAX + 1]),
            Err(ProofError::TooLarge { .. })
        ));
        assert_eq!(
            LoneOperation::extract(&sealed.commit(), 4096),
            Err(ProofError::Index {
                index: 4096,
                count: 4096
            })
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_operation_of_a_commit_proves_itself_and_no_other(
            operations in proptest::collection::vec(any_operation(), 1..20),
        ) {
            let sealed = seal(&key(7), start(&key(7)), &operations);
            let commit = sealed.commit();
            let all: Vec<LoneOperation> =
                (0..commit.header().count).map(|index| LoneOperation::extract(&commit, index).unwrap()).collect();
            for (index, alone) in all.iter().enumerate() {
                let read = LoneOperation::decode(&alone.encode()).unwrap();
                prop_assert_eq!(&read, alone);
                let (stamp, operation) = read.verify().unwrap();
                prop_assert_eq!(operation, borrowed(&operations[index]));
                prop_assert_eq!(stamp.seq, commit.header().first_seq + index as u64);
                for other in &all {
                    let mut moved = read.clone();
                    moved.membership.index = other.index();
                    prop_assert_eq!(moved.verify().is_ok(), other.index() == read.index());
                }
            }
        }
    }
}
