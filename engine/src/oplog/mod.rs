//! The signed history of a profile: who wrote which operation, when, and what of it counts.
//!
//! A device appends [`Commit`]s to its log. A commit carries one or more [`Operation`]s, names the commit before it and
//! is signed once, by the device's key, which the profile's key has certified ([`identity`]). Everything here is pure:
//! bytes go in, values or a typed error come out; there is no store, no clock and no randomness. So each rule can be
//! tested alone, and everything a peer sends can be checked before any of it is stored.
//!
//! * [`HybridTime`] and [`HybridClock`] number the writes of all devices in one order that respects cause and effect.
//! * [`Stamp`] is the one place that decides which of two operations on a key wins.
//! * [`TreePath`] proves that an operation belongs to a commit whose other operations are gone.
//! * [`LoneOperation`] carries such a proof; [`ForkProof`] one that a device has written two histories.
//! * [`SignedCheckpoint`] sums up what counts of a log, so that its history can go; its entries lie in [`Segment`]s.
//! * [`CheckpointProof`] carries one of them with the proof.
//! * [`ProvenOperation`] is one of both.
//! * [`DeltaWriter`] frames all of these in one file, [`DeltaReader`] takes it apart.
//! * [`ItemSum`] sums up a set of operations, by their [`ItemHash`]es, so that two replicas can compare ranges.
//! * [`VersionVector`] says how far a replica knows each log.
//! * [`LogHead`] tells the next commit of a log from a known one, a gap, a broken chain and a fork.
//!
//! `docs/FORMAT.md` has the bytes.

pub mod identity;

mod checkpoint;
mod commit;
mod delta;
mod evidence;
mod live;
mod log;
mod membership;
mod operation;
mod order;
mod proof;
mod proven;
mod time;
mod tree;
mod vector;

pub(crate) use checkpoint::CheckpointProver;
pub use checkpoint::{
    CHECKPOINT_BYTES_MAX, CHECKPOINT_HEADS_MAX, CHECKPOINT_PROOF_BYTES_MAX, CheckpointBuilder,
    CheckpointError, CheckpointHeader, CheckpointId, CheckpointProof, CheckpointReader,
    CheckpointStart, Entries, Entry, EntryOrderError, SEGMENT_BYTES_MAX, SEGMENT_BYTES_TARGET,
    SEGMENT_ENTRIES_MAX, Segment, SegmentBytes, SegmentError, SegmentTally, SignedCheckpoint,
};
pub use commit::{
    COMMIT_BYTES_MAX, Commit, CommitBuilder, CommitError, CommitId, CommitStart, HEADS_MAX, Head,
    Header, OPERATIONS_MAX, Operations, SealedCommit, SignedHeader, block_hash, verify_batch,
};
pub use delta::{
    DELTA_BLOCK_BYTES_DEFAULT, DELTA_MAGIC, DELTA_RECORDS_MAX, DELTA_VERSION, DeltaError,
    DeltaLimits, DeltaReader, DeltaRecord, DeltaRecordKind, DeltaWriter,
};
pub use evidence::{FORK_PROOF_BYTES_MAX, ForkProof, ForkProofError};
pub use live::{ItemHash, ItemSum, OPERATION_ID_BYTES, OperationId};
pub use log::{Appended, LogError, LogHead};
pub use operation::{
    OpKind, Operation, OperationError, REFERENCE_BYTES, SEALED_BYTES_MIN, VALUE_BYTES_MAX,
};
pub use order::Stamp;
pub use proof::{LONE_OPERATION_BYTES_MAX, LoneOperation, ProofError};
pub use proven::ProvenOperation;
pub use time::{
    ClockError, DRIFT_MS_DEFAULT, HYBRID_COUNTER_MAX, HYBRID_MILLIS_MAX, HybridClock, HybridTime,
};
pub use tree::{TreeBuilder, TreeHash, TreePath};
pub use vector::{LOGS_MAX, Missing, Reached, VECTOR_BYTES_MAX, VectorError, VersionVector};

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;

    use super::commit::tests::{key, put, seal, start};
    use super::identity::{Certificate, Epoch, ProfileSigner, Revocation};
    use super::*;
    use crate::profile::sealed::WalletSecret;

    #[test]
    fn an_independent_codec_reads_every_record_and_writes_the_same_bytes() {
        let (device, other) = (key(7), key(8));
        let mut from = start(&device);
        from.heads = vec![Head {
            log: start(&other).log,
            seq: 1 << 40,
            id: CommitId::from_bytes([3; 32]),
        }];
        let one = seal(&device, from.clone(), &[put("a", 1), put("b", 2)]);
        let two = seal(&device, from, &[put("a", 3)]);
        let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
        let (id, time) = (device.id(), HybridTime::from_u64(1 << 50));
        let mut log = LogHead::empty(one.header().log);
        log.advance(one.header(), one.id());
        let mut vector = VersionVector::default();
        vector.set(&log).unwrap();
        let (one, two) = (one.commit(), two.commit());
        let mut checkpoint = CheckpointBuilder::new(CheckpointStart {
            profile: one.header().profile,
            log: one.header().log,
            until: one.header().last_seq(),
            head: one.id(),
            time: one.header().time,
            heads: one.header().heads.clone(),
        })
        .unwrap();
        for (seq, (operation, _)) in (one.header().first_seq..).zip(one.operations()) {
            checkpoint.push(seq, one.header().time, &operation).unwrap();
        }
        let (segment, checkpoint) = checkpoint.finish(&device).unwrap();
        let segment = segment.unwrap().into_bytes();
        for bytes in [
            one.as_bytes().to_vec(),
            Certificate::issue(&signer, id, time, "phone")
                .unwrap()
                .encode(),
            Revocation::issue(&signer, id, None, 7, time).encode(),
            Revocation::issue(&signer, id, Some(Epoch::from_u64(9)), 7, time).encode(),
            vector.encode(),
            ForkProof::new(&one, &two).unwrap().encode(),
            LoneOperation::extract(&one, 1).unwrap().encode(),
            CheckpointProof::extract(&checkpoint, [&segment], 1)
                .unwrap()
                .encode(),
            checkpoint.encode(),
            segment,
        ] {
            let read: Ipld = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
            assert_eq!(serde_ipld_dagcbor::to_vec(&read).unwrap(), bytes);
        }
    }
}
