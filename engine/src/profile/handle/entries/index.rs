use crate::error::Error;
use crate::oplog::identity::LogId;
use crate::oplog::{Entry, ItemHash, ItemSum, Operation, TreeHash};
use crate::profile::handle::history::{commit_from, read_commit, with_segment};
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::CheckpointRow;

/// Operations of commits after which a run of them ends, at the end of a commit.
const RUN_OPERATIONS: u64 = 512;

/// An entry as it is compared: its number, and the hash that is its leaf in the tree of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryItem {
    /// Its sequence number in the log.
    pub seq: u64,
    /// Hash of the encoded entry.
    pub hash: ItemHash,
}

/// The entries of a log as they are compared, summed up run by run: what a segment has, or some commits. 72 bytes for a run,
/// and 8 for each operation if only some are compared.
#[derive(Debug)]
pub(super) struct EntryIndex {
    pub(super) log: LogId,
    /// Number of the log in this store.
    pub(super) number: u32,
    /// The checkpoint that it was made of, as it is signed; empty if there was none.
    pub(super) signed: Vec<u8>,
    pub(super) runs: Vec<Run>,
    pub(super) total: ItemSum,
    /// The operations that are compared, ascending; all if there is none.
    pub(super) kept: Option<Vec<u64>>,
}

/// Entries that lie together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Sequence numbers of its first entry and of its last.
    pub(super) first: u64,
    pub(super) last: u64,
    lies: Lies,
    /// The sum of the runs before.
    pub(super) before: ItemSum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    /// In a segment: the number of its block.
    Segment(u64),
    /// In commits that end where the run does.
    Commits,
}

impl EntryIndex {
    /// That of the entries of a checkpoint. Reads and hashes all of them.
    pub(super) fn of_checkpoint(
        snapshot: &Snapshot,
        (log, number): (LogId, u32),
        row: &CheckpointRow,
    ) -> Result<Self, Error> {
        let mut index = Self::empty(log, number, None);
        index.add_segments(snapshot, row)?;
        Ok(index)
    }

    /// That of those of the entries of a checkpoint and of the operations of the commits behind it that are `kept`.
    pub(super) fn of_log(
        snapshot: &Snapshot,
        (log, number): (LogId, u32),
        row: Option<&CheckpointRow>,
        kept: Vec<u64>,
    ) -> Result<Self, Error> {
        let mut index = Self::empty(log, number, Some(kept));
        let mut seq = 1;
        if let Some(row) = row {
            index.add_segments(snapshot, row)?;
            seq = row.until.saturating_add(1);
        }
        index.add_commits(snapshot, seq)?;
        Ok(index)
    }

    const fn empty(log: LogId, number: u32, kept: Option<Vec<u64>>) -> Self {
        Self {
            log,
            number,
            signed: Vec::new(),
            runs: Vec::new(),
            total: ItemSum::ZERO,
            kept,
        }
    }

    fn add_segments(&mut self, snapshot: &Snapshot, row: &CheckpointRow) -> Result<(), Error> {
        self.signed.clone_from(&row.signed);
        for block in row.own_segments() {
            // Read once for both: all segments of a checkpoint are gone through here.
            let mut total = self.total;
            let (first, last) = with_segment(snapshot, *block, |segment| {
                for (entry, bytes) in segment.entries().encoded() {
                    if self.is_kept(entry.seq) {
                        total = total.plus(&ItemSum::of(&hash(bytes)));
                    }
                }
                (segment.first_seq(), segment.last_seq())
            })?;
            self.add((first, last), Lies::Segment(*block), total);
        }
        Ok(())
    }

    fn add_commits(&mut self, snapshot: &Snapshot, mut seq: u64) -> Result<(), Error> {
        let mut open: Option<(u64, u64)> = None;
        while let Some((first, row)) = commit_from(snapshot, self.number, seq)? {
            let (from, _) = open.unwrap_or((first, 0));
            open = Some((from, row.last_seq));
            if row.last_seq.saturating_sub(from) >= RUN_OPERATIONS {
                self.add_run(snapshot, (from, row.last_seq))?;
                open = None;
            }
            seq = row.last_seq.saturating_add(1);
        }
        match open {
            Some(run) => self.add_run(snapshot, run),
            None => Ok(()),
        }
    }

    fn add_run(&mut self, snapshot: &Snapshot, (first, last): (u64, u64)) -> Result<(), Error> {
        let (lies, before) = (Lies::Commits, self.total);
        let run = Run {
            first,
            last,
            lies,
            before,
        };
        let mut total = before;
        self.each_of(snapshot, &run, |_, bytes| {
            total = total.plus(&ItemSum::of(&hash(bytes)));
        })?;
        self.add((first, last), lies, total);
        Ok(())
    }

    fn add(&mut self, (first, last): (u64, u64), lies: Lies, total: ItemSum) {
        let before = core::mem::replace(&mut self.total, total);
        self.runs.push(Run {
            first,
            last,
            lies,
            before,
        });
    }

    fn is_kept(&self, seq: u64) -> bool {
        let kept = self.kept.as_ref();
        kept.is_none_or(|kept| kept.binary_search(&seq).is_ok())
    }

    /// The segments that it was made of.
    pub(super) fn is_of(&self, row: &CheckpointRow) -> bool {
        let blocks = row.own_segments().iter().map(|block| Lies::Segment(*block));
        self.signed == row.signed && self.runs.iter().map(|run| run.lies).eq(blocks)
    }

    /// Visits the compared entries of a run in order, each with its encoding.
    pub(super) fn each_of(
        &self,
        snapshot: &Snapshot,
        run: &Run,
        mut visit: impl FnMut(&Entry<'_>, &[u8]),
    ) -> Result<(), Error> {
        let block = match run.lies {
            Lies::Segment(block) => block,
            Lies::Commits => return self.each_of_commits(snapshot, run, visit),
        };
        with_segment(snapshot, block, |segment| {
            for (entry, bytes) in segment.entries().encoded() {
                if self.is_kept(entry.seq) {
                    visit(&entry, bytes);
                }
            }
        })
    }

    fn each_of_commits(
        &self,
        snapshot: &Snapshot,
        run: &Run,
        mut visit: impl FnMut(&Entry<'_>, &[u8]),
    ) -> Result<(), Error> {
        let (mut seq, mut bytes) = (run.first, Vec::new());
        while seq <= run.last {
            let Some((first, row)) = commit_from(snapshot, self.number, seq)? else {
                break;
            };
            let commit = read_commit(snapshot, &row)?;
            for (seq, part) in (first..).zip(&commit.operations) {
                if !self.is_kept(seq) {
                    continue;
                }
                let entry = Entry {
                    seq,
                    time: commit.header.time,
                    operation: Operation {
                        kind: part.kind,
                        entry: part.entry,
                        key: commit.key(part),
                        value: commit.value(part),
                    },
                };
                bytes.clear();
                let encoded = entry.encode_into(&mut bytes);
                encoded.map_err(|e| Error::corrupted("blocks-1", row.block, e.to_string()))?;
                visit(&entry, &bytes);
            }
            seq = row.last_seq.saturating_add(1);
        }
        Ok(())
    }
}

/// The hash by which entries are compared: that of the leaf, so that equal sets have equal roots whatever else a device
/// signed. It is the cheapest there is, and everything that the root will be compared by.
pub(super) fn hash(entry: &[u8]) -> ItemHash {
    ItemHash(*TreeHash::leaf(entry).as_bytes())
}
