//! The entries of one log, ordered by sequence number: what two replicas compare when one has part of a log and the other
//! a later checkpoint of it.

mod adopt;
mod compare;
mod index;

use core::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

pub use self::adopt::CaughtUp;
pub use self::compare::{LogEntries, SentEntry};
pub use self::index::EntryItem;

use self::index::EntryIndex;
use super::Profile;
use super::history::{checkpoint_of, is_refused};
use super::read::ProfileView;
use crate::error::Error;
use crate::oplog::SignedCheckpoint;
use crate::oplog::identity::{LogId, Revocation};
use crate::profile::ProfileError;
use crate::replica::ReplicaView;
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::CheckpointRow;

/// Most runs of indexes that a store keeps, of 72 bytes each, and most indexes.
const KEPT_RUNS_MAX: usize = 1 << 17;
const KEPT_MAX: usize = 16;

/// Sums of the entries of checkpoints, which others compare with theirs: made when they are first asked for, which takes as long
/// as reading all entries, and kept while there is room. They are not written to the store: to make them costs
/// less than to take in or to sign the checkpoint did, and most stores are never asked.
#[derive(Debug, Default)]
pub(crate) struct EntrySums {
    /// What was asked for last is last.
    kept: Mutex<Vec<Arc<EntryIndex>>>,
}

impl EntrySums {
    fn find(&self, number: u32, row: &CheckpointRow) -> Option<Arc<EntryIndex>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept
            .iter()
            .position(|index| index.number == number && index.is_of(row))?;
        let index = kept.remove(at);
        kept.push(Arc::clone(&index));
        Some(index)
    }

    fn keep(&self, index: &Arc<EntryIndex>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.number != index.number);
        kept.push(Arc::clone(index));
        let mut runs: usize = kept.iter().map(|one| one.runs.len()).sum();
        while kept.len() > 1 && (runs > KEPT_RUNS_MAX || kept.len() > KEPT_MAX) {
            runs -= kept.remove(0).runs.len();
        }
    }
}

/// What a store has of a log and a later checkpoint may have as well: the operations that count here, of its own checkpoint
/// of that log and of the commits behind it. See [`Profile::catch_up`].
#[derive(Clone, Debug)]
pub struct OwnEntries {
    index: Arc<EntryIndex>,
}

impl OwnEntries {
    /// The log.
    pub fn log(&self) -> LogId {
        self.index.log
    }

    /// How many operations they are.
    pub fn count(&self) -> u64 {
        self.index.total.count()
    }
}

