use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::ReadableTable as _;

use super::super::Writer;
use super::super::transaction::Transaction;
use super::ProfilePlan;
use super::alone::Taking;
use crate::error::{During as _, Error};
use crate::oplog::identity::{Certificate, LogId, Revocation};
use crate::oplog::{Appended, Commit, CommitId, ForkProof, LOGS_MAX, LogError, LogHead};
use crate::profile::ProfileError;
use crate::profile::change::{ForeignPart, ReadCheckpoint, ReadCommit};
use crate::replica::Lookup;
use crate::tables::row::BlockRow;
use crate::tables::schema::{BLOCKS, COMMITS};

/// Most devices of a profile, most revocations and most parked commits with their bytes.
const DEVICES_MAX: usize = 1_024;
const REVOCATIONS_MAX: usize = 4_096;
const PARKED_MAX: usize = 4_096;
const PARKED_BYTES_MAX: usize = 64 << 20;

/// What arrived, as far as it was looked at.
pub(super) struct Arriving {
    plan: ProfilePlan,
    /// Ends of the logs that were touched, and of those with parked commits at their end.
    pub(super) heads: BTreeMap<LogId, LogHead>,
    parked_heads: BTreeMap<LogId, LogHead>,
    certificates: Vec<Certificate>,
    revocations: Vec<Revocation>,
    pub(super) forks: BTreeMap<LogId, u64>,
    /// Logs whose checkpoint is too far ahead of the clock.
    waiting: BTreeSet<LogId>,
    pub(super) now_ms: u64,
}

impl Writer {
    /// Checks whether what arrived fits to what is here: certificates, revocations, chains, times. All of it or nothing
    /// is taken; a fork leaves its evidence.
    pub(super) fn plan_foreign(
        &mut self,
        tx: &Transaction,
        part: &ForeignPart,
    ) -> Result<ProfilePlan, Error> {
        let profile = part.session.number;
        let mut arriving = Arriving {
            plan: ProfilePlan {
                profile,
                ..ProfilePlan::default()
            },
            heads: BTreeMap::new(),
            parked_heads: BTreeMap::new(),
            certificates: Vec::new(),
            revocations: Vec::new(),
            forks: self.profile(profile)?.forks.clone(),
            waiting: BTreeSet::new(),
            now_ms: self.shared.options.clock.unix_millis(),
        };
        self.plan_statements(part, &mut arriving)?;
        for checkpoint in &part.checkpoints {
            self.plan_checkpoint(profile, checkpoint, &mut arriving)?;
        }
        for commit in &part.commits {
            let (log, until) = (commit.header.log, commit.header.last_seq());
            if arriving.waiting.contains(&log) {
                arriving.plan.waiting += 1;
                continue;
            }
            self.check_writer(profile, log, until, &arriving)?;
            if let Err(error) = self.plan_commit(tx, profile, commit, &mut arriving) {
                return match error {
                    Error::Profile(ProfileError::Log { log, source }) => {
                        self.plan_evidence(tx, &arriving, commit, log, source)
                    }
                    error => Err(error),
                };
            }
        }
        for alone in &part.alone {
            match self.judge_alone(tx, profile, alone, &arriving)? {
                Taking::New => arriving.plan.alone.push(Arc::clone(alone)),
                Taking::Known => arriving.plan.known += 1,
                Taking::LeftOut => arriving.plan.left_out += 1,
            }
        }
        self.check_room(profile, &arriving)?;
        let now = arriving.now_ms;
        let drift = self.shared.options.drift_ms;
        let clock = &mut self.profile_mut(profile)?.clock;
        let commits = arriving.plan.commits.iter();
        let checkpoints = arriving.plan.checkpoints.iter();
        let times = commits
            .map(|commit| commit.header.time)
            .chain(checkpoints.map(|one| one.signed.header().time))
            .chain(arriving.plan.alone.iter().map(|alone| alone.stamp.time));
        for time in times {
            clock.observe(time, now, drift);
        }
        Ok(arriving.plan)
    }

    fn plan_statements(&self, part: &ForeignPart, arriving: &mut Arriving) -> Result<(), Error> {
        let state = self.profile(part.session.number)?;
        for certificate in &part.certificates {
            let device = certificate.device();
            let known = |other: &Certificate| other.device() == device;
            if !state.devices.contains_key(&device) && !arriving.certificates.iter().any(known) {
                arriving.certificates.push(certificate.clone());
                arriving.plan.state_certificate(certificate);
            }
        }
        let devices = state.devices.len() + arriving.certificates.len();
        within("devices of a profile", DEVICES_MAX, devices)?;
        for revocation in &part.revocations {
            if !state.revocations.contains(revocation) && !arriving.revocations.contains(revocation)
            {
                arriving.revocations.push(revocation.clone());
                arriving.plan.state_revocation(revocation);
            }
        }
        let revocations = state.revocations.len() + arriving.revocations.len();
        within("revocations of a profile", REVOCATIONS_MAX, revocations)?;
        for proof in &part.forks {
            if !arriving.forks.contains_key(&proof.log()) {
                arriving.plan.state_fork(proof);
                let seq = proof.first_shared_seq();
                arriving.forks.insert(proof.log(), seq);
            }
        }
        Ok(())
    }

