use super::Writer;
use super::transaction::Transaction;
use crate::elements::count::{Count, PAGE_LEN};
use crate::elements::index_runs::{merge_step, plan_merges, write_run};
use crate::error::{During as _, Error};
use crate::options::Durability;
use crate::tables::schema::{JOURNAL, META, MetaKey};

/// Blocks or journal entries from which closing a store writes a checkpoint: opening replays fewer in a millisecond.
const CLOSE_ENTRIES: u64 = 4_096;

/// Operations of profiles from which it does: taking one in again costs more.
const CLOSE_OPERATIONS: u64 = 1_024;

/// Entries merged at a checkpoint, in checkpoints: enough for six levels of runs.
const MERGE_PER_CHECKPOINT: u64 = 6;

impl Writer {
    /// Writes what is in memory only: new index entries as a run, the counts of new blocks, and with `fold` all
    /// changed counts, after which the journal is empty. Then goes on with merging runs.
    ///
    /// Folding includes the counts of new blocks: were they left to their rows, replaying those would bring back
    /// counts that the journal no longer corrects.
    pub(super) fn checkpoint(&mut self, tx: &mut Transaction, fold: bool) -> Result<(), Error> {
        let span = tracing::debug_span!("checkpoint", fold, next_seq = self.state.next_seq);
        let _entered = span.enter();
        let written = write_run(&tx.txn, &self.shared.locator, &mut self.directory)?;
        let first_page = if fold {
            0
        } else {
            self.state.watermark / PAGE_LEN as u64
        };
        self.counts.write_from(&tx.txn, first_page)?;
        self.state.watermark = self.state.next_seq;
        if fold {
            self.empty_journal(tx)?;
        } else if !tx.changed.is_empty() {
            self.write_journal(tx)?;
        }
        self.merge_runs(tx, written)?;
        self.checkpoint_profiles(tx)?;
        self.write_meta(tx)?;
        tx.checkpointed = true;
        self.shared.metrics.checkpoints(1);
        Ok(())
    }

    fn empty_journal(&mut self, tx: &Transaction) -> Result<(), Error> {
        let mut journal = tx.txn.open_table(JOURNAL).during("opening journal-1")?;
        journal
            .retain(|_, _| false)
            .during("emptying the journal")?;
        self.state.journal_entries = 0;
        self.shared.metrics.journal_folds(1);
        Ok(())
    }

    fn merge_runs(&mut self, tx: &Transaction, written: u64) -> Result<(), Error> {
        let indexed: u64 = self.directory.runs.iter().map(|run| run.entries).sum();
        let rewrite =
            self.state.stale > indexed / 4 + self.shared.options.checkpoint_elements as u64;
        plan_merges(&mut self.directory, rewrite)?;
        let budget =
            written.max(self.shared.options.checkpoint_elements as u64) * MERGE_PER_CHECKPOINT;
        let (counts, db) = (&mut self.counts, &self.shared.db);
        let dropped = merge_step(&tx.txn, &mut self.directory, budget, |seq| {
            Ok(counts.get(db, seq)? != Count::Absent)
        })?;
        self.state.stale = self.state.stale.saturating_sub(dropped);
        Ok(())
    }

    fn write_meta(&mut self, tx: &Transaction) -> Result<(), Error> {
        self.state.number += 1;
        let mut meta = tx.txn.open_table(META).during("opening meta-1")?;
        let mut row = Vec::new();
        self.state.encode(&mut row);
        meta.insert(MetaKey::State as u8, row.as_slice())
            .during("writing the state")?;
        meta.insert(MetaKey::Runs as u8, self.directory.encode().as_slice())
            .during("writing the run directory")?;
        Ok(())
    }

    /// Makes everything durable and the next opening quick.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        let result = self.try_finish();
        self.poison_on_error(result)
    }

    fn try_finish(&mut self) -> Result<(), Error> {
        let fresh = self.state.next_seq - self.state.watermark;
        let operations = self.recent.operations() as u64;
        let checkpoint = fresh.max(self.state.journal_entries) >= CLOSE_ENTRIES
            || operations >= CLOSE_OPERATIONS;
        if !checkpoint && self.unflushed_since.is_none() {
            return Ok(());
        }
        let mut tx = self.begin(Durability::Durable)?;
        if checkpoint {
            self.checkpoint(&mut tx, true)?;
        }
        self.commit_database(tx, false)
    }
}
