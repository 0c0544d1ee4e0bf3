//! Commits, checkpoints and segments as they are stored.

use uxf_codec::ElementHash;

use crate::error::{During as _, Error};
use crate::oplog::identity::{LogId, Revocation};
use crate::oplog::{Commit, Segment};
use crate::profile::change::{ReadCommit, ReadSegment};
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::{CheckpointRow, CommitRow};
use crate::tables::schema::{CHECKPOINTS, COMMITS, commit_key, split_commit_key};

/// The commit of a log that has an operation.
pub(super) fn commit_at(
    snapshot: &Snapshot,
    log: u32,
    seq: u64,
) -> Result<Option<(u64, CommitRow)>, Error> {
    let table = snapshot.txn().open_table(COMMITS);
    let table = table.during("opening commits-1")?;
    snapshot.lookup()?.commit_at(&table, log, seq)
}

/// The first kept commit of a log that has an operation from `seq` on.
pub(in crate::profile) fn commit_from(
    snapshot: &Snapshot,
    log: u32,
    seq: u64,
) -> Result<Option<(u64, CommitRow)>, Error> {
    if let Some(found) = commit_at(snapshot, log, seq)? {
        return Ok(Some(found));
    }
    let table = snapshot.txn().open_table(COMMITS);
    let table = table.during("opening commits-1")?;
    let (from, to) = (commit_key(log, seq), commit_key(log, u64::MAX));
    let range = table.range::<&[u8]>(&from[..]..=&to[..]);
    if let Some(row) = range.during("reading commits")?.next() {
        let (key, row) = row.during("reading commits")?;
        if let Some((_, first_seq)) = split_commit_key(key.value()) {
            return Ok(Some((first_seq, CommitRow::decode(row.value())?)));
        }
    }
    let lookup = snapshot.lookup()?;
    let recent = lookup.recent.commits_from(log, seq, lookup.end);
    Ok(recent.into_iter().next())
}

pub(in crate::profile) fn read_commit(
    snapshot: &Snapshot,
    row: &CommitRow,
) -> Result<ReadCommit, Error> {
    let damaged = |reason: String| Error::corrupted("blocks-1", row.block, reason);
    let (guard, start) = snapshot
        .block(row.block)?
        .ok_or_else(|| damaged("INV-LOG-1: a commit that is not stored".to_owned()))?;
    let bytes = guard.value().get(start..).unwrap_or_default();
    let commit = Commit::decode(bytes).map_err(|error| damaged(error.to_string()))?;
    if commit.id() != row.id {
        return Err(damaged("INV-LOG-1: another commit".to_owned()));
    }
    Ok(ReadCommit::of(&commit))
}

/// Whether a replica that knows what this one knows takes nothing of a log as far as this: of two histories nobody
/// takes either, nor what a device wrote after it was revoked. One such commit has a whole delta refused.
pub(in crate::profile::handle) fn is_refused(view: &ReplicaView, log: &LogId, until: u64) -> bool {
    let forked = view.forks.get(log).is_some_and(|fork| until >= *fork);
    forked || Revocation::any_refuses(view.revocations.iter(), log, until)
}

/// The checkpoint of a log, if it has one.
pub(in crate::profile) fn checkpoint_of(
    snapshot: &Snapshot,
    log: u32,
) -> Result<Option<CheckpointRow>, Error> {
    let table = snapshot.txn().open_table(CHECKPOINTS);
    let table = table.during("opening checkpoints-1")?;
    let row = table.get(log).during("reading a checkpoint")?;
    row.map(|row| CheckpointRow::decode(log, row.value()))
        .transpose()
}

pub(in crate::profile) fn read_segment(
    snapshot: &Snapshot,
    block: u64,
) -> Result<ReadSegment, Error> {
    with_segment(snapshot, block, |segment| ReadSegment::of(&segment))
}

/// Reads a segment where it lies.
pub(in crate::profile::handle) fn with_segment<T>(
    snapshot: &Snapshot,
    block: u64,
    read: impl FnOnce(Segment<'_>) -> T,
) -> Result<T, Error> {
    let damaged = |reason: String| Error::corrupted("blocks-1", block, reason);
    let (guard, start) = snapshot
        .block(block)?
        .ok_or_else(|| damaged("INV-LOG-1: a segment that is not stored".to_owned()))?;
    let bytes = guard.value().get(start..).unwrap_or_default();
    let segment = Segment::decode(bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(read(segment))
}

pub(in crate::profile) fn missing_block(hash: &ElementHash) -> Error {
    Error::corrupted("blocks-1", hash, "INV-COUNT-1: a named block is not stored")
}