    /// Whether a checkpoint brings anything. What is beyond the clock waits with its sender, and so do the commits behind
    /// it.
    fn plan_checkpoint(
        &self,
        profile: u32,
        checkpoint: &Arc<ReadCheckpoint>,
        arriving: &mut Arriving,
    ) -> Result<(), Error> {
        let header = checkpoint.signed.header();
        let log = header.log;
        self.check_writer(profile, log, header.until, arriving)?;
        let drift = self.shared.options.drift_ms;
        if header.time.is_beyond(arriving.now_ms, drift) {
            arriving.waiting.insert(log);
            return Ok(());
        }
        let head = arriving.heads.get(&log).copied();
        let head = head.unwrap_or_else(|| self.replica.head_of(profile, log));
        let fork = arriving.forks.get(&log);
        if head.next_seq > header.until || fork.is_some_and(|seq| header.until >= *seq) {
            return Ok(());
        }
        arriving.heads.insert(log, header.log_head());
        arriving.plan.checkpoints.push(Arc::clone(checkpoint));
        Ok(())
    }

    /// Whether the device may have written a log up to an operation.
    pub(super) fn check_writer(
        &self,
        profile: u32,
        log: LogId,
        until: u64,
        arriving: &Arriving,
    ) -> Result<(), Error> {
        let state = self.profile(profile)?;
        let device = log.device;
        let mut arrived = arriving.certificates.iter();
        if !state.devices.contains_key(&device)
            && !arrived.any(|certificate| certificate.device() == device)
        {
            return Err(ProfileError::Uncertified { device }.into());
        }
        let revocations = state.revocations.iter().chain(&arriving.revocations);
        if Revocation::any_refuses(revocations, &log, until) {
            return Err(ProfileError::Revoked { log, seq: until }.into());
        }
        Ok(())
    }

    fn plan_commit(
        &self,
        tx: &Transaction,
        profile: u32,
        commit: &Arc<ReadCommit>,
        arriving: &mut Arriving,
    ) -> Result<(), Error> {
        let log = commit.header.log;
        let head = arriving.heads.get(&log).copied();
        let head = head.unwrap_or_else(|| self.replica.head_of(profile, log));
        let parked = match arriving.parked_heads.get(&log) {
            Some(parked) => *parked,
            None => self.parked_head(profile, head)?,
        };
        let mut failed = None;
        let known_id_at = |seq| match self.known_id(tx, profile, log, seq, arriving) {
            Ok(id) => id,
            Err(error) => {
                failed = Some(error);
                None
            }
        };
        let waits = parked.next_seq > head.next_seq;
        let mut last = if waits { parked } else { head };
        // Before the fork there is one history, which is as good as any; from there on nothing more is taken.
        let fork = arriving.forks.get(&log).copied();
        let is_after_fork = fork.is_some_and(|seq| commit.header.last_seq() >= seq);
        last.forked = false;
        let checked = last.check_header(&commit.header, commit.id, known_id_at);
        if let Some(error) = failed {
            return Err(error);
        }
        let refused = |source| ProfileError::Log {
            log,
            source: Box::new(source),
        };
        let checked = match checked {
            Ok(Appended::New) | Err(LogError::Equivocation { .. }) if is_after_fork => {
                Err(LogError::Forked)
            }
            checked => checked,
        };
        match checked.map_err(refused)? {
            Appended::Known | Appended::Forgotten => arriving.plan.known += 1,
            Appended::New => {
                let mut next = last;
                next.advance(&commit.header, commit.id);
                let drift = self.shared.options.drift_ms;
                if waits || commit.header.time.is_beyond(arriving.now_ms, drift) {
                    arriving.plan.parked.push(Arc::clone(commit));
                    arriving.parked_heads.insert(log, next);
                } else {
                    arriving.plan.commits.push(Arc::clone(commit));
                    arriving.heads.insert(log, next);
                }
            }
        }
        Ok(())
    }

    /// The id of the kept commit that has an operation of a log.
    fn known_id(
        &self,
        tx: &Transaction,
        profile: u32,
        log: LogId,
        seq: u64,
        arriving: &Arriving,
    ) -> Result<Option<CommitId>, Error> {
        let mut arrived = arriving.plan.commits.iter().chain(&arriving.plan.parked);
        let has = |commit: &&Arc<ReadCommit>| commit.header.log == log && commit.header.covers(seq);
        if let Some(commit) = arrived.find(has) {
            return Ok(Some(commit.id));
        }
        let Some(number) = self.replica.numbers.number(profile, log) else {
            return Ok(None);
        };
        let state = self.profile(profile)?;
        let parked = state.parked.range((number, 0)..=(number, seq)).next_back();
        if let Some((_, parked)) = parked.filter(|(_, parked)| parked.last_seq >= seq) {
            return Ok(Some(parked.id));
        }
        let table = tx.txn.open_table(COMMITS).during("opening commits-1")?;
        let found = self.newest().commit_at(&table, number, seq)?;
        Ok(found.map(|(_, row)| row.id))
    }

