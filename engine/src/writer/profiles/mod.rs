//! The writer's part of profiles: commits made here, commits that arrived, and what they mean for the keys.
//!
//! Planning reads and checks and may be refused; applying what was planned changes memory and cannot be refused.

mod alone;
mod checkpoint;
mod compact;
mod ingest;
mod local;
mod merged;
mod open;
mod parked;

use std::sync::Arc;

use uxf_codec::ElementHash;

pub use self::compact::CompactedLog;
pub(super) use self::compact::Superseded;
pub(crate) use self::open::OpenProfile;
use super::Writer;
use super::plan::Planning;
use super::transaction::{Changed, ChangedKeys, NewRow, RowSource, Transaction};
use crate::batch::BatchData;
use crate::elements::count::Count;
use crate::error::{During as _, Error};
use crate::oplog::LogHead;
use crate::oplog::identity::{Certificate, LogId, Revocation};
use crate::profile::ProfileError;
use crate::profile::change::{ProfilePart, ReadCheckpoint, ReadCommit, ReadOperation};
use crate::replica::{Folded, Keep, Parked, ProfileState, fold_commit};
use crate::tables::profile_rows::CommitRow;
use crate::tables::row::BlockKind;
use crate::tables::schema::{KEYS, LOCAL, LOGS, PARKED, STATEMENTS, commit_key, value_key};

/// What applying the profile's part of a batch will do.
#[derive(Debug, Default)]
pub(super) struct ProfilePlan {
    pub(super) profile: u32,
    /// Checkpoints to store and take in, before any commit.
    pub(super) checkpoints: Vec<Arc<ReadCheckpoint>>,
    /// Commits to append, in order.
    pub(super) commits: Vec<Arc<ReadCommit>>,
    /// Commits to keep until their time comes.
    pub(super) parked: Vec<Arc<ReadCommit>>,
    /// Operations that came alone, to store.
    pub(super) alone: Vec<Arc<ReadOperation>>,
    /// Operations that came alone and are not taken now.
    pub(super) left_out: u64,
    /// Commits that were there.
    pub(super) known: u64,
    /// Commits that were left out because they follow a checkpoint whose time has not come.
    pub(super) waiting: u64,
    /// Statements to write: key and bytes.
    pub(super) statements: Vec<(Vec<u8>, Vec<u8>, Statement)>,
    /// Values that stay on this device.
    pub(super) local: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The batch is refused all the same, after what is here was written: a fork leaves its evidence.
    pub(super) refusal: Option<Error>,
}

/// What a statement changes in memory.
#[derive(Debug)]
pub(super) enum Statement {
    Certificate(Certificate),
    Revocation(Revocation),
    /// The log, and the first sequence number of which there are two.
    Fork(LogId, u64),
}

impl Writer {
    /// Finds out what a batch does to a profile.
    pub(super) fn plan_profile(
        &mut self,
        tx: &Transaction,
        batch: &BatchData,
        planning: &mut Planning<'_>,
    ) -> Result<(), Error> {
        let mut plan = match batch.profile.as_deref() {
            None => return Ok(()),
            Some(ProfilePart::Local(part)) => self.plan_local(tx, part)?,
            Some(ProfilePart::Foreign(part)) => self.plan_foreign(tx, part)?,
        };
        for segment in plan.checkpoints.iter().flat_map(|one| &one.segments) {
            for link in segment.links() {
                planning.need_named(&self.shared, batch, &link, "a value of a profile")?;
            }
        }
        for commit in plan.commits.iter().chain(&plan.parked) {
            for link in commit.links() {
                planning.refer_to(&self.shared, batch, &link, "a value of a profile")?;
            }
        }
        // What refers to a value that nobody sent has to come again with it.
        let mut alone = core::mem::take(&mut plan.alone);
        let mut lacks = None;
        alone.retain(|one| match self.has_value(batch, one) {
            Ok(has) => {
                plan.left_out += u64::from(!has);
                has
            }
            Err(error) => {
                lacks = Some(error);
                false
            }
        });
        if let Some(error) = lacks {
            return Err(error);
        }
        for link in alone.iter().filter_map(|one| one.link()) {
            planning.need_named(&self.shared, batch, &link, "a value of a profile")?;
        }
        plan.alone = alone;
        planning.plan.profile = Some(plan);
        Ok(())
    }

