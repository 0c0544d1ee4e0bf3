use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uxf_codec::ElementHash;

use super::Profile;
use crate::error::{During as _, Error};
use crate::oplog::identity::{Certificate, LogId, Revocation};
use crate::oplog::{
    CheckpointError, CheckpointReader, Commit, ForkProof, HybridTime, LogHead, Missing, OpKind,
    Segment, SignedCheckpoint, VersionVector, verify_batch,
};
use crate::profile::ProfileError;
use crate::profile::change::{
    ForeignPart, ProfilePart, ReadCheckpoint, ReadCommit, ReadOperation, ReadSegment,
};
use crate::profile::sealed::ProfileId;
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::{CheckpointRow, CommitRow};
use crate::tables::schema::{
    CHECKPOINTS, COMMITS, STATEMENTS, StatementKind, commit_key, split_commit_key, statement_key,
};

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

/// What taking in a [`Delta`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngestOutcome {
    /// Commits that were new and are applied.
    pub applied: u64,
    /// Checkpoints that were new and are taken in.
    pub checkpoints: u64,
    /// Commits that were there already.
    pub known: u64,
    /// Commits that are too far ahead of this device's clock; they are applied when their time comes.
    pub parked: u64,
    /// Operations that came alone and were stored.
    pub alone: u64,
    /// Operations that came alone and were left out: their devices are not known to be allowed to write them, their time
    /// has not come, or the block is missing that they refer to. They may come again.
    pub left_out: u64,
}

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
    pub(super) fn delta_of(
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

    /// Takes in what other replicas wrote. Every signature, certificate, chain, time and size is checked before
    /// anything is applied; all of it is applied in one step, or nothing.
    ///
    /// # Errors
    /// [`ProfileError`] says what is wrong with it; after `Log` with an equivocation the evidence is stored and the
    /// log frozen. [`Error::MissingElement`] if a value's block is neither in the delta nor in the store; those of a
    /// commit.
    pub fn ingest(&self, delta: &Delta) -> Result<IngestOutcome, Error> {
        let part = self.checked(delta)?;
        let mut batch = self.engine.begin();
        for block in &delta.blocks {
            batch.put_opaque(block)?;
        }
        let segments = part.checkpoints.iter().flat_map(|one| &one.segments);
        let links: Vec<_> = segments.flat_map(|segment| segment.links()).collect();
        let commits = part.commits.iter();
        let links = links
            .into_iter()
            .chain(part.alone.iter().filter_map(|one| one.link()));
        for link in commits.flat_map(|commit| commit.links()).chain(links) {
            batch.name(&link)?;
        }
        *batch.profile_part() = Some(Box::new(ProfilePart::Foreign(part)));
        let outcome = batch.commit()?;
        Ok(IngestOutcome {
            applied: outcome.commits,
            checkpoints: outcome.checkpoints,
            known: outcome.commits_known,
            parked: outcome.commits_parked,
            alone: outcome.alone,
            left_out: outcome.left_out,
        })
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

    /// Decodes and verifies everything that can be checked without the store.
    fn checked(&self, delta: &Delta) -> Result<ForeignPart, Error> {
        let id = &self.session.id;
        // What is held was verified when it came, and every delta brings all of it again.
        let held = self.replica()?;
        let mut part = ForeignPart {
            session: Arc::clone(&self.session),
            certificates: Vec::with_capacity(delta.certificates.len()),
            revocations: Vec::with_capacity(delta.revocations.len()),
            forks: Vec::with_capacity(delta.forks.len()),
            checkpoints: Vec::with_capacity(delta.checkpoints.len()),
            commits: Vec::with_capacity(delta.commits.len()),
            alone: Vec::with_capacity(delta.alone.len()),
        };
        for bytes in &delta.certificates {
            let certificate = Certificate::decode(bytes).map_err(ProfileError::from)?;
            if held.devices.get(&certificate.device()) != Some(&certificate) {
                certificate.verify(id).map_err(ProfileError::from)?;
            }
            part.certificates.push(certificate);
        }
        for bytes in &delta.revocations {
            let revocation = Revocation::decode(bytes).map_err(ProfileError::from)?;
            if !held.revocations.contains(&revocation) {
                revocation.verify(id).map_err(ProfileError::from)?;
            }
            part.revocations.push(revocation);
        }
        drop(held);
        for bytes in &delta.forks {
            let proof = ForkProof::decode(bytes).map_err(ProfileError::from)?;
            let (one, other) = proof.headers();
            if one.header().profile != *id || other.header().profile != *id {
                return Err(ProfileError::OtherProfile.into());
            }
            part.forks.push(proof);
        }
        for parts in &delta.checkpoints {
            let signed = SignedCheckpoint::decode(&parts.signed).map_err(ProfileError::from)?;
            if signed.header().profile != *id {
                return Err(ProfileError::OtherProfile.into());
            }
            signed.verify().map_err(ProfileError::from)?;
            let mut reader = CheckpointReader::new(&signed);
            let mut segments = Vec::with_capacity(parts.segments.len());
            for bytes in &parts.segments {
                let segment = reader.segment(bytes).map_err(ProfileError::from)?;
                segments.push(Arc::new(ReadSegment::of(&segment)));
            }
            reader.finish().map_err(ProfileError::from)?;
            let read = ReadCheckpoint { signed, segments };
            part.checkpoints.push(Arc::new(read));
        }
        part.commits = checked_commits(id, &delta.commits)?;
        for bytes in &delta.alone {
            let alone = ReadOperation::verify(bytes).map_err(ProfileError::from)?;
            if alone.profile != *id {
                return Err(ProfileError::OtherProfile.into());
            }
            part.alone.push(Arc::new(alone));
        }
        Ok(part)
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

/// Decodes and verifies commits.
fn checked_commits(
    profile: &ProfileId,
    encoded: &[Vec<u8>],
) -> Result<Vec<Arc<ReadCommit>>, Error> {
    let mut commits = Vec::with_capacity(encoded.len());
    for bytes in encoded {
        let commit = Commit::decode(bytes).map_err(ProfileError::from)?;
        if commit.header().profile != *profile {
            return Err(ProfileError::OtherProfile.into());
        }
        commits.push(commit);
    }
    if let Err(bad) = verify_batch(&commits) {
        let verified = commits.get(bad).map(Commit::verify);
        verified.transpose().map_err(ProfileError::from)?;
    }
    let read = commits.iter();
    Ok(read
        .map(|commit| Arc::new(ReadCommit::of(commit)))
        .collect())
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

/// The commit of a log that has an operation.
fn commit_at(snapshot: &Snapshot, log: u32, seq: u64) -> Result<Option<(u64, CommitRow)>, Error> {
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
pub(super) fn is_refused(view: &ReplicaView, log: &LogId, until: u64) -> bool {
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

pub(in crate::profile) fn read_segment(
    snapshot: &Snapshot,
    block: u64,
) -> Result<ReadSegment, Error> {
    with_segment(snapshot, block, |segment| ReadSegment::of(&segment))
}

/// Reads a segment where it lies.
pub(super) fn with_segment<T>(
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
