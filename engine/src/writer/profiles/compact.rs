//! Compaction: of a log stays what counts of it, in segments that the log's device has signed for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::ReadableTable as _;
use uxf_codec::ElementHash;

use super::super::Writer;
use super::super::transaction::{Changed, ChangedKeys, NewRow, RowSource, Transaction};
use crate::error::{During as _, Error};
use crate::oplog::identity::LogId;
use crate::oplog::{
    CheckpointBuilder, CheckpointStart, Head, ItemHash, OpKind, Operation, Segment,
};
use crate::options::Durability;
use crate::profile::ProfileError;
use crate::profile::change::{ReadCheckpoint, ReadSegment};
use crate::profile::fold::{Counted, KeyState, ValuePlace};
use crate::profile::session::Session;
use crate::replica::{folding, stored_key};
use crate::tables::profile_rows::{CheckpointRow, CommitRow, decode_key};
use crate::tables::row::BlockKind;
use crate::tables::schema::{CHECKPOINTS, COMMITS, KEYS, commit_key, split_commit_key, value_key};

/// What compacting the own log did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactedLog {
    /// Operations that were kept, those that no longer counted included.
    pub operations: u64,
    /// Operations that still count and are kept now.
    pub live: u64,
}

/// What a log consists of before a checkpoint takes its place.
#[derive(Debug, Default)]
struct History {
    /// By first sequence number.
    commits: Vec<(u64, CommitRow)>,
    /// Blocks of segments.
    segments: Vec<u64>,
}

/// Rows that a checkpoint of a log makes and ends; written once the tables are.
#[derive(Debug)]
pub(in super::super) struct Superseded {
    log: u32,
    row: CheckpointRow,
    /// First sequence numbers of the commits that are gone.
    commits: Vec<u64>,
}