impl Profile {
    /// The signed checkpoint of a log, if there is one and other replicas would take it.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn signed_checkpoint(&self, log: LogId) -> Result<Option<Vec<u8>>, Error> {
        let row = checkpoint_row(&self.durable_replica()?, log)?;
        Ok(row.map(|(_, row)| row.signed))
    }

    /// The entries of the checkpoint of a log, as it was signed, for who compares them with its own; `None` if there is none
    /// that other replicas would take. Made once for a checkpoint: reads all of it, and keeps 72 bytes for each of
    /// its segments, up to 9 MiB for all checkpoints of a store.
    ///
    /// ```
    /// use uxf_engine::profile::sealed::WalletSecret;
    /// use uxf_engine::{Engine, EngineOptions};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let profile = engine.profile(&WalletSecret::take(&mut [7; 32]), "phone").unwrap();
    /// for value in [b"1", b"2", b"3"] {
    ///     profile.put("app.a", value).unwrap();
    ///     profile.put("app.b", value).unwrap();
    /// }
    /// profile.compact().unwrap();
    ///
    /// let entries = profile.checkpoint_entries(profile.log_id()).unwrap().unwrap();
    /// assert_eq!(entries.sum(0..u64::MAX).unwrap().count(), 2);
    /// let last = entries.items(6..u64::MAX, 10).unwrap();
    /// assert_eq!(last.iter().map(|item| item.seq).collect::<Vec<_>>(), [6]);
    /// ```
    ///
    /// # Errors
    /// Those of [`signed_checkpoint`](Self::signed_checkpoint).
    pub fn checkpoint_entries(&self, log: LogId) -> Result<Option<LogEntries>, Error> {
        let view = self.durable_replica()?;
        let Some((number, row)) = checkpoint_row(&view, log)? else {
            return Ok(None);
        };
        let sums = &self.engine.shared().entry_sums;
        let index = if let Some(index) = sums.find(number, &row) {
            index
        } else {
            let index = EntryIndex::of_checkpoint(&view.snapshot, (log, number), &row)?;
            let index = Arc::new(index);
            sums.keep(&index);
            index
        };
        Ok(Some(LogEntries::new(view.snapshot, index)))
    }

    /// Begins to catch up with a log by its signed checkpoint, whose entries are to come one by one: says what there is
    /// here of them. `None` if the checkpoint brings nothing: this store has the log as far, nothing of it at all, or its
    /// time has not come.
    ///
    /// Nothing is written. Reads the keys of the profile and what is here of the log, and keeps 8 bytes for each
    /// operation that counts and 72 for each segment.
    ///
    /// # Errors
    /// What [`ingest`](Self::ingest) says of a checkpoint that is none, or of a device that may not write it;
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn catch_up(&self, signed: &[u8]) -> Result<Option<OwnEntries>, Error> {
        let signed = SignedCheckpoint::decode(signed).map_err(ProfileError::from)?;
        let header = signed.header();
        if header.profile != self.session.id {
            return Err(ProfileError::OtherProfile.into());
        }
        signed.verify().map_err(ProfileError::from)?;
        let view = self.replica()?;
        let (log, until) = (header.log, header.until);
        if !view.devices.contains_key(&log.device) {
            let device = log.device;
            return Err(ProfileError::Uncertified { device }.into());
        }
        if Revocation::any_refuses(view.revocations.iter(), &log, until) {
            return Err(ProfileError::Revoked { log, seq: until }.into());
        }
        let options = &self.engine.shared().options;
        let now = options.clock.unix_millis();
        let is_known = view.logs.get(&log).filter(|(_, head)| {
            (2..=until).contains(&head.next_seq)
                && !header.time.is_beyond(now, options.drift_ms)
                && !is_refused(&view, &log, until)
        });
        let Some((number, _)) = is_known else {
            return Ok(None);
        };
        let row = checkpoint_of(&view.snapshot, *number)?;
        let kept = self.counted(&view.snapshot, log)?;
        let index = EntryIndex::of_log(&view.snapshot, (log, *number), row.as_ref(), kept)?;
        let index = Arc::new(index);
        Ok(Some(OwnEntries { index }))
    }

    /// What [`catch_up`](Self::catch_up) found, to be compared.
    ///
    /// # Errors
    /// [`ProfileError::Superseded`] if the log has another checkpoint here since; [`Error::Poisoned`],
    /// [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn own_entries(&self, own: &OwnEntries) -> Result<LogEntries, Error> {
        let view = self.replica()?;
        let row = checkpoint_of(&view.snapshot, own.index.number)?;
        let signed = row.map(|row| row.signed).unwrap_or_default();
        if signed != own.index.signed {
            let log = own.index.log;
            return Err(ProfileError::Superseded { log }.into());
        }
        Ok(LogEntries::new(view.snapshot, Arc::clone(&own.index)))
    }

    /// Sequence numbers of the operations of a log that count here, ascending.
    fn counted(&self, snapshot: &Snapshot, log: LogId) -> Result<Vec<u64>, Error> {
        let view = ProfileView::new(snapshot, &self.session);
        let mut rows = view.walk(&[], None, Bound::Unbounded)?;
        let prefix = self.session.number.to_be_bytes();
        let mut kept = Vec::new();
        while let Some((key, state)) = rows.advance()? {
            if !key.starts_with(&prefix) {
                break;
            }
            let of_log = state.iter().filter(|one| one.stamp.log == log);
            kept.extend(of_log.map(|one| one.stamp.seq));
        }
        kept.sort_unstable();
        Ok(kept)
    }
}

/// The checkpoint of a log that others would take, and the log's number.
fn checkpoint_row(view: &ReplicaView, log: LogId) -> Result<Option<(u32, CheckpointRow)>, Error> {
    let Some((number, _)) = view.logs.get(&log) else {
        return Ok(None);
    };
    let row = checkpoint_of(&view.snapshot, *number)?;
    let row = row.filter(|row| !is_refused(view, &log, row.until));
    Ok(row.map(|row| (*number, row)))
}
