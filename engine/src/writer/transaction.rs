use std::sync::Arc;

use redb::{ReadableTable as _, WriteTransaction};
use uxf_codec::ElementHash;

use super::Writer;
use super::profiles::Superseded;
use crate::elements::fingerprint::Fingerprint;
use crate::error::{During as _, Error};
use crate::oplog::identity::LogId;
use crate::oplog::{HybridTime, OpKind};
use crate::options::{Durability, RepairPolicy};
use crate::profile::change::{ReadCommit, ReadOperation, ReadSegment};
use crate::replica::Recent;
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::{BLOCKS, TOKENS};

/// Bytes of new elements from which a commit is made quick to open: what that takes is then small beside it. In a
/// larger file it takes more, so the threshold rises with the file's length between these two.
const QUICK_BYTES_MIN: u64 = 16 << 10;
const QUICK_BYTES_MAX: u64 = 64 << 10;

/// Bytes of a file for which the threshold is one byte: half of what the bits of its pages take.
const QUICK_SHARE: u64 = 32_768;

/// Small durable commits of which one is made quick to open.
const QUICK_EVERY: u32 = 32;

/// A commit in the making.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that the end of the commit depends on"
)]
pub(super) struct Transaction {
    pub(super) txn: WriteTransaction,
    /// Blocks from here on are new in this commit.
    pub(super) first_new: u64,
    pub(super) rows: Vec<NewRow>,
    /// Older blocks whose count changed, and new ones whose count their row cannot express.
    pub(super) changed: Vec<u64>,
    /// Blocks reclaimed.
    pub(super) gone: Vec<(Fingerprint, u64)>,
    /// References released down to zero in this commit.
    pub(super) released: u64,
    /// Whether the rows are written, so that later count changes must be journaled.
    pub(super) rows_written: bool,
    /// Whether a row of a table changed that is neither a block nor the journal.
    pub(super) rows_changed: bool,
    /// Whether the totals must be written although no count changed.
    pub(super) write_state: bool,
    /// Bytes of new blocks, about.
    pub(super) bytes: u64,
    pub(super) durability: Durability,
    /// Whether this commit wrote an index run.
    pub(super) checkpointed: bool,
    /// What the commits after this one go into, if it wrote the tables of profiles.
    pub(super) next_recent: Option<Arc<Recent>>,
    /// Rows of checkpoints of logs. They make a checkpoint of the tables due, because opening takes in commits only.
    pub(super) superseded: Vec<Superseded>,
    /// What changed in profiles, for those who watch.
    pub(super) changes: Vec<Changed>,
}

/// A new block that is not written yet.
#[derive(Clone, Debug)]
pub(super) struct NewRow {
    pub(super) source: RowSource,
    pub(super) kind: BlockKind,
    pub(super) pins: i64,
}

/// Where the bytes of a new block are.
#[derive(Clone, Debug)]
pub(super) enum RowSource {
    /// In a batch: its position in the group, and the entry's in it.
    Entry { batch: usize, entry: u32 },
    /// The writer made them, or a peer.
    Commit(Arc<ReadCommit>),
    /// The writer made it, or a peer.
    Segment(Arc<ReadSegment>),
    /// A peer gave it.
    Operation(Arc<ReadOperation>),
}

impl RowSource {
    /// The name and the bytes of a block that is not in a batch.
    pub(super) fn block(&self) -> Option<(ElementHash, &[u8])> {
        match self {
            Self::Entry { .. } => None,
            Self::Commit(commit) => Some((commit.hash, &commit.bytes)),
            Self::Segment(segment) => Some((segment.hash, &segment.bytes)),
            Self::Operation(alone) => Some((alone.hash, &alone.bytes)),
        }
    }
}

/// What a commit of a log changed.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) profile: u32,
    pub(crate) log: LogId,
    pub(crate) time: HybridTime,
    /// Whether it was made here.
    pub(crate) own: bool,
    pub(crate) keys: ChangedKeys,
}

/// Which keys a commit or a checkpoint changed.
#[derive(Clone, Debug)]
pub(crate) enum ChangedKeys {
    /// Those of these operations, by position: nothing is copied unless somebody watches.
    Of(Arc<ReadCommit>, Vec<u32>),
    /// These.
    Named(Vec<(Box<str>, OpKind)>),
}

impl ChangedKeys {
    /// Calls `see` with every key and what became of it.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&str, OpKind)) {
        match self {
            Self::Of(commit, positions) => {
                for at in positions {
                    let at = usize::try_from(*at).unwrap_or(usize::MAX);
                    if let Some(part) = commit.operations.get(at) {
                        see(commit.key(part), part.kind);
                    }
                }
            }
            Self::Named(keys) => keys.iter().for_each(|(key, kind)| see(key, *kind)),
        }
    }
}

/// What the next durable commit makes durable, beside what is its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pending {
    /// Bytes of new blocks.
    bytes: u64,
}

impl Pending {
    fn with(self, tx: &Transaction) -> Self {
        Self {
            bytes: self.bytes.saturating_add(tx.bytes),
        }
    }
}

