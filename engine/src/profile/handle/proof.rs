use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use super::Profile;
use super::history::checkpoint_of;
use crate::error::Error;
use crate::oplog::{CheckpointProver, Commit, LoneOperation, SignedCheckpoint};
use crate::profile::ProfileError;
use crate::profile::fold::{Counted, KeyState};
use crate::profile::keys::classify;
use crate::replica::ReplicaView;
use crate::snapshot::{BlockGuard, Snapshot};
use crate::tables::profile_rows::CheckpointRow;
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::value_key;

impl Profile {
    /// Proofs of the operations of a key that count, the delete before the puts and these in their order: each can be
    /// believed alone, by whoever trusts the device that signed it. None for a key that was never written, or that stays
    /// on this device. Buffered commits become durable first: what was proven to somebody must not be lost here.
    ///
    /// An operation whose commit is kept is proven by an encoded [`LoneOperation`], one that a checkpoint took over by an
    /// encoded [`CheckpointProof`](crate::oplog::CheckpointProof); no bytes are both. What they prove is the sealed value,
    /// or the reference to it.
    ///
    /// Takes as long as reading the commits, and all segments of the checkpoints, that have one of the operations.
    ///
    /// # Errors
    /// [`ProfileError::Unproven`] if an operation is kept that the last checkpoint of its log is not signed for;
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn prove(&self, key: &str) -> Result<Vec<Vec<u8>>, Error> {
        if !classify(key).is_replicated() {
            return Ok(Vec::new());
        }
        let view = self.durable_replica()?;
        let (lookup, table) = view.snapshot.keys()?;
        let state = lookup.key(table, &value_key(self.session.number, key))?;
        let wanted = state.iter().flat_map(KeyState::iter);
        let wanted: Vec<Option<Counted>> = wanted.copied().map(Some).collect();
        let proofs = prove_all(&view, &Provers::default(), &wanted)?.into_iter();
        let proofs = proofs.zip(wanted.iter().flatten());
        let proofs = proofs.map(|(proof, counted)| {
            let unproven = || ProfileError::Unproven {
                log: counted.stamp.log,
                seq: counted.stamp.seq,
            };
            proof.ok_or_else(|| unproven().into())
        });
        proofs.collect()
    }
}

/// Operations that are to be proven out of one commit: their sequence numbers, and where among the wanted they are.
type Wanted = BTreeMap<u64, usize>;

/// Checkpoints that operations were proven out of, by the numbers of their logs: each is read once.
#[derive(Debug, Default)]
pub(super) struct Provers {
    by_log: Mutex<BTreeMap<u32, LogProver>>,
}

/// The checkpoint of a log, if it has one.
#[derive(Debug)]
struct LogProver {
    row: Option<CheckpointRow>,
    /// Blocks of its own segments. Those of older checkpoints are kept for what counts here, but not what was signed for
    /// them.
    positions: BTreeMap<u64, usize>,
    /// Made when the first operation is proven.
    prover: Option<CheckpointProver>,
}

impl LogProver {
    fn new(snapshot: &Snapshot, log: u32) -> Result<Self, Error> {
        let row = checkpoint_of(snapshot, log)?;
        let blocks = row
            .iter()
            .flat_map(|row| row.own_segments().iter().copied());
        Ok(Self {
            positions: blocks.zip(0..).collect(),
            row,
            prover: None,
        })
    }

    fn prove(
        &mut self,
        snapshot: &Snapshot,
        log: u32,
        counted: &Counted,
    ) -> Result<Option<Vec<u8>>, Error> {
        let number = counted.place.block;
        let (Some(row), Some(position)) = (&self.row, self.positions.get(&number)) else {
            return Ok(None);
        };
        if self.prover.is_none() {
            self.prover = Some(read_checkpoint(snapshot, log, row)?);
        }
        let segment = block(snapshot, number)?;
        let prover = self.prover.as_ref();
        let seq = counted.stamp.seq;
        let proof = prover.and_then(|prover| prover.prove(*position, &segment, seq));
        let proof = proof.ok_or_else(|| {
            let reason = "INV-KEY-1: an operation that is not there";
            Error::corrupted("blocks-1", number, reason)
        });
        Ok(Some(proof?.encode()))
    }
}

