use std::collections::{BTreeMap, BTreeSet};

use super::OwnEntries;
use crate::error::Error;
use crate::oplog::{
    CheckpointBuilder, CheckpointError, CheckpointHeader, CheckpointStart, Entry, SegmentBytes,
    SignedCheckpoint,
};
use crate::profile::ProfileError;
use crate::profile::handle::Profile;
use crate::profile::handle::history::{CheckpointParts, Delta, IngestOutcome};

/// What a replica knows of a checkpoint once it has compared: see [`Profile::adopt_checkpoint`].
#[derive(Clone, Debug)]
pub struct CaughtUp {
    /// The checkpoint, as it was signed.
    pub signed: Vec<u8>,
    /// What this store had of the log.
    pub own: OwnEntries,
    /// Which of these the checkpoint does not have.
    pub dropped: BTreeSet<u64>,
    /// Entries that it has besides, encoded, in any order.
    pub entries: Vec<Vec<u8>>,
    /// Sealed blocks that these refer to.
    pub blocks: Vec<Vec<u8>>,
}

impl Profile {
    /// Takes a checkpoint in whose entries are put together from what is here and what came. All that is checked of one
    /// that comes whole is checked of this one, by the same code, above all that its entries have the number, the bytes and
    /// the root that its device signed.
    ///
    /// Takes as much memory as one that comes whole: twice the bytes of the entries, and about 120 bytes for each of them.
    ///
    /// # Errors
    /// [`ProfileError::NotCaughtUp`] if the entries are not those of the checkpoint, whoever's fault that is: it has to be had
    /// whole. [`ProfileError::Superseded`] if the log has another checkpoint here since. Those of
    /// [`ingest`](Self::ingest). Nothing is written then.
    pub fn adopt_checkpoint(&self, caught_up: CaughtUp) -> Result<IngestOutcome, Error> {
        let CaughtUp {
            signed,
            own,
            dropped,
            entries,
            blocks,
        } = caught_up;
        let decoded = SignedCheckpoint::decode(&signed).map_err(ProfileError::from)?;
        let header = decoded.header();
        let log = header.log;
        let refused = |source| ProfileError::NotCaughtUp { log, source };
        if own.log() != log {
            return Err(ProfileError::Superseded { log }.into());
        }
        let mut came = BTreeMap::new();
        for bytes in &entries {
            let entry = Entry::decode(bytes);
            let entry =
                entry.map_err(|source| refused(CheckpointError::Segment { index: 0, source }))?;
            came.insert(entry.seq, entry);
        }
        let segments = self.put_together(&own, header, &dropped, came)?;
        let delta = Delta {
            blocks,
            checkpoints: vec![CheckpointParts { segments, signed }],
            ..Delta::default()
        };
        self.ingest(&delta).map_err(|error| match error {
            Error::Profile(ProfileError::Checkpoint(source)) => refused(source).into(),
            error => error,
        })
    }

    /// The segments of a checkpoint, cut as who signs one cuts them.
    fn put_together(
        &self,
        own: &OwnEntries,
        header: &CheckpointHeader,
        dropped: &BTreeSet<u64>,
        came: BTreeMap<u64, Entry<'_>>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let log = header.log;
        let refused = |source| ProfileError::NotCaughtUp { log, source };
        let here = self.own_entries(own)?;
        let mut building = Building {
            builder: CheckpointBuilder::new(CheckpointStart::of(header)).map_err(refused)?,
            segments: Vec::new(),
            count_max: header.count,
        };
        let mut came = came.into_iter().peekable();
        for run in &here.index.runs {
            let mut failed = Ok(());
            here.index.each_of(&here.snapshot, run, |entry, _| {
                if failed.is_err() {
                    return;
                }
                while let Some((_, earlier)) = came.next_if(|(seq, _)| *seq < entry.seq) {
                    failed = failed.clone().and_then(|()| building.push(&earlier));
                }
                // What came under a number of its own takes the place of what is here.
                let is_replaced = came.peek().is_some_and(|(seq, _)| *seq == entry.seq);
                if failed.is_ok() && !is_replaced && !dropped.contains(&entry.seq) {
                    failed = building.push(entry);
                }
            })?;
            failed.map_err(refused)?;
        }
        for (_, entry) in came {
            building.push(&entry).map_err(refused)?;
        }
        Ok(building.finish())
    }
}

struct Building {
    builder: CheckpointBuilder,
    segments: Vec<Vec<u8>>,
    /// More entries are not worth being put together.
    count_max: u32,
}

impl Building {
    fn push(&mut self, entry: &Entry<'_>) -> Result<(), CheckpointError> {
        if self.builder.count() >= self.count_max {
            return Err(CheckpointError::CountMismatch {
                expected: self.count_max,
                found: u64::from(self.count_max) + 1,
            });
        }
        let full = self.builder.push(entry.seq, entry.time, &entry.operation)?;
        self.segments.extend(full.map(SegmentBytes::into_bytes));
        Ok(())
    }

    fn finish(self) -> Vec<Vec<u8>> {
        let mut segments = self.segments;
        let last = self.builder.into_last();
        segments.extend(last.map(SegmentBytes::into_bytes));
        segments
    }
}
