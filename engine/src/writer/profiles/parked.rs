use std::sync::Arc;

use redb::ReadableTable as _;

use super::super::Writer;
use super::super::transaction::Transaction;
use crate::error::{During as _, Error};
use crate::oplog::{Commit, CommitId};
use crate::options::Durability;
use crate::profile::ProfileError;
use crate::profile::change::ReadCommit;
use crate::tables::schema::{PARKED, commit_key};

impl Writer {
    /// Whether the time of a parked commit has come.
    pub(in super::super) fn parked_is_due(&self) -> bool {
        let options = &self.shared.options;
        let mut profiles = self.replica.profiles.values();
        profiles.any(|state| {
            let mut parked = state.parked.values();
            parked.any(|parked| {
                !parked
                    .time
                    .is_beyond(options.clock.unix_millis(), options.drift_ms)
            })
        })
    }

    pub(in super::super) fn has_parked(&self) -> bool {
        let mut profiles = self.replica.profiles.values();
        profiles.any(|state| !state.parked.is_empty())
    }

    /// Applies parked commits whose time has come when nothing else is to be done.
    pub(in super::super) fn apply_due_alone(&mut self) -> Result<(), Error> {
        let result = self.try_apply_due_alone();
        self.poison_on_error(result)
    }

    fn try_apply_due_alone(&mut self) -> Result<(), Error> {
        let mut tx = self.begin(Durability::Durable)?;
        self.apply_due(&mut tx)?;
        self.append_rows(&mut tx, &[])?;
        tx.rows_written = true;
        self.conclude(&mut tx)?;
        self.commit_database(tx, false)
    }

    /// Applies parked commits whose time has come, those of each log in order.
    pub(in super::super) fn apply_due(&mut self, tx: &mut Transaction) -> Result<(), Error> {
        let now = self.shared.options.clock.unix_millis();
        let drift = self.shared.options.drift_ms;
        let mut due = Vec::new();
        for (&profile, state) in &self.replica.profiles {
            let mut blocked = None;
            for (&(log, first_seq), parked) in &state.parked {
                if parked.time.is_beyond(now, drift) || blocked == Some(log) {
                    blocked = Some(log);
                } else {
                    due.push((profile, log, first_seq));
                }
            }
        }
        for (profile, log, first_seq) in due {
            let bytes = {
                let mut table = tx.txn.open_table(PARKED).during("opening parked-1")?;
                let key = commit_key(log, first_seq);
                let row = table.remove(key.as_slice()).during("reading parked-1")?;
                row.map(|row| row.value().to_vec())
            };
            let bytes = bytes.ok_or_else(|| {
                Error::corrupted("parked-1", log, "INV-PARKED-1: a parked commit is gone")
            })?;
            tx.rows_changed = true;
            let commit = Commit::decode(&bytes).map_err(ProfileError::from)?;
            let commit = Arc::new(ReadCommit::of(&commit));
            self.append_commit(tx, profile, &commit)?;
            let state = self.profile_mut(profile)?;
            state.parked.remove(&(log, first_seq));
            state.clock.observe(commit.header.time, now, drift);
        }
        Ok(())
    }

    /// The bytes of a parked commit of a log.
    pub(super) fn parked_bytes(
        &self,
        tx: &Transaction,
        profile: u32,
        log: u32,
        id: CommitId,
    ) -> Result<Option<Vec<u8>>, Error> {
        let state = self.profile(profile)?;
        let mut parked = state.parked.range((log, 0)..=(log, u64::MAX));
        let Some((&(_, first_seq), _)) = parked.find(|(_, parked)| parked.id == id) else {
            return Ok(None);
        };
        let table = tx.txn.open_table(PARKED).during("opening parked-1")?;
        let key = commit_key(log, first_seq);
        let row = table.get(key.as_slice()).during("reading parked-1")?;
        Ok(row.map(|row| row.value().to_vec()))
    }
}
