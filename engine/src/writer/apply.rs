use super::plan::{Place, Plan};
use super::transaction::{NewRow, RowSource, Transaction};
use super::{CommitOutcome, Writer};
use crate::batch::BatchData;
use crate::elements::count::Count;
use crate::error::{During as _, Error};
use crate::tables::schema::{TOKENS, WALLETS};

impl Writer {
    /// Applies a planned batch to memory and to the token table. An error here is one of storage and ends the commit.
    ///
    /// The block rows are appended when the whole group is applied, so that each is written with its final count.
    pub(super) fn apply(
        &mut self,
        tx: &mut Transaction,
        number: usize,
        batch: &BatchData,
        plan: &Plan,
    ) -> Result<CommitOutcome, Error> {
        let mut outcome = self.apply_new(tx, number, batch, plan)?;
        for change in &plan.changes {
            self.apply_change(tx, change.seq, change.references, change.pins)?;
        }
        self.apply_known(tx, batch, plan)?;
        apply_tokens(tx, plan)?;
        if plan.wallet_rows {
            apply_wallet_rows(tx, batch)?;
        }
        if let Some(profile) = &plan.profile {
            outcome.alone = self.apply_profile(tx, profile)?;
            outcome.left_out = profile.left_out;
            outcome.commits = profile.commits.len() as u64;
            outcome.commits_known = profile.known;
            outcome.commits_parked = profile.parked.len() as u64 + profile.waiting;
            outcome.checkpoints = profile.checkpoints.len() as u64;
        }
        let pins = i128::from(self.state.pins) + i128::from(plan.pins);
        self.state.pins = u64::try_from(pins).unwrap_or(0);
        Ok(outcome)
    }

    fn apply_new(
        &mut self,
        tx: &mut Transaction,
        number: usize,
        batch: &BatchData,
        plan: &Plan,
    ) -> Result<CommitOutcome, Error> {
        let mut outcome = CommitOutcome::default();
        for &position in &batch.bodies {
            let place = plan.places.get(position as usize);
            match place {
                Some(Place::New) => {}
                Some(Place::Known(_)) => {
                    outcome.known += 1;
                    continue;
                }
                _ => continue,
            }
            let Some(entry) = batch.entry(position) else {
                continue;
            };
            let Some(body) = &entry.body else {
                continue;
            };
            let references = plan.references.get(position as usize).copied().unwrap_or(0);
            let seq = self.state.next_seq;
            let count = Count::at_insert(u32::try_from(references).unwrap_or(0));
            self.counts.set(&self.shared.db, seq, count)?;
            self.shared.locator.insert(entry.fingerprint, seq);
            let bytes = batch.bytes_of(body).len();
            self.state.next_seq += 1;
            self.state.add_block(body.kind.id(), bytes);
            tx.bytes += bytes as u64;
            tx.rows.push(NewRow {
                kind: body.kind,
                source: RowSource::Entry {
                    batch: number,
                    entry: position,
                },
                pins: entry.pins,
            });
            outcome.stored += 1;
            outcome.stored_bytes += bytes as u64;
        }
        Ok(outcome)
    }

    /// Changes the references of a block that is there.
    pub(super) fn apply_change(
        &mut self,
        tx: &mut Transaction,
        seq: u64,
        references: i64,
        pins: i64,
    ) -> Result<(), Error> {
        let old = self.counts.get(&self.shared.db, seq)?;
        let after = i64::from(old.references()) + references;
        let new = match (u32::try_from(after), old) {
            (Err(_), _) | (_, Count::Absent) => {
                return Err(Error::corrupted(
                    "counts-1",
                    seq,
                    "INV-COUNT-1: a reference is released that was never counted",
                ));
            }
            (Ok(0), Count::Held(_)) => Count::Released,
            (Ok(0), unreferenced) => unreferenced,
            (Ok(held), _) => Count::Held(held),
        };
        if tx.is_new(seq) {
            if let Some(row) = tx.new_row(seq) {
                row.pins += pins;
            }
        } else if pins != 0 {
            tx.write_state = true;
        }
        self.set_count(tx, seq, old, new)
    }

    /// Sets a count, keeps the totals, and remembers what the journal has to say.
    pub(super) fn set_count(
        &mut self,
        tx: &mut Transaction,
        seq: u64,
        old: Count,
        new: Count,
    ) -> Result<(), Error> {
        if old == new {
            return Ok(());
        }
        self.counts.set(&self.shared.db, seq, new)?;
        if old == Count::Released {
            self.state.released = self.state.released.saturating_sub(1);
        }
        if new == Count::Released {
            self.state.released += 1;
            tx.released += 1;
            self.sweep.push(seq);
        }
        // A new block's row can say how many references it has and that it has none, but nothing else.
        let in_row = tx.is_new(seq) && matches!(new, Count::Held(_) | Count::Stray);
        if !in_row {
            tx.changed.push(seq);
        } else if old == Count::Released {
            // An earlier batch of the group released it: the journal must not go on saying so.
            tx.changed.push(seq);
        }
        Ok(())
    }

    /// A put of something that waits to be collected brings it back; an open import keeps what it put.
    fn apply_known(
        &mut self,
        tx: &mut Transaction,
        batch: &BatchData,
        plan: &Plan,
    ) -> Result<(), Error> {
        let guard = self.shared.readers.protected_from().is_some();
        for &position in &batch.bodies {
            let Some(Place::Known(seq)) = plan.places.get(position as usize).copied() else {
                continue;
            };
            if self.counts.get(&self.shared.db, seq)? == Count::Released {
                self.set_count(tx, seq, Count::Released, Count::Stray)?;
            }
            if guard {
                self.sweep.guard(seq);
            }
        }
        Ok(())
    }
}

fn apply_tokens(tx: &mut Transaction, plan: &Plan) -> Result<(), Error> {
    if plan.tokens.is_empty() {
        return Ok(());
    }
    tx.rows_changed = true;
    let mut table = tx.txn.open_table(TOKENS).during("opening tokens-1")?;
    for (key, row) in &plan.tokens {
        if row.is_empty() {
            table.remove(key.as_slice()).during("removing a token")?;
        } else {
            table
                .insert(key.as_slice(), row.as_slice())
                .during("writing a token")?;
        }
    }
    Ok(())
}

fn apply_wallet_rows(tx: &mut Transaction, batch: &BatchData) -> Result<(), Error> {
    tx.rows_changed = true;
    let mut table = tx.txn.open_table(WALLETS).during("opening wallets-1")?;
    for (key, change) in &batch.wallet_rows {
        match &change.after {
            Some(row) => table.insert(&**key, &**row),
            None => table.remove(&**key),
        }
        .during("writing a row of a wallet")?;
    }
    Ok(())
}
