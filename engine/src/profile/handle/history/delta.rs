//! What one replica gives another.

use std::collections::BTreeSet;

use super::rows::{checkpoint_of, commit_at, is_refused, missing_block, read_commit, read_segment};
use super::vector_of;
use crate::error::{During as _, Error};
use crate::oplog::identity::LogId;
use crate::oplog::{CheckpointError, Missing, SignedCheckpoint, VersionVector};
use crate::profile::ProfileError;
use crate::profile::handle::Profile;
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::CheckpointRow;
use crate::tables::schema::{STATEMENTS, StatementKind, statement_key};

/// What one replica gives another: everything it needs to check and apply it is in here.
///
/// All fields are encoded, as they came or as they are stored; [`Profile::ingest`] checks every byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Certificates of the profile's devices.
    pub certificates: Vec<Vec<u8>>,
    /// Revocations.
    pub revocations: Vec<Vec<u8>>,
    /// Proofs that a device wrote two histories.
    pub forks: Vec<Vec<u8>>,
    /// Sealed values that lie in blocks of their own.
    pub blocks: Vec<Vec<u8>>,
    /// Checkpoints of logs, for whoever lacks what they cover.
    pub checkpoints: Vec<CheckpointParts>,
    /// Commits, those of each log in order.
    pub commits: Vec<Vec<u8>>,
    /// Operations that come alone, each with its proof, see [`Profile::prove`]. What [`Profile::delta_for`] gives has none.
    pub alone: Vec<Vec<u8>>,
    /// Whether there are more commits than the budget allowed: ask again with the new version vector.
    pub is_partial: bool,
}

/// A signed checkpoint of a log and the segments with its operations, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointParts {
    /// The segments.
    pub segments: Vec<Vec<u8>>,
    /// The signed checkpoint.
    pub signed: Vec<u8>,
}

/// Which checkpoints are given whole to replicas that have a part of their logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Those whose entries have at most so many bytes.
    pub bytes_max: u64,
    /// Those of these logs.
    pub logs: BTreeSet<LogId>,
    /// But none whose entries have more bytes than this, to whomever: it is as if they were not here.
    pub bytes_most: u64,
}

impl Delta {
    /// Bytes of the commits and blocks.
    pub fn byte_len(&self) -> usize {
        let parts = [
            &self.certificates,
            &self.revocations,
            &self.forks,
            &self.blocks,
            &self.commits,
            &self.alone,
        ];
        let segments = self.checkpoints.iter().flat_map(|one| &one.segments);
        let signed = self.checkpoints.iter().map(|one| &one.signed);
        let parts = parts.into_iter().flatten().chain(segments).chain(signed);
        parts.map(Vec::len).sum()
    }
}

impl Profile {
    /// What a replica with that version vector lacks, as far as commits of `bytes_max` bytes go; at least one commit,
    /// if there is one. Buffered commits become durable first: what a peer has must not be lost here. Commits of one log
    /// are given in order, so that what is cut off continues with the next call. Logs that were written to last come last:
    /// what lies ahead of the other's clock, and has to wait there, must not take the place of what it can use.
    ///
    /// # Errors
    /// [`ProfileError::Compacted`] if the replica lacks commits that this one no longer has; those of
    /// [`version_vector`](Self::version_vector); [`Error::Io`], [`Error::Corrupted`].
    pub fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Delta, Error> {
        self.delta_of(&self.durable_replica()?, theirs, bytes_max)
    }

    /// The same, but a checkpoint of more than `whole.bytes_max` bytes, of a log that the replica has in part, is offered by
    /// its signed header alone, for [`catch_up`](Self::catch_up); of that log nothing else is given. Gives what is offered
    /// besides.
    ///
    /// # Errors
    /// Those of [`delta_for`](Self::delta_for), of which [`ProfileError::Compacted`] also for a checkpoint of more than
    /// `whole.bytes_most` bytes that would have to be given whole.
    pub fn delta_offering(
        &self,
        theirs: &VersionVector,
        bytes_max: usize,
        whole: &Whole,
    ) -> Result<(Delta, Vec<Vec<u8>>), Error> {
        let mut offered = Vec::new();
        let view = self.durable_replica()?;
        let delta = self.delta_with(&view, theirs, bytes_max, &mut |log, row, seq| {
            let bytes = entry_bytes(row)?;
            let is_small = whole.bytes_max >= bytes;
            if seq > 1 && !is_small && !whole.logs.contains(log) {
                offered.push(row.signed.clone());
                return Ok(true);
            }
            if bytes > whole.bytes_most {
                return Err(ProfileError::Compacted { log: *log, seq }.into());
            }
            Ok(false)
        })?;
        Ok((delta, offered))
    }

