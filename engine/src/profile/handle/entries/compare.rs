use core::ops::Range;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use uxf_codec::ElementHash;

use super::index::{EntryIndex, EntryItem, hash};
use crate::error::Error;
use crate::oplog::identity::LogId;
use crate::oplog::{Entry, ItemSum, OpKind};
use crate::profile::change::referenced;
use crate::profile::handle::history::missing_block;
use crate::snapshot::Snapshot;

/// Runs whose entries are kept at hand while ranges are compared.
const RUNS_AT_HAND: usize = 32;

/// Entries of a log by sequence number, to be compared range by range. See
/// [`Profile::checkpoint_entries`](crate::profile::Profile::checkpoint_entries).
#[derive(Debug)]
pub struct LogEntries {
    pub(super) snapshot: Snapshot,
    pub(super) index: Arc<EntryIndex>,
    /// Entries of the runs that were read last.
    at_hand: Mutex<Vec<(usize, Arc<Vec<EntryItem>>)>>,
}

/// An entry as it is sent: whoever has all of a checkpoint's can tell that it is one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEntry {
    /// Its sequence number.
    pub seq: u64,
    /// Its encoding.
    pub bytes: Vec<u8>,
    /// The sealed block that it refers to, if its value is long.
    pub block: Option<Vec<u8>>,
}

impl SentEntry {
    /// How much there is to send.
    pub fn byte_len(&self) -> usize {
        self.bytes.len() + self.block.as_ref().map_or(0, Vec::len)
    }
}

impl LogEntries {
    pub(super) const fn new(snapshot: Snapshot, index: Arc<EntryIndex>) -> Self {
        Self {
            snapshot,
            index,
            at_hand: Mutex::new(Vec::new()),
        }
    }

    /// The log.
    pub fn log(&self) -> LogId {
        self.index.log
    }

    /// The checkpoint that they are the entries of, as it was signed; empty if they are those of a log that has none.
    pub fn signed(&self) -> &[u8] {
        &self.index.signed
    }

