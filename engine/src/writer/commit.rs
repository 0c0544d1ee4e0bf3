use core::ops::Bound;

use crossbeam_channel::Receiver;
use uxf_codec::ElementHash;

use super::transaction::{NewRow, RowSource, Transaction};
use super::{Command, CommitOutcome, GROUP_BYTES_MAX, GROUP_ELEMENTS_MAX, Request, Writer, answer};
use crate::elements::count::Count;
use crate::error::{During as _, Error};
use crate::options::Durability;
use crate::tables::journal;
use crate::tables::row::BlockRow;
use crate::tables::schema::{BLOCKS, JOURNAL};

/// Rows from which appending through a cursor pays.
const CURSOR_ROWS: usize = 8;

impl Writer {
    /// Commits a batch together with all that wait behind it. Gives back a command of another sort that it met.
    pub(super) fn commit_group(
        &mut self,
        first: Request,
        commands: &Receiver<Command>,
    ) -> Option<Command> {
        let (mut elements, mut bytes) = first.batch.weight();
        let mut group = vec![first];
        let mut other = None;
        while elements < GROUP_ELEMENTS_MAX && bytes < GROUP_BYTES_MAX {
            match commands.try_recv() {
                Ok(Command::Commit(request)) => {
                    let (more, more_bytes) = request.batch.weight();
                    elements += more;
                    bytes += more_bytes;
                    group.push(request);
                }
                Ok(command) => {
                    other = Some(command);
                    break;
                }
                Err(_) => break,
            }
        }
        let span = tracing::debug_span!("commit", batches = group.len(), elements, bytes);
        let _entered = span.enter();
        let mut outcomes = Vec::with_capacity(group.len());
        match self.try_commit_group(&group, &mut outcomes) {
            Ok(()) => {
                for (request, outcome) in group.iter().zip(outcomes) {
                    answer(&request.reply, outcome);
                }
            }
            Err(error) => {
                let error = self.poison_on_error::<()>(Err(error)).err();
                let mut errors = error.into_iter();
                for request in &group {
                    answer(
                        &request.reply,
                        Err(errors.next().unwrap_or(Error::Poisoned)),
                    );
                }
            }
        }
        other
    }

    /// Errors in `outcomes` are those of single batches, of which nothing was applied. An error returned is one of
    /// storage: the store must be poisoned, for memory is ahead of the disk.
    fn try_commit_group(
        &mut self,
        group: &[Request],
        outcomes: &mut Vec<Result<CommitOutcome, Error>>,
    ) -> Result<(), Error> {
        let durable = group
            .iter()
            .any(|request| request.durability == Durability::Durable);
        let durability = if durable {
            Durability::Durable
        } else {
            Durability::Buffered
        };
        let mut tx = self.begin(durability)?;
        let mut written = self.parked_is_due();
        if written {
            self.apply_due(&mut tx)?;
        }
        for (number, request) in group.iter().enumerate() {
            let planned = match self.plan(&tx, &request.batch) {
                Err(error) if !is_of_caller(&error) => return Err(error),
                planned => planned,
            };
            outcomes.push(match planned {
                Ok(mut plan) => {
                    let profile = plan.profile.as_mut();
                    let refusal = profile.and_then(|profile| profile.refusal.take());
                    written |= refusal.is_some();
                    let outcome = self.apply(&mut tx, number, &request.batch, &plan)?;
                    refusal.map_or(Ok(outcome), Err)
                }
                Err(error) => Err(error),
            });
        }
        if outcomes.iter().all(Result::is_err) && !written {
            self.count_outcomes(outcomes);
            return tx.txn.abort().during("giving up a commit");
        }
        if tx.is_empty() && self.unflushed_since.is_none() {
            self.count_outcomes(outcomes);
            return tx.txn.abort().during("ending a commit without changes");
        }
        self.append_rows(&mut tx, group)?;
        tx.rows_written = true;
        self.sweep_in_commit(&mut tx)?;
        self.conclude(&mut tx)?;
        self.commit_database(tx, false)?;
        self.count_outcomes(outcomes);
        Ok(())
    }

    fn count_outcomes(&self, outcomes: &[Result<CommitOutcome, Error>]) {
        let metrics = &self.shared.metrics;
        for outcome in outcomes {
            match outcome {
                Ok(outcome) => {
                    metrics.batches(1);
                    metrics.elements_stored(outcome.stored);
                    metrics.element_bytes_stored(outcome.stored_bytes);
                    metrics.elements_known(outcome.known);
                }
                Err(_) => metrics.batches_refused(1),
            }
        }
    }

