use crate::error::Error;
use crate::oplog::identity::LogId;
use crate::oplog::{HybridTime, SignedCheckpoint};
use crate::profile::ProfileError;
use crate::profile::change::ReadCommit;
use crate::profile::handle::history::{checkpoint_of, commit_from, read_commit};
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::{CheckpointRow, CommitRow};

/// A commit, or the checkpoint in front of the commits of a log.
pub(super) struct Kept {
    pub(super) log: LogId,
    pub(super) time: HybridTime,
    /// Its first operation; 0 for a checkpoint.
    first_seq: u64,
    pub(super) place: Place,
}

pub(super) enum Place {
    Commit(CommitRow),
    Checkpoint(CheckpointRow),
}

/// All that is kept of all logs, in the order of its times: nothing comes before what its writer had seen.
pub(super) fn in_order(view: &ReplicaView) -> Result<Vec<Kept>, Error> {
    let mut all = Vec::new();
    for (log, (number, head)) in &view.logs {
        let mut seq = 1;
        if let Some(row) = checkpoint_of(&view.snapshot, *number)? {
            seq = row.until.saturating_add(1);
            let signed = SignedCheckpoint::decode(&row.signed).map_err(ProfileError::from)?;
            all.push(Kept {
                log: *log,
                time: signed.header().time,
                first_seq: 0,
                place: Place::Checkpoint(row),
            });
        }
        while seq < head.next_seq {
            let Some((first_seq, row)) = commit_from(&view.snapshot, *number, seq)? else {
                break;
            };
            all.push(Kept {
                log: *log,
                time: read_commit(&view.snapshot, &row)?.header.time,
                first_seq,
                place: Place::Commit(row),
            });
            seq = row.last_seq.saturating_add(1);
        }
    }
    all.sort_by_key(|kept| (kept.time, kept.log, kept.first_seq));
    Ok(all)
}

impl Place {
    /// The commit, if it is one.
    pub(super) fn commit(&self, snapshot: &Snapshot) -> Result<Option<ReadCommit>, Error> {
        match self {
            Self::Commit(row) => read_commit(snapshot, row).map(Some),
            Self::Checkpoint(_) => Ok(None),
        }
    }

    /// The row of the checkpoint, if it is one.
    pub(super) const fn checkpoint(&self) -> Option<&CheckpointRow> {
        match self {
            Self::Commit(_) => None,
            Self::Checkpoint(row) => Some(row),
        }
    }
}