impl Transaction {
    /// The row a token has in this commit so far.
    pub(super) fn token(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let table = self.txn.open_table(TOKENS).during("opening tokens-1")?;
        let row = table.get(key).during("reading a token")?;
        Ok(row.map(|row| row.value().to_vec()))
    }

    /// What a block is, whether its row is written yet or not.
    pub(super) fn kind_of(&self, seq: u64) -> Result<BlockKind, Error> {
        let new = seq.checked_sub(self.first_new);
        if let Some(new) = new.and_then(|at| self.rows.get(usize::try_from(at).ok()?)) {
            return Ok(new.kind);
        }
        let table = self.txn.open_table(BLOCKS).during("opening blocks-1")?;
        let row = table.get(seq).during("reading a block")?;
        let row = row.ok_or_else(|| {
            Error::corrupted(
                "blocks-1",
                seq,
                "INV-BLOCK-3: a counted block without a row",
            )
        })?;
        Ok(BlockRow::decode(seq, row.value())?.kind)
    }

    pub(super) fn is_new(&self, seq: u64) -> bool {
        seq >= self.first_new && !self.rows_written
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.changed.is_empty()
            && !self.rows_changed
            && !self.write_state
            && !self.checkpointed
    }

    pub(super) fn new_row(&mut self, seq: u64) -> Option<&mut NewRow> {
        let position = usize::try_from(seq.checked_sub(self.first_new)?).ok()?;
        self.rows.get_mut(position)
    }
}

impl Writer {
    pub(super) fn begin(&self, durability: Durability) -> Result<Transaction, Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        let txn = self.shared.db.begin_write()?;
        Ok(Transaction {
            txn,
            first_new: self.state.next_seq,
            rows: Vec::new(),
            changed: Vec::new(),
            gone: Vec::new(),
            released: 0,
            rows_written: false,
            rows_changed: false,
            write_state: false,
            bytes: 0,
            durability,
            checkpointed: false,
            next_recent: None,
            superseded: Vec::new(),
            changes: Vec::new(),
        })
    }

    /// Commits. After a failure here what the disk holds is unknown, so the caller poisons the store.
    pub(super) fn commit_database(
        &mut self,
        mut tx: Transaction,
        force_quick: bool,
    ) -> Result<(), Error> {
        let options = &self.shared.options;
        let durable = tx.durability == Durability::Durable;
        let pending = self.pending.with(&tx);
        let quick = durable
            && match options.repair {
                RepairPolicy::EveryCommit => true,
                RepairPolicy::Never => false,
                RepairPolicy::Balanced => {
                    force_quick
                        || tx.checkpointed
                        || self
                            .commits_since_quick
                            .is_some_and(|n| n + 1 >= QUICK_EVERY)
                        || self.is_large(pending.bytes)?
                }
            };
        let mode = if durable {
            redb::Durability::Immediate
        } else {
            redb::Durability::None
        };
        tx.txn
            .set_durability(mode)
            .map_err(|error| Error::corrupted("database", "durability", error.to_string()))?;
        tx.txn.set_two_phase_commit(options.two_phase_commit);
        tx.txn.set_quick_repair(quick);
        tx.txn.commit().during("committing")?;
        self.shared.metrics.commits(1);
        self.pending = pending;
        if durable {
            self.pending = Pending::default();
            self.unflushed_since = None;
            self.commits_since_quick = match (quick, self.commits_since_quick) {
                (true, _) => None,
                (false, since) => Some(since.unwrap_or(0) + 1),
            };
        } else if self.unflushed_since.is_none() {
            self.unflushed_since = Some(self.now());
        }
        if tx.checkpointed {
            self.shared.locator.clear_pending();
        }
        if let Some(recent) = tx.next_recent.take() {
            self.recent = Arc::clone(&recent);
            self.shared.set_recent(recent);
        }
        self.shared.readers.publish(&tx.gone, &self.shared.locator);
        self.shared.publish_state(&self.state);
        self.shared.locator.trim(&self.shared.metrics);
        self.counts.trim(options.index_bytes / 4);
        for changed in tx.changes {
            self.shared.watchers.tell(&changed);
        }
        Ok(())
    }

    /// Whether so many bytes of new elements are worth a commit that is quick to open.
    fn is_large(&self, bytes: u64) -> Result<bool, Error> {
        if !(QUICK_BYTES_MIN..QUICK_BYTES_MAX).contains(&bytes) {
            return Ok(bytes >= QUICK_BYTES_MAX);
        }
        let file = self.shared.file_bytes()?.unwrap_or(0);
        Ok(bytes >= file / QUICK_SHARE)
    }

    /// Makes everything committed so far durable; `quick` also makes opening quick.
    pub(super) fn make_durable(&mut self, quick: bool) -> Result<(), Error> {
        let result = self
            .begin(Durability::Durable)
            .and_then(|tx| self.commit_database(tx, quick));
        self.poison_on_error(result)
    }

    pub(super) fn poison_on_error<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            if !self.shared.is_poisoned() {
                tracing::error!(%error, "the store is poisoned");
            }
            self.shared.poison();
        }
        result
    }
}