impl Writer {
    /// Puts what counts of the own log into segments, signs for it, and lets the history go.
    pub(in super::super) fn compact_profile(
        &mut self,
        session: &Session,
    ) -> Result<CompactedLog, Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        let result = self.try_compact_profile(session);
        match result {
            Err(error @ Error::Profile(_)) => Err(error),
            result => self.poison_on_error(result),
        }
    }

    fn try_compact_profile(&mut self, session: &Session) -> Result<CompactedLog, Error> {
        let profile = session.number;
        let head = self.replica.head_of(profile, session.log);
        let (Some(id), false) = (head.head, head.forked) else {
            return Ok(CompactedLog::default());
        };
        let span = tracing::info_span!("compact_profile", until = head.next_seq - 1);
        let _entered = span.enter();
        let mut tx = self.begin(Durability::Durable)?;
        let live = self.live_operations(&tx, profile, session.log)?;
        let number = self.number_of_log(&mut tx, profile, session.log)?;
        let kept = self.kept_operations(&tx, number)?;
        let outcome = CompactedLog {
            operations: kept,
            live: live.len() as u64,
        };
        if kept == live.len() as u64 {
            tx.txn.abort().during("giving up a compaction")?;
            return Ok(outcome);
        }
        let heads = self.other_heads(session);
        let start = CheckpointStart {
            profile: session.id,
            log: session.log,
            until: head.next_seq.saturating_sub(1),
            head: id,
            time: head.time,
            heads,
        };
        let checkpoint = Self::sign_checkpoint(&tx, session, start, &live)?;
        self.adopt(&mut tx, profile, &checkpoint)?;
        self.append_rows(&mut tx, &[])?;
        tx.rows_written = true;
        self.conclude(&mut tx)?;
        self.commit_database(tx, true)?;
        Ok(outcome)
    }

    fn other_heads(&self, session: &Session) -> Vec<Head> {
        let logs = self.replica.logs_of(session.number);
        let heads = logs.filter(|(_, head)| head.log != session.log);
        let mut heads: Vec<Head> = heads
            .filter_map(|(_, head)| {
                Some(Head {
                    log: head.log,
                    seq: head.next_seq.saturating_sub(1),
                    id: head.head?,
                })
            })
            .collect();
        heads.sort_unstable_by_key(|head| head.log);
        heads
    }

    /// The operations of a log that count, with their keys, by sequence number.
    fn live_operations(
        &self,
        tx: &Transaction,
        profile: u32,
        log: LogId,
    ) -> Result<BTreeMap<u64, (Box<str>, Counted)>, Error> {
        let mut live = BTreeMap::new();
        self.each_key(tx, profile, |key, state| {
            for counted in state.iter().filter(|counted| counted.stamp.log == log) {
                let name = String::from_utf8_lossy(key.get(4..).unwrap_or_default());
                live.insert(counted.stamp.seq, (name.into(), *counted));
            }
        })?;
        Ok(live)
    }

    /// Visits the newest state of every key of a profile.
    fn each_key(
        &self,
        tx: &Transaction,
        profile: u32,
        mut visit: impl FnMut(&[u8], &KeyState),
    ) -> Result<(), Error> {
        let prefix = profile.to_be_bytes();
        self.recent.for_each(|key, state| {
            if key.starts_with(&prefix) {
                visit(key, state);
            }
            Ok::<_, Error>(())
        })?;
        let table = tx.txn.open_table(KEYS).during("opening keys-2")?;
        for row in table.range::<&[u8]>(&prefix[..]..).during("reading keys")? {
            let (key, row) = row.during("reading keys")?;
            let key = key.value();
            if !key.starts_with(&prefix) {
                break;
            }
            if self.recent.key(key, u64::MAX, |_| ()).is_some() {
                continue;
            }
            let state = decode_key(key, row.value(), |log| self.replica.numbers.log(log))?;
            visit(key, &state);
        }
        Ok(())
    }

    /// How many operations of a log are stored.
    fn kept_operations(&self, tx: &Transaction, log: u32) -> Result<u64, Error> {
        let history = self.history(tx, log, u64::MAX)?;
        let mut kept = 0;
        for (first_seq, row) in &history.commits {
            kept += row.last_seq.saturating_sub(*first_seq).saturating_add(1);
        }
        for block in &history.segments {
            let bytes = Self::block_bytes(tx, *block)?;
            kept += u64::from(decode_segment(*block, &bytes)?.count());
        }
        Ok(kept)
    }

    /// The commits of a log up to a sequence number, and its segments.
    fn history(&self, tx: &Transaction, log: u32, until: u64) -> Result<History, Error> {
        let mut commits = BTreeMap::new();
        let table = tx.txn.open_table(COMMITS).during("opening commits-1")?;
        let (from, to) = (commit_key(log, 0), commit_key(log, u64::MAX));
        let range = table.range::<&[u8]>(&from[..]..=&to[..]);
        for row in range.during("reading commits")? {
            let (key, row) = row.during("reading commits")?;
            let (_, first_seq) = split_commit_key(key.value())
                .ok_or_else(|| Error::corrupted("commits-1", log, "a key of a wrong length"))?;
            commits.insert(first_seq, CommitRow::decode(row.value())?);
        }
        commits.extend(self.recent.commits_from(log, 0, u64::MAX));
        commits.retain(|_, row| row.last_seq <= until);
        let segments = read_checkpoint(tx, log)?.map(|row| row.segments);
        Ok(History {
            commits: commits.into_iter().collect(),
            segments: segments.unwrap_or_default(),
        })
    }

    fn sign_checkpoint(
        tx: &Transaction,
        session: &Session,
        start: CheckpointStart,
        live: &BTreeMap<u64, (Box<str>, Counted)>,
    ) -> Result<ReadCheckpoint, Error> {
        let mut builder = CheckpointBuilder::new(start).map_err(ProfileError::from)?;
        let mut segments = Vec::new();
        let mut block = (u64::MAX, Vec::new());
        let mut keep = |segment: Option<crate::oplog::SegmentBytes>| -> Result<(), Error> {
            if let Some(segment) = segment {
                let bytes = segment.into_bytes();
                let segment = Segment::decode(&bytes).map_err(ProfileError::from)?;
                segments.push(Arc::new(ReadSegment::of(&segment)));
            }
            Ok(())
        };
        for (key, counted) in live.values() {
            let place = counted.place;
            if block.0 != place.block {
                block = (place.block, Self::block_bytes(tx, place.block)?);
            }
            let start = usize::try_from(place.start).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(place.len).unwrap_or(usize::MAX));
            let value = block.1.get(start..end).ok_or_else(|| {
                Error::corrupted(
                    "blocks-1",
                    place.block,
                    "INV-KEY-1: a value beyond its block",
                )
            })?;
            let operation = Operation {
                kind: counted.kind,
                entry: counted.entry,
                key,
                value,
            };
            let full = builder.push(counted.stamp.seq, counted.stamp.time, &operation);
            keep(full.map_err(ProfileError::from)?)?;
        }
        let (last, signed) = builder
            .finish(&session.device)
            .map_err(ProfileError::from)?;
        keep(last)?;
        Ok(ReadCheckpoint { signed, segments })
    }

    /// Stores a checkpoint of a log, takes its operations in, and releases what was there of the log and does not
    /// hold an operation that counts here.
    pub(super) fn adopt(
        &mut self,
        tx: &mut Transaction,
        profile: u32,
        checkpoint: &ReadCheckpoint,
    ) -> Result<(), Error> {
        let header = checkpoint.signed.header();
        let log = self.number_of_log(tx, profile, header.log)?;
        let history = self.history(tx, log, header.until)?;
        let mut row = CheckpointRow {
            until: header.until,
            segments: Vec::with_capacity(checkpoint.segments.len()),
            current: checkpoint.segments.len(),
            signed: checkpoint.signed.encode(),
        };
        let mut changed = Vec::new();
        for segment in &checkpoint.segments {
            let block = self.append_segment(tx, segment)?;
            row.segments.push(block);
            self.fold_segment(tx, profile, header.log, segment, block, &mut changed)?;
        }
        let head = header.log_head();
        let own = self.profile(profile)?.own_log() == header.log;
        if let Some(log) = self.replica.log_mut(log)
            && log.head.next_seq < head.next_seq
        {
            log.head = head;
        }
        let mut gone = Vec::new();
        if !(history.commits.is_empty() && history.segments.is_empty()) {
            let used = self.used_blocks(tx, profile, header.log)?;
            for (first_seq, commit) in history.commits {
                if !used.contains(&commit.block) {
                    self.apply_change(tx, commit.block, -1, 0)?;
                    gone.push(first_seq);
                }
            }
            for segment in history.segments {
                let is_current = row.own_segments().contains(&segment);
                if used.contains(&segment) && !is_current {
                    row.segments.push(segment);
                } else {
                    self.apply_change(tx, segment, -1, 0)?;
                }
            }
        }
        tx.rows_changed = true;
        tx.superseded.push(Superseded {
            log,
            row,
            commits: gone,
        });
        if !changed.is_empty() {
            tx.changes.push(Changed {
                profile,
                log: header.log,
                time: header.time,
                own,
                keys: ChangedKeys::Named(changed),
            });
        }
        Ok(())
    }

    /// Appends a segment to the blocks, unless it is there.
    fn append_segment(
        &mut self,
        tx: &mut Transaction,
        segment: &Arc<ReadSegment>,
    ) -> Result<u64, Error> {
        // The same operations were put together before: whoever held them then lets go of them in this commit.
        if let Some((seq, _)) = self.lookup(self.shared.fingerprint(&segment.hash))? {
            self.apply_change(tx, seq, 1, 0)?;
            return Ok(seq);
        }
        for link in segment.links() {
            self.hold_link(tx, &link)?;
        }
        let row = NewRow {
            kind: BlockKind::Segment,
            source: RowSource::Segment(Arc::clone(segment)),
            pins: 0,
        };
        self.append_held(tx, &segment.hash, segment.bytes.len(), row)
    }

    /// Counts the reference of a new block to one that holds a value of it.
    pub(super) fn hold_link(
        &mut self,
        tx: &mut Transaction,
        link: &ElementHash,
    ) -> Result<(), Error> {
        let Some((seq, _)) = self.lookup(self.shared.fingerprint(link))? else {
            let reason = "INV-COUNT-1: a named block is not stored";
            return Err(Error::corrupted("blocks-1", link, reason));
        };
        self.apply_change(tx, seq, 1, 0)
    }

    /// Takes the operations of a segment in: what counts already lies here now.
    fn fold_segment(
        &mut self,
        tx: &Transaction,
        profile: u32,
        log: LogId,
        segment: &ReadSegment,
        block: u64,
        changed: &mut Vec<(Box<str>, OpKind)>,
    ) -> Result<(), Error> {
        let keep = self.keep(tx);
        let table = tx.txn.open_table(KEYS).during("opening keys-2")?;
        for entry in &segment.entries {
            let name = segment.key(&entry.part);
            let key = value_key(profile, name);
            let place = ValuePlace {
                block,
                start: u32::try_from(entry.part.value.start).unwrap_or(u32::MAX),
                len: u32::try_from(entry.part.value.len()).unwrap_or(u32::MAX),
            };
            let stamp = entry.stamp(log);
            let value = segment.value(&entry.part);
            let counted = Counted {
                stamp,
                hash: ItemHash::of_parts(&stamp, entry.part.kind, name, value),
                kind: entry.part.kind,
                entry: entry.part.entry,
                place,
            };
            let mut is_new = false;
            self.recent.update(
                &key,
                block.saturating_add(1),
                keep,
                || {
                    let stored = stored_key(&table, &self.replica.numbers, &key);
                    stored.map(Option::unwrap_or_default)
                },
                |state| {
                    let is_known = state.relocate(&counted);
                    is_new = !is_known && state.apply(counted, folding(name));
                    is_known || is_new
                },
            )?;
            if is_new {
                changed.push((name.into(), entry.part.kind));
            }
        }
        Ok(())
    }

    /// The blocks in which operations of a log lie that count.
    fn used_blocks(
        &self,
        tx: &Transaction,
        profile: u32,
        log: LogId,
    ) -> Result<BTreeSet<u64>, Error> {
        let mut used = BTreeSet::new();
        self.each_key(tx, profile, |_, state| {
            let of_log = state.iter().filter(|counted| counted.stamp.log == log);
            used.extend(of_log.map(|counted| counted.place.block));
        })?;
        Ok(used)
    }

    /// Writes the rows of checkpoints, after the tables have everything that was before.
    pub(in super::super) fn write_superseded(tx: &mut Transaction) -> Result<(), Error> {
        for superseded in core::mem::take(&mut tx.superseded) {
            let mut commits = tx.txn.open_table(COMMITS).during("opening commits-1")?;
            for first_seq in superseded.commits {
                let key = commit_key(superseded.log, first_seq);
                commits.remove(key.as_slice()).during("removing a commit")?;
            }
            let mut table = tx
                .txn
                .open_table(CHECKPOINTS)
                .during("opening checkpoints-1")?;
            table
                .insert(superseded.log, superseded.row.encode().as_slice())
                .during("writing a checkpoint")?;
        }
        Ok(())
    }
}

fn read_checkpoint(tx: &Transaction, log: u32) -> Result<Option<CheckpointRow>, Error> {
    let table = tx
        .txn
        .open_table(CHECKPOINTS)
        .during("opening checkpoints-1")?;
    let row = table.get(log).during("reading a checkpoint")?;
    row.map(|row| CheckpointRow::decode(log, row.value()))
        .transpose()
}

fn decode_segment(block: u64, bytes: &[u8]) -> Result<Segment<'_>, Error> {
    Segment::decode(bytes).map_err(|error| Error::corrupted("blocks-1", block, error.to_string()))
}
