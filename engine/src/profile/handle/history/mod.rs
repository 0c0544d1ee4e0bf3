//! The logs of a profile: what there is of them here, what others are given of them and what is taken of others.

mod delta;
mod ingest;
mod rows;

use std::collections::BTreeMap;

pub use self::delta::{CheckpointParts, Delta, Whole};
pub use self::ingest::IngestOutcome;

pub(in crate::profile) use self::rows::{
    checkpoint_of, commit_from, missing_block, read_commit, read_segment,
};
pub(super) use self::rows::{is_refused, with_segment};

use super::Profile;
use crate::error::Error;
use crate::oplog::identity::LogId;
use crate::oplog::{ForkProof, HybridTime, LogHead, OpKind, VersionVector};
use crate::profile::ProfileError;

/// A commit whose time has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedCommit {
    /// The log it is in.
    pub log: LogId,
    /// Sequence numbers of its first and last operation.
    pub first_seq: u64,
    /// See `first_seq`.
    pub last_seq: u64,
    /// The time it claims.
    pub time: HybridTime,
}

/// An operation as the history has it. Its value is not opened: it may be an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedOperation {
    /// Who wrote it.
    pub log: LogId,
    /// Its sequence number in the log.
    pub seq: u64,
    /// When.
    pub time: HybridTime,
    /// What it did.
    pub kind: OpKind,
    /// To which key.
    pub key: String,
    /// Length of the sealed value, or of the reference to it, in bytes.
    pub sealed_bytes: usize,
}

impl Profile {
    /// How far this store has each log. Parked commits count: they are here, and nobody needs to send them again.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    pub fn version_vector(&self) -> Result<VersionVector, Error> {
        let view = self.replica()?;
        let mut heads: BTreeMap<LogId, LogHead> = BTreeMap::new();
        heads.extend(view.logs.values().map(|(_, head)| (head.log, *head)));
        // Ascending by log and sequence number, so that the last one of each log stays.
        heads.extend(view.parked.iter().map(|(&(log, _), parked)| {
            let head = LogHead {
                next_seq: parked.last_seq.saturating_add(1),
                head: Some(parked.id),
                time: parked.time,
                ..LogHead::empty(log)
            };
            (log, head)
        }));
        vector_of(heads.values())
    }

    /// Commits whose time has not come.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    pub fn parked(&self) -> Result<Vec<ParkedCommit>, Error> {
        let view = self.replica()?;
        let parked = view.parked.iter();
        Ok(parked
            .map(|(&(log, first_seq), parked)| ParkedCommit {
                log,
                first_seq,
                last_seq: parked.last_seq,
                time: parked.time,
            })
            .collect())
    }

    /// The proofs that devices of the profile wrote two histories.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Corrupted`].
    pub fn forks(&self) -> Result<Vec<ForkProof>, Error> {
        let view = self.replica()?;
        let mut delta = Delta::default();
        self.statements(&view, &mut delta)?;
        let proofs = delta.forks.iter();
        let proofs = proofs.map(|bytes| ForkProof::decode(bytes).map_err(ProfileError::from));
        Ok(proofs.collect::<Result<_, _>>()?)
    }

    /// The operations that are kept of each log, oldest first within a log.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn history(&self, mut visit: impl FnMut(LoggedOperation)) -> Result<(), Error> {
        let view = self.replica()?;
        for (log, (number, head)) in &view.logs {
            let mut seq = 1;
            if let Some(row) = checkpoint_of(&view.snapshot, *number)? {
                for block in row.own_segments() {
                    let segment = read_segment(&view.snapshot, *block)?;
                    for entry in &segment.entries {
                        visit(LoggedOperation {
                            log: *log,
                            seq: entry.seq,
                            time: entry.time(),
                            kind: entry.part.kind,
                            key: segment.key(&entry.part).to_owned(),
                            sealed_bytes: entry.part.value.len(),
                        });
                    }
                }
                seq = row.until.saturating_add(1);
            }
            while seq < head.next_seq {
                let Some((first_seq, row)) = commit_from(&view.snapshot, *number, seq)? else {
                    break;
                };
                let commit = read_commit(&view.snapshot, &row)?;
                for (seq, part) in (first_seq..).zip(&commit.operations) {
                    visit(LoggedOperation {
                        log: commit.header.log,
                        seq,
                        time: commit.header.time,
                        kind: part.kind,
                        key: commit.key(part).to_owned(),
                        sealed_bytes: part.value.len(),
                    });
                }
                seq = row.last_seq.saturating_add(1);
            }
        }
        Ok(())
    }
}

fn vector_of<'h>(heads: impl Iterator<Item = &'h LogHead>) -> Result<VersionVector, Error> {
    let mut vector = VersionVector::default();
    for (at, head) in heads.enumerate() {
        vector.set(head).map_err(|_| ProfileError::LimitExceeded {
            what: "logs of a profile",
            limit: crate::oplog::LOGS_MAX as u64,
            found: at as u64 + 1,
        })?;
    }
    Ok(vector)
}