    /// What a replica lacks of what was here at the time of a view.
    pub(in crate::profile::handle) fn delta_of(
        &self,
        view: &ReplicaView,
        theirs: &VersionVector,
        bytes_max: usize,
    ) -> Result<Delta, Error> {
        self.delta_with(view, theirs, bytes_max, &mut |_, _, _| Ok(false))
    }

    /// What a replica lacks but the logs that `offer` takes, whose checkpoint the replica would need from a sequence number on.
    fn delta_with(
        &self,
        view: &ReplicaView,
        theirs: &VersionVector,
        bytes_max: usize,
        offer: &mut dyn FnMut(&LogId, &CheckpointRow, u64) -> Result<bool, Error>,
    ) -> Result<Delta, Error> {
        let mut delta = Delta::default();
        self.statements(view, &mut delta)?;
        let ours = vector_of(view.logs.values().map(|(_, head)| head))?;
        let mut all: Vec<Missing> = ours.missing_from(theirs).collect();
        all.sort_by_key(|missing| view.logs.get(&missing.log).map(|(_, head)| head.time));
        let mut bytes = 0;
        'logs: for missing in all {
            let Some((number, _)) = view.logs.get(&missing.log) else {
                continue;
            };
            let mut seq = missing.from;
            let row = checkpoint_of(&view.snapshot, *number)?;
            if let Some(row) = row.filter(|row| row.until >= seq) {
                if is_refused(view, &missing.log, row.until) {
                    continue;
                }
                if offer(&missing.log, &row, seq)? {
                    continue;
                }
                let mut blocks = Vec::new();
                let parts = read_checkpoint(&view.snapshot, &row, &mut blocks)?;
                let found = parts.segments.iter().map(Vec::len).sum::<usize>();
                if bytes > 0 && bytes + found > bytes_max {
                    delta.is_partial = true;
                    break;
                }
                bytes += found.max(1);
                seq = row.until.saturating_add(1);
                delta.blocks.append(&mut blocks);
                delta.checkpoints.push(parts);
            }
            while seq < missing.until {
                let (first_seq, row) =
                    commit_at(&view.snapshot, *number, seq)?.ok_or(ProfileError::Compacted {
                        log: missing.log,
                        seq,
                    })?;
                if is_refused(view, &missing.log, row.last_seq) {
                    continue 'logs;
                }
                let commit = read_commit(&view.snapshot, &row)?;
                if bytes > 0 && bytes + commit.bytes.len() > bytes_max {
                    delta.is_partial = true;
                    break 'logs;
                }
                bytes += commit.bytes.len();
                for link in commit.links() {
                    let block = view
                        .snapshot
                        .get(&link)?
                        .ok_or_else(|| missing_block(&link))?;
                    bytes += block.as_ref().len();
                    delta.blocks.push(block.as_ref().to_vec());
                }
                seq = commit.header.first_seq.max(first_seq) + u64::from(commit.header.count);
                delta.commits.push(commit.bytes);
            }
        }
        Ok(delta)
    }

    pub(in crate::profile) fn statements(
        &self,
        view: &ReplicaView,
        delta: &mut Delta,
    ) -> Result<(), Error> {
        let txn = view.snapshot.txn();
        let table = txn.open_table(STATEMENTS).during("opening statements-1")?;
        let kinds = [
            (StatementKind::Certificate, &mut delta.certificates),
            (StatementKind::Revocation, &mut delta.revocations),
            (StatementKind::Fork, &mut delta.forks),
        ];
        for (kind, all) in kinds {
            let from = statement_key(self.session.number, kind, &[]);
            let range = table.range::<&[u8]>(from.as_slice()..);
            for row in range.during("reading statements")? {
                let (key, row) = row.during("reading statements")?;
                if !key.value().starts_with(&from) {
                    break;
                }
                all.push(row.value().to_vec());
            }
        }
        Ok(())
    }
}

/// How many bytes the entries of a checkpoint have.
fn entry_bytes(row: &CheckpointRow) -> Result<u64, Error> {
    let damaged = |error: CheckpointError| {
        Error::corrupted("checkpoints-1", "a checkpoint", error.to_string())
    };
    let signed = SignedCheckpoint::decode(&row.signed).map_err(damaged)?;
    Ok(signed.header().bytes)
}

fn read_checkpoint(
    snapshot: &Snapshot,
    row: &CheckpointRow,
    blocks: &mut Vec<Vec<u8>>,
) -> Result<CheckpointParts, Error> {
    let mut parts = CheckpointParts {
        segments: Vec::with_capacity(row.current),
        signed: row.signed.clone(),
    };
    for block in row.own_segments() {
        let segment = read_segment(snapshot, *block)?;
        for link in segment.links() {
            let block = snapshot.get(&link)?.ok_or_else(|| missing_block(&link))?;
            blocks.push(block.as_ref().to_vec());
        }
        parts.segments.push(segment.bytes);
    }
    Ok(parts)
}