fn read_checkpoint(
    snapshot: &Snapshot,
    log: u32,
    row: &CheckpointRow,
) -> Result<CheckpointProver, Error> {
    let damaged = |reason: String| Error::corrupted("checkpoints-1", log, reason);
    let signed = SignedCheckpoint::decode(&row.signed).map_err(|e| damaged(e.to_string()))?;
    let mut unread = None;
    let segments = row.own_segments().iter().map_while(|number| {
        let read = block(snapshot, *number);
        read.map_err(|error| unread = Some(error)).ok()
    });
    let prover = CheckpointProver::new(signed, segments);
    if let Some(error) = unread {
        return Err(error);
    }
    prover.map_err(|error| damaged(error.to_string()))
}

/// Proofs of operations that count, in their order; `None` for one that is not wanted or is not signed for any more. Each
/// commit is read once, and each checkpoint with its segments.
pub(super) fn prove_all(
    view: &ReplicaView,
    provers: &Provers,
    wanted: &[Option<Counted>],
) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let snapshot = &view.snapshot;
    let mut proofs = vec![None; wanted.len()];
    let mut commits: BTreeMap<u64, Wanted> = BTreeMap::new();
    // Nothing in there is left half done.
    let by_log = provers.by_log.lock();
    let mut by_log = by_log.unwrap_or_else(PoisonError::into_inner);
    for (at, (counted, proof)) in wanted.iter().zip(&mut proofs).enumerate() {
        let Some(counted) = counted else { continue };
        let (log, number) = (counted.stamp.log, counted.place.block);
        match kind_of(snapshot, number)? {
            BlockKind::Commit => {
                let wanted = commits.entry(number).or_default();
                wanted.insert(counted.stamp.seq, at);
            }
            BlockKind::Segment => {
                let Some((log, _)) = view.logs.get(&log) else {
                    let reason = "INV-KEY-1: an operation of no log";
                    return Err(Error::corrupted("keys-2", log.device, reason));
                };
                let prover = match by_log.entry(*log) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(LogProver::new(snapshot, *log)?),
                };
                *proof = prover.prove(snapshot, *log, counted)?;
            }
            BlockKind::Operation => *proof = Some(block(snapshot, number)?),
            BlockKind::Opaque | BlockKind::Element(_) => {
                let reason = "INV-KEY-1: a value that no log has written";
                return Err(Error::corrupted("blocks-1", number, reason));
            }
        }
    }
    for (number, wanted) in commits {
        prove_of_commit(snapshot, number, &wanted, &mut proofs)?;
    }
    Ok(proofs)
}

fn prove_of_commit(
    snapshot: &Snapshot,
    number: u64,
    wanted: &Wanted,
    proofs: &mut [Option<Vec<u8>>],
) -> Result<(), Error> {
    let damaged = |reason: String| Error::corrupted("blocks-1", number, reason);
    let bytes = block(snapshot, number)?;
    let commit = Commit::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
    let seqs: Vec<u64> = wanted.keys().copied().collect();
    let alone = LoneOperation::extract_all(&commit, &seqs);
    if alone.len() != wanted.len() {
        return Err(damaged("INV-KEY-1: another commit".to_owned()));
    }
    for (alone, at) in alone.iter().zip(wanted.values()) {
        if let Some(proof) = proofs.get_mut(*at) {
            *proof = Some(alone.encode());
        }
    }
    Ok(())
}

fn kind_of(snapshot: &Snapshot, number: u64) -> Result<BlockKind, Error> {
    let (guard, _) = stored(snapshot, number)?;
    Ok(BlockRow::decode(number, guard.value())?.kind)
}

/// The bytes of a block.
fn block(snapshot: &Snapshot, number: u64) -> Result<Vec<u8>, Error> {
    let (guard, start) = stored(snapshot, number)?;
    Ok(guard.value().get(start..).unwrap_or_default().to_vec())
}

fn stored(snapshot: &Snapshot, number: u64) -> Result<(BlockGuard, usize), Error> {
    snapshot.block(number)?.ok_or_else(|| {
        let reason = "INV-KEY-1: a value in a block that is gone";
        Error::corrupted("blocks-1", number, reason)
    })
}