    /// Applies what was planned, and says how many operations that came alone were stored. An error here is one of storage.
    pub(super) fn apply_profile(
        &mut self,
        tx: &mut Transaction,
        plan: &ProfilePlan,
    ) -> Result<u64, Error> {
        for (key, bytes, statement) in &plan.statements {
            self.apply_statement(tx, plan.profile, key, bytes, statement)?;
        }
        for checkpoint in &plan.checkpoints {
            self.adopt(tx, plan.profile, checkpoint)?;
        }
        for commit in &plan.commits {
            self.append_commit(tx, plan.profile, commit)?;
        }
        for commit in &plan.parked {
            self.park(tx, plan.profile, commit)?;
        }
        let mut stored = 0;
        for alone in &plan.alone {
            stored += u64::from(self.append_alone(tx, plan.profile, alone)?);
        }
        if !plan.local.is_empty() {
            tx.rows_changed = true;
            let seals = plan
                .local
                .iter()
                .filter(|(_, value)| value.is_some())
                .count();
            self.profile_mut(plan.profile)?.row.seals += seals as u64;
            let mut table = tx.txn.open_table(LOCAL).during("opening local-1")?;
            for (key, value) in &plan.local {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice()),
                    None => table.remove(key.as_slice()),
                }
                .during("writing a local value")?;
            }
        }
        Ok(stored)
    }

    fn apply_statement(
        &mut self,
        tx: &mut Transaction,
        profile: u32,
        key: &[u8],
        bytes: &[u8],
        statement: &Statement,
    ) -> Result<(), Error> {
        tx.rows_changed = true;
        {
            let mut table = tx
                .txn
                .open_table(STATEMENTS)
                .during("opening statements-1")?;
            table.insert(key, bytes).during("writing a statement")?;
        }
        match statement {
            Statement::Certificate(certificate) => {
                let state = self.profile_mut(profile)?;
                state
                    .devices
                    .insert(certificate.device(), certificate.clone());
            }
            Statement::Revocation(revocation) => {
                self.profile_mut(profile)?
                    .revocations
                    .push(revocation.clone());
            }
            Statement::Fork(log, seq) => {
                let number = self.number_of_log(tx, profile, *log)?;
                self.profile_mut(profile)?.forks.insert(*log, *seq);
                if let Some(row) = self.replica.log_mut(number) {
                    row.head.forked = true;
                }
            }
        }
        Ok(())
    }

    /// Appends a commit to the blocks and folds its operations.
    pub(super) fn append_commit(
        &mut self,
        tx: &mut Transaction,
        profile: u32,
        commit: &Arc<ReadCommit>,
    ) -> Result<(), Error> {
        let log = self.number_of_log(tx, profile, commit.header.log)?;
        let row = NewRow {
            kind: BlockKind::Commit,
            source: RowSource::Commit(Arc::clone(commit)),
            pins: 0,
        };
        let seq = self.append_held(tx, &commit.hash, commit.bytes.len(), row)?;
        let keep = self.keep(tx);
        let recent = Arc::clone(&self.recent);
        let folded = {
            let keys = tx.txn.open_table(KEYS).during("opening keys-2")?;
            let place = Folded {
                profile,
                block: seq,
                keep,
            };
            fold_commit(&recent, &self.replica.numbers, &keys, commit, place)?
        };
        let row = CommitRow {
            block: seq,
            last_seq: commit.header.last_seq(),
            id: commit.id,
        };
        recent.add_commit(log, commit.header.first_seq, row, commit.operations.len());
        let own = self.profile(profile)?.own_log() == commit.header.log;
        if let Some(row) = self.replica.log_mut(log) {
            row.head.advance(&commit.header, commit.id);
        }
        if own {
            let numbers = Arc::clone(&self.replica.numbers);
            let state = self.profile_mut(profile)?;
            state.count_seals(&commit.operations);
            let named = &mut state.named;
            for head in &commit.header.heads {
                if let Some(number) = numbers.number(profile, head.log) {
                    named.insert(number, head.seq);
                }
            }
        }
        tx.changes.push(Changed {
            profile,
            log: commit.header.log,
            time: commit.header.time,
            own,
            keys: ChangedKeys::Of(Arc::clone(commit), folded),
        });
        Ok(())
    }

    /// Appends a block that its log holds once.
    pub(super) fn append_held(
        &mut self,
        tx: &mut Transaction,
        hash: &ElementHash,
        len: usize,
        row: NewRow,
    ) -> Result<u64, Error> {
        let seq = self.state.next_seq;
        self.counts.set(&self.shared.db, seq, Count::at_insert(1))?;
        let fingerprint = self.shared.fingerprint(hash);
        self.shared.locator.insert(fingerprint, seq);
        self.state.next_seq += 1;
        self.state.add_block(row.kind.id(), len);
        tx.bytes += len as u64;
        tx.rows.push(row);
        Ok(seq)
    }

    /// The number of a log; a new one is written down at once, because rows refer to it.
    pub(super) fn number_of_log(
        &mut self,
        tx: &mut Transaction,
        profile: u32,
        log: LogId,
    ) -> Result<u32, Error> {
        let known = self.replica.logs.len();
        let number = self.replica.number_of(profile, log);
        if self.replica.logs.len() > known
            && let Some(row) = self.replica.log(number)
        {
            tx.rows_changed = true;
            let mut table = tx.txn.open_table(LOGS).during("opening logs-1")?;
            table
                .insert(number, row.encode().as_slice())
                .during("writing a log")?;
        }
        Ok(number)
    }

    /// Which states of keys somebody may still read.
    pub(super) fn keep(&self, tx: &Transaction) -> Keep {
        if self.shared.readers.snapshots() > 0 {
            Keep::All
        } else {
            Keep::From(tx.first_new)
        }
    }

    pub(super) fn profile(&self, number: u32) -> Result<&ProfileState, Error> {
        let found = self.replica.profiles.get(&number);
        found.ok_or(Error::Profile(ProfileError::NotFound))
    }

    pub(super) fn profile_mut(&mut self, number: u32) -> Result<&mut ProfileState, Error> {
        let found = self.replica.profiles.get_mut(&number);
        found.ok_or(Error::Profile(ProfileError::NotFound))
    }

    /// Keeps a commit until its time comes.
    fn park(
        &mut self,
        tx: &mut Transaction,
        profile: u32,
        commit: &ReadCommit,
    ) -> Result<(), Error> {
        let log = self.number_of_log(tx, profile, commit.header.log)?;
        tx.rows_changed = true;
        let key = commit_key(log, commit.header.first_seq);
        let mut table = tx.txn.open_table(PARKED).during("opening parked-1")?;
        table
            .insert(key.as_slice(), commit.bytes.as_slice())
            .during("parking a commit")?;
        let parked = Parked {
            id: commit.id,
            last_seq: commit.header.last_seq(),
            time: commit.header.time,
            bytes: commit.bytes.len(),
        };
        let state = self.profile_mut(profile)?;
        state.parked.insert((log, commit.header.first_seq), parked);
        Ok(())
    }

    /// The end of a log, parked commits included.
    fn parked_head(&self, profile: u32, head: LogHead) -> Result<LogHead, Error> {
        let Some(number) = self.replica.numbers.number(profile, head.log) else {
            return Ok(head);
        };
        let state = self.profile(profile)?;
        let mut head = head;
        if let Some((_, last)) = state
            .parked
            .range((number, 0)..=(number, u64::MAX))
            .next_back()
        {
            head.next_seq = last.last_seq.saturating_add(1);
            head.head = Some(last.id);
            head.time = last.time;
        }
        Ok(head)
    }
}

/// Key of a value that stays on this device.
fn local_key(profile: u32, key: &str) -> Vec<u8> {
    value_key(profile, key)
}
