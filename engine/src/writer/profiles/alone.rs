//! Operations that came alone: each with its proof, beside a log that does not reach so far here.
//!
//! Such an operation is a block of its own, which a row of `alone-1` holds. It counts like any other. When the log catches
//! up, what counts lies in the commit or segment that came; when something later supersedes it, nothing lies in it any
//! more. Either way a checkpoint of the tables lets go of it.

use std::sync::Arc;

use redb::ReadableTable as _;

use super::super::Writer;
use super::super::transaction::{Changed, ChangedKeys, NewRow, RowSource, Transaction};
use super::ingest::Arriving;
use crate::batch::BatchData;
use crate::error::{During as _, Error};
use crate::profile::ProfileError;
use crate::profile::change::ReadOperation;
use crate::profile::fold::KeyState;
use crate::replica::{folding, stored_key};
use crate::tables::profile_rows::AloneRow;
use crate::tables::row::BlockKind;
use crate::tables::schema::{ALONE, KEYS, commit_key, value_key};

/// Rows of `alone-1` that one checkpoint looks at.
const LOOKED_AT: usize = 4_096;

/// What is to become of an operation that came alone.
pub(super) enum Taking {
    /// It is stored.
    New,
    /// It is here, or something is that supersedes it.
    Known,
    /// Its device may not write it, its log is forked, or its time has not come.
    LeftOut,
}

impl Writer {
    /// Whether an operation that came alone is taken. Whatever is against it is no fault of who sent it: they may not know
    /// of a revocation, or this clock may be behind.
    pub(super) fn judge_alone(
        &self,
        tx: &Transaction,
        profile: u32,
        alone: &ReadOperation,
        arriving: &Arriving,
    ) -> Result<Taking, Error> {
        let stamp = &alone.stamp;
        let log = stamp.log;
        match self.check_writer(profile, log, stamp.seq, arriving) {
            Ok(()) => {}
            Err(Error::Profile(
                ProfileError::Uncertified { .. } | ProfileError::Revoked { .. },
            )) => return Ok(Taking::LeftOut),
            Err(error) => return Err(error),
        }
        let head = arriving.heads.get(&log).copied();
        let head = head.unwrap_or_else(|| self.replica.head_of(profile, log));
        if stamp.seq < head.next_seq {
            // Every operation of the log up to there was applied.
            return Ok(Taking::Known);
        }
        let drift = self.shared.options.drift_ms;
        let is_forked = arriving
            .forks
            .get(&log)
            .is_some_and(|fork| stamp.seq >= *fork);
        // What this store has not written itself was written by a copy of it, which the log will tell.
        let is_own = self.profile(profile)?.own_log() == log;
        if is_forked || is_own || stamp.time.is_beyond(arriving.now_ms, drift) {
            return Ok(Taking::LeftOut);
        }
        let mut state = self.state_of(tx, profile, alone)?;
        let counts = state.apply(alone.counted(0), folding(&alone.key));
        Ok(if counts { Taking::New } else { Taking::Known })
    }

    fn state_of(
        &self,
        tx: &Transaction,
        profile: u32,
        alone: &ReadOperation,
    ) -> Result<KeyState, Error> {
        let table = tx.txn.open_table(KEYS).during("opening keys-2")?;
        let state = self.newest().key(&table, &value_key(profile, &alone.key))?;
        Ok(state.unwrap_or_default())
    }

    /// Whether the block that an operation refers to is here or comes with the batch.
    pub(super) fn has_value(
        &mut self,
        batch: &BatchData,
        alone: &ReadOperation,
    ) -> Result<bool, Error> {
        let Some(link) = alone.link() else {
            return Ok(true);
        };
        let position = batch.find(&self.shared, &link);
        let entry = position.and_then(|position| batch.entry(position));
        if entry.is_some_and(|entry| entry.body.is_some()) {
            return Ok(true);
        }
        Ok(self.lookup(self.shared.fingerprint(&link))?.is_some())
    }

    /// Stores an operation with its proof and folds it, unless something superseded it in the meantime.
    pub(super) fn append_alone(
        &mut self,
        tx: &mut Transaction,
        profile: u32,
        alone: &Arc<ReadOperation>,
    ) -> Result<bool, Error> {
        let mut state = self.state_of(tx, profile, alone)?;
        let counts = state.apply(alone.counted(0), folding(&alone.key));
        if !counts || self.lookup(self.shared.fingerprint(&alone.hash))?.is_some() {
            return Ok(false);
        }
        if let Some(link) = alone.link() {
            self.hold_link(tx, &link)?;
        }
        let log = self.number_of_log(tx, profile, alone.stamp.log)?;
        let row = NewRow {
            kind: BlockKind::Operation,
            source: RowSource::Operation(Arc::clone(alone)),
            pins: 0,
        };
        let block = self.append_held(tx, &alone.hash, alone.bytes.len(), row)?;
        let stored = value_key(profile, &alone.key);
        {
            let row = AloneRow {
                block,
                time: alone.stamp.time,
                key: &stored,
            };
            let mut table = tx.txn.open_table(ALONE).during("opening alone-1")?;
            let key = commit_key(log, alone.stamp.seq);
            table
                .insert(key.as_slice(), row.encode().as_slice())
                .during("writing an operation that came alone")?;
            tx.rows_changed = true;
        }
        let table = tx.txn.open_table(KEYS).during("opening keys-2")?;
        self.recent.update(
            &stored,
            block.saturating_add(1),
            self.keep(tx),
            || {
                let stored = stored_key(&table, &self.replica.numbers, &stored);
                stored.map(Option::unwrap_or_default)
            },
            |state| state.apply(alone.counted(block), folding(&alone.key)),
        )?;
        self.recent.add_operations(1);
        tx.changes.push(Changed {
            profile,
            log: alone.stamp.log,
            time: alone.stamp.time,
            own: false,
            keys: ChangedKeys::Named(vec![(alone.key.clone(), alone.kind)]),
        });
        Ok(true)
    }

    /// Lets go of operations that came alone and in whose blocks nothing lies any more that counts. Of many rows it looks at
    /// some, and at the next ones at the next checkpoint.
    pub(in super::super) fn release_alone(&mut self, tx: &mut Transaction) -> Result<(), Error> {
        let mut gone = Vec::new();
        {
            let rows = tx.txn.open_table(ALONE).during("opening alone-1")?;
            let keys = tx.txn.open_table(KEYS).during("opening keys-2")?;
            let from = core::mem::take(&mut self.replica.alone_next);
            let range = rows.range::<&[u8]>(from.as_slice()..);
            for (at, row) in range.during("reading alone-1")?.enumerate() {
                let (key, row) = row.during("reading alone-1")?;
                if at == LOOKED_AT {
                    self.replica.alone_next = key.value().to_vec();
                    break;
                }
                let row = AloneRow::decode(key.value(), row.value())?;
                let state = self.newest().key(&keys, row.key)?.unwrap_or_default();
                if !state.iter().any(|counted| counted.place.block == row.block) {
                    gone.push((key.value().to_vec(), row.block));
                }
            }
        }
        for (key, block) in gone {
            self.apply_change(tx, block, -1, 0)?;
            let mut rows = tx.txn.open_table(ALONE).during("opening alone-1")?;
            rows.remove(key.as_slice())
                .during("removing an operation that came alone")?;
            tx.rows_changed = true;
        }
        Ok(())
    }
}
