use super::Profile;
use super::history::checkpoint_of;
use crate::error::Error;
use crate::oplog::{CheckpointProof, Commit, LoneOperation, Segment, SignedCheckpoint};
use crate::profile::ProfileError;
use crate::profile::fold::{Counted, KeyState};
use crate::profile::keys::classify;
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::CheckpointRow;
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::value_key;

impl Profile {
    /// Proofs of the operations of a key that count, the delete before the puts and these in their order: each can be
    /// believed alone, by whoever trusts the device that signed it. None for a key that was never written, or that stays
    /// on this device. Buffered commits become durable first: what was proven to somebody must not be lost here.
    ///
    /// An operation whose commit is kept is proven by an encoded [`LoneOperation`], one that a checkpoint took over by an
    /// encoded [`CheckpointProof`]; no bytes are both. What they prove is the sealed value, or the reference to it.
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
        let counted = state.iter().flat_map(KeyState::iter);
        counted.map(|counted| proof(&view, counted)).collect()
    }
}

fn proof(view: &ReplicaView, counted: &Counted) -> Result<Vec<u8>, Error> {
    let number = counted.place.block;
    let damaged = |reason: String| Error::corrupted("blocks-1", number, reason);
    match block(&view.snapshot, number)? {
        (BlockKind::Commit, bytes) => {
            let commit = Commit::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
            let header = commit.header();
            let index = counted.stamp.seq.checked_sub(header.first_seq);
            let index = index.and_then(|index| u32::try_from(index).ok());
            let index = index.filter(|_| header.log == counted.stamp.log);
            let index = index.ok_or_else(|| damaged("INV-KEY-1: another commit".to_owned()))?;
            let alone = LoneOperation::extract(&commit, index);
            let alone = alone.map_err(|error| damaged(error.to_string()))?;
            Ok(alone.encode())
        }
        (BlockKind::Segment, _) => entry_proof(view, counted),
        _ => Err(damaged(
            "INV-KEY-1: a value that no log has written".to_owned(),
        )),
    }
}

fn entry_proof(view: &ReplicaView, counted: &Counted) -> Result<Vec<u8>, Error> {
    let log = counted.stamp.log;
    let Some((number, _)) = view.logs.get(&log) else {
        let reason = "INV-KEY-1: an operation of no log";
        return Err(Error::corrupted("keys-1", log.device, reason));
    };
    let damaged = |reason: String| Error::corrupted("checkpoints-1", number, reason);
    let row = checkpoint_of(&view.snapshot, *number)?;
    // Segments of older checkpoints are kept for what counts here, but not what was signed for them.
    let holds = |row: &CheckpointRow| row.own_segments().contains(&counted.place.block);
    let Some(row) = row.filter(holds) else {
        let seq = counted.stamp.seq;
        return Err(ProfileError::Unproven { log, seq }.into());
    };
    let signed = SignedCheckpoint::decode(&row.signed).map_err(|e| damaged(e.to_string()))?;
    let index = index_of(&view.snapshot, &row, counted)?;
    let mut unread = None;
    let segments = row.own_segments().iter().map_while(|number| {
        let read = block(&view.snapshot, *number);
        read.map_err(|error| unread = Some(error)).ok()
    });
    let alone = CheckpointProof::extract(&signed, segments.map(|(_, bytes)| bytes), index);
    if let Some(error) = unread {
        return Err(error);
    }
    let alone = alone.map_err(|error| damaged(error.to_string()))?;
    Ok(alone.encode())
}

/// The index of an operation in its checkpoint, from zero.
fn index_of(snapshot: &Snapshot, row: &CheckpointRow, counted: &Counted) -> Result<u32, Error> {
    let mut index = 0_u32;
    for number in row.own_segments() {
        let damaged = |reason: String| Error::corrupted("blocks-1", number, reason);
        let (_, bytes) = block(snapshot, *number)?;
        let segment = Segment::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
        if *number != counted.place.block {
            index = index.saturating_add(segment.count());
            continue;
        }
        let mut entries = (index..).zip(segment.entries());
        let found = entries.find(|(_, (entry, _))| entry.seq == counted.stamp.seq);
        let gone = || damaged("INV-KEY-1: an operation that is not there".to_owned());
        return found.map(|(index, _)| index).ok_or_else(gone);
    }
    let reason = "INV-KEY-1: a value in a segment that is gone";
    Err(Error::corrupted("blocks-1", counted.place.block, reason))
}

/// What kind a block is of, and its bytes.
fn block(snapshot: &Snapshot, number: u64) -> Result<(BlockKind, Vec<u8>), Error> {
    let (guard, start) = snapshot.block(number)?.ok_or_else(|| {
        let reason = "INV-KEY-1: a value in a block that is gone";
        Error::corrupted("blocks-1", number, reason)
    })?;
    let kind = BlockRow::decode(number, guard.value())?.kind;
    let bytes = guard.value().get(start..).unwrap_or_default();
    Ok((kind, bytes.to_vec()))
}