    /// A commit does not fit into its log. If its device wrote two histories, what proves it is kept, and nothing else
    /// of what arrived.
    fn plan_evidence(
        &self,
        tx: &Transaction,
        arriving: &Arriving,
        commit: &ReadCommit,
        log: LogId,
        source: Box<LogError>,
    ) -> Result<ProfilePlan, Error> {
        let LogError::Equivocation { known, .. } = *source else {
            return Err(ProfileError::Log { log, source }.into());
        };
        let profile = arriving.plan.profile;
        let mut plan = ProfilePlan {
            profile,
            ..ProfilePlan::default()
        };
        // The certificate that makes the evidence worth anything may be new as well.
        let mut certificates = arriving.certificates.iter();
        if let Some(certificate) = certificates.find(|one| one.device() == log.device) {
            plan.state_certificate(certificate);
        }
        if let Some(bytes) = self.known_bytes(tx, profile, log, commit, known, arriving)? {
            let one = Commit::decode(&bytes).map_err(ProfileError::from)?;
            let other = Commit::decode(&commit.bytes).map_err(ProfileError::from)?;
            let proof = ForkProof::new(&one, &other).map_err(ProfileError::from)?;
            plan.state_fork(&proof);
        }
        plan.refusal = Some(ProfileError::Log { log, source }.into());
        Ok(plan)
    }

    /// The bytes of the known commit that another one contradicts.
    fn known_bytes(
        &self,
        tx: &Transaction,
        profile: u32,
        log: LogId,
        commit: &ReadCommit,
        known: CommitId,
        arriving: &Arriving,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut arrived = arriving.plan.commits.iter().chain(&arriving.plan.parked);
        if let Some(commit) = arrived.find(|commit| commit.id == known) {
            return Ok(Some(commit.bytes.clone()));
        }
        let Some(number) = self.replica.numbers.number(profile, log) else {
            return Ok(None);
        };
        let head = self.replica.head_of(profile, log);
        let seq = match head.head {
            Some(id) if id == known => head.next_seq.saturating_sub(1),
            _ => commit.header.first_seq,
        };
        if let Some(bytes) = self.parked_bytes(tx, profile, number, known)? {
            return Ok(Some(bytes));
        }
        let found = {
            let table = tx.txn.open_table(COMMITS).during("opening commits-1")?;
            self.newest().commit_at(&table, number, seq)?
        };
        match found {
            Some((_, row)) if row.id == known => Self::block_bytes(tx, row.block).map(Some),
            _ => Ok(None),
        }
    }

    /// The bytes of a commit's block, in the database or in this transaction.
    pub(super) fn block_bytes(tx: &Transaction, seq: u64) -> Result<Vec<u8>, Error> {
        let new = seq.checked_sub(tx.first_new);
        if let Some(row) = new.and_then(|at| tx.rows.get(usize::try_from(at).ok()?))
            && let Some((_, bytes)) = row.source.block()
        {
            return Ok(bytes.to_vec());
        }
        let table = tx.txn.open_table(BLOCKS).during("opening blocks-1")?;
        let row = table.get(seq).during("reading a block")?;
        let row = row.ok_or_else(|| {
            Error::corrupted("blocks-1", seq, "INV-LOG-1: a commit that is not stored")
        })?;
        Ok(BlockRow::decode(seq, row.value())?.bytes.to_vec())
    }

    fn check_room(&self, profile: u32, arriving: &Arriving) -> Result<(), Error> {
        let state = self.profile(profile)?;
        let parked = &arriving.plan.parked;
        let count = state.parked.len() + parked.len();
        within("parked commits", PARKED_MAX, count)?;
        let held: usize = state.parked.values().map(|parked| parked.bytes).sum();
        let more: usize = parked.iter().map(|commit| commit.bytes.len()).sum();
        if more > 0 {
            within("bytes of parked commits", PARKED_BYTES_MAX, held + more)?;
        }
        let new = |log: &&LogId| self.replica.numbers.number(profile, **log).is_none();
        let touched = arriving.heads.keys().chain(arriving.parked_heads.keys());
        let touched = touched.chain(arriving.plan.alone.iter().map(|alone| &alone.stamp.log));
        let mut new: Vec<&LogId> = touched.filter(new).collect();
        new.sort_unstable();
        new.dedup();
        let logs = self.replica.logs_of(profile).count() + new.len();
        within("logs of a profile", LOGS_MAX, logs)
    }

    /// Sees everything applied so far.
    pub(super) fn newest(&self) -> Lookup<'_> {
        Lookup {
            recent: &self.recent,
            logs: &self.replica.numbers,
            end: u64::MAX,
        }
    }
}

fn within(what: &'static str, limit: usize, found: usize) -> Result<(), Error> {
    if found <= limit {
        return Ok(());
    }
    Err(ProfileError::LimitExceeded {
        what,
        limit: limit as u64,
        found: found as u64,
    }
    .into())
}