    /// The sum of the entries with sequence numbers in a range. Reads at most a segment at each end of it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn sum(&self, seqs: Range<u64>) -> Result<ItemSum, Error> {
        if seqs.is_empty() {
            return Ok(ItemSum::ZERO);
        }
        Ok(self
            .sum_before(seqs.end)?
            .minus(&self.sum_before(seqs.start)?))
    }

    /// The neighbours between which to cut a range so that its parts have nearly equally many entries: for one cut less
    /// than there are to be parts, or for as many as there are entries to cut between, in ascending order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn split(&self, seqs: Range<u64>, parts: u64) -> Result<Vec<(u64, u64)>, Error> {
        let first = self.sum_before(seqs.start)?.count();
        let count = self.sum(seqs)?.count();
        let parts = parts.min(count);
        let mut cuts = Vec::new();
        for part in 1..parts {
            // A checkpoint has less than 2^32 entries, and parts are few.
            let rank = first.saturating_add(count.saturating_mul(part) / parts);
            let before = self.nth(rank.saturating_sub(1))?;
            let (Some(before), Some(behind)) = (before, self.nth(rank)?) else {
                break;
            };
            cuts.push((before.seq, behind.seq));
        }
        Ok(cuts)
    }

    /// The first entries of a range, at most so many.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn items(&self, seqs: Range<u64>, most: usize) -> Result<Vec<EntryItem>, Error> {
        let mut items = Vec::new();
        let runs = &self.index.runs;
        let mut at = runs.partition_point(|run| run.last < seqs.start);
        while let Some(run) = runs.get(at) {
            if run.first >= seqs.end || items.len() >= most {
                break;
            }
            let found = self.run(at)?;
            let found = found.iter().filter(|item| seqs.contains(&item.seq));
            items.extend(found.take(most.saturating_sub(items.len())).copied());
            at += 1;
        }
        Ok(items)
    }

    /// Entries by their sequence numbers, ascending, with the blocks of long values: as many as go into `bytes_max`, but
    /// one at least. Those that are not there are left out.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn entries(
        &self,
        wanted: &BTreeSet<u64>,
        bytes_max: usize,
    ) -> Result<Vec<SentEntry>, Error> {
        let mut sent: Vec<SentEntry> = Vec::new();
        let wanted: Vec<u64> = wanted.iter().copied().collect();
        let (mut seqs, mut bytes_left) = (wanted.as_slice(), bytes_max);
        while let Some(first) = seqs.first() {
            let runs = &self.index.runs;
            let at = runs.partition_point(|run| run.last < *first);
            let Some(run) = runs.get(at) else { break };
            let (here, later) = seqs.split_at(seqs.partition_point(|seq| *seq <= run.last));
            seqs = later;
            // A little more than there is room for is read, never a whole run for the sake of its beginning.
            let (mut found, mut read, room) = (Vec::new(), 0_usize, bytes_left);
            self.index.each_of(&self.snapshot, run, |entry, bytes| {
                if read <= room && here.binary_search(&entry.seq).is_ok() {
                    read = read.saturating_add(bytes.len());
                    found.push((entry.seq, bytes.to_vec(), link_of(entry)));
                }
            })?;
            for (seq, bytes, link) in found {
                let block = link.map(|link| self.sealed_block(&link)).transpose()?;
                let one = SentEntry { seq, bytes, block };
                if !sent.is_empty() && one.byte_len() > bytes_left {
                    return Ok(sent);
                }
                bytes_left = bytes_left.saturating_sub(one.byte_len());
                sent.push(one);
            }
            if read > room {
                break;
            }
        }
        Ok(sent)
    }

    fn sealed_block(&self, link: &ElementHash) -> Result<Vec<u8>, Error> {
        let block = self.snapshot.get(link)?;
        Ok(block.ok_or_else(|| missing_block(link))?.as_ref().to_vec())
    }

    fn sum_before(&self, seq: u64) -> Result<ItemSum, Error> {
        let runs = &self.index.runs;
        let behind = runs.partition_point(|run| run.first < seq);
        let Some((at, run)) = behind
            .checked_sub(1)
            .and_then(|at| Some((at, runs.get(at)?)))
        else {
            return Ok(ItemSum::ZERO);
        };
        if run.last < seq {
            return Ok(runs.get(behind).map_or(self.index.total, |run| run.before));
        }
        let found = self.run(at)?;
        let before = found.iter().take_while(|item| item.seq < seq);
        Ok(before.fold(run.before, |sum, item| sum.plus(&ItemSum::of(&item.hash))))
    }

    /// The entry before which there are so many.
    fn nth(&self, rank: u64) -> Result<Option<EntryItem>, Error> {
        let runs = &self.index.runs;
        let behind = runs.partition_point(|run| run.before.count() <= rank);
        let Some((at, run)) = behind
            .checked_sub(1)
            .and_then(|at| Some((at, runs.get(at)?)))
        else {
            return Ok(None);
        };
        let at_run = usize::try_from(rank.saturating_sub(run.before.count())).ok();
        let found = self.run(at)?;
        Ok(at_run.and_then(|at| found.get(at)).copied())
    }

    /// The entries of a run.
    fn run(&self, at: usize) -> Result<Arc<Vec<EntryItem>>, Error> {
        let mut at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = at_hand.iter().find(|(known, _)| *known == at) {
            return Ok(Arc::clone(found));
        }
        let mut items = Vec::new();
        if let Some(run) = self.index.runs.get(at) {
            self.index.each_of(&self.snapshot, run, |entry, bytes| {
                let (seq, hash) = (entry.seq, hash(bytes));
                items.push(EntryItem { seq, hash });
            })?;
        }
        let items = Arc::new(items);
        if at_hand.len() >= RUNS_AT_HAND {
            at_hand.remove(0);
        }
        at_hand.push((at, Arc::clone(&items)));
        Ok(items)
    }
}

/// The block that holds the value of an entry, if it is not in it.
fn link_of(entry: &Entry<'_>) -> Option<ElementHash> {
    let operation = &entry.operation;
    let is_reference = operation.kind == OpKind::Ref;
    is_reference.then(|| referenced(operation.value)).flatten()
}
