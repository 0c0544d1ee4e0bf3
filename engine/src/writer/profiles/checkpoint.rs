use std::sync::Arc;

use super::super::Writer;
use super::super::transaction::Transaction;
use crate::error::{During as _, Error};
use crate::replica::{Levels, Recent, SumChange, update_sums};
use crate::tables::profile_rows::encode_key;
use crate::tables::schema::{COMMITS, KEYS, LOGS, PROFILES, SUMS, commit_key};

impl Writer {
    /// Writes what the commits since the last checkpoint came to into the tables. The next commit begins another
    /// [`Recent`]; readers go on with this one until the database has this commit.
    pub(in super::super) fn checkpoint_profiles(
        &mut self,
        tx: &mut Transaction,
    ) -> Result<(), Error> {
        let is_dirty = self.replica.profiles.values().any(|state| state.dirty);
        // A log that was compacted has its values in other blocks, and those they were in go with this commit.
        if self.recent.is_empty() && !is_dirty && tx.superseded.is_empty() {
            return Ok(());
        }
        self.write_keys(tx)?;
        self.write_commits(tx)?;
        self.write_logs(tx)?;
        self.write_profiles(tx)?;
        tx.next_recent = Some(Arc::new(Recent::default()));
        Ok(())
    }

    /// Writes the keys, and what follows from them for the sums over runs of keys.
    fn write_keys(&self, tx: &Transaction) -> Result<(), Error> {
        let mut table = tx.txn.open_table(KEYS).during("opening keys-2")?;
        let levels = Levels::new(&self.shared.header.index_key);
        let mut row = Vec::new();
        let mut changes = Vec::new();
        self.recent.for_each_change(|key, state, stored| {
            let profile = key.first_chunk::<4>().copied().map(u32::from_be_bytes);
            let number_of =
                |log| profile.and_then(|profile| self.replica.numbers.number(profile, log));
            encode_key(state, &mut row, number_of)?;
            changes.extend(SumChange::new(&levels, key, stored, &state.sum()));
            table
                .insert(key, row.as_slice())
                .during("writing a key")
                .map(drop)
        })?;
        let mut sums = tx.txn.open_table(SUMS).during("opening sums-1")?;
        update_sums(&mut sums, &table, &changes)
    }

    fn write_commits(&self, tx: &Transaction) -> Result<(), Error> {
        let mut table = tx.txn.open_table(COMMITS).during("opening commits-1")?;
        self.recent.for_each_commit(|log, first_seq, row| {
            let key = commit_key(log, first_seq);
            table
                .insert(key.as_slice(), row.encode().as_slice())
                .during("writing a commit")
                .map(drop)
        })
    }

    fn write_logs(&self, tx: &Transaction) -> Result<(), Error> {
        let mut table = tx.txn.open_table(LOGS).during("opening logs-1")?;
        for (number, row) in (0_u32..).zip(&self.replica.logs) {
            table
                .insert(number, row.encode().as_slice())
                .during("writing a log")?;
        }
        Ok(())
    }

    fn write_profiles(&mut self, tx: &Transaction) -> Result<(), Error> {
        let mut table = tx.txn.open_table(PROFILES).during("opening profiles-1")?;
        for (&number, state) in &mut self.replica.profiles {
            state.dirty = false;
            table
                .insert(number, state.row.encode().as_slice())
                .during("writing a profile")?;
        }
        Ok(())
    }
}
