//! A store that does not keep the beginnings of logs that others wrote.

use std::collections::BTreeSet;

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointId, Missing, VersionVector};
use uxf_engine::profile::{CaughtUp, Delta, OwnEntries, Profile, Whole};
use uxf_replication::oplog_sync::{Given, History, HistoryError, Taken};
use uxf_replication::reconcile::Answer;
use uxf_replication::wire::RangeEntry;

/// Operations of a foreign log that are not kept as a log, from its first on.
const CUT: u64 = 4;

/// The history of a profile without the beginnings of foreign logs.
pub(crate) struct CutHistory<'p>(pub(crate) &'p Profile);

impl CutHistory<'_> {
    fn cut_for(&self, theirs: &VersionVector) -> Result<(), HistoryError> {
        let ours = History::version_vector(self.0)?;
        let own = self.0.device();
        let is_cut = |missing: &Missing| missing.log.device != own && missing.from <= CUT;
        let cut = ours.missing_from(theirs).find(is_cut);
        match cut {
            Some(Missing { log, from, .. }) => Err(HistoryError::Compacted { log, seq: from }),
            None => Ok(()),
        }
    }
}

impl History for CutHistory<'_> {
    fn version_vector(&self) -> Result<VersionVector, HistoryError> {
        History::version_vector(self.0)
    }

    fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Given, HistoryError> {
        self.cut_for(theirs)?;
        History::delta_for(self.0, theirs, bytes_max)
    }

    fn delta_offering(
        &self,
        theirs: &VersionVector,
        bytes_max: usize,
        whole: &Whole,
    ) -> Result<Given, HistoryError> {
        self.cut_for(theirs)?;
        History::delta_offering(self.0, theirs, bytes_max, whole)
    }

    fn begin_catch_up(
        &self,
        signed: &[u8],
    ) -> Result<Option<(OwnEntries, Vec<RangeEntry>)>, HistoryError> {
        History::begin_catch_up(self.0, signed)
    }

    fn compare_own(
        &self,
        own: &OwnEntries,
        ranges: &[RangeEntry],
    ) -> Result<(BTreeSet<u64>, Vec<RangeEntry>), HistoryError> {
        History::compare_own(self.0, own, ranges)
    }

    fn adopt(&self, caught_up: CaughtUp) -> Result<Taken, HistoryError> {
        History::adopt(self.0, caught_up)
    }

    fn answer_entries(
        &self,
        log: LogId,
        checkpoint: CheckpointId,
        ranges: &[RangeEntry],
    ) -> Result<Option<Answer>, HistoryError> {
        History::answer_entries(self.0, log, checkpoint, ranges)
    }

    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError> {
        History::ingest(self.0, delta)
    }
}