    pub(super) fn append_rows(
        &mut self,
        tx: &mut Transaction,
        group: &[Request],
    ) -> Result<(), Error> {
        if tx.rows.is_empty() {
            return Ok(());
        }
        let mut table = tx.txn.open_table(BLOCKS).during("opening blocks-1")?;
        let mut row = Vec::new();
        let rows = (tx.first_new..).zip(&tx.rows);
        if tx.rows.len() < CURSOR_ROWS {
            for (seq, new) in rows {
                self.encode_row(group, seq, new, &mut row, &mut tx.write_state)?;
                table
                    .insert(seq, row.as_slice())
                    .during("writing a block")?;
            }
            return Ok(());
        }
        let mut cursor = table
            .upper_bound_mut(Bound::<u64>::Unbounded)
            .during("seeking in blocks-1")?;
        for (seq, new) in rows {
            self.encode_row(group, seq, new, &mut row, &mut tx.write_state)?;
            cursor
                .insert_before(seq, row.as_slice())
                .during("writing a block")?;
        }
        cursor.close().during("writing blocks")
    }

    fn encode_row(
        &mut self,
        group: &[Request],
        seq: u64,
        new: &NewRow,
        row: &mut Vec<u8>,
        write_state: &mut bool,
    ) -> Result<(), Error> {
        let (hash, bytes) = new_block(group, new).ok_or_else(|| {
            Error::corrupted("blocks-1", seq, "INV-BLOCK-1: a new block without bytes")
        })?;
        let pins = u32::try_from(new.pins).unwrap_or_else(|_| {
            *write_state = true;
            0
        });
        let count = match self.counts.get(&self.shared.db, seq)? {
            Count::Held(references) => references,
            _ => 0,
        };
        BlockRow {
            kind: new.kind,
            count,
            pins,
            hash,
            bytes,
        }
        .encode(row);
        Ok(())
    }

    /// Writes what the rows of a commit cannot say: a checkpoint if one is due, the journal, the totals.
    pub(super) fn conclude(&mut self, tx: &mut Transaction) -> Result<(), Error> {
        let fresh = self.state.next_seq - self.state.watermark;
        let fresh = fresh.max(self.recent.operations() as u64);
        let is_due = fresh >= self.shared.options.checkpoint_elements as u64;
        if is_due || !tx.superseded.is_empty() {
            self.release_alone(tx)?;
        }
        tx.changed.sort_unstable();
        tx.changed.dedup();
        let entries = self.state.journal_entries + tx.changed.len() as u64;
        let fold = entries >= self.shared.options.journal_entries as u64;
        if fold || is_due || !tx.superseded.is_empty() {
            self.checkpoint(tx, fold)?;
            return Self::write_superseded(tx);
        }
        if tx.changed.is_empty() && !tx.write_state {
            return Ok(());
        }
        self.write_journal(tx)
    }

    pub(super) fn write_journal(&mut self, tx: &Transaction) -> Result<(), Error> {
        self.state.number += 1;
        self.state.journal_entries += tx.changed.len() as u64;
        let mut changes = Vec::with_capacity(tx.changed.len());
        for &seq in &tx.changed {
            changes.push((seq, self.counts.get(&self.shared.db, seq)?));
        }
        let row = journal::encode(&self.state, changes.into_iter());
        let mut table = tx.txn.open_table(JOURNAL).during("opening journal-1")?;
        table
            .insert(self.state.number, row.as_slice())
            .during("writing the journal")?;
        Ok(())
    }
}

/// The hash and the bytes of a new block.
fn new_block<'a>(group: &'a [Request], new: &'a NewRow) -> Option<(ElementHash, &'a [u8])> {
    match &new.source {
        RowSource::Entry { batch, entry } => {
            let batch = &group.get(*batch)?.batch;
            let entry = batch.entry(*entry)?;
            Some((entry.hash, batch.bytes_of(entry.body.as_ref()?)))
        }
        source => source.block(),
    }
}

/// Whether an error of planning is about the batch and not about the store.
fn is_of_caller(error: &Error) -> bool {
    matches!(
        error,
        Error::MissingElement { .. }
            | Error::NotATokenRoot { .. }
            | Error::OverReleased { .. }
            | Error::LimitExceeded { .. }
            | Error::WalletChanged { .. }
            | Error::Profile(_)
    )
}
